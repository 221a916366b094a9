//! What an admin site asks of a store: lists that stay fast at a million rows, edits that notice
//! what happened meanwhile, and the audit log.
//!
//! What the server asks, and no promise of the library: it changes with the server, in any version
//! ([0098](https://github.com/countersign/countersign/blob/main/docs/decisions/0098-what-the-server-alone-asks-is-no-promise.md)).
//!
//! A change and the line that tells of it are one transaction. Nothing here changes or removes a
//! line of the audit log but [`forget_audit`](AuditLog::forget_audit), by age.

pub(crate) mod activity;
mod actor;
mod audit;
mod audit_place;
mod error;
mod fingerprint;
mod first_link;
mod grants;
mod groups;
mod hooks;
mod keys;
mod links;
mod once;
mod operators;
mod page;
mod service_token;
mod service_tokens;
mod sessions;
pub(crate) mod steps;
mod users;

use super::Store;
pub use activity::{ActivityLog, Counted, Sizes};
pub use actor::{Actor, Rule};
#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub(crate) use audit::DETAIL_MAX_CHARS;
pub use audit::{AuditKind, AuditLine, AuditLog, AuditRow, AuditSearch, PlacedLine, Who};
pub use audit_place::AuditPlace;
pub use error::AdminError;
pub use fingerprint::Fingerprint;
pub use first_link::FirstLink;
pub use grants::Grants;
pub use groups::{GroupAdmin, GroupRecord, GroupRow, PermissionRow, PermissionText};
pub use hooks::{
    ClaimedHookMessage, HOOK_EVENTS, HookMessageRow, HookMessageState, HookState, HookStore,
    HookWants,
};
pub use keys::KeyAdmin;
pub use links::LinkAdmin;
pub use once::Once;
pub use operators::{AdminSession, OperatorSessions};
pub use page::{Count, Page, PageCursor};
pub use service_token::{KnownServiceToken, NewServiceToken, Powers, ServiceTokenRow};
pub use service_tokens::ServiceTokenStore;
pub use sessions::{AfterRestore, SessionAdmin, SessionSearch};
pub use steps::{STEPS_KEPT, Step, StepKind};
pub use users::{
    FactorsImported, ImportFactors, UserAct, UserAdmin, UserEdit, UserOrder, UserRecord,
    UserSearch, WhatGoes,
};

/// The store behind an admin site. Users are the store's own.
///
/// ```
/// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
/// use countersign::store::admin::{
///     Actor, AuditKind, AuditLog, AuditSearch, UserAct, UserAdmin, UserSearch,
/// };
///
/// # world::block_on(async {
/// # let (store, _, _directory) = world::place();
/// # let (ada, now) = (world::ada_in(&store).await, world::midnight());
/// let by = Actor::staff(ada.id, None, now);
/// assert_eq!(store.act_on_users(&[ada.id], UserAct::Deactivate, &by).await.unwrap(), 1);
/// let inactive = store
///     .find_users(&UserSearch { active: Some(false), limit: 10, ..UserSearch::default() })
///     .await
///     .unwrap();
/// assert_eq!(inactive.rows[0].username, "ada");
///
/// // The change and the line that tells of it are one transaction.
/// let asked =
///     AuditSearch { kind: Some(AuditKind::UserDeactivated), limit: 10, ..AuditSearch::default() };
/// assert_eq!(store.audit(&asked).await.unwrap().rows[0].line.user, Some(ada.id));
/// # });
/// ```
pub trait AdminStore:
    Store
    + UserAdmin
    + GroupAdmin
    + SessionAdmin
    + KeyAdmin
    + LinkAdmin
    + ServiceTokenStore
    + OperatorSessions
    + FirstLink
    + AuditLog
    + ActivityLog
    + HookStore
{
}

impl<T> AdminStore for T where
    T: Store
        + UserAdmin
        + GroupAdmin
        + SessionAdmin
        + KeyAdmin
        + LinkAdmin
        + ServiceTokenStore
        + OperatorSessions
        + FirstLink
        + AuditLog
        + ActivityLog
        + HookStore
{
}
