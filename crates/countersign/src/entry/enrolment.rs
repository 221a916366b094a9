//! What the endpoints about factors share: how one is shown, new recovery codes, and the mails.

use countersign_verify::Account;
use jiff::Timestamp;
use serde::Serialize;

use super::issue::{Access, AccessToken, is_bound};
use crate::auth::Auth;
use crate::factor::FactorId;
use crate::factor::recovery::{RECOVERY_CODES, RecoveryCode};
use crate::http::authenticated::Authenticated;
use crate::http::peer::Peer;
use crate::http::problem::{Code, Problem};
use crate::mail::MailKind;
use crate::session::{Authentication, DeviceName};
use crate::sign_in::{FACTORS_AT_MOST, FactorKind};
use crate::store::{NewMail, NewRecoveryCode, StoreError, StoredFactor, UserFactors};
use crate::user::{Addressee, User, UserId};

/// A second factor as its owner sees it.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct FactorResponse {
    #[schema(example = "5f0c9e1d2b3a4857")]
    id: String,
    /// What it is: `totp` for an authenticator app, `passkey`.
    #[schema(example = "totp")]
    kind: &'static str,
    /// What the user calls it; null without a name.
    #[schema(value_type = Option<String>, required, example = "Ada's phone")]
    name: Option<DeviceName>,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// When it was last used; null if it never was.
    #[schema(value_type = Option<String>, format = DateTime, required)]
    last_used_at: Option<Timestamp>,
    /// Of a passkey: whether its provider has a copy of it, so that it is not lost with the device.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = bool, required = false)]
    is_backed_up: Option<bool>,
}

impl From<StoredFactor> for FactorResponse {
    fn from(factor: StoredFactor) -> Self {
        Self {
            id: factor.id.to_string(),
            kind: factor.kind.as_str(),
            name: factor.name,
            created_at: factor.created_at,
            last_used_at: factor.last_used_at,
            is_backed_up: factor.is_backed_up,
        }
    }
}

/// The factor, and what comes with it.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct EnrolledResponse {
    factor: FactorResponse,
    /// With the first factor: the recovery codes, each good once. They are shown this once.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Vec<String>, required = false)]
    recovery_codes: Option<Vec<String>>,
    #[serde(flatten)]
    access: AccessToken,
}

/// What the user is told of a factor that was enrolled just now in this session.
pub(crate) fn enrolled(
    auth: &Auth,
    who: &Authenticated,
    factor: StoredFactor,
    authentication: Authentication,
    recovery_codes: Option<Vec<String>>,
) -> Result<EnrolledResponse, Problem> {
    let session = who.claims().sid;
    let csrf_token = who.claims().csrf.as_ref().map(|_| auth.csrf_tokens().token(session));
    let access = Access {
        user: who.user(),
        session,
        authentication,
        is_bound: is_bound(who.claims()),
        csrf_token: csrf_token.as_deref(),
        now: auth.now(),
    };
    Ok(EnrolledResponse { factor: factor.into(), recovery_codes, access: access.issue(auth)? })
}

/// Whether the user may have one more.
pub(crate) fn room_for_one(factors: &UserFactors) -> Result<(), Problem> {
    let enrolled = factors.factors.iter().filter(|factor| factor.is_enrolled).count();
    if enrolled < FACTORS_AT_MOST as usize { Ok(()) } else { Err(no_room()) }
}

/// The user has as many as anybody may.
pub(crate) fn no_room() -> Problem {
    let what = format!("You have {FACTORS_AT_MOST} second factors. Remove one first.");
    Problem::new(Code::Conflict).detail(what)
}

/// Fresh recovery codes: as the store keeps them, and as their user reads them, once.
pub(crate) fn recovery_codes(auth: &Auth, user: UserId) -> (Vec<NewRecoveryCode>, Vec<String>) {
    (0..RECOVERY_CODES)
        .map(|_| {
            let (id, code) = (FactorId::draw(auth.random()), RecoveryCode::draw(auth.random()));
            let hash = auth.recovery_hasher().hash(user, &code);
            (NewRecoveryCode { id, hash }, code.grouped())
        })
        .unzip()
}

impl Auth {
    /// The mail that tells a user that an operator has removed every second factor, for
    /// [`reset_factors`](crate::store::admin::UserAdmin::reset_factors). None where no mail can be
    /// sent, or notices are off.
    ///
    /// # Errors
    /// [`StoreError::Failed`] when it cannot be sealed.
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// # world::run(async |world| {
    /// # let (auth, ada) = (world.auth, world.ada);
    /// assert!(auth.factors_reset_notice(&ada).unwrap().is_empty()); // nobody sends mail here
    /// # });
    /// ```
    pub fn factors_reset_notice(&self, user: &User) -> Result<Vec<NewMail>, StoreError> {
        self.removed_by_operator(user, "every second factor")
    }

    /// The same of one factor, for
    /// [`remove_factor_of`](crate::store::admin::UserAdmin::remove_factor_of).
    ///
    /// # Errors
    /// [`StoreError::Failed`] when it cannot be sealed.
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// use countersign::sign_in::FactorKind;
    ///
    /// # world::run(async |world| {
    /// # let (auth, ada) = (world.auth, world.ada);
    /// let mails = auth.factor_removed_notice(&ada, FactorKind::Totp).unwrap();
    /// assert!(mails.is_empty()); // nobody sends mail here
    /// # });
    /// ```
    pub fn factor_removed_notice(
        &self,
        user: &User,
        kind: FactorKind,
    ) -> Result<Vec<NewMail>, StoreError> {
        self.removed_by_operator(user, called(kind))
    }

    fn removed_by_operator(&self, user: &User, what: &str) -> Result<Vec<NewMail>, StoreError> {
        let values = vec![("place", "an operator".to_owned()), ("factor", what.to_owned())];
        self.notice(MailKind::FactorRemoved, &Addressee::from(user), values)
            .map_err(|error| StoreError::Failed(error.to_string()))
    }
}

/// The mail that tells a user of a factor that came or went.
pub(crate) async fn factor_notice(
    auth: &Auth,
    peer: &Peer,
    account: &dyn Account,
    mail: MailKind,
    kind: FactorKind,
) -> Result<Vec<NewMail>, Problem> {
    let Some(found) = auth.users().candidate(account.id()).await? else { return Ok(Vec::new()) };
    let values = vec![("place", peer.ip.to_string()), ("factor", called(kind).to_owned())];
    Ok(auth.notice(mail, &found.user.addressee(), values)?)
}

/// What a mail calls a factor.
const fn called(kind: FactorKind) -> &'static str {
    match kind {
        FactorKind::Totp => "TOTP",
        FactorKind::Passkey => "Passkey",
        FactorKind::RecoveryCode => "Code",
    }
}
