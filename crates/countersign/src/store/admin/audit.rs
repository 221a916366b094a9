//! The audit log: its lines, their kinds, and which of them are asked for.

use std::fmt;
use std::net::IpAddr;

use async_trait::async_trait;
use jiff::Timestamp;

use super::{AuditPlace, Page, PageCursor};
use crate::session::SessionId;
use crate::store::StoreError;
use crate::user::UserId;

/// What is asked of a store about the audit log. Nothing changes or removes a line but
/// [`forget_audit`](AuditLog::forget_audit), by age.
///
/// ```
/// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
/// use countersign::store::admin::{AuditKind, AuditLine, AuditLog, AuditSearch, Who};
///
/// # world::block_on(async {
/// # let (store, _, _directory) = world::place();
/// # let (ada, now) = (world::ada_in(&store).await, world::midnight());
/// let line = AuditLine {
///     at: now,
///     kind: AuditKind::Login,
///     actor: Some(Who::User(ada.id)),
///     user: Some(ada.id),
///     session: None,
///     ip: None,
///     detail: String::new(),
/// };
/// store.note(&[line.clone()]).await.unwrap();
/// let page = store.audit(&AuditSearch { limit: 10, ..AuditSearch::default() }).await.unwrap();
/// assert_eq!(page.rows[0].line, line);
/// # });
/// ```
#[async_trait]
pub trait AuditLog: Send + Sync {
    /// Writes lines as one transaction.
    async fn note(&self, lines: &[AuditLine]) -> Result<(), StoreError>;

    /// A page of the log, the newest first.
    async fn audit(&self, asked: &AuditSearch) -> Result<Page<AuditRow>, StoreError>;

    /// The lines behind a place, or all, in the order in which they can be read; at most `limit`.
    /// `None` for a place that this log does not have: it is of another, or the log has gone back
    /// to an earlier state.
    async fn audit_after(
        &self,
        after: Option<AuditPlace>,
        limit: u32,
    ) -> Result<Option<Vec<PlacedLine>>, StoreError>;

    /// The lines before a place, or all, in the other direction: what
    /// [`audit_after`](AuditLog::audit_after) would give last comes first; at most `limit`. So it
    /// is found from where on the last lines are, without reading those before them.
    async fn audit_before(
        &self,
        before: Option<AuditPlace>,
        limit: u32,
    ) -> Result<Vec<PlacedLine>, StoreError>;

    /// Forgets lines before `before`; at most `limit`. How many went.
    async fn forget_audit(&self, before: Timestamp, limit: u32) -> Result<u64, StoreError>;
}

/// A line about to be written into the audit log.
///
/// ```
/// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
/// use countersign::store::admin::{AuditKind, AuditLine, AuditLog, Who};
///
/// # world::block_on(async {
/// # let (store, _, _directory) = world::place();
/// # let (ada, now) = (world::ada_in(&store).await, world::midnight());
/// let line = AuditLine {
///     at: now,
///     kind: AuditKind::Login,
///     actor: Some(Who::User(ada.id)),
///     user: Some(ada.id),
///     session: None,
///     ip: None,
///     detail: String::new(),
/// };
/// store.note(&[line]).await.unwrap();
/// # });
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditLine {
    /// When.
    pub at: Timestamp,
    /// What happened.
    pub kind: AuditKind,
    /// Who did it; `None` for who was not signed in.
    pub actor: Option<Who>,
    /// To whom it happened.
    pub user: Option<UserId>,
    /// In which session.
    pub session: Option<SessionId>,
    /// From where.
    pub ip: Option<IpAddr>,
    /// What else: names of changed fields, a group's name; at most 1,000 characters; never a
    /// password or token.
    pub detail: String,
}

