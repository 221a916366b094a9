//! The acts of operators: each once, for every door.
//!
//! The shell and the admin site ask an [`Operator`], who knows who it is. An act and the line of
//! the audit log that tells of it are one transaction of the store; the log stream is told of the
//! line when that is done. The door decides what an operator may do: the shell may do everything. A
//! new door needs a constructor of [`Operator`] and nothing else.

pub(crate) mod check;
pub(crate) mod figures;
pub(crate) mod groups;
pub(crate) mod keys;
mod os_user;
pub(crate) mod people;
pub(crate) mod restore;
pub(crate) mod second_factors;
pub(crate) mod service_tokens;

use std::net::IpAddr;

use countersign::Post;
use countersign::clock::Random;
use countersign::factor::FactorId;
use countersign::mail::MailKind;
use countersign::password::EncodedPassword;
use countersign::session::SessionId;
use countersign::store::admin::{
    Actor, AdminError, AdminStore, FactorsImported, Fingerprint, Grants, ImportFactors, Once,
    PermissionText, Rule, ServiceTokenRow, UserAct, UserEdit,
};
use countersign::store::{NewMail, StoreError};
use countersign::user::{Addressee, NewUser, User, UserId, fold_address};
use jiff::Timestamp;

use crate::services::Services;

/// An operator of this server, at one moment. Every act is in their name.
#[derive(Debug)]
pub(crate) struct Operator<'a> {
    store: &'a dyn AdminStore,
    by: Actor,
}

impl<'a> Operator<'a> {
    /// The operating system's user who ran this program.
    pub(crate) fn shell(services: &'a Services) -> Self {
        Self { store: &*services.store, by: shell(services.clock.now()) }
    }

    /// Somebody of the staff, whose request came from `ip`.
    pub(crate) fn staff(
        store: &'a dyn AdminStore,
        user: UserId,
        ip: IpAddr,
        now: Timestamp,
    ) -> Self {
        Self { store, by: Actor::staff(user, Some(ip), now) }
    }

    /// A program that has this service token, whose request came from `ip`. It needs a
    /// [rule](Self::who): without one the store lets it do nothing.
    pub(crate) fn service(
        store: &'a dyn AdminStore,
        token: &ServiceTokenRow,
        ip: IpAddr,
        now: Timestamp,
    ) -> Self {
        Self { store, by: Actor::service(token, Some(ip), now) }
    }

    /// The server, in what it does by itself.
    pub(crate) fn server(store: &'a dyn AdminStore, now: Timestamp) -> Self {
        Self { store, by: Actor::staff(NOBODY, None, now) }
    }

    /// The same, with the rule that the store asks once more in the transaction: what they may do
    /// is what they may do then.
    pub(crate) fn who(self, may: Rule) -> Self {
        Self { by: Actor { may: Some(may), ..self.by }, ..self }
    }

    /// The same, who makes a user at most once under this key. `parts` is what they ask, without
    /// what is secret of it.
    pub(crate) fn once(self, key: &str, parts: &[&str]) -> Self {
        let once = Once::of(&self.by.who, key, parts);
        Self { by: Actor { once: Some(once), ..self.by }, ..self }
    }

    /// Has a web hook go on that is paused; sends it again what was given up, and what it took of
    /// events since a time. How many of those there are.
    ///
    /// # Errors
    /// [`AdminError::Gone`] where no server has been told of such a hook, and the store's.
    pub(crate) async fn replay_hook(
        &self,
        hook: &str,
        since: Option<Timestamp>,
    ) -> Result<u64, AdminError> {
        self.store.replay_hook(hook, since, &self.by).await
    }

    /// Makes a user.
    ///
    /// # Errors
    /// A name or an address that is taken, and the store's.
    pub(crate) async fn add_user(&self, new: NewUser, grants: &Grants) -> Result<User, AdminError> {
        self.store.add_user(new, grants, &self.by).await
    }

