//! Passwords that were found in other sites' breaches: a file that answers without the network.
//!
//! The file is a Bloom filter in blocks of 64 bytes, so that a question reads one block and the
//! process keeps nothing in memory. Of passwords that are in no breach it takes about one in a
//! thousand for one that is; of those that are it misses none. 16 bits a password: a list of a
//! billion is a file of 2 GB.
//!
//! Its head has 128 bytes, numbers with their highest byte first: 32 of magic, a version (4, and 4
//! of zero), the number of blocks (8), the number of passwords (8), the SHA-256 of the blocks (32),
//! and the SHA-256 of what stands before it (32). The rest is zero.

use std::fs::{File, TryLockError};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::{FileExt, MetadataExt};
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
    path: PathBuf,
    file: File,
    head: Head,
}

impl BreachedPasswords {
    /// Opens a file that [`BreachedWriter`] made. Its head is checked and its length; of the rest
    /// see [`check`](Self::check).
    ///
    /// # Errors
    /// [`BreachedError`] when it cannot be read, is no such file, is of another version, or was cut
    /// short.
    ///
    /// ```
    /// use countersign::password::BreachedPasswords;
    ///
    /// let error = BreachedPasswords::open("Cargo.toml".as_ref()).unwrap_err();
    /// assert!(error.to_string().contains("countersign passwords build-filter"));
    /// ```
    pub fn open(path: &Path) -> Result<Self, BreachedError> {
        let fail = |error| BreachedError::File { path: path.to_owned(), error };
        let file = File::open(path).map_err(fail)?;
        let bytes = file.metadata().map_err(fail)?.len();
        let mut head = [0; HEAD_BYTES];
        if bytes < HEAD_BYTES as u64 {
            return Err(BreachedError::NoFilter { path: path.to_owned() });
        }
        file.read_exact_at(&mut head, 0).map_err(fail)?;
        let head = Head::read(&head).map_err(|wrong| wrong.of(path))?;
        let whole = head.blocks.checked_mul(BLOCK_BYTES as u64);
        if whole.and_then(|blocks| blocks.checked_add(HEAD_BYTES as u64)) != Some(bytes) {
            return Err(BreachedError::Cut { path: path.to_owned() });
        }
        Ok(Self { path: path.to_owned(), file, head })
    }

    /// Reads the whole file and compares its checksum: some seconds for a list of a billion, and a
    /// megabyte of memory. Not for an async thread.
    ///
    /// # Errors
    /// [`BreachedError::Damaged`], [`BreachedError::File`].
    ///
    /// ```
    /// use countersign::password::{BreachedError, BreachedPasswords, BreachedWriter};
    ///
    /// # let directory = tempfile::tempdir().unwrap();
    /// # let path = directory.path().join("breached.filter");
    /// BreachedWriter::create(&path, 1).unwrap().finish().unwrap();
    /// assert!(BreachedPasswords::open(&path).unwrap().check().is_ok());
    ///
    /// let mut bytes = std::fs::read(&path).unwrap();
    /// *bytes.last_mut().unwrap() ^= 1;
    /// std::fs::write(&path, bytes).unwrap();
    /// let damaged = BreachedPasswords::open(&path).unwrap().check().unwrap_err();
    /// assert!(matches!(damaged, BreachedError::Damaged { .. }));
    /// ```
    pub fn check(&self) -> Result<(), BreachedError> {
        let (mut context, mut buffer) = (digest::Context::new(&digest::SHA256), vec![0; BUFFER]);
        let mut at = HEAD_BYTES as u64;
        loop {
            let read = self.file.read_at(&mut buffer, at);
            let read =
                read.map_err(|error| BreachedError::File { path: self.path.clone(), error })?;
            if read == 0 {
                break;
            }
            context.update(&buffer[..read]);
            at += read as u64;
        }
        if context.finish().as_ref() == self.head.checksum {
            Ok(())
        } else {
            Err(BreachedError::Damaged { path: self.path.clone() })
        }
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
        let at = HEAD_BYTES as u64 + password.block(self.head.blocks) * BLOCK_BYTES as u64;
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
        self.head.passwords
    }
}

/// Makes the file. Hashes come in ascending order, as the published list has them, so that the file
/// is written from its beginning to its end, however long the list is.
///
/// The file appears under its name when it is [finished](Self::finish), and not before. Until then
/// it is called `NAME.unfinished`, and is locked: nobody else makes the same file meanwhile, and
/// what a killed process has left is begun anew.
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
    checksum: digest::Context,
    is_finished: bool,
}

