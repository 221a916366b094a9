//! Changes that users ask for of their own rows: nothing is done once their session has ended, nor
//! on another row than the one they saw.

use async_trait::async_trait;
use jiff::Timestamp;

use super::StoreError;
use super::outbox::{MailBounds, NewMail};
use super::tokens::NewToken;
use crate::session::SessionId;
use crate::user::{ProfileChange, User, UserId};

/// What is asked of a store for users who change their own rows. Each operation is one transaction.
/// Nothing is done where the session that asks has ended, nor where the row has another address
/// than the one that was seen. A token that undoes a change of the address is good whatever becomes
/// of the row: one that was decided on before an ending must not be issued after it.
///
/// ```
/// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
/// use countersign::session::RevokedReason;
/// use countersign::store::{Asker, ChangeAsked, Mailed, OwnChangeStore, SessionStore};
/// use countersign::user::ProfileChange;
///
/// # world::run(async |world| {
/// # let (store, ada, now) = (world.auth.store(), world.ada, world::midnight());
/// # let login = world::log_in(&world.auth, countersign::session::Transport::Body).await;
/// let by = Asker { user: ada.id, session: login.session(), seen: None, now };
/// let mut change = ProfileChange::default();
/// change.first_name = Some("Ada".to_owned());
/// let change = || store.change_own_profile(by.clone(), change.clone(), Mailed::default());
/// let (asked, user) = change().await.unwrap();
/// assert_eq!((asked, user.unwrap().first_name.as_str()), (ChangeAsked::Done, "Ada"));
/// store.revoke_user_sessions(ada.id, None, RevokedReason::LogoutAll, now).await.unwrap();
/// assert_eq!(change().await.unwrap(), (ChangeAsked::SessionEnded, None));
/// # });
/// ```
#[async_trait]
pub trait OwnChangeStore: Send + Sync {
    /// Changes a user's own fields, and issues the tokens and queues the mails with it. The user as
    /// this made them, where it was done: somebody else may change them a moment later.
    ///
    /// # Errors
    /// As for [`create_user`](super::UserStore::create_user).
    async fn change_own_profile(
        &self,
        by: Asker,
        change: ProfileChange,
        mailed: Mailed,
    ) -> Result<(ChangeAsked, Option<User>), StoreError>;

    /// Issues tokens and queues their mails, as
    /// [`issue_tokens`](super::TokenStore::issue_tokens) does.
    async fn issue_own_tokens(&self, by: Asker, mailed: Mailed) -> Result<ChangeAsked, StoreError>;
}

/// A user who asks for a change of their own row.
///
/// ```
/// use countersign::session::SessionId;
/// use countersign::store::{Asker, SeenAddress};
/// use countersign::user::User;
///
/// fn asks(user: &User, session: SessionId, now: jiff::Timestamp) -> Asker {
///     let seen = SeenAddress { address: user.email.clone(), is_proved: user.email_verified };
///     Asker { user: user.id, session, seen: Some(seen), now }
/// }
/// ```
#[derive(Debug, Clone)]
pub struct Asker {
    /// Who.
    pub user: UserId,
    /// In which session. Once it has ended nothing is done.
    pub session: SessionId,
    /// The address on which it was decided who is told. Where the row has another by now, nothing
    /// is done. `None` where the address stays, and where users live elsewhere.
    pub seen: Option<SeenAddress>,
    /// The time.
    pub now: Timestamp,
}

/// The address of a user's row as it was read.
///
/// ```
/// use countersign::store::SeenAddress;
///
/// let seen = SeenAddress { address: "ada@example.com".to_owned(), is_proved: true };
/// assert_ne!(seen, SeenAddress { is_proved: false, ..seen.clone() });
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenAddress {
    /// The address, to the letter; empty for none.
    pub address: String,
    /// Whether it was proved: the owner of one that was gets a link that undoes the change.
    pub is_proved: bool,
}

/// Tokens and mails that go with a change, and how many there may be.
///
/// ```
/// assert!(countersign::store::Mailed::default().tokens.is_empty());
/// ```
#[derive(Debug, Clone, Default)]
pub struct Mailed {
    /// The tokens.
    pub tokens: Vec<NewToken>,
    /// The mails with them.
    pub mails: Vec<NewMail>,
    /// How many there may be in an hour.
    pub bounds: MailBounds,
}

/// What became of a change that a user asked for.
///
/// ```
/// use countersign::http::Code;
/// use countersign::store::ChangeAsked;
///
/// fn refused(asked: ChangeAsked) -> Option<Code> {
///     match asked {
///         ChangeAsked::Done => None,
///         ChangeAsked::SessionEnded => Some(Code::SessionRevoked),
///         ChangeAsked::TooMany => Some(Code::Throttled),
///         _ => Some(Code::Conflict),
///     }
/// }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ChangeAsked {
    /// It is done, and what goes with it is queued.
    Done,
    /// The address is not the one that was seen any more. Nothing was done.
    Stale,
    /// The session that asks has ended meanwhile. Nothing was done.
    SessionEnded,
    /// The user has had their share of tokens of such a purpose. Nothing was done.
    TooMany,
}
