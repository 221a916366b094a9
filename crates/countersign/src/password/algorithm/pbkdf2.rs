//! `pbkdf2_sha256$ITERATIONS$SALT$HASH` and `pbkdf2_sha1$…`: the salt is text, the hash is base64
//! with padding. And `$pbkdf2-sha256$i=ITERATIONS,l=32$SALT$HASH`, the PHC string.

use std::num::NonZeroU32;

use aws_lc_rs::pbkdf2;
use base64::{Engine, engine::general_purpose::STANDARD};

use super::{ParsedHash, RowError, decimal, phc_numbers};

/// A digest and a number of iterations within the bound below.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in super::super) struct Kind {
    digest: Digest,
    iterations: NonZeroU32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Digest {
    Sha1,
    Sha256,
}

impl Kind {
    /// So many rounds of SHA-256.
    pub(super) const fn work(rounds: u32) -> Self {
        let iterations = match NonZeroU32::new(rounds) {
            Some(rounds) => rounds,
            None => NonZeroU32::MIN,
        };
        Self { digest: Digest::Sha256, iterations }
    }

    pub(super) fn derive(&self, text: &[u8], salt: &[u8], out: &mut [u8]) -> bool {
        let algorithm = match self.digest {
            Digest::Sha1 => pbkdf2::PBKDF2_HMAC_SHA1,
            Digest::Sha256 => pbkdf2::PBKDF2_HMAC_SHA256,
        };
        pbkdf2::derive(algorithm, self.iterations, salt, text, out);
        true
    }

    pub(super) fn is_family_of(&self, other: &Self) -> bool {
        self.digest == other.digest
    }

    /// The rounds that `top` has more.
    pub(super) fn make_up(&self, top: &Self) {
        let missing = top.iterations.get().saturating_sub(self.iterations.get());
        if let Some(iterations) = NonZeroU32::new(missing) {
            let mut out = vec![0u8; self.hash_length()];
            Self { digest: self.digest, iterations }.derive(
                b"nobody's password",
                super::DECOY_SALT,
                &mut out,
            );
            std::hint::black_box(&out);
        }
    }

    pub(super) fn modelled_nanos(&self) -> f64 {
        let round = match self.digest {
            Digest::Sha1 => SHA1_ROUND_NANOS,
            Digest::Sha256 => SHA256_ROUND_NANOS,
        };
        f64::from(self.iterations.get()) * round
    }

    pub(super) fn hash_length(&self) -> usize {
        match self.digest {
            Digest::Sha1 => 20,
            Digest::Sha256 => 32,
        }
    }
}

pub(super) fn row(algorithm: &str, fields: &[&str]) -> Result<ParsedHash, RowError> {
    let &[_, salt, hash] = fields else {
        return Err(RowError::Malformed);
    };
    let kind = kind(algorithm, fields)?;
    let hash = STANDARD.decode(hash).map_err(|_| RowError::Malformed)?;
    if salt.is_empty() {
        return Err(RowError::Malformed);
    }
    if salt.len() > MAX_SALT {
        return Err(RowError::OutOfBounds);
    }
    if hash.len() != kind.hash_length() {
        return Err(RowError::Malformed);
    }
    Ok(ParsedHash::of(super::Kind::Pbkdf2(kind), salt.as_bytes().to_vec(), hash))
}

/// `$pbkdf2-sha256$i=600000,l=32$SALT$HASH`, in which the salt is bytes.
pub(super) fn phc_row(name: &str, fields: &[&str]) -> Result<ParsedHash, RowError> {
    let kind = phc_kind(name, fields)?;
    let row = ParsedHash::phc(super::Kind::Pbkdf2(kind), fields)?;
    if row.hash.len() == kind.hash_length() { Ok(row) } else { Err(RowError::Malformed) }
}

pub(super) fn phc_kind(name: &str, fields: &[&str]) -> Result<Kind, RowError> {
    let params = fields.first().ok_or(RowError::Malformed)?;
    let [iterations, length] = phc_numbers(params, ["i", "l"])?;
    let digest = if name == "pbkdf2" { Digest::Sha1 } else { Digest::Sha256 };
    let kind = Kind { digest, iterations: bounded(iterations)? };
    let is_whole = usize::try_from(length).is_ok_and(|length| length == kind.hash_length());
    if is_whole { Ok(kind) } else { Err(RowError::OutOfBounds) }
}

pub(super) fn kind(algorithm: &str, fields: &[&str]) -> Result<Kind, RowError> {
    let digest = if algorithm == "pbkdf2_sha1" { Digest::Sha1 } else { Digest::Sha256 };
    let iterations = decimal(fields.first().ok_or(RowError::Malformed)?)?;
    Ok(Kind { digest, iterations: bounded(iterations)? })
}

fn bounded(iterations: u32) -> Result<NonZeroU32, RowError> {
    NonZeroU32::new(iterations)
        .filter(|&iterations| iterations <= MAX_ITERATIONS)
        .ok_or(RowError::OutOfBounds)
}

const SHA256_ROUND_NANOS: f64 = 160.0;
const SHA1_ROUND_NANOS: f64 = 290.0;
/// Django 5.2 writes 1,000,000 and adds about a fifth a release.
const MAX_ITERATIONS: NonZeroU32 = NonZeroU32::new(5_000_000).unwrap();
const MAX_SALT: usize = 128;