    /// Changes a user, unless the row is no longer what `seen` stands for. Where the address was
    /// proved and becomes another, the old one is told: without a link that undoes it, since an
    /// operator may take an account from a mailbox that somebody else has by now.
    ///
    /// # Errors
    /// [`AdminError::Stale`], [`AdminError::LastSuperuser`], [`AdminError::Gone`], a name or an
    /// address that is taken, and the store's.
    pub(crate) async fn edit_user(
        &self,
        before: &User,
        edit: &UserEdit,
        seen: Fingerprint,
        post: Option<&Post>,
        random: &dyn Random,
    ) -> Result<User, AdminError> {
        let after = edit.email.as_ref().map_or("", |email| email.as_str());
        let mut mails = Vec::new();
        if let Some(post) = post
            && fold_address(after) != fold_address(&before.email)
        {
            // By an operator, from nowhere; to which address is nobody else's business.
            let values = ["place", "address", "until"].map(|name| (name, String::new()));
            let (kind, whom) = (MailKind::AddressChanged, Addressee::from(before));
            let notice = post.notice(kind, &whom, values.into(), self.by.now, random);
            mails.extend(notice.map_err(StoreError::failed)?);
        }
        self.store.edit_user_and_tell(before.id, edit, seen, &self.by, mails).await
    }

    /// Sets a password, or an unusable one, ends the user's sessions, and tells the user.
    ///
    /// # Errors
    /// [`AdminError::Gone`], and the store's.
    pub(crate) async fn set_password(
        &self,
        user: &User,
        password: &EncodedPassword,
        post: Option<&Post>,
        random: &dyn Random,
    ) -> Result<(), AdminError> {
        // From nowhere: an operator's address is nobody else's business.
        let place = vec![("place", String::new())];
        let whom = Addressee::from(user);
        let notice = post
            .map(|post| post.notice(MailKind::PasswordChanged, &whom, place, self.by.now, random))
            .transpose()
            .map_err(StoreError::failed)?;
        let mails = notice.flatten().into_iter().collect();
        self.store.set_password_and_tell(user.id, password, &self.by, mails).await
    }

    /// Removes all second factors of a user, and ends the user's sessions; how many factors.
    ///
    /// # Errors
    /// [`AdminError::Gone`], and the store's.
    pub(crate) async fn reset_factors(
        &self,
        id: UserId,
        mails: Vec<NewMail>,
    ) -> Result<u64, AdminError> {
        self.store.reset_factors(id, mails, &self.by).await
    }

    /// Removes one second factor of a user, and ends the user's sessions.
    ///
    /// # Errors
    /// [`AdminError::Gone`] where the user has none such, and the store's.
    pub(crate) async fn remove_factor(
        &self,
        id: UserId,
        factor: FactorId,
        mails: Vec<NewMail>,
    ) -> Result<(), AdminError> {
        self.store.remove_factor_of(id, factor, mails, &self.by).await
    }

    /// Adds second factors that a user has at another installation; what was taken of them.
    ///
    /// # Errors
    /// [`AdminError::Gone`], and the store's.
    pub(crate) async fn import_factors(
        &self,
        import: ImportFactors,
    ) -> Result<FactorsImported, AdminError> {
        self.store.import_factors(import, &self.by).await
    }

    /// Does one thing to users, as one transaction; how many it changed.
    ///
    /// # Errors
    /// [`AdminError::LastSuperuser`], and the store's; nothing is done then.
    pub(crate) async fn act_on_users(
        &self,
        ids: &[UserId],
        act: UserAct,
    ) -> Result<u64, AdminError> {
        self.store.act_on_users(ids, act, &self.by).await
    }

    /// Ends these sessions; how many were live.
    ///
    /// # Errors
    /// The store's.
    pub(crate) async fn end_sessions(&self, ids: &[SessionId]) -> Result<u64, AdminError> {
        self.store.end_sessions(ids, &self.by).await
    }

    /// Ends a user's sessions; how many there were, but for those of the admin site.
    ///
    /// # Errors
    /// [`AdminError::Gone`], and the store's.
    pub(crate) async fn end_user_sessions(&self, user: UserId) -> Result<u64, AdminError> {
        self.store.end_user_sessions(user, &self.by).await
    }