impl BreachedWriter {
    /// Begins a file for about `expected` passwords. With more of them, more are taken for breached
    /// that are not.
    ///
    /// # Errors
    /// [`BreachedError::File`] when the file cannot be made, or somebody else is making it.
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
        let file = alone(&unfinished)
            .map_err(|error| BreachedError::File { path: unfinished.clone(), error })?;
        let mut file = BufWriter::with_capacity(BUFFER, file);
        // The head is written last: without it nothing opens the file.
        file.write_all(&[0; HEAD_BYTES])
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
            checksum: digest::Context::new(&digest::SHA256),
            is_finished: false,
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
            self.checksum.update(&self.block);
            self.block = [0; BLOCK_BYTES];
            self.number += 1;
        }
        Ok(())
    }

    fn write_head(&mut self) -> io::Result<()> {
        self.file.flush()?;
        let mut head = Head { blocks: self.blocks, passwords: self.passwords, checksum: [0; 32] };
        head.checksum.copy_from_slice(self.checksum.clone().finish().as_ref());
        self.file.get_ref().write_all_at(&head.written(), 0)?;
        self.file.get_ref().sync_all()?;
        std::fs::rename(&self.unfinished, &self.path)?;
        self.is_finished = true;
        Ok(())
    }

    fn failed(&self, error: io::Error) -> BreachedError {
        BreachedError::File { path: self.unfinished.clone(), error }
    }
}

/// Opens the file of this name, empty, and locks it.
fn alone(path: &Path) -> io::Result<File> {
    loop {
        let file = File::options().write(true).create(true).truncate(false).open(path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(io::Error::other(
                    "another process is making this file; wait until it has done so",
                ));
            }
            Err(TryLockError::Error(error)) => return Err(error),
        }
        // Whoever had the lock may have finished in between: then it is the file in use that was
        // opened, under the name that it had.
        let (ours, named) = (file.metadata()?, std::fs::metadata(path));
        if named.is_ok_and(|named| (named.dev(), named.ino()) == (ours.dev(), ours.ino())) {
            file.set_len(0)?;
            return Ok(file);
        }
    }
}

/// What is half done is of no use.
impl Drop for BreachedWriter {
    fn drop(&mut self) {
        if !self.is_finished {
            let _ = std::fs::remove_file(&self.unfinished);
        }
    }
}

impl std::fmt::Debug for BreachedWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BreachedWriter")
            .field("path", &self.path)
            .field("passwords", &self.passwords)
            .finish_non_exhaustive()
    }
}

/// What stands before the blocks.
#[derive(Debug)]
struct Head {
    blocks: u64,
    passwords: u64,
    checksum: [u8; 32],
}

/// What is wrong with a head.
enum BadHead {
    Magic,
    Version(u32),
    Checksum,
}

impl BadHead {
    fn of(self, path: &Path) -> BreachedError {
        let path = path.to_owned();
        match self {
            Self::Magic => BreachedError::NoFilter { path },
            Self::Version(version) => BreachedError::Version { path, version },
            Self::Checksum => BreachedError::Damaged { path },
        }
    }
}

impl Head {
    fn written(&self) -> [u8; HEAD_BYTES] {
        let mut head = [0; HEAD_BYTES];
        head[..32].copy_from_slice(MAGIC);
        head[32..36].copy_from_slice(&VERSION.to_be_bytes());
        head[40..48].copy_from_slice(&self.blocks.to_be_bytes());
        head[48..56].copy_from_slice(&self.passwords.to_be_bytes());
        head[56..88].copy_from_slice(&self.checksum);
        let own = digest::digest(&digest::SHA256, &head[..88]);
        head[88..120].copy_from_slice(own.as_ref());
        head
    }

