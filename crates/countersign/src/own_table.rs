//! A table of the app's own, and what one-time tokens bring about there.

use std::sync::Arc;

use countersign_verify::Account;
use jiff::{SignedDuration, Timestamp};

use crate::password::EncodedPassword;
use crate::session::RevokedReason;
use crate::store::{
    Act, DeletionAsked, Leftovers, MailBounds, NewMail, NewToken, Register, SelfDeletion, Store,
    StoreError, WaitingRegistration,
};
use crate::token::Fingerprint;
use crate::user::{
    AnyRegisters, AnyUsers, CachedUser, Email, FoundUser, NewUser, Registers, UserId, Users,
    fold_address,
};

/// A table of the app's own.
#[derive(Debug, Clone)]
pub(crate) struct OwnTable {
    users: Arc<dyn AnyUsers>,
    /// Where people register in it.
    registers: Option<Arc<dyn AnyRegisters>>,
}

impl OwnTable {
    pub(crate) fn of(users: impl Users) -> Self {
        Self { users: Arc::new(users), registers: None }
    }

    /// One in which people register.
    pub(crate) fn registering(users: impl Registers) -> Self {
        let users = Arc::new(users);
        Self { users: users.clone(), registers: Some(users) }
    }

    pub(crate) fn users(&self) -> &dyn AnyUsers {
        &*self.users
    }

    /// The row of a user.
    pub(crate) async fn row(
        &self,
        id: UserId,
    ) -> Result<Option<FoundUser<CachedUser>>, StoreError> {
        self.users.by_id(id).await
    }

    /// Whether people can register in it, change their addresses and delete their accounts.
    pub(crate) const fn keeps_accounts(&self) -> bool {
        self.registers.is_some()
    }

    /// Who does what a registration and an address need. Nothing asks where there is none.
    pub(crate) fn registrar(&self) -> Result<&dyn AnyRegisters, StoreError> {
        let nobody = || StoreError::failed("nobody registers in this table");
        self.registers.as_deref().ok_or_else(nobody)
    }

    /// Makes a row, and forgets in `store` what there is of somebody who had its id before. No id
    /// is to be given twice; where a table does it all the same, a link, a session or a factor of
    /// who is gone opens nothing of who has come. What a process left behind that died in the
    /// middle of a deletion goes here too.
    pub(crate) async fn create(
        &self,
        store: &dyn Store,
        new: NewUser,
        now: Timestamp,
    ) -> Result<UserId, StoreError> {
        let id = self.registrar()?.create(new, now).await?;
        if let Err(error) = store.forget_user(id, now).await {
            self.take_back(store, id, now).await?;
            return Err(error);
        }
        Ok(id)
    }

    /// Deletes a row that was made a moment ago.
    async fn take_back(
        &self,
        store: &dyn Store,
        id: UserId,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        match self.registrar()?.delete(id).await {
            Ok(_) => store.forget_user(id, now).await?,
            Err(error) => tracing::warn!(user = %id, %error, "nobody waits for the mail of this \
                user, who could not be deleted again"),
        }
        Ok(())
    }

    /// Makes a user, issues the token that proves the address in `store`, and queues its mail
    /// there; or to who has the address, the other mail.
    ///
    /// Two databases have no transaction in common: where the token is not taken, the row goes
    /// again. Whoever waits for the proof gets their password last: a row that nobody waits for
    /// lets nobody in. As many questions are asked of the table, whoever has the address.
    pub(crate) async fn register(
        &self,
        store: &dyn Store,
        register: Register,
    ) -> Result<UserId, StoreError> {
        let holder = self.users().by_login(register.claims.as_str()).await?;
        let first = match register.waits_until {
            Some(_) => EncodedPassword::unusable(),
            None => register.user.password.clone(),
        };
        let new = NewUser { password: first.clone(), ..register.user.clone() };
        let now = register.now;
        let id = self.create(store, new, now).await?;
        if let Err(error) = self.wait(store, register, (id, &first), holder.is_some()).await {
            self.take_back(store, id, now).await?;
            return Err(error);
        }
        Ok(id)
    }

    /// Notes in `store` what a new row waits for.
    async fn wait(
        &self,
        store: &dyn Store,
        register: Register,
        (id, first): (UserId, &EncodedPassword),
        is_taken: bool,
    ) -> Result<(), StoreError> {
        let Register { user, claims, waits_until, token, mail, taken, bounds, .. } = register;
        if let Some(until) = waits_until {
            let address = claims.as_str().to_owned();
            store.note_registration(WaitingRegistration { user: id, address, until }).await?;
            if !self.users().set_password(id, first, &user.password).await? {
                return Err(StoreError::failed("a new row has another password at once"));
            }
        }
        let row = self.users().by_id(id).await?;
        let row = row.map_or_else(Fingerprint::of_nobody, |row| row.fingerprint());
        let owner = (!is_taken).then_some(id);
        let mail = NewMail { user: owner, ..if is_taken { taken } else { mail } };
        let token = NewToken { user: owner, fingerprint: row, ..token };
        store.issue_token(token, vec![mail], bounds).await.map(drop)
    }

