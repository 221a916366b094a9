//! Passkeys: what a browser is asked to sign, and whether it has.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use crate::auth::Auth;
use crate::factor::passkey::{Asked, CHALLENGE_SECONDS, NotSigned, PasskeyShown};
use crate::http::peer::Peer;
use crate::http::problem::{Code, Problem};
use crate::mail::MailKind;
use crate::sign_in::{FactorKind, Proof};
use crate::store::{
    FactorProof, MailBounds, PasskeyChallenge, StoreError, StoredFactor, UserFactors,
};
use crate::user::{FoundUser, UserId};
use crate::user_directory::Candidate;

/// What a page hands on to its browser.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct PasskeyPrompt {
    /// What `navigator.credentials` is called with, as JSON: for
    /// `PublicKeyCredential.parseCreationOptionsFromJSON` or `parseRequestOptionsFromJSON`.
    #[schema(value_type = Object)]
    options: Value,
}

impl PasskeyPrompt {
    /// Counts what a stranger asks for. A page that offers passkeys asks whenever it is shown, so a
    /// client may ask for many.
    pub(crate) fn may_be_asked(auth: &Auth, peer: &Peer) -> Result<(), Problem> {
        auth.prompts().check(peer.ip, auth.now()).map_err(|wait| {
            tracing::info!(ip = %peer.ip, "too many passkeys were asked for");
            Problem::new(Code::Throttled).retry_after(wait.seconds())
        })
    }

    /// For who logs in. Nothing is kept of it: it is known again.
    pub(crate) const fn to_log_in(options: Value) -> Self {
        Self { options }
    }

    /// For who registers a passkey. It is kept for five minutes.
    pub(crate) async fn to_register(
        auth: &Auth,
        asked: Option<Asked>,
        user: UserId,
    ) -> Result<Self, Problem> {
        // It is there unless the library cannot, which has been logged.
        let Asked { options, challenge, state } =
            asked.ok_or_else(|| Problem::new(Code::InternalError))?;
        let lasts = std::time::Duration::from_secs(CHALLENGE_SECONDS);
        let expires_at = auth.now().saturating_add(lasts).unwrap_or(Timestamp::MAX);
        let kept = PasskeyChallenge { id: challenge, user, state, expires_at };
        auth.store().keep_challenge(kept).await?;
        Ok(Self { options })
    }
}

/// Who has signed with a passkey, though nobody has said who they are.
pub(crate) struct Signer {
    pub(crate) found: FoundUser<Candidate>,
    /// When the row was read, in the reckoning of the cache.
    pub(crate) moment: u64,
    /// What the user has, as it was read with the row.
    pub(crate) factors: UserFactors,
    pub(crate) proved: Proved,
}

/// Why nobody has. With the user whose passkey it is said to be.
pub(crate) enum NoSigner {
    Refused(Option<UserId>),
    Store(StoreError),
}

