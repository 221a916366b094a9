//! Passwords that were found in other sites' breaches: a file that answers without the network.
//!
//! The file is a Bloom filter in blocks of 64 bytes, so that a question reads one block and the
//! process keeps nothing in memory. Of passwords that are in no breach it takes about one in a
//! thousand for one that is; of those that are it misses none. 16 bits a password: a list of a
//! billion is a file of 2 GB.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use aws_lc_rs::digest;
use secrecy::ExposeSecret;

use super::Password;

/// A file of breached passwords, open for questions. Cheap to share; it has no state.
///
/// ```
/// use countersign::password::{BreachedPasswords, BreachedWriter, Password, Sha1};
///
/// # let directory = tempfile::tempdir().unwrap();
/// # let path = directory.path().join("breached.filter");
/// let leaked = Password::parse("tin kettle 14".to_owned()).unwrap();
/// let mut writer = BreachedWriter::create(&path, 1).unwrap();
/// writer.add(&Sha1::of(&leaked)).unwrap();
/// writer.finish().unwrap();
///
/// let breached = BreachedPasswords::open(&path).unwrap();
/// assert!(breached.contains(&Sha1::of(&leaked)).unwrap());
/// ```
#[derive(Debug)]
pub struct BreachedPasswords {
    file: File,
    blocks: u64,
    passwords: u64,
}

impl BreachedPasswords {
    /// Opens a file that [`BreachedWriter`] made.
    ///
    /// # Errors
    /// [`BreachedError`] when it cannot be read, is no such file, or was cut short.
    ///
    /// ```
    /// use countersign::password::BreachedPasswords;
    ///
    /// let error = BreachedPasswords::open("Cargo.toml".as_ref()).unwrap_err();
    /// assert!(error.to_string().contains("countersign passwords build-filter"));
    /// ```
    pub fn open(path: &Path) -> Result<Self, BreachedError> {
        let fail = |error| BreachedError::File { path: path.to_owned(), error };
        let other = || BreachedError::NoFilter { path: path.to_owned() };
        let file = File::open(path).map_err(fail)?;
        let mut head = [0; BLOCK_BYTES];
        file.read_exact_at(&mut head, 0).map_err(|_| other())?;
        let (magic, rest) = head.split_at(MAGIC.len());
        let [blocks, passwords] = [read_u64(&rest[..8]), read_u64(&rest[8..16])];
        let bytes = file.metadata().map_err(fail)?.len();
        let whole = blocks.checked_add(1).and_then(|all| all.checked_mul(BLOCK_BYTES as u64));
        if magic != MAGIC || blocks == 0 || whole != Some(bytes) {
            return Err(other());
        }
        Ok(Self { file, blocks, passwords })
    }

    /// Whether the password with this hash is in the list, or is taken for one that is.
    ///
    /// It reads 64 bytes of the file, and so may wait for a disk: not for an async thread.
    ///
    /// # Errors
    /// When the file cannot be read any more.
    ///
    /// ```
    /// # use countersign::password::{BreachedPasswords, BreachedWriter, Password, Sha1};
    /// # let directory = tempfile::tempdir().unwrap();
    /// # let path = directory.path().join("breached.filter");
    /// # BreachedWriter::create(&path, 1).unwrap().finish().unwrap();
    /// let breached = BreachedPasswords::open(&path).unwrap();
    /// let unknown = Password::parse("copper lantern 27".to_owned()).unwrap();
    /// assert!(!breached.contains(&Sha1::of(&unknown)).unwrap());
    /// ```
    pub fn contains(&self, password: &Sha1) -> io::Result<bool> {
        let mut block = [0; BLOCK_BYTES];
        let at = (password.block(self.blocks) + 1) * BLOCK_BYTES as u64;
        self.file.read_exact_at(&mut block, at)?;
        Ok(password.bits().all(|bit| block[bit / 8] & 1 << (bit % 8) != 0))
    }

