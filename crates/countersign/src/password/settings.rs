//! How passwords are hashed, and how much of the machine that may take.

use std::{io, thread};

use super::algorithm::argon2;

/// How new passwords are hashed, and how much of the machine hashing may take.
///
/// The memory of a login storm is `threads × memory_kib`, more when the store holds imported hashes
/// that need more; as much again while known devices log in besides.
///
/// ```
/// # use countersign::password::HashSettings;
/// let mut settings = HashSettings::default();
/// settings.threads = 2;
/// assert!(settings.validate().is_ok());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct HashSettings {
    /// Threads that hash, 1 to 256; as many as cores by default. Known devices have as many of
    /// their own.
    pub threads: usize,
    /// Checks and hashes that may wait for a thread, 1 to 65,536 each for known devices and for
    /// everybody else; above that callers are told [`Busy`](super::HashError::Busy).
    pub queue: usize,
    /// Memory of one argon2id hash, in KiB: at least 8 a lane, at most 262,144 (256 MiB).
    pub memory_kib: u32,
    /// Passes of argon2id over its memory, 1 to 32.
    pub passes: u32,
    /// Lanes of argon2id, 1 to 64. They are worked off one after the other: more lanes are not
    /// faster here.
    pub lanes: u32,
}

impl HashSettings {
    /// Checks every bound.
    ///
    /// # Errors
    /// The first bound that is broken, with a sentence that says what to set.
    ///
    /// ```
    /// use countersign::password::{HashSettings, HashSettingsError};
    ///
    /// let mut starved = HashSettings::default();
    /// starved.memory_kib = 4;
    /// assert!(matches!(starved.validate(), Err(HashSettingsError::Argon2 { memory_kib: 4, .. })));
    /// ```
    pub fn validate(&self) -> Result<(), HashSettingsError> {
        if !(1..=MAX_THREADS).contains(&self.threads) {
            return Err(HashSettingsError::Threads(self.threads));
        }
        if !(1..=MAX_QUEUE).contains(&self.queue) {
            return Err(HashSettingsError::Queue(self.queue));
        }
        match self.kind() {
            Some(_) => Ok(()),
            None => Err(HashSettingsError::Argon2 {
                memory_kib: self.memory_kib,
                passes: self.passes,
                lanes: self.lanes,
            }),
        }
    }

    /// The kind of hash that new passwords get; nothing if the numbers are out of bounds.
    pub(super) fn kind(&self) -> Option<argon2::Kind> {
        argon2::Kind::preferred(self.memory_kib, self.passes, self.lanes)
    }

    /// Whether the cost is below what OWASP's password storage cheat sheet asks for (its table, in
    /// KiB × passes).
    pub(super) fn is_weak(&self) -> bool {
        u64::from(self.memory_kib) * u64::from(self.passes) < OWASP_LEAST_KIB_PASSES
    }
}

impl Default for HashSettings {
    /// argon2id with 19 MiB, 2 passes, 1 lane, on as many threads as the machine has cores.
    fn default() -> Self {
        Self {
            threads: thread::available_parallelism().map_or(1, usize::from).min(MAX_THREADS),
            queue: 256,
            memory_kib: 19_456,
            passes: 2,
            lanes: 1,
        }
    }
}

/// Why hashing could not start.
///
/// ```
/// use countersign::password::HashSettings;
///
/// let mut settings = HashSettings::default();
/// settings.queue = 0;
/// let error = settings.validate().unwrap_err();
/// assert_eq!(error.to_string(), "hash_queue is 0; set it between 1 and 65536 (256 suits most)");
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HashSettingsError {
    /// `threads` out of bounds.
    #[error("hash_threads is {0}; set it to the number of cores, between 1 and {MAX_THREADS}")]
    Threads(usize),
    /// `queue` out of bounds.
    #[error("hash_queue is {0}; set it between 1 and {MAX_QUEUE} (256 suits most)")]
    Queue(usize),
    /// The three numbers of argon2id do not go together.
    #[error(
        "hash_memory_kib = {memory_kib}, hash_passes = {passes}, hash_lanes = {lanes} is outside \
         the bounds of argon2id; set at least 8 KiB of memory a lane and at most 262144, 1 to 32 \
         passes, 1 to 64 lanes, and memory × passes at most 2097152 (the default is 19456, 2, 1)"
    )]
    Argon2 {
        /// KiB of memory.
        memory_kib: u32,
        /// Passes over it.
        passes: u32,
        /// Lanes.
        lanes: u32,
    },
    /// The operating system refused a thread.
    #[error(
        "could not start a hashing thread ({0}); lower hash_threads or raise the limit on threads \
         of this process"
    )]
    Spawn(#[source] io::Error),
}

const MAX_THREADS: usize = 256;
const MAX_QUEUE: usize = 65_536;
/// 7 MiB × 5 passes, the least of OWASP's equivalent configurations.
const OWASP_LEAST_KIB_PASSES: u64 = 7_168 * 5;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_valid_and_not_weak() {
        let settings = HashSettings::default();
        settings.validate().unwrap();
        assert!(!settings.is_weak());
    }

    #[test]
    fn each_bound_is_kept_and_named() {
        let good = HashSettings::default();
        for (bad, word) in [
            (HashSettings { threads: 0, ..good }, "hash_threads"),
            (HashSettings { threads: 257, ..good }, "hash_threads"),
            (HashSettings { queue: 0, ..good }, "hash_queue"),
            (HashSettings { queue: 65_537, ..good }, "hash_queue"),
            (HashSettings { memory_kib: 7, ..good }, "hash_memory_kib"),
            (HashSettings { memory_kib: 15, lanes: 2, ..good }, "hash_memory_kib"),
            (HashSettings { memory_kib: 262_145, ..good }, "hash_memory_kib"),
            (HashSettings { passes: 0, ..good }, "hash_passes"),
            (HashSettings { passes: 33, memory_kib: 1024, ..good }, "hash_passes"),
            (HashSettings { memory_kib: 262_144, passes: 9, ..good }, "hash_passes"),
            (HashSettings { lanes: 0, ..good }, "hash_lanes"),
            (HashSettings { lanes: 65, ..good }, "hash_lanes"),
        ] {
            let sentence = bad.validate().unwrap_err().to_string();
            assert!(sentence.contains(word) && sentence.contains("set"), "{sentence}");
        }
    }
}