impl From<StoreError> for NoSigner {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// Who has signed: a user who is active, or who may come back.
pub(crate) async fn signer(
    auth: &Auth,
    peer: &Peer,
    shown: &PasskeyShown,
) -> Result<Signer, NoSigner> {
    // Nobody has said who they are, so the passkey must.
    if shown.handle.is_none() {
        return Err(NoSigner::Refused(None));
    }
    let moment = auth.user_cache().moment();
    let owner = auth.users().passkey_owner(&**auth.store(), &shown.credential).await?;
    let (user, found, factors) = owner.ok_or(NoSigner::Refused(None))?;
    let may_come = |found: &FoundUser<Candidate>| {
        found.user.account().is_active() || found.user.deletion_at().is_some()
    };
    let found = found.filter(may_come).ok_or(NoSigner::Refused(Some(user)))?;
    let proved = check_passkey(auth, peer, &found, &factors, shown).await;
    let proved = proved.ok_or(NoSigner::Refused(Some(user)))?;
    Ok(Signer { found, moment, factors, proved })
}

/// The ids of the passkeys among these.
pub(crate) fn credentials(factors: &UserFactors) -> Vec<Vec<u8>> {
    factors.factors.iter().filter_map(|factor| factor.credential.clone()).collect()
}

/// What is proved, and what that uses up.
pub(crate) struct Proved {
    pub(crate) by: Proof,
    pub(crate) uses: FactorProof,
}

/// What is proved by a passkey that one of the user's is said to be, if it has signed what it was
/// asked to. A handle that is shown must be the user's.
pub(crate) async fn check_passkey(
    auth: &Auth,
    peer: &Peer,
    found: &FoundUser<Candidate>,
    factors: &UserFactors,
    shown: &PasskeyShown,
) -> Option<Proved> {
    let user = found.user.account().id();
    let passkeys = auth.passkeys()?;
    let is_shown = |factor: &&StoredFactor| {
        factor.kind == FactorKind::Passkey
            && factor.is_enrolled
            && factor.credential.as_ref() == Some(&shown.credential)
    };
    let factor = factors.factors.iter().find(is_shown)?;
    let is_theirs = |handle: &Vec<u8>| match &factor.handle {
        Some(carried) => handle == carried,
        None => passkeys.is_of(user, handle),
    };
    if !shown.handle.as_ref().is_none_or(is_theirs) {
        return None;
    }
    let record = auth.opened(user, factor)?;
    let last = factor.last_step.and_then(|count| u32::try_from(count).ok()).unwrap_or(0);
    match passkeys.signed(shown, &record, last, auth.seconds()) {
        Ok((signed, answered)) => {
            let by = Proof::Passkey {
                is_user_verified: signed.is_user_verified,
                is_in_hardware: signed.is_in_hardware,
            };
            let uses = FactorProof::Passkey {
                id: factor.id,
                challenge: answered.challenge,
                until: Timestamp::from_second(i64::try_from(answered.until).ok()?).ok()?,
                count: signed.count,
                is_backed_up: signed.is_backed_up,
            };
            Some(Proved { by, uses })
        }
        Err(NotSigned::Wrong(error)) => {
            tracing::info!(ip = %peer.ip, %user, factor = %factor.id, error, "a passkey was wrong");
            None
        }
        // What is sent again, after an answer that was lost or by a double click, has the count of
        // before. It is nobody's copy.
        Err(NotSigned::Copied) if is_repeated(auth, shown).await => {
            let factor = factor.id;
            tracing::info!(ip = %peer.ip, %user, %factor, "what a passkey signed came again");
            None
        }
        Err(NotSigned::Copied) => {
            tell_of_copy(auth, peer, found, factor).await;
            None
        }
    }
}

/// Whether the passkey has proved somebody with this very challenge. Where the store cannot say, it
/// counts as a copy.
async fn is_repeated(auth: &Auth, shown: &PasskeyShown) -> bool {
    auth.store().is_challenge_used(shown.challenge).await.unwrap_or_else(|error| {
        tracing::error!(%error, "whether a passkey's answer came again is not known");
        false
    })
}

/// Somebody signs with a copy of a passkey: its owner and the log are told.
async fn tell_of_copy(
    auth: &Auth,
    peer: &Peer,
    found: &FoundUser<Candidate>,
    factor: &StoredFactor,
) {
    let account = found.user.account();
    let user = account.id();
    tracing::warn!(ip = %peer.ip, %user, factor = %factor.id, "a passkey was copied");
    auth.events().on_passkey_copied(&peer.event(auth.now(), Some(account), None));
    let name = factor.name.as_ref().map_or_else(String::new, |name| name.as_str().to_owned());
    let values = vec![("place", peer.ip.to_string()), ("passkey", name)];
    let told = match auth.notice(MailKind::PasskeyCopied, &found.user.addressee(), values) {
        Ok(mails) => auth.store().queue_mails(mails, MailBounds::default()).await,
        Err(error) => Err(StoreError::Failed(error.to_string())),
    };
    if let Err(error) = told {
        tracing::error!(%error, %user, "that a passkey was copied is told to nobody");
    }
}
