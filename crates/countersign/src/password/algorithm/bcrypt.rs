//! `bcrypt_sha256$$2b$12$SALTHASH` and `bcrypt$$2b$12$SALTHASH`: Django's name, then bcrypt's own
//! string, which is taken by itself too.
//!
//! bcrypt reads 72 bytes at most. `bcrypt_sha256` therefore hashes the hex form of the password's
//! SHA-256; `bcrypt` takes the password as it is and ignores what is beyond, as it always has.

use std::fmt::Write as _;

use ::bcrypt::BASE_64;
use aws_lc_rs::digest;
use base64::Engine;

use super::{ParsedHash, RowError};

/// Whether the password is hashed before, and the logarithm of the number of rounds, within the
/// bounds below.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in super::super) struct Kind {
    prehash: bool,
    log_rounds: u32,
}

impl Kind {
    pub(super) fn derive(&self, text: &[u8], salt: &[u8], out: &mut [u8]) -> bool {
        let Ok(salt) = <[u8; SALT_BYTES]>::try_from(salt) else {
            return false;
        };
        // bcrypt hashes the text with its closing NUL, or the first 72 bytes of a longer one.
        let mut key = [0u8; MAX_KEY];
        let length = if self.prehash {
            let mut hex = String::with_capacity(2 * digest::SHA256_OUTPUT_LEN);
            for byte in digest::digest(&digest::SHA256, text).as_ref() {
                // Writing to a string does not fail.
                let _ = write!(hex, "{byte:02x}");
            }
            key[..hex.len()].copy_from_slice(hex.as_bytes());
            hex.len() + 1
        } else {
            let length = text.len().min(MAX_KEY);
            key[..length].copy_from_slice(&text[..length]);
            (length + 1).min(MAX_KEY)
        };
        let hash = ::bcrypt::bcrypt(self.log_rounds, salt, &key[..length]);
        // The last byte of the 24 is not part of the encoding.
        match out.len() {
            HASH_BYTES => out.copy_from_slice(&hash[..HASH_BYTES]),
            _ => return false,
        }
        true
    }

    /// The rounds that `top` has more: 2^a + 2^a + 2^(a+1) + … + 2^(b−1) = 2^b.
    pub(super) fn make_up(&self, top: &Self) {
        for log_rounds in self.log_rounds..top.log_rounds {
            std::hint::black_box(::bcrypt::bcrypt(
                log_rounds,
                *super::DECOY_SALT,
                b"nobody's password\0",
            ));
        }
    }

    pub(super) fn modelled_nanos(&self) -> f64 {
        f64::from(1u32 << self.log_rounds) * ROUND_NANOS
    }
}

pub(super) fn row(algorithm: &str, fields: &[&str]) -> Result<ParsedHash, RowError> {
    let &[_, _, _, data] = fields else {
        return Err(RowError::Malformed);
    };
    let kind = kind(algorithm, fields)?;
    let (salt, hash) = data.split_at_checked(SALT_LETTERS).ok_or(RowError::Malformed)?;
    let salt = BASE_64.decode(salt).map_err(|_| RowError::Malformed)?;
    let hash = BASE_64.decode(hash).map_err(|_| RowError::Malformed)?;
    if salt.len() != SALT_BYTES || hash.len() != HASH_BYTES {
        return Err(RowError::Malformed);
    }
    // bcrypt's own string is older than any other spelling, and no new hash is one.
    Ok(ParsedHash::of(super::Kind::Bcrypt(kind), salt, hash))
}

pub(super) fn kind(algorithm: &str, fields: &[&str]) -> Result<Kind, RowError> {
    // 2a, 2b and 2y are one function; 2x marks hashes of a broken one.
    let ["", "2a" | "2b" | "2y", cost, ..] = fields else {
        return Err(RowError::Malformed);
    };
    let [tens @ b'0'..=b'9', ones @ b'0'..=b'9'] = cost.as_bytes() else {
        return Err(RowError::Malformed);
    };
    let log_rounds = u32::from(tens - b'0') * 10 + u32::from(ones - b'0');
    if !(MIN_LOG_ROUNDS..=MAX_LOG_ROUNDS).contains(&log_rounds) {
        return Err(RowError::OutOfBounds);
    }
    Ok(Kind { prehash: algorithm == "bcrypt_sha256", log_rounds })
}

pub(super) const HASH_BYTES: usize = 23;
const SALT_BYTES: usize = 16;
const SALT_LETTERS: usize = 22;
const MAX_KEY: usize = 72;
const MIN_LOG_ROUNDS: u32 = 4;
/// Eight times Django's 12.
const MAX_LOG_ROUNDS: u32 = 15;
const ROUND_NANOS: f64 = 65_000.0;