    /// How many passwords the list had.
    ///
    /// ```
    /// # use countersign::password::{BreachedPasswords, BreachedWriter};
    /// # let directory = tempfile::tempdir().unwrap();
    /// # let path = directory.path().join("breached.filter");
    /// # BreachedWriter::create(&path, 1).unwrap().finish().unwrap();
    /// assert_eq!(BreachedPasswords::open(&path).unwrap().passwords(), 0);
    /// ```
    #[must_use]
    pub const fn passwords(&self) -> u64 {
        self.passwords
    }
}

/// Makes the file. Hashes come in ascending order, as the published list has them, so that the file
/// is written from its beginning to its end, however long the list is.
///
/// The file appears under its name when it is [finished](Self::finish), and not before.
///
/// ```
/// use countersign::password::{BreachedWriter, Sha1};
///
/// # let directory = tempfile::tempdir().unwrap();
/// # let path = directory.path().join("breached.filter");
/// let mut writer = BreachedWriter::create(&path, 2).unwrap();
/// writer.add(&Sha1::parse("000000005AD76BD555C1D6D771DE417A4B87E4B4").unwrap()).unwrap();
/// writer.add(&Sha1::parse("00000000A8DAE4228F821FB418F59826079BF368").unwrap()).unwrap();
/// assert_eq!(writer.finish().unwrap(), 2);
/// ```
#[derive(Debug)]
pub struct BreachedWriter {
    path: PathBuf,
    unfinished: PathBuf,
    file: BufWriter<File>,
    blocks: u64,
    /// The block that is being filled, and its number.
    block: [u8; BLOCK_BYTES],
    number: u64,
    last: Option<Sha1>,
    passwords: u64,
}

impl BreachedWriter {
    /// Begins a file for about `expected` passwords. With more of them, more are taken for breached
    /// that are not.
    ///
    /// # Errors
    /// [`BreachedError::File`] when the file cannot be made.
    ///
    /// ```
    /// use countersign::password::BreachedWriter;
    ///
    /// assert!(BreachedWriter::create("/nowhere/breached.filter".as_ref(), 1).is_err());
    /// ```
    pub fn create(path: &Path, expected: u64) -> Result<Self, BreachedError> {
        let mut unfinished = path.as_os_str().to_owned();
        unfinished.push(".unfinished");
        let unfinished = PathBuf::from(unfinished);
        let file = File::create(&unfinished)
            .map_err(|error| BreachedError::File { path: unfinished.clone(), error })?;
        let mut file = BufWriter::with_capacity(1 << 20, file);
        // The head is written last: without it nothing opens the file.
        file.write_all(&[0; BLOCK_BYTES])
            .map_err(|error| BreachedError::File { path: unfinished.clone(), error })?;
        Ok(Self {
            path: path.to_owned(),
            unfinished,
            file,
            blocks: expected.div_ceil(PASSWORDS_A_BLOCK).max(1),
            block: [0; BLOCK_BYTES],
            number: 0,
            last: None,
            passwords: 0,
        })
    }

    /// Adds a password. One that is there already is passed over.
    ///
    /// # Errors
    /// [`BreachedError::Unsorted`] for a hash below the last one, [`BreachedError::File`].
    ///
    /// ```
    /// use countersign::password::{BreachedWriter, Sha1};
    ///
    /// # let directory = tempfile::tempdir().unwrap();
    /// # let path = directory.path().join("breached.filter");
    /// let mut writer = BreachedWriter::create(&path, 2).unwrap();
    /// writer.add(&Sha1::parse("00000000A8DAE4228F821FB418F59826079BF368").unwrap()).unwrap();
    /// let smaller = Sha1::parse("000000005AD76BD555C1D6D771DE417A4B87E4B4").unwrap();
    /// assert!(writer.add(&smaller).unwrap_err().to_string().contains("sort"));
    /// ```
    pub fn add(&mut self, password: &Sha1) -> Result<(), BreachedError> {
        match self.last {
            Some(last) if last == *password => return Ok(()),
            Some(last) if last.0 > password.0 => {
                return Err(BreachedError::Unsorted { after: self.passwords });
            }
            _ => self.last = Some(*password),
        }
        self.fill_up_to(password.block(self.blocks)).map_err(|error| self.failed(error))?;
        for bit in password.bits() {
            self.block[bit / 8] |= 1 << (bit % 8);
        }
        self.passwords += 1;
        Ok(())
    }

