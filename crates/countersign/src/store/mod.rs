//! The store: what the domain asks of a database, in the domain's own words.
//!
//! Every operation is one statement or one transaction, and durable when it returns. No query
//! builder leaks upward.
//!
//! ```
//! # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
//! use countersign::session::RevokedReason;
//!
//! # world::run(async |world| {
//! # let (store, ada, now) = (world.auth.store(), world.ada, world::midnight());
//! # world::log_in(&world.auth, countersign::session::Transport::Body).await;
//! // An operator's script: end every session of a user.
//! let ended = store.revoke_user_sessions(ada.id, None, RevokedReason::Admin, now).await.unwrap();
//! assert_eq!(ended, 1);
//! # });
//! ```

#[doc(hidden)]
pub mod admin;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod agreed_time;
mod attempts;
pub(crate) mod begin;
#[cfg(feature = "store-tests")]
#[expect(clippy::unwrap_used, reason = "these are tests: whatever is not there fails them")]
pub mod conformance;
mod deletion;
mod devices;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod due;
mod export;
mod factor_proofs;
mod factors;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod failure;
mod feed;
mod keys;
mod listed;
mod outbox;
mod own_changes;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub(crate) mod plan;
#[cfg(feature = "postgres")]
pub mod postgres;
mod registrations;
mod sessions;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub(crate) mod sql;
#[cfg(feature = "sqlite")]
pub mod sqlite;
mod stored_factor;
mod tickets;
mod tokens;
#[doc(hidden)]
pub mod transfer;
mod upkeep;
mod users;

pub use crate::store_error::StoreError;
pub use admin::{AuditKind, AuditLine, AuditRow, Who};
pub use attempts::{AttemptStore, SharedAttempts};
pub use begin::{Begin, Begun, CheckedRow};
pub use deletion::{DeletionAsked, DeletionStore, SelfDeletion};
pub use devices::{DeviceOffer, DeviceProof, DeviceStore};
pub use export::{ExportStore, Kept, KeptAdminSession, KeptKind, KeptPlace};
pub use factor_proofs::{FactorProof, FactorUse, PasskeyOwner, StepUp, SteppedUp, WaitingSignIn};
pub use factors::{
    AddPasskey, CHALLENGES_AT_MOST, CodesSet, ConfirmFactor, Confirmed, FactorStore, NewFactor,
    NewRecoveryCode, PasskeyChallenge, RemoveFactor, Removed, SetRecoveryCodes,
};
pub use feed::{Change, Changes, Cursor, FeedStore, What};
pub use keys::KeyStore;
pub use listed::{NoPlace, SessionPage, SessionPlace};
pub use outbox::{
    ClaimedMail, MailBounds, MailClass, MailState, NewMail, OutboxCounts, OutboxRow, OutboxStore,
};
pub use own_changes::{Asker, ChangeAsked, Mailed, OwnChangeStore, SeenAddress};
pub use registrations::{RegistrationStore, WaitingRegistration};
pub use sessions::{Rotate, Rotation, SessionStore, Stolen, TheftNotice};
pub use stored_factor::{StoredFactor, UserFactors};
pub use tickets::TicketStore;
pub use tokens::{
    Act, CODE_CLAIMS, CODE_TRIES, Leftovers, NewToken, Proof, Register, StoredToken, TokenPayload,
    TokenStore, Use, Used,
};
pub use upkeep::Upkeep;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub(crate) use users::KIND_ROWS;
pub use users::{PasswordChange, UserStore};

/// Everything that [`Auth`](crate::Auth) asks of a store: what implements the traits of all domains
/// is a store. A flow that asks for one of them alone says which.
///
/// ```
/// use countersign::store::{Store, StoreError, UserStore};
/// use countersign::user::UserId;
///
/// async fn is_known(store: &dyn UserStore, id: UserId) -> Result<bool, StoreError> {
///     Ok(store.user_by_id(id).await?.is_some())
/// }
///
/// async fn of_all(store: &dyn Store, id: UserId) -> Result<bool, StoreError> {
///     is_known(store, id).await
/// }
/// ```
pub trait Store:
    UserStore
    + SessionStore
    + DeviceStore
    + KeyStore
    + FeedStore
    + AttemptStore
    + OwnChangeStore
    + TokenStore
    + TicketStore
    + RegistrationStore
    + DeletionStore
    + ExportStore
    + FactorStore
    + OutboxStore
    + Upkeep
    + std::fmt::Debug
    + 'static
{
}

impl<T> Store for T where
    T: UserStore
        + SessionStore
        + DeviceStore
        + KeyStore
        + FeedStore
        + AttemptStore
        + OwnChangeStore
        + TokenStore
        + TicketStore
        + RegistrationStore
        + DeletionStore
        + ExportStore
        + FactorStore
        + OutboxStore
        + Upkeep
        + std::fmt::Debug
        + 'static
{
}
