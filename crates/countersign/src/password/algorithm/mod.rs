//! The hash functions whose encodings Django writes, one file each, behind one enum.
//!
//! Every parameter has a bound, because a row may come from anywhere: an imported database, a
//! restored backup, a SQL injection elsewhere. The costliest row that is taken needs 256 MiB and
//! about two seconds; anything beyond is a wrong password.

pub(super) mod argon2;
mod bcrypt;
mod pbkdf2;
mod scrypt;

use std::time::Duration;

use ::argon2::Block;
use aws_lc_rs::constant_time::verify_slices_are_equal;
use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};

/// An encoded password taken apart: how to hash, and what must come out.
pub(super) struct ParsedHash {
    pub(super) kind: Kind,
    pub(super) salt: Vec<u8>,
    hash: Vec<u8>,
    /// Whether it is spelled as new ones are.
    is_djangos: bool,
}

impl ParsedHash {
    /// Takes Django's line apart, or one as the crates of Rust write it.
    ///
    /// # Errors
    /// [`RowError`]; none of its texts repeats a part of the row.
    pub(super) fn parse(line: &str) -> Result<Self, RowError> {
        if line.len() > MAX_LINE {
            return Err(RowError::Malformed);
        }
        let parts: Vec<&str> = line.split('$').collect();
        match Line::of(&parts)? {
            Line::Django("argon2", fields) => argon2::row(fields),
            Line::Django(name @ ("pbkdf2_sha256" | "pbkdf2_sha1"), fields) => {
                pbkdf2::row(name, fields)
            }
            Line::Django(name @ ("bcrypt_sha256" | "bcrypt"), fields) => bcrypt::row(name, fields),
            Line::Django("scrypt", fields) => scrypt::row(fields),
            Line::Django(..) => Err(RowError::UnknownAlgorithm),
            Line::Argon2(fields) => Ok(Self { is_djangos: false, ..argon2::row(fields)? }),
            Line::Bcrypt(fields) => bcrypt::row("bcrypt", fields),
            Line::Pbkdf2(name, fields) => pbkdf2::phc_row(name, fields),
            Line::Scrypt(fields) => scrypt::phc_row(fields),
        }
    }

    /// One as Django would have written it.
    fn of(kind: Kind, salt: Vec<u8>, hash: Vec<u8>) -> Self {
        Self { kind, salt, hash, is_djangos: true }
    }

    /// One with a salt and a hash in base64 without padding, as PHC strings have them.
    fn phc(kind: Kind, fields: &[&str]) -> Result<Self, RowError> {
        let &[_, salt, hash] = fields else { return Err(RowError::Malformed) };
        let bytes = |text| STANDARD_NO_PAD.decode(text).map_err(|_| RowError::Malformed);
        let (salt, hash) = (bytes(salt)?, bytes(hash)?);
        if !(MIN_PHC_SALT..=MAX_PHC_SALT).contains(&salt.len()) || !PHC_HASH.contains(&hash.len()) {
            return Err(RowError::OutOfBounds);
        }
        Ok(Self { kind, salt, hash, is_djangos: false })
    }

    /// A row that costs what a real one of this kind costs, and that nothing should match: its
    /// verdict is to be ignored.
    pub(super) fn decoy(kind: Kind) -> Self {
        Self::of(kind, DECOY_SALT.to_vec(), vec![0; kind.hash_length()])
    }

    /// Hashes the text and compares in constant time. A failure inside the hash function is a
    /// mismatch.
    pub(super) fn matches(&self, text: &[u8], scratch: &mut Scratch) -> bool {
        let mut found = vec![0u8; self.hash.len()];
        let hashed = self.kind.derive(text, &self.salt, &mut found, scratch);
        scratch.worked(self.kind.modelled_nanos());
        let equal = verify_slices_are_equal(&found, &self.hash).is_ok();
        hashed && equal
    }

    /// Whether it is spelled as a new hash, and hash and salt are as long: 32 bytes, and at least
    /// 128 bits.
    pub(super) fn is_as_new(&self) -> bool {
        self.is_djangos && self.hash.len() == argon2::HASH_BYTES && self.salt.len() >= FULL_SALT
    }
}

