//! File descriptors: each connection is one, and so is much else.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises the process's limit to the most that it may have; most systems start programs with 1,024.
pub(crate) fn raise() {
    let limit = getrlimit(Resource::Nofile);
    if limit.current == limit.maximum {
        return;
    }
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }) {
        tracing::warn!(%error, "the limit of open files could not be raised");
    }
}

/// How many connections there is room for, beside `others` descriptors to databases; `None` for any
/// number.
pub(crate) fn room(others: usize) -> Option<usize> {
    let most = usize::try_from(getrlimit(Resource::Nofile).maximum?).ok()?;
    Some(most.saturating_sub(others.saturating_add(KEPT_BACK)).max(1))
}

/// For the log, the listeners, the database's files and the program's own.
const KEPT_BACK: usize = 100;