impl AuditLine {
    /// Tells the log stream of the line: an event of the level `info`, or `warn` for a failed login
    /// to the admin site, of the target `countersign::audit`. The
    /// [`AdminStore`](super::AdminStore)'s acts tell of theirs when they are done.
    ///
    /// ```
    /// use countersign::store::admin::{AuditKind, AuditLine, Who};
    ///
    /// let at = jiff::Timestamp::UNIX_EPOCH;
    /// let actor = Some(Who::shell("ada"));
    /// let line = AuditLine {
    ///     at,
    ///     kind: AuditKind::KeysRotated,
    ///     actor,
    ///     user: None,
    ///     session: None,
    ///     ip: None,
    ///     detail: String::new(),
    /// };
    /// line.log();
    /// ```
    pub fn log(&self) {
        let [actor, user, session, ip] = [
            self.actor.as_ref().map(ToString::to_string),
            self.user.map(|user| user.to_string()),
            self.session.map(|session| session.to_string()),
            self.ip.map(|ip| ip.to_string()),
        ];
        let detail: String = self.detail.chars().take(DETAIL_MAX_CHARS).collect();
        macro_rules! emit {
            ($level:ident) => {
                tracing::$level!(
                    target: "countersign::audit",
                    kind = self.kind.as_str(),
                    actor,
                    user,
                    session,
                    ip,
                    detail,
                    "a line of the audit log"
                )
            };
        }
        if self.kind == AuditKind::AdminLoginFailed {
            emit!(warn);
        } else {
            emit!(info);
        }
    }
}

/// Who did something, as the audit log names them.
///
/// ```
/// use countersign::store::admin::Who;
/// use countersign::user::UserId;
///
/// assert_eq!(Who::User(UserId::new(7)).to_string(), "7");
/// assert_eq!(Who::shell("ada").to_string(), "shell:ada");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Who {
    /// A user.
    User(UserId),
    /// Whoever ran a command on the server's machine: the operating system's user, by name.
    Shell(String),
    /// A program with a service token.
    Service {
        /// The token's id.
        id: i64,
        /// What the token is called.
        name: String,
    },
}

impl Who {
    /// Whoever ran a command, by the name of the operating system's user: what there is of it but
    /// control characters, up to 100 characters.
    ///
    /// ```
    /// use countersign::store::admin::Who;
    ///
    /// assert_eq!(Who::shell("a\nb"), Who::Shell("ab".to_owned()));
    /// ```
    pub fn shell(os_user: &str) -> Self {
        Self::Shell(os_user.chars().filter(|c| !c.is_control()).take(OS_USER_MAX_CHARS).collect())
    }

    /// Whoever a text names that is no user's id, such as `shell:ada`.
    ///
    /// ```
    /// use countersign::store::admin::Who;
    ///
    /// assert_eq!(Who::from_name("shell:ada"), Some(Who::shell("ada")));
    /// let importer = Who::Service { id: 7, name: "importer".to_owned() };
    /// assert_eq!(Who::from_name("service:7:importer"), Some(importer));
    /// assert_eq!(Who::from_name("ada"), None);
    /// ```
    pub fn from_name(text: &str) -> Option<Self> {
        if let Some(name) = text.strip_prefix(SHELL) {
            return Some(Self::shell(name));
        }
        let (id, name) = text.strip_prefix(SERVICE)?.split_once(':')?;
        Some(Self::Service { id: id.parse().ok()?, name: name.to_owned() })
    }

    /// The user; `None` for whoever is none.
    ///
    /// ```
    /// use countersign::store::admin::Who;
    /// use countersign::user::UserId;
    ///
    /// assert_eq!(Who::User(UserId::new(7)).user(), Some(UserId::new(7)));
    /// assert_eq!(Who::shell("ada").user(), None);
    /// ```
    pub fn user(&self) -> Option<UserId> {
        if let Self::User(id) = self { Some(*id) } else { None }
    }

    /// The name of whoever is no user, such as `shell:ada`.
    ///
    /// ```
    /// use countersign::store::admin::Who;
    ///
    /// assert_eq!(Who::shell("ada").name().as_deref(), Some("shell:ada"));
    /// ```
    pub fn name(&self) -> Option<String> {
        (!matches!(self, Self::User(_))).then(|| self.to_string())
    }
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(id) => id.fmt(f),
            Self::Shell(name) => write!(f, "{SHELL}{name}"),
            Self::Service { id, name } => write!(f, "{SERVICE}{id}:{name}"),
        }
    }
}

