//! How little of the machine hashing gets while others want it.

#[cfg(target_os = "linux")]
use thread_priority::unix::{
    NormalThreadSchedulePolicy, ThreadSchedulePolicy, set_thread_priority_and_policy,
    thread_native_id,
};
use thread_priority::{Error, ThreadPriority, ThreadPriorityValue};

/// On whose behalf something is hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lane {
    /// Somebody who is logged in, or a device from which the account's owner has logged in before.
    Known,
    /// Anybody.
    Guesses,
}

/// Lets requests that need no hash go first, and known devices before guesses. A machine with
/// nothing else to do hashes as fast as ever.
///
/// On Linux these are threads of `SCHED_BATCH`, which are in no hurry when they wake, at `nice` 8
/// (a sixth of the weight of a normal thread) and 10 (a tenth). What is lower still would starve
/// beside a busy neighbour: a hash is nothing that can wait for an idle machine
/// (`docs/decisions/0115-hashing-is-no-idle-work.md`).
pub(super) fn lower(lane: Lane) {
    let priority = match lane {
        Lane::Known => KNOWN,
        Lane::Guesses => GUESSES,
    };
    let lowered = ThreadPriorityValue::try_from(priority)
        .and_then(|value| set(value).map_err(|error| format!("{error:?}")));
    if let Err(error) = lowered {
        tracing::warn!(%error, "could not lower the priority of a hashing thread; other requests \
            may be slow while many log in");
    }
}

#[cfg(target_os = "linux")]
fn set(value: ThreadPriorityValue) -> Result<(), Error> {
    let policy = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Batch);
    set_thread_priority_and_policy(thread_native_id(), ThreadPriority::Crossplatform(value), policy)
}

#[cfg(not(target_os = "linux"))]
fn set(value: ThreadPriorityValue) -> Result<(), Error> {
    thread_priority::set_current_thread_priority(ThreadPriority::Crossplatform(value))
}

/// On the scale of 0 to 99, where 50 is normal.
const KNOWN: u8 = 27;
const GUESSES: u8 = 22;