/// Which hash function, at which cost: an encoded password without its salt and hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    Argon2(argon2::Kind),
    Pbkdf2(pbkdf2::Kind),
    Bcrypt(bcrypt::Kind),
    Scrypt(scrypt::Kind),
}

impl Kind {
    /// Reads the part of an encoded password before the salt. What follows, if anything, is not
    /// looked at, except that scrypt's block size and parallelism stand behind the salt: without
    /// them, Django's 8 and 5 are assumed.
    ///
    /// # Errors
    /// As [`ParsedHash::parse`].
    pub(super) fn parse(prefix: &str) -> Result<Self, RowError> {
        let parts: Vec<&str> = prefix.split('$').take(8).collect();
        match Line::of(&parts)? {
            Line::Django("argon2", fields) | Line::Argon2(fields) => {
                argon2::kind(fields).map(|(kind, _)| Self::Argon2(kind))
            }
            Line::Django(name @ ("pbkdf2_sha256" | "pbkdf2_sha1"), fields) => {
                pbkdf2::kind(name, fields).map(Self::Pbkdf2)
            }
            Line::Django(name @ ("bcrypt_sha256" | "bcrypt"), fields) => {
                bcrypt::kind(name, fields).map(Self::Bcrypt)
            }
            Line::Django("scrypt", fields) => scrypt::kind(fields).map(Self::Scrypt),
            Line::Django(..) => Err(RowError::UnknownAlgorithm),
            Line::Bcrypt(fields) => bcrypt::kind("bcrypt", fields).map(Self::Bcrypt),
            Line::Pbkdf2(name, fields) => pbkdf2::phc_kind(name, fields).map(Self::Pbkdf2),
            Line::Scrypt(fields) => scrypt::phc_kind(fields).map(Self::Scrypt),
        }
    }

    /// Fills `out` with the hash of the text; false if the hash function refuses its parameters.
    pub(super) fn derive(
        &self,
        text: &[u8],
        salt: &[u8],
        out: &mut [u8],
        scratch: &mut Scratch,
    ) -> bool {
        match self {
            Self::Argon2(kind) => kind.derive(text, salt, out, scratch),
            Self::Pbkdf2(kind) => kind.derive(text, salt, out),
            Self::Bcrypt(kind) => kind.derive(text, salt, out),
            Self::Scrypt(kind) => kind.derive(text, salt, out),
        }
    }

    /// Whether the lower cost of two kinds can be made up to the higher exactly, by
    /// [`make_up`](Self::make_up).
    pub(super) fn is_family_of(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Pbkdf2(one), Self::Pbkdf2(other)) => one.is_family_of(other),
            (Self::Bcrypt(_), Self::Bcrypt(_)) => true,
            _ => self == other,
        }
    }

    /// Does the work that one hash of `top` needs beyond one of this kind; nothing unless they are
    /// of one family.
    pub(super) fn make_up(&self, top: &Self, scratch: &mut Scratch) {
        match (self, top) {
            (Self::Pbkdf2(own), Self::Pbkdf2(top)) => own.make_up(top),
            (Self::Bcrypt(own), Self::Bcrypt(top)) => own.make_up(top),
            _ => return,
        }
        scratch.worked((top.modelled_nanos() - self.modelled_nanos()).max(0.0));
    }

    /// The part of an encoded password, which [`ParsedHash::parse`] takes, that tells its
    /// kind: what stands before the salt, and scrypt's other two numbers.
    #[cfg(any(feature = "postgres", feature = "sqlite"))]
    pub(super) fn prefix(encoded: &str) -> Option<String> {
        let parts: Vec<&str> = encoded.split('$').collect();
        match parts[..] {
            ["argon2", .., _, _] | ["", "argon2d" | "argon2i" | "argon2id", .., _, _] => {
                Some(parts[..parts.len() - 2].join("$"))
            }
            ["", "2a" | "2b" | "2y", _, _] => Some(parts[..3].join("$")),
            ["", _, _, _, _] => Some(parts[..3].join("$")),
            ["pbkdf2_sha256" | "pbkdf2_sha1", ..] => Some(parts[..2].join("$")),
            ["bcrypt" | "bcrypt_sha256", _, _, _, _] => Some(parts[..4].join("$")),
            ["scrypt", n, _, r, p, _] => Some(format!("scrypt${n}$${r}${p}$")),
            _ => None,
        }
    }

    /// Nanoseconds that one hash takes on the machine where this was measured, for telling which of
    /// two is costlier.
    pub(super) fn modelled_nanos(&self) -> f64 {
        match self {
            Self::Argon2(kind) => kind.modelled_nanos(),
            Self::Pbkdf2(kind) => kind.modelled_nanos(),
            Self::Bcrypt(kind) => kind.modelled_nanos(),
            Self::Scrypt(kind) => kind.modelled_nanos(),
        }
    }

    fn hash_length(&self) -> usize {
        match self {
            Self::Argon2(_) => argon2::HASH_BYTES,
            Self::Pbkdf2(kind) => kind.hash_length(),
            Self::Bcrypt(_) => bcrypt::HASH_BYTES,
            Self::Scrypt(_) => scrypt::HASH_BYTES,
        }
    }
}

