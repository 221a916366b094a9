//! Events: what the app wants to hear of, for its own audit, mail or metrics.
//!
//! ```
//! use std::sync::atomic::{AtomicU64, Ordering};
//!
//! use countersign::events::{Event, Events};
//!
//! /// Counts logins, for a dashboard.
//! #[derive(Debug, Default)]
//! struct Counter(AtomicU64);
//!
//! impl Events for Counter {
//!     fn on_login(&self, _: &Event<'_>) {
//!         self.0.fetch_add(1, Ordering::Relaxed);
//!     }
//! }
//! ```

use std::fmt;
use std::net::IpAddr;

use countersign_verify::{Account, SessionId, UserId};
use jiff::Timestamp;

use crate::session::device::Unproved;
use crate::sign_in::FactorKind;

/// A hook. Each method does nothing unless you write it.
///
/// They are called in the request that they speak of, after what they speak of is on the disk and
/// before the answer goes out: do not block. Send what takes time, such as a mail, into a channel
/// or a task.
///
/// ```
/// use countersign::events::{Event, Events};
///
/// /// Warns a user whose session was stolen.
/// #[derive(Debug)]
/// struct Warnings(std::sync::mpsc::Sender<String>);
///
/// impl Events for Warnings {
///     fn on_theft(&self, event: &Event<'_>) {
///         if let Some(user) = event.account {
///             let _ = self.0.send(format!("{}: somebody else used your session", user.email()));
///         }
///     }
/// }
/// ```
pub trait Events: fmt::Debug + Send + Sync + 'static {
    /// A user logged in: a session began.
    fn on_login(&self, event: &Event<'_>) {
        let _ = event;
    }

    /// A login failed: the name, the password, or the user is inactive. `login` is what was typed
    /// as the name; now and then it is a password in the wrong field.
    fn on_login_failed(&self, event: &Event<'_>, login: &str) {
        let _ = (event, login);
    }

    /// A login was put off: too many had failed.
    fn on_throttled(&self, event: &Event<'_>) {
        let _ = event;
    }

    /// A session was refreshed.
    fn on_refresh(&self, event: &Event<'_>) {
        let _ = event;
    }

    /// A session was bound to its device: from now on it takes a proof to refresh it.
    fn on_device_bound(&self, event: &Event<'_>) {
        let _ = event;
    }

    /// A bound session was to be refreshed without a proof of its device: by a thief, or by a
    /// browser that cannot make one now. Where it `is_refused`, nothing was done; where bound
    /// sessions are observed, it was refreshed.
    fn on_unproved(&self, event: &Event<'_>, why: Unproved, is_refused: bool) {
        let _ = (event, why, is_refused);
    }

    /// A stale refresh token was forgiven, at a price: of two tabs at once, of a client that died,
    /// or of a thief who keeps in step with somebody. Now and then is nothing; one after another is
    /// worth a look.
    fn on_race(&self, event: &Event<'_>) {
        let _ = event;
    }

    /// A session was ended by its owner.
    fn on_logout(&self, event: &Event<'_>) {
        let _ = event;
    }

    /// A user ended all sessions, or all but this one.
    fn on_logout_all(&self, event: &Event<'_>) {
        let _ = event;
    }

    /// Two parties held one session's refresh tokens, so it was ended. Tell the user.
    fn on_theft(&self, event: &Event<'_>) {
        let _ = event;
    }

    /// Somebody registered.
    fn on_registered(&self, event: &Event<'_>) {
        let _ = event;
    }

    /// A user proved an address.
    fn on_email_verified(&self, event: &Event<'_>) {
        let _ = event;
    }

    /// A user asked to be deleted: they are gone, or deactivated until the time to come back is
    /// over.
    fn on_deletion_asked(&self, event: &Event<'_>) {
        let _ = event;
    }

    /// A user came back who had asked to be deleted.
    fn on_restored(&self, event: &Event<'_>) {
        let _ = event;
    }

    /// A user changed the password; the other sessions were ended.
    fn on_password_changed(&self, event: &Event<'_>) {
        let _ = event;
    }

    /// A user added a second factor.
    fn on_factor_added(&self, event: &Event<'_>, kind: FactorKind) {
        let _ = (event, kind);
    }

    /// A user removed a second factor.
    fn on_factor_removed(&self, event: &Event<'_>, kind: FactorKind) {
        let _ = (event, kind);
    }

    /// Somebody signed with a passkey whose count has gone back: there is a copy of it. Nothing was
    /// begun by it.
    fn on_passkey_copied(&self, event: &Event<'_>) {
        let _ = event;
    }

    /// A recovery code took the place of a second factor.
    fn on_recovery_code_used(&self, event: &Event<'_>) {
        let _ = event;
    }

    /// A user made new recovery codes in the place of the old ones.
    fn on_recovery_codes_made(&self, event: &Event<'_>) {
        let _ = event;
    }
}

/// What happened to whom.
///
/// ```
/// use countersign::events::{Event, Events};
///
/// #[derive(Debug)]
/// struct Audit;
///
/// impl Events for Audit {
///     fn on_logout(&self, event: &Event<'_>) {
///         let (at, ip) = (event.at, event.ip);
///         println!(
///             "{at} user {:?} left session {:?} from {ip} ({})",
///             event.user, event.session, event.user_agent
///         );
///     }
/// }
/// ```
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Event<'a> {
    /// When.
    pub at: Timestamp,
    /// Whose it is; `None` where a login names nobody.
    pub user: Option<UserId>,
    /// The user, where there is one and the flow has read the row.
    pub account: Option<&'a dyn Account>,
    /// The session that began, ended, or asked.
    pub session: Option<SessionId>,
    /// Where the request came from, through trusted proxies only.
    pub ip: IpAddr,
    /// What the client calls itself, at most 255 characters.
    pub user_agent: &'a str,
}

/// Nobody wants to hear.
#[derive(Debug)]
pub(crate) struct NoEvents;

impl Events for NoEvents {}
