//! How little of the machine hashing gets while others want it.

use std::time::{Duration, Instant};
#[cfg(target_os = "linux")]
use thread_priority::unix::{
    NormalThreadSchedulePolicy, ThreadSchedulePolicy, set_thread_priority_and_policy,
    thread_native_id,
};

use rustix::time::{ClockId, clock_gettime};
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
/// beside a busy neighbour: a hash is nothing that can wait for an idle machine.
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

/// What a thread had of the machine since a moment.
pub(super) struct Effort {
    begun: Instant,
    worked: Duration,
}

impl Effort {
    /// Begins to count.
    pub(super) fn now() -> Self {
        Self { begun: Instant::now(), worked: worked() }
    }

    /// How long to leave the machine to others before the next guess.
    ///
    /// A thread of low priority still runs whenever another waits for its next request, and then
    /// keeps the processor for a slice of time. Where that happens all the time, a pause gives
    /// more of the machine back than any priority does.
    pub(super) fn pause(&self) -> Duration {
        pause(self.begun.elapsed(), worked().saturating_sub(self.worked))
    }
}

/// Nothing as long as the thread got half of the time that it wanted, and beyond that the more,
/// the less it got.
fn pause(elapsed: Duration, worked: Duration) -> Duration {
    (3 * elapsed.saturating_sub(2 * worked)).min(LONGEST_PAUSE)
}

/// The processor time of this thread.
fn worked() -> Duration {
    clock_gettime(ClockId::ThreadCPUTime).try_into().unwrap_or_default()
}

/// The longest pause after a guess: guesses get a share of the busiest machine, too.
const LONGEST_PAUSE: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_got_half_of_its_time_goes_on_at_once_and_one_that_got_less_pauses() {
        for (elapsed, worked, expected) in
            [(10, 10, 0), (20, 10, 0), (24, 10, 12), (30, 10, 30), (9_000, 10, 100), (5, 10, 0)]
        {
            let [elapsed, worked, expected] =
                [elapsed, worked, expected].map(Duration::from_millis);
            assert_eq!(pause(elapsed, worked), expected, "{elapsed:?} {worked:?}");
        }
    }
}