    fn read(head: &[u8; HEAD_BYTES]) -> Result<Self, BadHead> {
        if &head[..32] != MAGIC {
            return Err(BadHead::Magic);
        }
        let version = u32::from_be_bytes([head[32], head[33], head[34], head[35]]);
        if version != VERSION {
            return Err(BadHead::Version(version));
        }
        let mut read = Self {
            blocks: read_u64(&head[40..48]),
            passwords: read_u64(&head[48..56]),
            checksum: [0; 32],
        };
        read.checksum.copy_from_slice(&head[56..88]);
        if read.blocks == 0 || read.written() != *head {
            return Err(BadHead::Checksum);
        }
        Ok(read)
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
    /// It is something else.
    #[error(
        "{} is no list of breached passwords; make one with `countersign passwords build-filter`",
        path.display()
    )]
    NoFilter {
        /// Which file.
        path: PathBuf,
    },
    /// Another version of the program made it.
    #[error(
        "{} has the version {version}, and this program reads version 1; make it anew with \
         `countersign passwords build-filter`",
        path.display()
    )]
    Version {
        /// Which file.
        path: PathBuf,
        /// Its version.
        version: u32,
    },
    /// It is shorter or longer than its head says.
    #[error(
        "{} has another length than it says, as if a copy had been cut short; copy it once more, \
         or make it anew with `countersign passwords build-filter`",
        path.display()
    )]
    Cut {
        /// Which file.
        path: PathBuf,
    },
    /// Its checksum is another.
    #[error(
        "{} is damaged: its checksum is another; copy it once more, or make it anew with \
         `countersign passwords build-filter`",
        path.display()
    )]
    Damaged {
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

const MAGIC: &[u8; 32] = b"countersign breached passwords\n\0";
const VERSION: u32 = 1;
const HEAD_BYTES: usize = 128;
/// What is read and written at a time.
const BUFFER: usize = 1 << 20;
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
        let listed = hashes((0..100_000).map(|n| format!("leaked {n}")));
        let mut writer = BreachedWriter::create(&path, 100_000).unwrap();
        for hash in &listed {
            writer.add(hash).unwrap();
            writer.add(hash).unwrap(); // twice is once
        }
        assert_eq!(writer.finish().unwrap(), 100_000);
        let bits = std::fs::metadata(&path).unwrap().len() * 8;
        assert!(bits <= 100_000 * 16 + 2_048, "16 bits a password, a head, a block");
        let breached = BreachedPasswords::open(&path).unwrap();
        assert!(listed.iter().all(|hash| breached.contains(hash).unwrap()));
        let others = hashes((0..100_000).map(|n| format!("unknown {n}")));
        let wrong = others.iter().filter(|hash| breached.contains(hash).unwrap()).count();
        // The texts are the same each time, and so is the number.
        assert!((50..150).contains(&wrong), "{wrong} of 100,000 were taken for breached");
    }

    #[test]
    fn a_bad_file_says_what_is_wrong_with_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("filter");
        let writer = BreachedWriter::create(&path, 1_000).unwrap();
        assert!(!path.exists());
        writer.finish().unwrap();
        let good = std::fs::read(&path).unwrap();
        let open = |bytes: &[u8]| {
            std::fs::write(&path, bytes).unwrap();
            BreachedPasswords::open(&path).and_then(|filter| filter.check())
        };
        assert!(open(&good).is_ok());
        let bent = |at: usize| {
            let mut bytes = good.clone();
            bytes[at] ^= 1;
            bytes
        };
        for (bytes, wanted) in [
            (Vec::new(), "is no list"),
            (b"HASH:1\r\n".repeat(100), "is no list"),
            (bent(0), "is no list"),
            (bent(35), "version 0"),
            (bent(47), "damaged"),
            (bent(55), "damaged"),
            (bent(60), "damaged"),
            (bent(119), "damaged"),
            (bent(127), "damaged"),
            (bent(128), "damaged"),
            (bent(good.len() - 1), "damaged"),
            (good[..good.len() - 1].to_vec(), "another length"),
            ([&good[..], &[0]].concat(), "another length"),
            (good[..100].to_vec(), "is no list"),
        ] {
            let said = open(&bytes).unwrap_err().to_string();
            assert!(said.contains(wanted), "{said} says nothing of {wanted}");
            assert!(said.contains("build-filter"), "{said}");
        }
    }

    #[test]
    fn what_is_half_done_is_taken_away() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("filter");
        let mut writer = BreachedWriter::create(&path, 10).unwrap();
        let sorted = hashes(["one", "two"].into_iter().map(str::to_owned));
        writer.add(&sorted[1]).unwrap();
        assert!(matches!(writer.add(&sorted[0]), Err(BreachedError::Unsorted { after: 1 })));
        drop(writer);
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
    }
}
