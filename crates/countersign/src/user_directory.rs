//! Where users are looked up: in the store, or in a table of the app's own.

use std::sync::Arc;

use countersign_verify::Account;
use jiff::Timestamp;

use crate::clock::seconds;
use crate::factor::FactorId;
use crate::own_table::OwnTable;
use crate::password::EncodedPassword;
use crate::session::{RevokedReason, SessionId};
use crate::store::{
    MailBounds, NewMail, PasskeyOwner, PasswordChange, Register, Store, StoreError, UserFactors,
    WaitingSignIn,
};
use crate::user::{Addressee, CachedUser, FoundUser, NewUser, User, UserByLogin, UserId};

/// Asks whoever knows the users.
#[derive(Debug)]
pub(crate) enum UserDirectory {
    Own(Arc<dyn Store>),
    Custom(OwnTable),
}

/// A user who is about to log in.
#[derive(Debug)]
pub(crate) enum Candidate {
    Own(Box<User>),
    /// Somebody of the store who asked to be deleted, and may come back until then.
    Waiting(Box<User>, Timestamp),
    Custom(CachedUser),
}

impl UserDirectory {
    /// Whether an id is of the kind that its users have: the store's are integers.
    pub(crate) fn can_have(&self, id: UserId) -> bool {
        match self {
            Self::Own(_) => id.as_i64().is_some(),
            Self::Custom(_) => true,
        }
    }

    pub(crate) async fn by_id(&self, id: UserId) -> Result<Option<CachedUser>, StoreError> {
        match self {
            Self::Own(store) => match store.user_by_id(id).await? {
                Some(user) => Ok(Some(self.known(user).await?)),
                None => Ok(None),
            },
            Self::Custom(table) => {
                let users = table.users();
                Ok(users.by_id(id).await?.map(|found| found.user))
            }
        }
    }

    pub(crate) async fn by_login(
        &self,
        login: &str,
    ) -> Result<Option<FoundUser<Candidate>>, StoreError> {
        match self {
            Self::Own(store) => {
                let found = store.user_by_login(login).await?;
                Ok(found.map(Candidate::found))
            }
            Self::Custom(table) => {
                let users = table.users();
                let found = users.by_login(login).await?;
                Ok(found.map(|found| FoundUser {
                    user: Candidate::Custom(found.user),
                    password: found.password,
                }))
            }
        }
    }

    /// A row of the store's as profile and login show it: of an active superuser every permission
    /// there is, since that is what they have. Tokens say what was given, as ever: they have little
    /// room, and `is_superuser` says the rest.
    pub(crate) async fn shown(&self, user: User) -> Result<User, StoreError> {
        match self {
            Self::Own(store) if user.is_superuser && user.is_active => {
                Ok(User { permissions: store.permission_names().await?, ..user })
            }
            _ => Ok(user),
        }
    }

    async fn known(&self, user: User) -> Result<CachedUser, StoreError> {
        if !user.is_superuser {
            return Ok(CachedUser::new(user));
        }
        let shown = self.shown(user.clone()).await?;
        Ok(CachedUser::shown_as(user, &shown))
    }

    /// The user as they are after the login.
    pub(crate) async fn logged_in(
        &self,
        user: Candidate,
        now: Timestamp,
    ) -> Result<CachedUser, StoreError> {
        let user = match user {
            Candidate::Own(mut user) | Candidate::Waiting(mut user, _) => {
                user.last_login = Some(now);
                self.known(*user).await?
            }
            Candidate::Custom(user) => user,
        };
        Ok(user.dated(seconds(now)))
    }

    /// The user with this id, as one who is about to log in.
    pub(crate) async fn candidate(
        &self,
        id: UserId,
    ) -> Result<Option<FoundUser<Candidate>>, StoreError> {
        match self {
            Self::Own(store) => {
                // The password first: a session begins on a row that is no older than it. Both are
                // asked for whoever it is, so that nobody costs what somebody costs.
                let password = store.password_of(id).await?;
                let user = store.user_by_id(id).await?;
                let found = password.zip(user);
                Ok(found.map(|(password, user)| FoundUser {
                    user: Candidate::Own(Box::new(user)),
                    password,
                }))
            }
            Self::Custom(table) => {
                let users = table.users();
                let found = users.by_id(id).await?;
                Ok(found.map(|found| FoundUser {
                    user: Candidate::Custom(found.user),
                    password: found.password,
                }))
            }
        }
    }

