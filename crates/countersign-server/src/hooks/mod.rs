//! Web hooks: what is told to other programs, from what the store has queued with the acts.
//!
//! The store queues ([`HookStore`]), and this room sends: signed as Standard Webhooks has it
//! (`sign.rs`), to no private address unless that was allowed (`address.rs`), one task a hook
//! (`worker.rs`).

mod address;
mod send;
mod sign;
mod worker;

use std::sync::Arc;
use std::time::Duration;

use countersign::clock::Clock;
use countersign::store::StoreError;
use countersign::store::admin::{AdminStore, HookWants};
use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;
use tokio::task::JoinSet;

pub(crate) use send::{Message, Outcome, Sender};
use worker::Worker;

use crate::command_error::CommandError;
use crate::config::Hook;

/// The tasks that send.
#[derive(Debug)]
pub(crate) struct Hooks {
    tasks: JoinSet<()>,
    stop: watch::Sender<bool>,
}

impl Hooks {
    /// Tells the store which hooks want what, and begins to send.
    ///
    /// # Errors
    /// The store's, and where the machine's certificates cannot be read.
    pub(crate) async fn start(
        hooks: Vec<Hook>,
        store: &Arc<dyn AdminStore>,
        clock: &Arc<dyn Clock>,
    ) -> Result<Self, CommandError> {
        store.set_hooks(hooks.iter().map(wants).collect()).await?;
        let (stop, stopped) = watch::channel(false);
        let mut tasks = JoinSet::new();
        for hook in hooks {
            let name = hook.name.clone();
            let sender = Sender::new(hook).map_err(CommandError::new)?;
            let worker = Worker::new(name, sender, Arc::clone(store), Arc::clone(clock));
            tasks.spawn(Arc::new(worker).run(stopped.clone()));
        }
        tasks.spawn(forget_old(Arc::clone(store), Arc::clone(clock), stopped));
        Ok(Self { tasks, stop })
    }

    /// Ends when what is under way is done.
    pub(crate) async fn finish(mut self) {
        let _ = self.stop.send(true);
        let all = async { while self.tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(FINISH_WITHIN, all).await.is_err() {
            tracing::warn!("a message to a web hook was under way; it is sent once more");
        }
    }
}

fn wants(hook: &Hook) -> HookWants {
    let events = hook.events.iter().map(|event| (*event).to_owned()).collect();
    HookWants { hook: hook.name.clone(), events }
}

/// Forgets what is too old, also of hooks that are configured no more.
async fn forget_old(
    store: Arc<dyn AdminStore>,
    clock: Arc<dyn Clock>,
    mut stop: watch::Receiver<bool>,
) {
    loop {
        if let Err(error) = forget_once(&*store, clock.now()).await {
            tracing::warn!(%error, "old messages to web hooks could not be forgotten");
        }
        tokio::select! {
            () = tokio::time::sleep(FORGET_EVERY) => {}
            _ = stop.changed() => return,
        }
    }
}

/// What goes is old by this clock and by the store's idea of the time: what waits is never told
/// once it is gone.
async fn forget_once(store: &dyn AdminStore, now: Timestamp) -> Result<(), StoreError> {
    let early = now.min(store.agree_on_time(now, Duration::ZERO).await?);
    let before = |kept| early.saturating_sub(kept).unwrap_or(Timestamp::MIN);
    let (done, waiting) = (before(DONE_KEPT), before(WAITING_KEPT));
    while store.prune_hook_messages(done, waiting, AT_ONCE).await? > 0 {}
    Ok(())
}

/// How long a message is kept that was taken or given up, for `countersign hook replay`.
const DONE_KEPT: SignedDuration = SignedDuration::from_hours(7 * 24);
/// How long one waits, such as for a hook that is paused.
const WAITING_KEPT: SignedDuration = SignedDuration::from_hours(30 * 24);
const FORGET_EVERY: Duration = Duration::from_secs(60 * 60);
const AT_ONCE: u32 = 1_000;
const FINISH_WITHIN: Duration = Duration::from_secs(20);

#[cfg(test)]
mod tests {
    use countersign::clock::SystemClock;
    use countersign::password::EncodedPassword;
    use countersign::store::admin::HookStore;
    use countersign::store::sqlite::SqliteStore;
    use countersign::store::{Upkeep, UserStore};
    use countersign::user::{NewUser, Username};

    use super::*;

    #[tokio::test]
    async fn a_clock_that_is_years_ahead_forgets_no_message_that_waits() {
        let directory = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(&directory.path().join("db")).unwrap();
        // The database dates its messages by the machine's clock.
        let right = SystemClock.now();
        store.agree_on_time(right, Duration::ZERO).await.unwrap();
        let wants = HookWants { hook: "one".to_owned(), events: vec!["user.created".to_owned()] };
        store.set_hooks(vec![wants]).await.unwrap();
        let ada = Username::parse("ada").unwrap();
        let ada = NewUser::new(ada, None, EncodedPassword::unusable());
        store.create_user(ada, right).await.unwrap();

        let years = SignedDuration::from_hours(3 * 365 * 24);
        forget_once(&store, right + years).await.unwrap();
        let soon = right + SignedDuration::from_mins(1);
        let waiting = store.claim_hook_messages("one", soon, soon, 10).await.unwrap();
        assert_eq!(waiting.len(), 1);

        store.agree_on_time(right + years, years.unsigned_abs()).await.unwrap();
        forget_once(&store, right + years).await.unwrap();
        let late = right + years;
        assert_eq!(store.claim_hook_messages("one", late, late, 10).await.unwrap().len(), 0);
    }
}