/// A line, by who spells it so, with what follows the algorithm's name.
enum Line<'a, 'b> {
    /// `argon2$argon2id$…`, `pbkdf2_sha256$…`.
    Django(&'a str, &'b [&'a str]),
    /// `$argon2id$v=19$m=…`: the string of the crates `argon2` and `password-auth`.
    Argon2(&'b [&'a str]),
    /// `$2b$12$…`: bcrypt's own.
    Bcrypt(&'b [&'a str]),
    /// `$pbkdf2-sha256$i=…,l=…$…`.
    Pbkdf2(&'a str, &'b [&'a str]),
    /// `$scrypt$ln=…,r=…,p=…$…`.
    Scrypt(&'b [&'a str]),
}

impl<'a, 'b> Line<'a, 'b> {
    fn of(parts: &'b [&'a str]) -> Result<Self, RowError> {
        match parts {
            ["", "argon2d" | "argon2i" | "argon2id", ..] => Ok(Self::Argon2(&parts[1..])),
            ["", "2a" | "2b" | "2y", ..] => Ok(Self::Bcrypt(parts)),
            ["", name @ ("pbkdf2-sha256" | "pbkdf2"), fields @ ..] => {
                Ok(Self::Pbkdf2(name, fields))
            }
            ["", "scrypt", fields @ ..] => Ok(Self::Scrypt(fields)),
            [name, fields @ ..] => Ok(Self::Django(name, fields)),
            [] => Err(RowError::Malformed),
        }
    }
}

/// The numbers of a PHC string, `ln=17,r=8,p=1`, by their names and in this order.
fn phc_numbers<const N: usize>(params: &str, names: [&str; N]) -> Result<[u32; N], RowError> {
    let mut given = params.split(',');
    let mut numbers = [0; N];
    for (number, name) in numbers.iter_mut().zip(names) {
        let text = given.next().and_then(|param| param.strip_prefix(name));
        *number =
            decimal(text.and_then(|text| text.strip_prefix('=')).ok_or(RowError::Malformed)?)?;
    }
    if given.next().is_some() { Err(RowError::Malformed) } else { Ok(numbers) }
}

/// Why a stored line cannot be checked. The texts repeat nothing of the line, so that they can be
/// logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum RowError {
    #[error("its algorithm is not one that is verified here")]
    UnknownAlgorithm,
    #[error("it is not formed as its algorithm asks")]
    Malformed,
    #[error("its cost, salt or hash length is out of bounds")]
    OutOfBounds,
}

/// Works until the thread has spent so much processor time, to within some microseconds.
pub(super) fn work_until(spent: Duration, scratch: &mut Scratch) {
    loop {
        let left = spent.saturating_sub(scratch.spent());
        if left < CLOSE_ENOUGH {
            return;
        }
        // Whatever a round costs here, a step is a part of what is left.
        let rounds = u32::try_from(left.as_nanos() / STEP_NANOS_A_ROUND)
            .unwrap_or(MAX_ROUNDS)
            .clamp(1, MAX_ROUNDS);
        let step = pbkdf2::Kind::work(rounds);
        let mut out = [0u8; 32];
        step.derive(b"nobody's password", DECOY_SALT, &mut out);
        std::hint::black_box(&out);
        scratch.worked(step.modelled_nanos());
    }
}

