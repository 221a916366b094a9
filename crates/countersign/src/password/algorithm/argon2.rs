//! `argon2$argon2id$v=19$m=19456,t=2,p=1$SALT$HASH`: Django's name, then the PHC string of argon2.

use ::argon2::{Algorithm, Argon2, Params, Version};
use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};

use super::{ParsedHash, RowError, Scratch, decimal};

/// A variant of argon2 and its cost; within the bounds below once it exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in super::super) struct Kind {
    variant: Variant,
    version: u8,
    memory_kib: u32,
    passes: u32,
    lanes: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Variant {
    D,
    I,
    Id,
}

impl Kind {
    /// What new passwords get: argon2id of version 19; nothing if the numbers are out of bounds.
    pub(in super::super) fn preferred(memory_kib: u32, passes: u32, lanes: u32) -> Option<Self> {
        Self { variant: Variant::Id, version: VERSION_19, memory_kib, passes, lanes }.bounded().ok()
    }

    /// Writes the line that Django reads. The salt is text, of which argon2 gets the bytes.
    pub(in super::super) fn encode(
        &self,
        text: &[u8],
        salt: &str,
        scratch: &mut Scratch,
    ) -> Option<String> {
        let mut hash = [0u8; HASH_BYTES];
        if !self.derive(text, salt.as_bytes(), &mut hash, scratch) {
            return None;
        }
        let Self { variant, version, memory_kib, passes, lanes } = self;
        let name = variant.name();
        let salt = STANDARD_NO_PAD.encode(salt);
        let hash = STANDARD_NO_PAD.encode(hash);
        Some(format!("argon2${name}$v={version}$m={memory_kib},t={passes},p={lanes}${salt}${hash}"))
    }

    pub(super) fn derive(
        &self,
        text: &[u8],
        salt: &[u8],
        out: &mut [u8],
        scratch: &mut Scratch,
    ) -> bool {
        let Ok(params) = Params::new(self.memory_kib, self.passes, self.lanes, None) else {
            return false;
        };
        let algorithm = match self.variant {
            Variant::D => Algorithm::Argon2d,
            Variant::I => Algorithm::Argon2i,
            Variant::Id => Algorithm::Argon2id,
        };
        let version = if self.version == VERSION_19 { Version::V0x13 } else { Version::V0x10 };
        let blocks = scratch.blocks(params.block_count());
        Argon2::new(algorithm, version, params)
            .hash_password_into_with_memory(text, salt, out, blocks)
            .is_ok()
    }

    pub(super) fn modelled_nanos(&self) -> f64 {
        f64::from(self.memory_kib) * f64::from(self.passes) * BLOCK_NANOS
    }

    fn bounded(self) -> Result<Self, RowError> {
        let work = u64::from(self.memory_kib) * u64::from(self.passes);
        let fits = (1..=MAX_LANES).contains(&self.lanes)
            && (1..=MAX_PASSES).contains(&self.passes)
            && (8 * self.lanes..=MAX_MEMORY_KIB).contains(&self.memory_kib)
            && work <= MAX_KIB_PASSES;
        if fits { Ok(self) } else { Err(RowError::OutOfBounds) }
    }
}

impl Variant {
    fn name(self) -> &'static str {
        match self {
            Self::D => "argon2d",
            Self::I => "argon2i",
            Self::Id => "argon2id",
        }
    }
}

pub(super) fn row(fields: &[&str]) -> Result<ParsedHash, RowError> {
    let (kind, rest) = kind(fields)?;
    let &[salt, hash] = rest else {
        return Err(RowError::Malformed);
    };
    let salt = STANDARD_NO_PAD.decode(salt).map_err(|_| RowError::Malformed)?;
    let hash = STANDARD_NO_PAD.decode(hash).map_err(|_| RowError::Malformed)?;
    if !(::argon2::MIN_SALT_LEN..=MAX_SALT).contains(&salt.len())
        || !(MIN_HASH..=MAX_HASH).contains(&hash.len())
    {
        return Err(RowError::OutOfBounds);
    }
    Ok(ParsedHash::of(super::Kind::Argon2(kind), salt, hash))
}

/// The kind, and the fields behind it.
pub(super) fn kind<'f, 't>(fields: &'f [&'t str]) -> Result<(Kind, &'f [&'t str]), RowError> {
    let (name, rest) = fields.split_first().ok_or(RowError::Malformed)?;
    let variant = [Variant::D, Variant::I, Variant::Id]
        .into_iter()
        .find(|variant| variant.name() == *name)
        .ok_or(RowError::Malformed)?;
    // Strings from before version 19 do not name their version.
    let (version, rest) = match rest {
        ["v=19", rest @ ..] => (VERSION_19, rest),
        ["v=16", rest @ ..] => (VERSION_16, rest),
        _ => (VERSION_16, rest),
    };
    let (params, rest) = rest.split_first().ok_or(RowError::Malformed)?;
    let mut params = params.split(',');
    let mut number = |name: &str| {
        let text =
            params.next().and_then(|param| param.strip_prefix(name)).ok_or(RowError::Malformed)?;
        decimal(text)
    };
    let (memory_kib, passes, lanes) = (number("m=")?, number("t=")?, number("p=")?);
    if params.next().is_some() {
        return Err(RowError::Malformed);
    }
    Kind { variant, version, memory_kib, passes, lanes }.bounded().map(|kind| (kind, rest))
}

/// The length of a new hash, as Django's.
pub(in super::super) const HASH_BYTES: usize = 32;

const VERSION_16: u8 = 16;
const VERSION_19: u8 = 19;
/// Django's own default takes 100 MiB.
const MAX_MEMORY_KIB: u32 = 256 * 1024;
const MAX_PASSES: u32 = 32;
const MAX_LANES: u32 = 64;
const MAX_KIB_PASSES: u64 = 2 * 1024 * 1024;
const MAX_SALT: usize = 64;
const MIN_HASH: usize = 16;
const MAX_HASH: usize = 64;
const BLOCK_NANOS: f64 = 420.0;
