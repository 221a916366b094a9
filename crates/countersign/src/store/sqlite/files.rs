//! The files under a running store: whether they are still those that were opened. What is written
//! into a file that was removed is gone when the process ends, so it must not be acknowledged.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::statvfs;

use crate::store::StoreError;

/// The database, and what SQLite keeps beside it.
#[derive(Debug)]
pub(super) struct Files {
    /// None where it is in memory.
    on_disk: Option<OnDisk>,
    in_trouble: AtomicBool,
}

#[derive(Debug)]
struct OnDisk {
    database: PathBuf,
    opened: Identity,
    /// SQLite's log, and the index of it in shared memory, made when they are first needed.
    beside: [(PathBuf, OnceLock<Identity>); 2],
}

/// Device and inode: the same for as long as it is the same file, wherever it is moved to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Identity(u64, u64);

impl Files {
    /// The files of the database at `path`, which is open.
    pub(super) fn of(path: &Path) -> io::Result<Self> {
        // SQLite follows links before it names the others.
        let real = fs::canonicalize(path)?;
        let beside = |suffix: &str| {
            let mut name = real.clone().into_os_string();
            name.push(suffix);
            (PathBuf::from(name), OnceLock::new())
        };
        let opened = identity(path)?;
        let beside = [beside("-wal"), beside("-shm")];
        let on_disk = OnDisk { database: path.to_owned(), opened, beside };
        Ok(Self { on_disk: Some(on_disk), in_trouble: AtomicBool::new(false) })
    }

    /// No files: a database in memory.
    pub(super) const fn in_memory() -> Self {
        Self { on_disk: None, in_trouble: AtomicBool::new(false) }
    }

    /// Whether the files are not those any more that were opened. Said in the log once.
    pub(super) fn trouble(&self) -> Option<StoreError> {
        let found = self.on_disk.as_ref()?.look();
        if found.is_some() != self.in_trouble.swap(found.is_some(), Ordering::Relaxed) {
            match &found {
                Some(error) => {
                    tracing::error!(%error, "nothing is written until the files are back");
                }
                None => tracing::info!("the database's files are back"),
            }
        }
        found
    }

    /// How many pages SQLite's log may have before they are moved into the database: 64 MiB, and an
    /// eighth of what is free on a small disk.
    pub(super) fn log_pages(&self) -> u32 {
        let Some(OnDisk { database, .. }) = &self.on_disk else { return MOST_PAGES };
        // A file system that does not say is taken for a small one.
        let free = statvfs(database).map_or(0, |disk| disk.f_bavail.saturating_mul(disk.f_frsize));
        log_pages(free)
    }
}

impl OnDisk {
    fn look(&self) -> Option<StoreError> {
        if let Some(trouble) = changed(&self.database, self.opened) {
            return Some(trouble);
        }
        self.beside.iter().find_map(|(path, opened)| match opened.get() {
            Some(opened) => changed(path, *opened),
            None => {
                if let Ok(found) = identity(path) {
                    let _ = opened.set(found);
                }
                None
            }
        })
    }
}

fn changed(path: &Path, opened: Identity) -> Option<StoreError> {
    match identity(path) {
        Ok(found) if found == opened => None,
        Ok(_) => Some(StoreError::Failed(format!(
            "{} is another file than was opened; start the server again",
            path.display()
        ))),
        Err(error) => Some(StoreError::Failed(format!(
            "{} is gone from under the running server ({error}); put it back, or stop the server \
             and restore a backup",
            path.display()
        ))),
    }
}

fn identity(path: &Path) -> io::Result<Identity> {
    let metadata = fs::metadata(path)?;
    Ok(Identity(metadata.dev(), metadata.ino()))
}

fn log_pages(free: u64) -> u32 {
    u32::try_from(free / 8 / PAGE).unwrap_or(u32::MAX).clamp(FEWEST_PAGES, MOST_PAGES)
}

/// SQLite's page.
const PAGE: u64 = 4096;

/// The more, the more often a page is moved once for many changes. 64 MiB.
const MOST_PAGES: u32 = 16_384;

/// 1 MiB.
const FEWEST_PAGES: u32 = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_moved_away_or_replaced_is_noticed_and_one_that_comes_back_is_the_same() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        fs::write(at("db"), "").unwrap();
        let files = Files::of(&at("db")).unwrap();
        assert!(files.trouble().is_none());
        fs::write(at("db-wal"), "").unwrap();
        assert!(files.trouble().is_none(), "SQLite has made it");
        for name in ["db", "db-wal"] {
            fs::rename(at(name), at("elsewhere")).unwrap();
            assert!(files.trouble().unwrap().to_string().contains("gone"), "{name}");
            fs::write(at(name), "").unwrap();
            assert!(files.trouble().unwrap().to_string().contains("another file"), "{name}");
            fs::rename(at("elsewhere"), at(name)).unwrap();
            assert!(files.trouble().is_none(), "{name} is back");
        }
        fs::remove_dir_all(directory.path()).unwrap();
        assert!(files.trouble().is_some());
    }

    #[test]
    fn the_log_takes_an_eighth_of_a_small_disk_and_64_mib_of_a_large_one() {
        assert_eq!(log_pages(0), FEWEST_PAGES);
        assert_eq!(u64::from(log_pages(16 << 20)) * PAGE, 2 << 20);
        assert_eq!(u64::from(log_pages(1 << 40)) * PAGE, 64 << 20);
    }
}
