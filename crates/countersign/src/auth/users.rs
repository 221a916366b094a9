//! The users, as this process remembers them.

use std::sync::{Arc, Weak};

use super::maintenance::BETWEEN_ROUNDS;
use super::settings::WhenStale;
use super::{Auth, Inner};
use crate::store::StoreError;
use crate::user::{CachedUser, UserId};

impl Auth {
    /// Tells every process that a row of the app's own [`Users`](crate::user::Users) changed: this
    /// one at once, the others within a second. A user who became inactive is refused from then on;
    /// to end the sessions for good, [`end_sessions`](Self::end_sessions) too.
    ///
    /// # Errors
    /// The store's.
    ///
    /// ```
    /// use countersign::Auth;
    /// use countersign::store::StoreError;
    /// use countersign::user::UserId;
    ///
    /// async fn promote(auth: &Auth, member: UserId) -> Result<(), StoreError> {
    ///     // UPDATE members SET is_staff = true WHERE …
    ///     auth.user_changed(member).await
    /// }
    /// ```
    pub async fn user_changed(&self, user: UserId) -> Result<(), StoreError> {
        self.0.store.note_user_changed(user, self.0.clock.now()).await?;
        self.0.user_cache.forget(user);
        Ok(())
    }

    /// Forgets what the store has of a user whom the app has deleted from a table of its own:
    /// sessions, which end, second factors, links and codes that were mailed, and mails that wait.
    /// Call it after the row is gone. The endpoint that deletes an account does so by itself, and
    /// with a row of the store's own table all of it goes anyway. Lines in the audit log stay.
    ///
    /// # Errors
    /// The store's. To repeat it is safe.
    ///
    /// ```
    /// use countersign::Auth;
    /// use countersign::store::StoreError;
    /// use countersign::user::UserId;
    ///
    /// async fn leave(auth: &Auth, member: UserId) -> Result<(), StoreError> {
    ///     // DELETE FROM members WHERE …
    ///     auth.forget_user(member).await
    /// }
    /// ```
    pub async fn forget_user(&self, user: UserId) -> Result<(), StoreError> {
        self.0.store.forget_user(user, self.0.clock.now()).await?;
        self.user_changed(user).await?;
        self.catch_up().await
    }

    /// The user with this id, from the cache if it is there and not old.
    pub(crate) async fn user(&self, id: UserId) -> Result<Option<Arc<CachedUser>>, StoreError> {
        let known = self.0.user_cache.get(id);
        let age = known.as_ref().map_or(u64::MAX, |user| user.age(self.seconds()));
        if age < self.read_again_after() {
            return Ok(known);
        }
        match self.user_as_is(id).await {
            // Nobody is turned away before the row is too old, nor after it by those who were told
            // to go on.
            Err(error)
                if known.is_some()
                    && (age < self.row_lifetime()
                        || self.0.settings.when_stale == WhenStale::GoOn) =>
            {
                tracing::debug!(%error, user = %id, "a user's row could not be read again; the one \
                    from before goes on");
                Ok(known)
            }
            read => read,
        }
    }

    /// The user with this id as the row is now; what was known before is forgotten.
    async fn user_as_is(&self, id: UserId) -> Result<Option<Arc<CachedUser>>, StoreError> {
        let (moment, now) = (self.0.user_cache.moment(), self.seconds());
        let user = self.0.users.by_id(id).await?.map(|user| Arc::new(user.dated(now)));
        let before = self.0.user_cache.get(id);
        match (&user, before) {
            // Whoever changed the row did not say so. Tokens that remember the old one forget it
            // too.
            (None, Some(_)) => self.0.user_cache.forget(id),
            (Some(user), Some(before)) if !before.has_rights_of(user) => {
                self.0.user_cache.forget(id);
            }
            (Some(user), _) => self.0.user_cache.keep(Arc::clone(user), moment),
            (None, None) => {}
        }
        Ok(user)
    }

    /// The user whose session is refreshed. Changes of the store's own rows tell themselves,
    /// whoever makes them; an app's own row is read, since a writer that knows nothing of us says
    /// nothing.
    pub(crate) async fn user_at_refresh(
        &self,
        id: UserId,
    ) -> Result<Option<Arc<CachedUser>>, StoreError> {
        if self.0.users.tells_of_changes() {
            self.user(id).await
        } else {
            self.user_as_is(id).await
        }
    }

    /// For how many seconds a row counts at most: as long as an access token, which says the same
    /// for as long.
    pub(crate) fn row_lifetime(&self) -> u64 {
        self.0.settings.access_lifetime.as_secs()
    }

    /// The age in seconds from which on a row is read again, by one request while the others go on
    /// with it.
    pub(crate) fn read_again_after(&self) -> u64 {
        self.row_lifetime() - self.row_lifetime() / 4
    }
}

/// Now and then asks which kinds of hashes are live: a login of nobody costs what theirs do. Ends
/// with the last [`Auth`].
pub(super) async fn look_at_passwords(auth: Weak<Inner>) {
    loop {
        tokio::time::sleep(BETWEEN_ROUNDS).await;
        let Some(auth) = auth.upgrade().map(Auth) else { return };
        match auth.0.users.password_kinds().await {
            Ok(kinds) => auth.0.passwords.note_kinds(&kinds),
            Err(error) => {
                tracing::warn!(%error, "the kinds of the users' passwords are not known now; \
                    trying again");
            }
        }
    }
}