/// What stands before the name of the operating system's user.
const SHELL: &str = "shell:";

/// What stands before the id and the name of a service token.
const SERVICE: &str = "service:";

const OS_USER_MAX_CHARS: usize = 100;

/// What of a detail is kept.
pub(crate) const DETAIL_MAX_CHARS: usize = 1_000;

/// A line of the audit log.
///
/// ```
/// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
/// use countersign::store::admin::{AuditKind, AuditLine, AuditLog, AuditSearch, Who};
///
/// # world::block_on(async {
/// # let (store, _, _directory) = world::place();
/// # let (ada, now) = (world::ada_in(&store).await, world::midnight());
/// # let line = AuditLine {
/// #     at: now,
/// #     kind: AuditKind::Login,
/// #     actor: Some(Who::User(ada.id)),
/// #     user: Some(ada.id),
/// #     session: None,
/// #     ip: None,
/// #     detail: String::new(),
/// # };
/// # store.note(&[line]).await.unwrap();
/// let page = store.audit(&AuditSearch { limit: 10, ..AuditSearch::default() }).await.unwrap();
/// assert_eq!((page.rows[0].line.kind, page.rows[0].word.as_str()), (AuditKind::Login, "login"));
/// # });
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditRow {
    /// Its number.
    pub id: i64,
    /// What it says. The kind may be one that a newer program wrote: see `word`.
    pub line: AuditLine,
    /// The word for its kind in the database.
    pub word: String,
}

/// A line with its place.
///
/// ```
/// use countersign::store::admin::{AuditPlace, PlacedLine};
///
/// fn last(lines: &[PlacedLine]) -> Option<AuditPlace> {
///     lines.last().map(|line| line.place)
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlacedLine {
    /// Where it is.
    pub place: AuditPlace,
    /// The line.
    pub row: AuditRow,
}

/// What the audit log tells of.
///
/// ```
/// use countersign::store::admin::AuditKind;
///
/// assert!(AuditKind::ALL.contains(&AuditKind::TokenTheft));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AuditKind {
    /// A user logged in.
    Login,
    /// A login failed.
    LoginFailed,
    /// A login was put off, too many having failed.
    LoginThrottled,
    /// A session was ended by its owner.
    Logout,
    /// A user ended all sessions.
    LogoutAll,
    /// Two parties held a session's tokens.
    TokenTheft,
    /// A stale token of a session was forgiven again, soon after the last: two tabs, or a thief who
    /// keeps in step.
    RaceRepeated,
    /// A token after a restore was taken.
    RotationHealed,
    /// A user changed the own password.
    PasswordChanged,
    /// An operator set somebody's password, or made it unusable.
    PasswordSet,
    /// A user added a second factor.
    FactorAdded,
    /// A user removed a second factor.
    FactorRemoved,
    /// A recovery code took the place of a second factor.
    RecoveryCodeUsed,
    /// A user made new recovery codes.
    RecoveryCodesMade,
    /// Somebody signed with a copy of a passkey, and was not let in.
    PasskeyCopied,
    /// An operator removed all of somebody's second factors.
    FactorsReset,
    /// An operator added second factors that somebody has elsewhere.
    FactorsImported,
    /// Somebody entered the admin site.
    AdminLogin,
    /// Somebody failed to.
    AdminLoginFailed,
    /// Somebody left it.
    AdminLogout,
    /// A user was made.
    UserAdded,
    /// A user's fields were changed; the detail names them, with old and new values of flags,
    /// groups and permissions.
    UserChanged,
    /// A user was activated.
    UserActivated,
    /// A user was deactivated.
    UserDeactivated,
    /// A user was deleted; the detail has the name.
    UserDeleted,
    /// An operator ended sessions.
    SessionsEnded,
    /// A group was made; the detail says which, as of the kinds below.
    GroupAdded,
    /// A group was changed.
    GroupChanged,
    /// A group was deleted.
    GroupDeleted,
    /// A permission was made.
    PermissionAdded,
    /// A permission was changed.
    PermissionChanged,
    /// A permission was deleted.
    PermissionDeleted,
    /// The signing keys were rotated.
    KeysRotated,
    /// A signing key was retired.
    KeyRetired,
    /// An operator took a private key out; the detail says which.
    KeyExported,
    /// Everything was moved into this store; the detail says where it came from.
    StoreMoved,
    /// Somebody registered.
    Registered,
    /// A user proved an address.
    EmailVerified,
    /// A user asked to be deleted; the detail says when that is done.
    DeletionAsked,
    /// A user who waited to be deleted came back.
    UserRestored,
    /// An operator invited somebody.
    UserInvited,
    /// An operator had a link sent to a user; the detail says what for.
    LinkSent,
    /// An operator had a mail tried again.
    MailRetried,
    /// An operator took a mail out of the outbox.
    MailForgotten,
    /// A service token was made; the detail says which, and what it may.
    ServiceTokenMade,
    /// A service token was revoked.
    ServiceTokenRevoked,
    /// An operator had a web hook go on, or sent it again what it had got; the detail says which.
    HookReplayed,
    /// A kind that this program does not know.
    Unknown,
}