    /// The user of a sign-in that waits, as one who is about to log in, and all else that its
    /// second step looks at.
    pub(crate) async fn waiting(
        &self,
        store: &dyn Store,
        id: UserId,
        pending: FactorId,
    ) -> Result<(Option<FoundUser<Candidate>>, WaitingSignIn), StoreError> {
        let mut waiting = store.waiting_sign_in(id, pending).await?;
        let found = match self {
            Self::Own(_) => waiting.row.take().map(|(password, user)| FoundUser {
                user: Candidate::Own(Box::new(user)),
                password,
            }),
            Self::Custom(_) => self.candidate(id).await?,
        };
        Ok((found, waiting))
    }

    /// Whose passkey this is, as one who is about to log in, where they are still there, and what
    /// they have.
    pub(crate) async fn passkey_owner(
        &self,
        store: &dyn Store,
        credential: &[u8],
    ) -> Result<Option<(UserId, Option<FoundUser<Candidate>>, UserFactors)>, StoreError> {
        let owner = store.passkey_owner(credential.to_vec()).await?;
        let Some(PasskeyOwner { user, row, factors }) = owner else { return Ok(None) };
        let found = match self {
            Self::Own(_) => row.map(Candidate::found),
            Self::Custom(_) => self.candidate(user).await?,
        };
        Ok(Some((user, found, factors)))
    }

    pub(crate) async fn password_of(
        &self,
        id: UserId,
    ) -> Result<Option<EncodedPassword>, StoreError> {
        match self {
            Self::Own(store) => store.password_of(id).await,
            Self::Custom(table) => {
                let users = table.users();
                Ok(users.by_id(id).await?.map(|found| found.password))
            }
        }
    }

    /// Sets a user's own new password in the place of the one that was checked, while the session
    /// that asks lives, and ends the user's other sessions.
    pub(crate) async fn change_password(
        &self,
        store: &dyn Store,
        id: UserId,
        (old, new): (&EncodedPassword, &EncodedPassword),
        session: SessionId,
        now: Timestamp,
        mails: Vec<NewMail>,
    ) -> Result<PasswordChange, StoreError> {
        match self {
            Self::Own(store) => store.change_password(id, old, new, session, now, mails).await,
            Self::Custom(table) => {
                let users = table.users();
                // Two databases have no transaction in common. Ended first, the sessions are ended
                // whatever fails; ended again, so are those that began meanwhile with the old
                // password. One that begins later reads the row again, and is ended by itself.
                let lives = store
                    .session(session)
                    .await?
                    .is_some_and(|s| s.user_id == id && s.revoked.is_none() && s.expires_at > now);
                if !lives {
                    return Ok(PasswordChange::SessionEnded);
                }
                if users
                    .by_id(id)
                    .await?
                    .is_none_or(|found| found.password.as_str() != old.as_str())
                {
                    return Ok(PasswordChange::Stale);
                }
                store
                    .revoke_user_sessions(id, Some(session), RevokedReason::PasswordChanged, now)
                    .await?;
                let changed = users.set_password(id, old, new).await?;
                store
                    .revoke_user_sessions(id, Some(session), RevokedReason::PasswordChanged, now)
                    .await?;
                if !changed {
                    return Ok(PasswordChange::Stale);
                }
                store.queue_mails(mails, MailBounds::default()).await?;
                Ok(PasswordChange::Done)
            }
        }
    }

    /// Whether the encoding was replaced; not where the password is another by now.
    pub(crate) async fn upgrade_password(
        &self,
        store: &dyn Store,
        id: UserId,
        old: &EncodedPassword,
        new: &EncodedPassword,
    ) -> Result<bool, StoreError> {
        match self {
            Self::Own(store) => store.upgrade_password(id, old, new).await,
            Self::Custom(table) => table.upgrade_password(store, id, old, new).await,
        }
    }

    /// Notes a login, where the store does not do it together with the session.
    pub(crate) async fn note_login(&self, id: UserId, now: Timestamp) -> Result<(), StoreError> {
        match self {
            Self::Own(_) => Ok(()),
            Self::Custom(table) => table.users().note_login(id, now).await,
        }
    }

    pub(crate) async fn password_kinds(&self) -> Result<Vec<String>, StoreError> {
        match self {
            Self::Own(store) => store.password_kinds().await,
            Self::Custom(table) => table.users().password_kinds().await,
        }
    }

