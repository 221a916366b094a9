//! `scrypt$N$SALT$R$P$HASH`: the salt is text, the hash is base64 with padding. And
//! `$scrypt$ln=LOG_N,r=R,p=P$SALT$HASH`, the PHC string.

use ::scrypt::{Params, scrypt};
use base64::{Engine, engine::general_purpose::STANDARD};

use super::{ParsedHash, RowError, decimal, phc_numbers};

/// The three numbers of scrypt, within the bounds below.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in super::super) struct Kind {
    log_n: u8,
    block_size: u32,
    parallelism: u32,
}

impl Kind {
    pub(super) fn derive(&self, text: &[u8], salt: &[u8], out: &mut [u8]) -> bool {
        Params::new(self.log_n, self.block_size, self.parallelism)
            .is_ok_and(|params| scrypt(text, salt, &params, out).is_ok())
    }

    pub(super) fn modelled_nanos(&self) -> f64 {
        f64::from(1u32 << self.log_n)
            * f64::from(self.block_size)
            * f64::from(self.parallelism)
            * BLOCK_NANOS
    }
}

pub(super) fn row(fields: &[&str]) -> Result<ParsedHash, RowError> {
    let &[_, salt, _, _, hash] = fields else {
        return Err(RowError::Malformed);
    };
    let kind = kind(fields)?;
    let hash = STANDARD.decode(hash).map_err(|_| RowError::Malformed)?;
    if salt.is_empty() || hash.len() != HASH_BYTES {
        return Err(RowError::Malformed);
    }
    if salt.len() > MAX_SALT {
        return Err(RowError::OutOfBounds);
    }
    Ok(ParsedHash::of(super::Kind::Scrypt(kind), salt.as_bytes().to_vec(), hash))
}

/// `$scrypt$ln=17,r=8,p=1$SALT$HASH`, in which the salt is bytes and N its logarithm.
pub(super) fn phc_row(fields: &[&str]) -> Result<ParsedHash, RowError> {
    ParsedHash::phc(super::Kind::Scrypt(phc_kind(fields)?), fields)
}

pub(super) fn phc_kind(fields: &[&str]) -> Result<Kind, RowError> {
    let params = fields.first().ok_or(RowError::Malformed)?;
    let [log_n, block_size, parallelism] = phc_numbers(params, ["ln", "r", "p"])?;
    let n = 1u32.checked_shl(log_n).ok_or(RowError::OutOfBounds)?;
    bounded(n, block_size, parallelism)
}

pub(super) fn kind(fields: &[&str]) -> Result<Kind, RowError> {
    let n = decimal(fields.first().ok_or(RowError::Malformed)?)?;
    let (block_size, parallelism) = match fields {
        [_, _, block_size, parallelism, _] => (decimal(block_size)?, decimal(parallelism)?),
        _ => (DJANGO_BLOCK_SIZE, DJANGO_PARALLELISM),
    };
    bounded(n, block_size, parallelism)
}

fn bounded(n: u32, block_size: u32, parallelism: u32) -> Result<Kind, RowError> {
    let blocks = u128::from(n) * u128::from(block_size);
    let fits = n.is_power_of_two()
        && n >= 2
        && (1..=MAX_BLOCK_SIZE).contains(&block_size)
        && (1..=MAX_PARALLELISM).contains(&parallelism)
        && blocks * 128 <= MAX_MEMORY
        && blocks * u128::from(parallelism) <= MAX_WORK;
    if !fits {
        return Err(RowError::OutOfBounds);
    }
    let log_n = u8::try_from(n.trailing_zeros()).map_err(|_| RowError::OutOfBounds)?;
    Ok(Kind { log_n, block_size, parallelism })
}

pub(super) const HASH_BYTES: usize = 64;
const DJANGO_BLOCK_SIZE: u32 = 8;
const DJANGO_PARALLELISM: u32 = 5;
const MAX_BLOCK_SIZE: u32 = 32;
const MAX_PARALLELISM: u32 = 32;
const MAX_MEMORY: u128 = 256 * 1024 * 1024;
/// N × r × p; Django's default is 655,360, OWASP's costliest 1,048,576.
const MAX_WORK: u128 = 4 * 1024 * 1024;
const MAX_SALT: usize = 128;
const BLOCK_NANOS: f64 = 235.0;
