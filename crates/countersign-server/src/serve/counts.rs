//! What happened to sessions, counted for `/metrics`.

use crate::logs::Fate;
use countersign::events::{Event, Events};
use countersign::session::device::Unproved;
use prometheus::{IntCounter, IntCounterVec, Opts, Registry};

/// The counters. Copies count together.
#[derive(Debug, Clone)]
pub(crate) struct Counts {
    logins: IntCounterVec,
    succeeded: IntCounter,
    failed: IntCounter,
    throttled: IntCounter,
    refreshes: IntCounter,
    logouts: IntCounter,
    password_changes: IntCounter,
    thefts: IntCounter,
    registrations: IntCounter,
    addresses_verified: IntCounter,
    deletions_asked: IntCounter,
    restorations: IntCounter,
    log_lines_lost: IntCounter,
    panics: IntCounter,
    races: IntCounter,
    devices_bound: IntCounter,
    unproved: IntCounterVec,
}

impl Counts {
    /// Counters that stand at zero, and those of the log.
    ///
    /// # Errors
    /// None: the names are good.
    pub(crate) fn new(log: &Fate) -> prometheus::Result<Self> {
        let logins = IntCounterVec::new(
            Opts::new("countersign_logins_total", "Logins, by what came of them"),
            &["result"],
        )?;
        Ok(Self {
            succeeded: logins.with_label_values(&["succeeded"]),
            failed: logins.with_label_values(&["failed"]),
            throttled: logins.with_label_values(&["throttled"]),
            logins,
            refreshes: IntCounter::new("countersign_refreshes_total", "Sessions refreshed")?,
            logouts: IntCounter::new(
                "countersign_logouts_total",
                "Sessions ended by their owners; ending all of them counts once",
            )?,
            password_changes: IntCounter::new(
                "countersign_password_changes_total",
                "Passwords changed by their owners",
            )?,
            races: IntCounter::new(
                "countersign_races_total",
                "Stale refresh tokens forgiven, once a generation of a session",
            )?,
            devices_bound: IntCounter::new(
                "countersign_devices_bound_total",
                "Sessions of browsers bound to their device",
            )?,
            unproved: IntCounterVec::new(
                Opts::new(
                    "countersign_device_unproved_total",
                    "Refreshes of bound sessions without a proof, by why and whether they were \
                     refused",
                ),
                &["reason", "refused"],
            )?,
            thefts: IntCounter::new(
                "countersign_thefts_total",
                "Sessions ended because two parties held their refresh tokens",
            )?,
            registrations: IntCounter::new(
                "countersign_registrations_total",
                "Users who registered",
            )?,
            addresses_verified: IntCounter::new(
                "countersign_addresses_verified_total",
                "Addresses proved by their owners",
            )?,
            deletions_asked: IntCounter::new(
                "countersign_deletions_asked_total",
                "Users who asked to be deleted",
            )?,
            restorations: IntCounter::new(
                "countersign_restorations_total",
                "Users who came back before their deletion",
            )?,
            log_lines_lost: log.lost.clone(),
            panics: log.panics.clone(),
        })
    }

    /// Jobs that ended in a panic.
    pub(super) fn panics(&self) -> u64 {
        self.panics.get()
    }

    /// Makes them part of what is shown.
    ///
    /// # Errors
    /// When a name is taken.
    pub(super) fn register(&self, registry: &Registry) -> prometheus::Result<()> {
        registry.register(Box::new(self.logins.clone()))?;
        registry.register(Box::new(self.unproved.clone()))?;
        for counter in [
            &self.refreshes,
            &self.logouts,
            &self.password_changes,
            &self.races,
            &self.devices_bound,
            &self.thefts,
            &self.registrations,
            &self.addresses_verified,
            &self.deletions_asked,
            &self.restorations,
            &self.log_lines_lost,
            &self.panics,
        ] {
            registry.register(Box::new(counter.clone()))?;
        }
        Ok(())
    }
}

impl Events for Counts {
    fn on_login(&self, _: &Event<'_>) {
        self.succeeded.inc();
    }

    fn on_login_failed(&self, _: &Event<'_>, _: &str) {
        self.failed.inc();
    }

    fn on_throttled(&self, _: &Event<'_>) {
        self.throttled.inc();
    }

    fn on_refresh(&self, _: &Event<'_>) {
        self.refreshes.inc();
    }

    fn on_race(&self, _: &Event<'_>) {
        self.races.inc();
    }

    fn on_device_bound(&self, _: &Event<'_>) {
        self.devices_bound.inc();
    }

    fn on_unproved(&self, _: &Event<'_>, why: Unproved, is_refused: bool) {
        let refused = if is_refused { "yes" } else { "no" };
        self.unproved.with_label_values(&[why.as_str(), refused]).inc();
    }

    fn on_logout(&self, _: &Event<'_>) {
        self.logouts.inc();
    }

    fn on_logout_all(&self, _: &Event<'_>) {
        self.logouts.inc();
    }

    fn on_theft(&self, _: &Event<'_>) {
        self.thefts.inc();
    }

    fn on_password_changed(&self, _: &Event<'_>) {
        self.password_changes.inc();
    }

    fn on_registered(&self, _: &Event<'_>) {
        self.registrations.inc();
    }

    fn on_email_verified(&self, _: &Event<'_>) {
        self.addresses_verified.inc();
    }

    fn on_deletion_asked(&self, _: &Event<'_>) {
        self.deletions_asked.inc();
    }

    fn on_restored(&self, _: &Event<'_>) {
        self.restorations.inc();
    }
}