    /// Whether every change of a row is in the feed, whoever makes it: the store's triggers see to
    /// its own.
    pub(crate) const fn tells_of_changes(&self) -> bool {
        matches!(self, Self::Own(_))
    }

    /// Makes a user. What a registration says, and nothing else, is in a table of the app's own.
    pub(crate) async fn create(
        &self,
        store: &dyn Store,
        new: NewUser,
        now: Timestamp,
    ) -> Result<UserId, StoreError> {
        match self {
            Self::Own(store) => Ok(store.create_user(new, now).await?.id),
            Self::Custom(table) => table.create(store, new, now).await,
        }
    }

    /// Makes a user, issues the token that proves the address, and queues its mail; where another
    /// user has the address, who gets the other mail, the token is nobody's.
    pub(crate) async fn register(
        &self,
        store: &dyn Store,
        register: Register,
    ) -> Result<UserId, StoreError> {
        match self {
            Self::Own(store) => Ok(store.register(register).await?.id),
            Self::Custom(table) => table.register(store, register).await,
        }
    }

    /// Deletes who registered and did not prove their address in time, at most `limit`. How many.
    pub(crate) async fn delete_due_registrations(
        &self,
        store: &dyn Store,
        now: Timestamp,
        limit: u32,
    ) -> Result<u64, StoreError> {
        match self {
            Self::Own(store) => store.delete_due_registrations(now, limit).await,
            Self::Custom(table) if table.keeps_accounts() => {
                table.delete_due_registrations(store, now, limit).await
            }
            Self::Custom(_) => Ok(0),
        }
    }

    /// The app's own table, where the users live in one.
    pub(crate) const fn own_table(&self) -> Option<&OwnTable> {
        match self {
            Self::Own(_) => None,
            Self::Custom(table) => Some(table),
        }
    }

    /// Whether people can register, change their addresses and delete their accounts.
    pub(crate) const fn keeps_accounts(&self) -> bool {
        match self {
            Self::Own(_) => true,
            Self::Custom(table) => table.keeps_accounts(),
        }
    }

    /// Whether users may change their rows through the profile.
    pub(crate) const fn owns_profiles(&self) -> bool {
        matches!(self, Self::Own(_))
    }
}

impl Candidate {
    /// A row of the store's.
    fn found(row: UserByLogin) -> FoundUser<Self> {
        let user = Box::new(row.user);
        let user = match row.deletion_at {
            Some(at) if !user.is_active => Self::Waiting(user, at),
            _ => Self::Own(user),
        };
        FoundUser { user, password: row.password }
    }

    /// The language of the user's mails; empty for English.
    pub(crate) fn language(&self) -> &str {
        self.account().locale()
    }

    /// Whom mails tell of the account.
    pub(crate) fn addressee(&self) -> Addressee<'_> {
        match self {
            Self::Own(user) | Self::Waiting(user, _) => Addressee::from(&**user),
            Self::Custom(user) => Addressee {
                user: user.id(),
                email: user.email(),
                language: user.locale(),
                is_proved: user.email_verified(),
            },
        }
    }

    /// Whether the user has logged in before; where an app keeps its users, nobody knows.
    pub(crate) fn has_logged_in(&self) -> bool {
        match self {
            Self::Own(user) | Self::Waiting(user, _) => user.last_login.is_some(),
            Self::Custom(_) => true,
        }
    }

    /// Whether the user has an address that nobody has proved.
    pub(crate) fn waits_for_proof(&self) -> bool {
        let account = self.account();
        !account.email().is_empty() && !account.email_verified()
    }

    pub(crate) fn account(&self) -> &dyn Account {
        match self {
            Self::Own(user) | Self::Waiting(user, _) => &**user,
            Self::Custom(user) => &**user,
        }
    }

    /// Whether the store has the row, and can ask for it in the transaction in which the session
    /// begins.
    pub(crate) const fn is_in_the_store(&self) -> bool {
        matches!(self, Self::Own(_) | Self::Waiting(..))
    }

    /// When the user is deleted, if they asked for it.
    pub(crate) const fn deletion_at(&self) -> Option<Timestamp> {
        match self {
            Self::Waiting(_, at) => Some(*at),
            Self::Own(_) | Self::Custom(_) => None,
        }
    }
}