    /// Deletes who did not prove their address in time, at most `limit`: those without an address
    /// who have had no session. The others wait no more. One whom the app cannot delete has their
    /// turn again later, and keeps nobody else. How many are gone.
    pub(crate) async fn delete_due_registrations(
        &self,
        store: &dyn Store,
        now: Timestamp,
        limit: u32,
    ) -> Result<u64, StoreError> {
        let mut gone = 0;
        for id in store.due_registrations(now, limit).await? {
            let row = self.row(id).await?;
            if row.as_ref().is_some_and(|row| !row.user.email().is_empty()) {
                store.forget_registration(id).await?;
                continue;
            }
            if row.is_some() {
                match self.registrar()?.delete(id).await {
                    Ok(is_gone) => gone += u64::from(is_gone),
                    Err(error) => {
                        tracing::error!(user = %id, %error, "a registration that lapsed could not \
                            be deleted; it is tried again");
                        let later = now.saturating_add(TRIED_AGAIN).unwrap_or(Timestamp::MAX);
                        if let Some(waiting) = store.registration_of(id).await? {
                            let waiting = WaitingRegistration { until: later, ..waiting };
                            store.note_registration(waiting).await?;
                        }
                        continue;
                    }
                }
            }
            // The row first: while it is there, nobody comes in by it. A process that dies between
            // the two finds them due once more.
            store.forget_user(id, now).await?;
        }
        Ok(gone)
    }

    /// Deletes a user who asks for it, at once. Two databases have no transaction in common: the
    /// sessions end first, and once more for those that began meanwhile. All else goes after the
    /// row: where the app cannot delete it, the user keeps their factors, and the owner of the
    /// address the link that undoes a theft.
    pub(crate) async fn delete(
        &self,
        store: &dyn Store,
        asked: SelfDeletion,
    ) -> Result<DeletionAsked, StoreError> {
        let SelfDeletion { user, checked, session, now, mails, .. } = asked;
        let session = store.session(session).await?;
        if !session.is_some_and(|s| s.user_id == user && s.revoked.is_none() && s.expires_at > now)
        {
            return Ok(DeletionAsked::SessionEnded);
        }
        let row = self.users().by_id(user).await?;
        if row.is_none_or(|row| row.password.as_str() != checked.as_str()) {
            return Ok(DeletionAsked::Stale);
        }
        let reason = RevokedReason::UserInactive;
        store.revoke_user_sessions(user, None, reason, now).await?;
        if !self.registrar()?.delete(user).await? {
            return Ok(DeletionAsked::Stale);
        }
        store.forget_user(user, now).await?;
        store.queue_mails(mails, MailBounds::OF_ACTS).await?;
        Ok(DeletionAsked::Done)
    }

    /// Replaces an outdated encoding of the same password: what was mailed before is tied to the
    /// new one from now on. Where that fails the links are dead, and the login is not.
    pub(crate) async fn upgrade_password(
        &self,
        store: &dyn Store,
        id: UserId,
        old: &EncodedPassword,
        new: &EncodedPassword,
    ) -> Result<bool, StoreError> {
        let row = self.row(id).await?.filter(|row| row.password.as_str() == old.as_str());
        if !self.users().set_password(id, old, new).await? {
            return Ok(false);
        }
        if let Some(row) = row {
            let before = row.fingerprint();
            let after = FoundUser { password: new.clone(), ..row }.fingerprint();
            if let Err(error) = store.carry_tokens(id, before, after).await {
                tracing::warn!(user = %id, %error, "links that were mailed before do nothing");
            }
        }
        Ok(true)
    }