    /// Ends every session that began at or before `began`; how many.
    ///
    /// # Errors
    /// The store's.
    pub(crate) async fn end_sessions_begun_by(&self, began: Timestamp) -> Result<u64, AdminError> {
        self.store.end_sessions_begun_by(began, &self.by).await
    }

    /// Ends every session of everybody; how many.
    ///
    /// # Errors
    /// The store's.
    pub(crate) async fn end_all_sessions(&self) -> Result<u64, AdminError> {
        self.end_sessions_begun_by(self.by.now).await
    }

    /// Makes a group, or changes one unless it is no longer what `seen` stands for; its id.
    ///
    /// # Errors
    /// [`AdminError::Stale`], [`AdminError::NameTaken`], [`AdminError::Gone`], and the store's.
    pub(crate) async fn save_group(
        &self,
        id: Option<i64>,
        name: &str,
        permissions: &[i64],
        seen: Option<Fingerprint>,
    ) -> Result<i64, AdminError> {
        self.store.save_group(id, name, permissions, seen, &self.by).await
    }

    /// Deletes a group.
    ///
    /// # Errors
    /// [`AdminError::Gone`], and the store's.
    pub(crate) async fn delete_group(&self, id: i64) -> Result<(), AdminError> {
        self.store.delete_group(id, &self.by).await
    }

    /// Makes a permission, or changes its text unless that is no longer what `seen` stands for; its
    /// id.
    ///
    /// # Errors
    /// [`AdminError::Stale`], [`AdminError::NameTaken`], [`AdminError::Gone`], and the store's.
    pub(crate) async fn save_permission(
        &self,
        id: Option<i64>,
        text: &PermissionText,
        seen: Option<Fingerprint>,
    ) -> Result<i64, AdminError> {
        self.store.save_permission(id, text, seen, &self.by).await
    }

    /// Deletes a permission, from users and groups too.
    ///
    /// # Errors
    /// [`AdminError::Gone`], and the store's.
    pub(crate) async fn delete_permission(&self, id: i64) -> Result<(), AdminError> {
        self.store.delete_permission(id, &self.by).await
    }
}

/// The operating system's user who ran this program.
pub(crate) fn shell(now: Timestamp) -> Actor {
    Actor::shell(&os_user::name(), now)
}

/// Stands in the audit log for the server where it acts by itself: no user has this id.
pub(crate) const NOBODY: UserId = UserId::new(0);

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    /// The operations of a store that change something, in an operator's name or in nobody's.
    const ACTS: &[&str] = &[
        "add_user",
        "create_user",
        "edit_user",
        "set_password",
        "set_password_and_tell",
        "reset_password",
        "reset_factors",
        "remove_factor",
        "remove_factor_of",
        "import_factors",
        "act_on_users",
        "set_active",
        "delete_user",
        "end_sessions",
        "end_user_sessions",
        "end_sessions_begun_by",
        "after_restore",
        "skip_ids",
        "revoke_session",
        "revoke_user_sessions",
        "revoke_sessions_begun_by",
        "rotate_keys",
        "add_key",
        "end_key",
        "retire_key",
        "save_group",
        "delete_group",
        "save_permission",
        "delete_permission",
        "invite_user",
        "send_link",
        "issue_token",
        "mark_verified",
        "queue_mails",
        "retry_mail",
        "mail_due_now",
        "forget_mail",
        "ask_deletion",
        "restore_user",
        "delete_due_users",
        "add_service_token",
        "revoke_service_token",
        "replay_hook",
    ];

    #[test]
    fn no_door_acts_on_the_store_past_the_operator() {
        let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let mut looked_at = 0;
        let mut folders: Vec<_> =
            ["admin", "command", "manage", "serve"].map(|door| sources.join(door)).into();
        while let Some(folder) = folders.pop() {
            for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
                if path.is_dir() {
                    folders.push(path);
                    continue;
                }
                looked_at += 1;
                let text: String = fs::read_to_string(&path).unwrap().split_whitespace().collect();
                for act in ACTS {
                    assert!(
                        !text.contains(&format!("store.{act}(")),
                        "{} calls {act} of the store",
                        path.display()
                    );
                }
            }
        }
        assert!(looked_at > 40, "{looked_at}");
    }
}