    /// Writes the rest, makes it durable and gives the file its name. How many passwords it has.
    ///
    /// # Errors
    /// [`BreachedError::File`].
    ///
    /// ```
    /// use countersign::password::BreachedWriter;
    ///
    /// # let directory = tempfile::tempdir().unwrap();
    /// # let path = directory.path().join("breached.filter");
    /// assert_eq!(BreachedWriter::create(&path, 1).unwrap().finish().unwrap(), 0);
    /// assert!(path.exists());
    /// ```
    pub fn finish(mut self) -> Result<u64, BreachedError> {
        let written = self.fill_up_to(self.blocks).and_then(|()| self.write_head());
        written.map_err(|error| self.failed(error))?;
        Ok(self.passwords)
    }

    fn fill_up_to(&mut self, number: u64) -> io::Result<()> {
        while self.number < number {
            self.file.write_all(&self.block)?;
            self.block = [0; BLOCK_BYTES];
            self.number += 1;
        }
        Ok(())
    }

    fn write_head(&mut self) -> io::Result<()> {
        self.file.flush()?;
        let mut head = [0; BLOCK_BYTES];
        head[..MAGIC.len()].copy_from_slice(MAGIC);
        head[MAGIC.len()..][..8].copy_from_slice(&self.blocks.to_be_bytes());
        head[MAGIC.len() + 8..][..8].copy_from_slice(&self.passwords.to_be_bytes());
        self.file.get_ref().write_all_at(&head, 0)?;
        self.file.get_ref().sync_all()?;
        std::fs::rename(&self.unfinished, &self.path)
    }

    fn failed(&self, error: io::Error) -> BreachedError {
        BreachedError::File { path: self.unfinished.clone(), error }
    }
}

/// The SHA-1 of a password, by which the published lists know it. It is no way to store one.
///
/// ```
/// use countersign::password::{Password, Sha1};
///
/// let password = Password::parse("password".to_owned()).unwrap();
/// assert_eq!(Sha1::parse("5BAA61E4C9B93F3F0682250B6CF8331B7EE68FD8"), Some(Sha1::of(&password)));
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Sha1([u8; 20]);

impl Sha1 {
    /// Of a password, in the form in which it would be hashed (NFC).
    ///
    /// ```
    /// use countersign::password::{Password, Sha1};
    ///
    /// let (composed, apart) = ("caf\u{e9} noir", "cafe\u{301} noir");
    /// let of = |text: &str| Sha1::of(&Password::parse(text.to_owned()).unwrap());
    /// assert!(of(composed) == of(apart));
    /// ```
    #[must_use]
    pub fn of(password: &Password) -> Self {
        let text = password.composed();
        let digest =
            digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, text.expose_secret().as_bytes());
        let mut bytes = [0; 20];
        bytes.copy_from_slice(digest.as_ref()); // SHA-1 has 20 bytes
        Self(bytes)
    }

    /// 40 hexadecimal digits, in either case.
    ///
    /// ```
    /// assert!(countersign::password::Sha1::parse("5baa61e4").is_none());
    /// ```
    #[must_use]
    pub fn parse(hex: &str) -> Option<Self> {
        let digits = hex.as_bytes();
        if digits.len() != 40 {
            return None;
        }
        let mut bytes = [0; 20];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            let digit =
                |digit: u8| char::from(digit).to_digit(16).and_then(|d| u8::try_from(d).ok());
            *byte = digit(pair[0])? << 4 | digit(pair[1])?;
        }
        Some(Self(bytes))
    }

    /// 40 hexadecimal digits in capitals. The first five are what the range service is asked for.
    ///
    /// ```
    /// use countersign::password::Sha1;
    ///
    /// let hash = Sha1::parse("5baa61e4c9b93f3f0682250b6cf8331b7ee68fd8").unwrap();
    /// assert_eq!(hash.to_hex(), "5BAA61E4C9B93F3F0682250B6CF8331B7EE68FD8");
    /// ```
    #[must_use]
    pub fn to_hex(&self) -> String {
        use std::fmt::Write;
        self.0.iter().fold(String::with_capacity(40), |mut text, byte| {
            let _ = write!(text, "{byte:02X}"); // a String takes everything
            text
        })
    }

    /// Blocks in the order of the hashes: a sorted list fills them one after the other.
    fn block(&self, blocks: u64) -> u64 {
        let place = (u128::from(read_u64(&self.0[..8])) * u128::from(blocks)) >> 64;
        u64::try_from(place).unwrap_or(0) // below `blocks`
    }

    /// The bits of the block that the password sets: nine bits of the hash name one.
    fn bits(&self) -> impl Iterator<Item = usize> {
        let [high, low] = [read_u64(&self.0[8..16]), read_u64(&self.0[12..20])];
        (0..BITS_A_PASSWORD).map(move |n| {
            let word = if n < 4 { high >> (64 - 9 * (n + 1)) } else { low >> (9 * (n - 4)) };
            usize::try_from(word & 511).unwrap_or(0) // below 512
        })
    }
}