    /// Does what a one-time token is for, on the row as it was read. `false` when the row is
    /// another by now. Sessions end before what they might rest on changes, and again after it:
    /// one that begins later reads the row again.
    pub(crate) async fn bring_about(
        &self,
        store: &dyn Store,
        row: &FoundUser<CachedUser>,
        act: &Act,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let account = &*row.user;
        let (id, address) = (account.id(), account.email());
        match act {
            Act::SetPassword { new } | Act::Join { password: new, .. } => {
                let is_set = self.replace_password(store, row, new, now).await?;
                if is_set {
                    self.prove(account).await?;
                }
                Ok(is_set)
            }
            Act::VerifyEmail { to, password } => {
                if row.is_first_proof(to.as_ref())
                    && let Some(password) = password
                    && !self.replace_password(store, row, password, now).await?
                {
                    return Ok(false);
                }
                match to {
                    Some(to) => self.registrar()?.change_address(id, address, to.as_str()).await,
                    None => self.prove(account).await,
                }
            }
            Act::ChangeEmail { to } => {
                self.registrar()?.change_address(id, address, to.as_str()).await
            }
            Act::Undo { to, password } => {
                self.take_from_who_did_not_prove(id, to).await?;
                Ok(self.replace_password(store, row, password, now).await?
                    && self.registrar()?.change_address(id, address, to).await?)
            }
            Act::ProveAddress => self.prove(account).await,
            Act::Elsewhere { .. } => Ok(true),
        }
    }

    /// Whether nobody else has the address that the token would give the user. Asked before the
    /// token is used up; the table has the last word. An undo gives way to who has proved the
    /// address, and to nobody who is only called so.
    pub(crate) async fn refuse_taken(&self, id: UserId, act: &Act) -> Result<(), StoreError> {
        let holder = match act {
            Act::VerifyEmail { to: Some(to), .. } | Act::ChangeEmail { to } => {
                self.users().by_login(to.as_str()).await?
            }
            Act::Undo { to, .. } if !to.is_empty() => {
                let holder = self.users().by_login(to).await?;
                holder.filter(|holder| has_proved(&*holder.user, to))
            }
            _ => None,
        };
        match holder {
            Some(other) if other.user.id() != id => Err(StoreError::EmailTaken),
            _ => Ok(()),
        }
    }

    /// Whoever has put the address into their own row meanwhile, and has not proved it, does not
    /// keep it from its owner.
    async fn take_from_who_did_not_prove(
        &self,
        owner: UserId,
        address: &str,
    ) -> Result<(), StoreError> {
        let holder = self.users().by_login(address).await?.map(|holder| holder.user);
        if let Some(holder) = holder
            && holder.id() != owner
            && has_without_proof(&*holder, address)
        {
            self.registrar()?.change_address(holder.id(), holder.email(), "").await?;
        }
        Ok(())
    }

    async fn replace_password(
        &self,
        store: &dyn Store,
        row: &FoundUser<CachedUser>,
        new: &EncodedPassword,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let (id, reason) = (row.user.id(), RevokedReason::PasswordChanged);
        store.revoke_user_sessions(id, None, reason, now).await?;
        let is_set = self.users().set_password(id, &row.password, new).await?;
        // Those that began meanwhile with the old one.
        store.revoke_user_sessions(id, None, reason, now).await?;
        Ok(is_set)
    }

    /// Who has the mailbox has the address. A table in which nobody registers keeps no proofs.
    async fn prove(&self, account: &dyn Account) -> Result<bool, StoreError> {
        match self.registrar() {
            Ok(registrar) if !account.email().is_empty() && !account.email_verified() => {
                registrar.set_verified(account.id(), account.email()).await
            }
            _ => Ok(true),
        }
    }
}

impl FoundUser<CachedUser> {
    /// The row as a token is made for it.
    pub(crate) fn fingerprint(&self) -> Fingerprint {
        fingerprint(&*self.user, &self.password)
    }

    /// What goes in our store with what a token brings about in the app's table.
    pub(crate) fn leftovers_of(&self, act: &Act) -> Leftovers {
        match act {
            Act::VerifyEmail { to, .. } if !self.is_first_proof(to.as_ref()) => Leftovers::Stay,
            _ => act.leftovers(),
        }
    }

    /// Whether nobody has proved this address for the user before.
    fn is_first_proof(&self, to: Option<&Email>) -> bool {
        let own = fold_address(self.user.email());
        !self.user.email_verified() || to.is_some_and(|to| fold_address(to.as_str()) != own)
    }
}

/// Whether the address is in the account's row, and it was proved.
fn has_proved(account: &dyn Account, address: &str) -> bool {
    account.email_verified() && fold_address(account.email()) == fold_address(address)
}

/// Whether the address is in the account's row, and nobody has proved it.
fn has_without_proof(account: &dyn Account, address: &str) -> bool {
    !account.email_verified() && fold_address(account.email()) == fold_address(address)
}

/// The row as a token is made for it.
fn fingerprint(account: &dyn Account, password: &EncodedPassword) -> Fingerprint {
    Fingerprint::of(password, &fold_address(account.email()), account.is_active())
}

/// When a user has their turn again whom the app could not delete.
const TRIED_AGAIN: SignedDuration = SignedDuration::from_hours(1);