/// What a hashing thread keeps from one hash to the next: the memory of argon2, and the clock of
/// its work.
#[derive(Default)]
pub(super) struct Scratch {
    blocks: Vec<Block>,
    #[cfg(test)]
    modelled: Option<f64>,
}

impl Scratch {
    /// For tests: work takes as long as the model says.
    #[cfg(test)]
    pub(super) fn modelled() -> Self {
        Self { blocks: Vec::new(), modelled: Some(0.0) }
    }

    /// The processor time that this thread has spent. Whatever else the machine does meanwhile is
    /// not in it.
    pub(super) fn spent(&self) -> Duration {
        #[cfg(test)]
        if let Some(nanos) = self.modelled {
            return Duration::from_nanos(nanos as u64);
        }
        let now = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
        Duration::new(now.tv_sec.unsigned_abs(), u32::try_from(now.tv_nsec).unwrap_or(0))
    }

    #[cfg_attr(
        not(test),
        expect(
            clippy::unused_self,
            clippy::needless_pass_by_ref_mut,
            reason = "tests have a clock that work advances"
        )
    )]
    fn worked(&mut self, _nanos: f64) {
        #[cfg(test)]
        if let Some(nanos) = &mut self.modelled {
            *nanos += _nanos;
        }
    }

    /// At least so many blocks of 1 KiB. Their content is what the last hash left.
    pub(super) fn blocks(&mut self, count: usize) -> &mut [Block] {
        if self.blocks.capacity() < count {
            self.blocks = Vec::with_capacity(count.max(ALWAYS_MAPPED_KIB));
        }
        if self.blocks.len() < count {
            self.blocks.resize(count, Block::default());
        }
        &mut self.blocks[..count]
    }

    /// Gives the memory back.
    pub(super) fn release(&mut self) {
        self.blocks = Vec::new();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.blocks.capacity() == 0
    }
}

/// Reads a decimal number exactly as `%d` would write it: no sign, no leading zero, no space.
fn decimal(text: &str) -> Result<u32, RowError> {
    let canonical = !text.is_empty()
        && text.bytes().all(|byte| byte.is_ascii_digit())
        && (text == "0" || !text.starts_with('0'));
    if !canonical {
        return Err(RowError::Malformed);
    }
    text.parse().map_err(|_| RowError::OutOfBounds)
}

