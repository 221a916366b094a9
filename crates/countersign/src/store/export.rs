//! What is kept about one user.

use std::net::IpAddr;

use async_trait::async_trait;
use jiff::Timestamp;

use super::{OutboxRow, StoreError, StoredFactor, StoredToken};
use crate::session::Session;
use crate::store::admin::AuditRow;
use crate::user::UserId;

/// What is asked of a store about everything that it keeps of one user beside their row, so that
/// they can have it.
///
/// ```
/// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
/// use countersign::store::{ExportStore, Kept, KeptKind};
///
/// # world::run(async |world| {
/// # let (store, ada) = (world.auth.store(), world.ada);
/// # world::log_in(&world.auth, countersign::session::Transport::Body).await;
/// let sessions = store.kept(ada.id, KeptKind::Session, None, 100).await.unwrap();
/// assert!(matches!(&sessions[..], [(_, Kept::Session(_))]));
/// # });
/// ```
#[async_trait]
pub trait ExportStore: Send + Sync {
    /// A page of what is kept of one kind, at most `limit`, behind `after`. Each comes with its
    /// place, for the next page.
    async fn kept(
        &self,
        user: UserId,
        kind: KeptKind,
        after: Option<KeptPlace>,
        limit: u32,
    ) -> Result<Vec<(KeptPlace, Kept)>, StoreError>;
}

/// A kind of what is kept about a user.
///
/// ```
/// assert_eq!(countersign::store::KeptKind::ALL.len(), 6);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum KeptKind {
    /// Sessions, those that ended too.
    Session,
    /// Sessions of the admin site.
    AdminSession,
    /// Second factors, those that were offered and never proved too.
    Factor,
    /// One-time tokens.
    Token,
    /// Mails in the outbox.
    Mail,
    /// Lines of the audit log that are about them.
    Line,
}

impl KeptKind {
    /// Each of them.
    pub const ALL: [Self; 6] =
        [Self::Session, Self::AdminSession, Self::Factor, Self::Token, Self::Mail, Self::Line];
}

/// Where something stands among its kind.
///
/// ```
/// use countersign::store::KeptPlace;
///
/// assert_eq!(KeptPlace { at: 0, id: 7 }, KeptPlace { id: 7, ..KeptPlace::default() });
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeptPlace {
    /// When it began, in microseconds since 1970; 0 where the id alone orders it.
    pub at: i64,
    /// Its id.
    pub id: i64,
}

/// Something that is kept about a user.
///
/// ```
/// use countersign::store::Kept;
///
/// fn is_a_session(kept: &Kept) -> bool {
///     matches!(kept, Kept::Session(_) | Kept::AdminSession(_))
/// }
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Kept {
    /// A session.
    Session(Box<Session>),
    /// A session of the admin site.
    AdminSession(KeptAdminSession),
    /// A second factor.
    Factor(Box<StoredFactor>),
    /// A one-time token.
    Token(Box<StoredToken>),
    /// A mail.
    Mail(Box<OutboxRow>),
    /// A line of the audit log.
    Line(Box<AuditRow>),
}

/// A session of the admin site, without what opens it.
///
/// ```
/// use countersign::store::KeptAdminSession;
///
/// fn in_words(session: &KeptAdminSession) -> String {
///     format!("since {} with {}", session.created_at, session.user_agent)
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptAdminSession {
    /// When it began.
    pub created_at: Timestamp,
    /// When it was last used.
    pub used_at: Timestamp,
    /// Where from.
    pub ip: Option<IpAddr>,
    /// What the browser called itself.
    pub user_agent: String,
}