impl AuditKind {
    /// Every kind that this program writes.
    pub const ALL: [Self; 47] = [
        Self::Login,
        Self::LoginFailed,
        Self::LoginThrottled,
        Self::Logout,
        Self::LogoutAll,
        Self::TokenTheft,
        Self::RaceRepeated,
        Self::RotationHealed,
        Self::PasswordChanged,
        Self::PasswordSet,
        Self::FactorAdded,
        Self::FactorRemoved,
        Self::RecoveryCodeUsed,
        Self::RecoveryCodesMade,
        Self::PasskeyCopied,
        Self::FactorsReset,
        Self::FactorsImported,
        Self::AdminLogin,
        Self::AdminLoginFailed,
        Self::AdminLogout,
        Self::UserAdded,
        Self::UserChanged,
        Self::UserActivated,
        Self::UserDeactivated,
        Self::UserDeleted,
        Self::SessionsEnded,
        Self::GroupAdded,
        Self::GroupChanged,
        Self::GroupDeleted,
        Self::PermissionAdded,
        Self::PermissionChanged,
        Self::PermissionDeleted,
        Self::KeysRotated,
        Self::KeyRetired,
        Self::KeyExported,
        Self::StoreMoved,
        Self::Registered,
        Self::EmailVerified,
        Self::DeletionAsked,
        Self::UserRestored,
        Self::UserInvited,
        Self::LinkSent,
        Self::MailRetried,
        Self::MailForgotten,
        Self::ServiceTokenMade,
        Self::ServiceTokenRevoked,
        Self::HookReplayed,
    ];

    /// The word in the database.
    ///
    /// ```
    /// use countersign::store::admin::AuditKind;
    ///
    /// assert_eq!(AuditKind::TokenTheft.as_str(), "token_theft");
    /// ```
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Login => "login",
            Self::LoginFailed => "login_failed",
            Self::LoginThrottled => "login_throttled",
            Self::Logout => "logout",
            Self::LogoutAll => "logout_all",
            Self::TokenTheft => "token_theft",
            Self::RaceRepeated => "race_repeated",
            Self::RotationHealed => "state_rollback",
            Self::PasswordChanged => "password_changed",
            Self::PasswordSet => "password_set",
            Self::FactorAdded => "factor_added",
            Self::FactorRemoved => "factor_removed",
            Self::RecoveryCodeUsed => "recovery_code_used",
            Self::RecoveryCodesMade => "recovery_codes_made",
            Self::PasskeyCopied => "passkey_copied",
            Self::FactorsReset => "factors_reset",
            Self::FactorsImported => "factors_imported",
            Self::AdminLogin => "admin_login",
            Self::AdminLoginFailed => "admin_login_failed",
            Self::AdminLogout => "admin_logout",
            Self::UserAdded => "user_added",
            Self::UserChanged => "user_changed",
            Self::UserActivated => "user_activated",
            Self::UserDeactivated => "user_deactivated",
            Self::UserDeleted => "user_deleted",
            Self::SessionsEnded => "sessions_ended",
            Self::GroupAdded => "group_added",
            Self::GroupChanged => "group_changed",
            Self::GroupDeleted => "group_deleted",
            Self::PermissionAdded => "permission_added",
            Self::PermissionChanged => "permission_changed",
            Self::PermissionDeleted => "permission_deleted",
            Self::KeysRotated => "keys_rotated",
            Self::KeyRetired => "key_retired",
            Self::KeyExported => "key_exported",
            Self::StoreMoved => "store_moved",
            Self::Registered => "registered",
            Self::EmailVerified => "email_verified",
            Self::DeletionAsked => "deletion_asked",
            Self::UserRestored => "user_restored",
            Self::UserInvited => "user_invited",
            Self::LinkSent => "link_sent",
            Self::MailRetried => "mail_retried",
            Self::MailForgotten => "mail_forgotten",
            Self::ServiceTokenMade => "service_token_made",
            Self::ServiceTokenRevoked => "service_token_revoked",
            Self::HookReplayed => "hook_replayed",
            Self::Unknown => "unknown",
        }
    }

    /// The kind of this word; [`Unknown`](Self::Unknown) for any other.
    ///
    /// ```
    /// use countersign::store::admin::AuditKind;
    ///
    /// assert_eq!(AuditKind::from_word("token_theft"), AuditKind::TokenTheft);
    /// assert_eq!(AuditKind::from_word("of-tomorrow"), AuditKind::Unknown);
    /// ```
    pub fn from_word(word: &str) -> Self {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word).unwrap_or(Self::Unknown)
    }
}