/// Django's column holds 128 characters; other systems that write the same lines allow 255.
const MAX_LINE: usize = 512;
const FULL_SALT: usize = 16;
const MIN_PHC_SALT: usize = 4;
const MAX_PHC_SALT: usize = 64;
const PHC_HASH: std::ops::RangeInclusive<usize> = 16..=64;
const DECOY_SALT: &[u8; 16] = b"a salt for decoy";
const CLOSE_ENOUGH: Duration = Duration::from_micros(20);
/// No machine takes as long for a round of PBKDF2.
const STEP_NANOS_A_ROUND: u128 = 2_000;
const MAX_ROUNDS: u32 = 20_000;
/// glibc maps every allocation above 32 MiB on its own and returns it to the system when it is
/// freed; a smaller one may stay in the heap for good. Pages that are never touched cost nothing,
/// so asking for more than needed keeps an idle server small.
const ALWAYS_MAPPED_KIB: usize = 33 * 1024;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_number_is_read_only_as_it_would_be_written() {
        assert_eq!(decimal("0"), Ok(0));
        assert_eq!(decimal("870000"), Ok(870_000));
        for bad in ["", "01", "+1", "-1", " 1", "1 ", "1_000", "٧", "1e3"] {
            assert_eq!(decimal(bad), Err(RowError::Malformed), "{bad:?}");
        }
        assert_eq!(decimal("4294967296"), Err(RowError::OutOfBounds));
    }

    #[test]
    fn memory_is_kept_between_hashes_until_it_is_released() {
        let mut scratch = Scratch::default();
        assert!(scratch.is_empty());
        assert_eq!(scratch.blocks(64).len(), 64);
        assert_eq!(scratch.blocks(8).len(), 8);
        assert!(!scratch.is_empty());
        scratch.release();
        assert!(scratch.is_empty());
    }

    #[test]
    fn kinds_are_read_with_or_without_what_follows() {
        for (prefix, longer) in [
            ("argon2$argon2id$v=19$m=19456,t=2,p=1", "argon2$argon2id$v=19$m=19456,t=2,p=1$c2Fs"),
            ("pbkdf2_sha256$870000", "pbkdf2_sha256$870000$abc"),
            ("pbkdf2_sha1$870000", "pbkdf2_sha1$870000$"),
            ("bcrypt_sha256$$2b$12", "bcrypt_sha256$$2b$12$abcdef"),
            ("bcrypt$$2b$12", "bcrypt$$2b$12$"),
            ("scrypt$16384", "scrypt$16384$salt$8$5$hash"),
        ] {
            let kind = Kind::parse(prefix).unwrap();
            assert_eq!(kind, Kind::parse(longer).unwrap(), "{prefix}");
            assert!(kind.modelled_nanos() > 1e6, "{prefix}");
        }
        assert_ne!(Kind::parse("scrypt$16384$s$8$1$h"), Kind::parse("scrypt$16384"));
    }

    #[test]
    fn a_hostile_cost_is_refused_before_any_work() {
        let hash32 = "A".repeat(43);
        let hash64 = format!("{}==", "A".repeat(86));
        let pbkdf2_hash = format!("{}=", "A".repeat(43));
        let long = "s".repeat(200);
        for line in [
            format!("argon2$argon2id$v=19$m=4294967295,t=1,p=1$c2FsdHNhbHQ${hash32}"),
            format!("argon2$argon2id$v=19$m=262145,t=1,p=1$c2FsdHNhbHQ${hash32}"),
            format!("argon2$argon2id$v=19$m=262144,t=9,p=1$c2FsdHNhbHQ${hash32}"),
            format!("argon2$argon2id$v=19$m=8,t=4294967295,p=1$c2FsdHNhbHQ${hash32}"),
            format!("argon2$argon2id$v=19$m=19456,t=2,p=65$c2FsdHNhbHQ${hash32}"),
            format!("argon2$argon2id$v=19$m=15,t=2,p=2$c2FsdHNhbHQ${hash32}"),
            format!("argon2$argon2id$v=19$m=19456,t=0,p=1$c2FsdHNhbHQ${hash32}"),
            format!("argon2$argon2id$v=19$m=19456,t=2,p=0$c2FsdHNhbHQ${hash32}"),
            format!("argon2$argon2id$v=19$m=19456,t=2,p=1$c2Fs${hash32}"),
            "argon2$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$AAAA".to_owned(),
            format!("pbkdf2_sha256$4000000000$salt${pbkdf2_hash}"),
            format!("pbkdf2_sha256$0$salt${pbkdf2_hash}"),
            format!("pbkdf2_sha256$1000${long}${pbkdf2_hash}"),
            format!("pbkdf2_sha1$99999999999999999999$salt${pbkdf2_hash}"),
            format!("bcrypt$$2b$31${}", "a".repeat(53)),
            format!("bcrypt_sha256$$2b$03${}", "a".repeat(53)),
            format!("scrypt$1073741824$salt$8$1${hash64}"),
            format!("scrypt$1048576$salt$8$1${hash64}"),
            format!("scrypt$16384$salt$4294967295$1${hash64}"),
            format!("scrypt$16384$salt$8$4294967295${hash64}"),
            format!("scrypt$16383$salt$8$1${hash64}"),
            format!("scrypt$1$salt$8$1${hash64}"),
            format!("scrypt$0$salt$8$1${hash64}"),
            format!("$argon2id$v=19$m=4294967295,t=1,p=1$c2FsdHNhbHQ${hash32}"),
            format!("$2b$31${}", "a".repeat(53)),
            format!("$pbkdf2-sha256$i=4000000000,l=32$c2FsdHNhbHQ${hash32}"),
            format!("$pbkdf2-sha256$i=1000,l=4000000000$c2FsdHNhbHQ${hash32}"),
            format!("$scrypt$ln=31,r=8,p=1$c2FsdHNhbHQ${hash32}"),
            format!("$scrypt$ln=4294967295,r=8,p=1$c2FsdHNhbHQ${hash32}"),
            "$scrypt$ln=10,r=8,p=1$c2FsdHNhbHQ$AAAA".to_owned(),
        ] {
            assert_eq!(ParsedHash::parse(&line).err(), Some(RowError::OutOfBounds), "{line}");
        }
    }

    #[test]
    fn what_django_never_wrote_is_malformed_or_unknown() {
        for line in [
            "",
            "$",
            "!",
            "plain",
            "md5$salt$hash",
            "sha1$salt$hash",
            "argon2",
            "argon2$",
            "argon2$argon2x$v=19$m=8,t=1,p=1$a$b",
            "argon2$argon2id$v=18$m=8,t=1,p=1$c2FsdHNhbHQ$AAAA",
            "argon2$argon2id$v=19$t=1,m=8,p=1$c2FsdHNhbHQ$AAAA",
            "argon2$argon2id$v=19$m=8,t=1,p=1,x=2$c2FsdHNhbHQ$AAAA",
            "argon2$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ=$AAAA",
            "pbkdf2_sha256",
            "pbkdf2_sha256$1000",
            "pbkdf2_sha256$1000$salt",
            "pbkdf2_sha256$1000$$AAAA",
            "pbkdf2_sha256$1000$salt$A!",
            "bcrypt$",
            "bcrypt$2b$12$abc",
            "bcrypt$$2x$12$abc",
            "bcrypt$$2b$4$abc",
            "bcrypt$$2b$12$abc",
            "bcrypt$$2b$12$é",
            "scrypt$16384",
            "scrypt$16384$salt$8$5",
            "scrypt$16384$salt$8$5$hash$more",
            "scrypt$016384$salt$8$5$AAAA",
            "$argon2id",
            "$argon2id$v=19$m=8,t=1,p=1",
            "$argon2id$v=19$t=1,m=8,p=1$c2FsdHNhbHQ$AAAA",
            "$2b$12",
            "$2b$12$abc",
            "$2x$12$abc",
            "$pbkdf2-sha256$i=1000$c2FsdHNhbHQ$AAAA",
            "$pbkdf2-sha512$i=1000,l=32$c2FsdHNhbHQ$AAAA",
            "$scrypt$ln=10,r=8$c2FsdHNhbHQ$AAAA",
            "$scrypt$ln=10,r=8,p=1,x=1$c2FsdHNhbHQ$AAAA",
            "$scrypt$ln=010,r=8,p=1$c2FsdHNhbHQ$AAAA",
            "$scrypt$ln=10,r=8,p=1$c2FsdHNhbHQ",
        ] {
            assert!(
                matches!(
                    ParsedHash::parse(line),
                    Err(RowError::Malformed | RowError::UnknownAlgorithm)
                ),
                "{line}"
            );
        }
        assert_eq!(ParsedHash::parse(&"x".repeat(513)).err(), Some(RowError::Malformed));
    }

    proptest! {
        #[test]
        fn no_line_makes_the_parser_panic(line in ".{0,600}") {
            let _ = (ParsedHash::parse(&line), Kind::parse(&line));
        }

        #[test]
        fn no_line_that_looks_right_makes_the_parser_panic(
            line in "(|argon2|pbkdf2_sha256|pbkdf2_sha1|bcrypt|bcrypt_sha256|scrypt)\\$(argon2(id|i|d)|[0-9]{0,12}|)\\$(v=19|2[abxy]|[!-~é]{0,24})\\$(m=[0-9]{1,11},t=[0-9]{1,11},p=[0-9]{1,11}|[0-9]{1,3})\\$[A-Za-z0-9+/.é]{0,90}(\\$[A-Za-z0-9+/=]{0,90})?",
        ) {
            let _ = (ParsedHash::parse(&line), Kind::parse(&line));
        }

        #[test]
        fn whatever_parses_stays_within_the_stated_cost(
            m in 0u32..=400_000,
            t in 0u32..=40,
            p in 0u32..=70,
        ) {
            let hash = "A".repeat(43);
            let line = format!("argon2$argon2id$v=19$m={m},t={t},p={p}$c2FsdHNhbHQ${hash}");
            if let Ok(row) = ParsedHash::parse(&line) {
                prop_assert!(row.kind.modelled_nanos() < 2.5e9);
                prop_assert!(m <= 262_144);
            }
        }
    }
}