/// Without the digits: short passwords are found from them.
impl std::fmt::Debug for Sha1 {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sha1(..)")
    }
}

/// Why there is no file of breached passwords.
///
/// ```
/// use countersign::password::{BreachedError, BreachedPasswords};
///
/// let error = BreachedPasswords::open("/nowhere".as_ref()).unwrap_err();
/// assert!(matches!(error, BreachedError::File { .. }));
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BreachedError {
    /// It cannot be read or written.
    #[error("{}: {error}", path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// It is something else, or was cut short.
    #[error(
        "{} is no list of breached passwords; make one with `countersign passwords build-filter`",
        path.display()
    )]
    NoFilter {
        /// Which file.
        path: PathBuf,
    },
    /// The list is not in ascending order.
    #[error(
        "after {after} passwords the list is not in ascending order; sort it by the hash first"
    )]
    Unsorted {
        /// How many came before.
        after: u64,
    },
}

fn read_u64(bytes: &[u8]) -> u64 {
    bytes.iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte))
}

const MAGIC: &[u8] = b"countersign breached passwords 1\n";
const BLOCK_BYTES: usize = 64;
/// 512 bits by 16 bits a password.
const PASSWORDS_A_BLOCK: u64 = 32;
const BITS_A_PASSWORD: u32 = 8;

#[cfg(test)]
mod tests {
    use super::*;

    /// Hashes as the published list has them, sorted.
    fn hashes(of: impl Iterator<Item = String>) -> Vec<Sha1> {
        let mut all: Vec<Sha1> = of.map(|text| Sha1::of(&Password::parse(text).unwrap())).collect();
        all.sort_by_key(|hash| hash.0);
        all
    }

    #[test]
    fn no_breached_password_is_missed_and_few_others_are_taken_for_one() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("filter");
        let listed = hashes((0..20_000).map(|n| format!("leaked {n}")));
        let mut writer = BreachedWriter::create(&path, 20_000).unwrap();
        for hash in &listed {
            writer.add(hash).unwrap();
            writer.add(hash).unwrap(); // twice is once
        }
        assert_eq!(writer.finish().unwrap(), 20_000);
        let breached = BreachedPasswords::open(&path).unwrap();
        assert!(listed.iter().all(|hash| breached.contains(hash).unwrap()));
        let others = hashes((0..20_000).map(|n| format!("unknown {n}")));
        let wrong = others.iter().filter(|hash| breached.contains(hash).unwrap()).count();
        assert!(wrong < 60, "{wrong} of 20,000 were taken for breached");
    }

    #[test]
    fn a_file_that_was_cut_short_or_never_finished_does_not_open() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("filter");
        let writer = BreachedWriter::create(&path, 1_000).unwrap();
        assert!(!path.exists());
        writer.finish().unwrap();
        assert!(BreachedPasswords::open(&path).is_ok());
        let file = File::options().write(true).open(&path).unwrap();
        file.set_len(file.metadata().unwrap().len() - 1).unwrap();
        assert!(matches!(BreachedPasswords::open(&path), Err(BreachedError::NoFilter { .. })));
        std::fs::write(&path, "").unwrap();
        assert!(matches!(BreachedPasswords::open(&path), Err(BreachedError::NoFilter { .. })));
    }
}
