//! The keys that access tokens are signed with: what each is for, and how one comes and goes.

use countersign::key_rotation::rotate_by;
use countersign::store::admin::{AdminError, AuditKind, AuditLine};
use countersign::token::{KeyId, SealedKey};
use jiff::Timestamp;
use secrecy::SecretString;

use super::Operator;
use crate::command_error::CommandError;
use crate::services::Services;

impl Operator<'_> {
    /// Makes a new key, after a look whether the live ones open with the secret; its id.
    ///
    /// # Errors
    /// A live key that does not open: the secret would be the wrong one. Otherwise the store's.
    pub(crate) async fn rotate_keys(
        &self,
        services: &Services,
        cut_off: bool,
    ) -> Result<KeyId, CommandError> {
        let settings = services.config.settings()?;
        let secrets = services.secrets().await?;
        // A secret that does not open the old keys is the wrong one, and must seal no new one. Nor
        // where the old keys are cut off: no running node could open the new one, so the old ones
        // would go on there, and no node would start again.
        for key in self.store.keys().await?.iter().filter(|key| key.is_live(self.by.now)) {
            key.open(&secrets)?;
        }
        let (algorithm, lifetime) = (settings.signing_algorithm, settings.access_lifetime);
        Ok(rotate_by(
            self.store,
            &secrets,
            algorithm,
            lifetime,
            cut_off,
            &*services.random,
            &self.by,
        )
        .await?)
    }

    /// The private key as PEM (PKCS#8), once the audit log has a line of it.
    ///
    /// # Errors
    /// A key that is not there or does not open, and the store's: without a line there is no key.
    pub(crate) async fn export_private_key(
        &self,
        services: &Services,
        id: KeyId,
    ) -> Result<SecretString, CommandError> {
        let key = find(&self.store.keys().await?, id)?.open(&services.secrets().await?)?;
        let line = AuditLine {
            at: self.by.now,
            kind: AuditKind::KeyExported,
            actor: Some(self.by.who.clone()),
            user: None,
            session: None,
            ip: self.by.ip,
            detail: format!("the private key of {id}"),
        };
        self.store.note(std::slice::from_ref(&line)).await?;
        line.log();
        Ok(key.to_pem())
    }

    /// Retires a key that only verifies any more.
    ///
    /// # Errors
    /// A key that is not there, is retired, or is needed to sign; and the store's.
    pub(crate) async fn retire_key(&self, id: KeyId) -> Result<(), NotRetired> {
        self.may_retire(id).await?;
        Ok(self.store.end_key(id, &self.by).await?)
    }

    /// Whether [`retire_key`](Self::retire_key) would take the key.
    ///
    /// # Errors
    /// The same.
    pub(crate) async fn may_retire(&self, id: KeyId) -> Result<(), NotRetired> {
        let keys = self.store.keys().await.map_err(AdminError::from)?;
        let states = states(&keys, self.by.now);
        match keys.iter().zip(states).find(|(key, _)| key.id == id).map(|(_, state)| state) {
            Some(KeyState::Verifying) => Ok(()),
            Some(KeyState::Retired) => Err(NotRetired::Already),
            Some(KeyState::Signing) => Err(NotRetired::Signing),
            Some(KeyState::Next) => Err(NotRetired::Next),
            None => Err(NotRetired::Store(AdminError::Gone)),
        }
    }
}

/// Why a key was not retired.
#[derive(Debug)]
pub(crate) enum NotRetired {
    /// It is retired already.
    Already,
    /// It signs.
    Signing,
    /// It is the next to sign.
    Next,
    /// It is not there, or the store could not.
    Store(AdminError),
}

impl From<AdminError> for NotRetired {
    fn from(error: AdminError) -> Self {
        Self::Store(error)
    }
}

/// What a key is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeyState {
    /// It signs every new token.
    Signing,
    /// It verifies what it signed before.
    Verifying,
    /// It is published, and signs soon.
    Next,
    /// Nothing that it signed counts any more.
    Retired,
}

impl KeyState {
    /// In a word.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Signing => "signing",
            Self::Verifying => "verifying",
            Self::Next => "next",
            Self::Retired => "retired",
        }
    }

    /// In a sentence.
    pub(crate) const fn sentence(self) -> &'static str {
        match self {
            Self::Signing => "Every new access token is signed with it.",
            Self::Verifying => "What it signed still counts, until it retires.",
            Self::Next => "It is published, so that verifiers know it, and signs soon.",
            Self::Retired => "Nothing that it signed counts any more.",
        }
    }
}

/// The key of an id.
///
/// # Errors
/// There is none.
pub(crate) fn find(keys: &[SealedKey], id: KeyId) -> Result<&SealedKey, CommandError> {
    keys.iter().find(|key| key.id == id).ok_or_else(|| {
        CommandError::new(format!("there is no key {id}; `countersign keys list` shows them"))
    })
}

/// What each of the keys is for: the newest active one signs; those before it verify; those behind
/// it wait.
pub(crate) fn states(keys: &[SealedKey], now: Timestamp) -> Vec<KeyState> {
    let signing = keys.iter().rposition(|key| key.is_live(now) && key.activates_at <= now);
    keys.iter()
        .enumerate()
        .map(|(i, key)| match signing {
            _ if !key.is_live(now) => KeyState::Retired,
            Some(signing) if i == signing => KeyState::Signing,
            _ if key.activates_at > now => KeyState::Next,
            _ => KeyState::Verifying,
        })
        .collect()
}