/// Which lines of the audit log, from where on.
///
/// ```
/// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
/// use countersign::store::admin::{AuditLog, AuditSearch};
///
/// # world::block_on(async {
/// # let (store, _, _directory) = world::place();
/// # let (ada, now) = (world::ada_in(&store).await, world::midnight());
/// let asked =
///     AuditSearch { user: Some(ada.id), since: Some(now), limit: 50, ..AuditSearch::default() };
/// assert!(store.audit(&asked).await.unwrap().rows.is_empty());
/// # });
/// ```
#[derive(Debug, Clone, Default)]
pub struct AuditSearch {
    /// Only of this kind.
    pub kind: Option<AuditKind>,
    /// Only what they did.
    pub actor: Option<Who>,
    /// Only what happened to this user.
    pub user: Option<UserId>,
    /// Only in this session.
    pub session: Option<SessionId>,
    /// Only from this address.
    pub ip: Option<IpAddr>,
    /// Only at or after this.
    pub since: Option<Timestamp>,
    /// Only before this.
    pub until: Option<Timestamp>,
    /// Where the page begins.
    pub from: Option<PageCursor>,
    /// How many, at most.
    pub limit: u32,
}

impl AuditSearch {
    /// Whether a line is one of those that are asked for, wherever it stands.
    ///
    /// ```
    /// use countersign::store::admin::{AuditKind, AuditRow, AuditSearch};
    ///
    /// fn is_theft(row: &AuditRow) -> bool {
    ///     AuditSearch { kind: Some(AuditKind::TokenTheft), ..AuditSearch::default() }.fits(row)
    /// }
    /// ```
    pub fn fits(&self, AuditRow { line, .. }: &AuditRow) -> bool {
        self.kind.is_none_or(|kind| line.kind == kind)
            && self.actor.as_ref().is_none_or(|actor| line.actor.as_ref() == Some(actor))
            && self.user.is_none_or(|user| line.user == Some(user))
            && self.session.is_none_or(|session| line.session == Some(session))
            && self.ip.is_none_or(|ip| line.ip == Some(ip))
            && self.since.is_none_or(|since| line.at >= since)
            && self.until.is_none_or(|until| line.at < until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_has_a_word_of_its_own() {
        let words: std::collections::HashSet<_> =
            AuditKind::ALL.into_iter().map(AuditKind::as_str).collect();
        assert_eq!(words.len(), AuditKind::ALL.len());
        assert!(AuditKind::ALL.into_iter().all(|kind| AuditKind::from_word(kind.as_str()) == kind));
        assert_eq!(AuditKind::from_word("of the future"), AuditKind::Unknown);
    }
}
