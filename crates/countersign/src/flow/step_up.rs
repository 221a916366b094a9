//! `POST /accounts/step-up`: the user proves again who they are, and the session goes on.

use axum::body::Body;
use axum::extract::State;
use axum::http::Request;

use crate::auth::Auth;
use crate::auth::attempts::AttemptRefused;
use crate::entry::{
    Access, AccessToken, FactorShown, check_shown, count_factor, is_bound, known_device, notices,
};
use crate::http::answer::Uncached;
use crate::http::authenticated::Authenticated;
use crate::http::fields::body;
use crate::http::peer::Peer;
use crate::http::problem::{Code, Problem};
use crate::http::request::{Object, Text, request};
use crate::password::{EncodedPassword, Lane, Password};
use crate::session::Authentication;
use crate::sign_in::{Method, Methods, Proof};
use crate::store::{FactorProof, StepUp, SteppedUp, UserFactors};
use crate::throttle::AccountKey;
use crate::token::device::DeviceId;
use crate::user::{FoundUser, fold_address};
use crate::user_directory::Candidate;

request! {
    /// One proof of who it is.
    pub(crate) struct StepUpRequest {
        /// The password; not of who has a second factor.
        password: Option<Password>,
        /// Or the code that an authenticator app shows.
        #[example = "123 456"]
        code: Option<Text<32>>,
        /// Or one of the recovery codes.
        recovery_code: Option<Text<64>>,
        /// Or what `navigator.credentials.get` gave the page, as JSON.
        passkey: Option<Object>,
        /// Native clients: the `device_token` of a login on this device.
        device_token: Option<Text<256>>,
    }
}

#[utoipa::path(
    post,
    path = "/accounts/step-up",
    tag = "accounts",
    summary = "Prove again who it is",
    request_body = StepUpRequest,
    responses(
        (status = 200, description = "A new access token, whose `auth_time` and `amr` say so; the \
            refresh token stays as it is", body = AccessToken),
        (status = 401, description = "factor_required: a second factor is asked for, and not the \
            password"),
        (status = 409, description = "conflict: the account was changed meanwhile"),
        (status = 429, description = "throttled"),
        (status = 503, description = "unavailable"),
    ),
    security(("bearer" = [])),
)]
pub(crate) async fn step_up(
    State(auth): State<Auth>,
    who: Authenticated,
    peer: Peer,
    request: Request<Body>,
) -> Result<Uncached<AccessToken>, Problem> {
    let asked: StepUpRequest = body(request, auth.settings().body_timeout).await?;
    let mut peer = peer;
    if let Some(Text(token)) = asked.device_token {
        peer.device_tokens.insert(0, token);
    }
    let user = who.user().id();
    let inactive = || Problem::new(Code::UserInactive);
    let found = auth.users().candidate(user).await?.ok_or_else(inactive)?;
    if !found.user.account().is_active() {
        return Err(inactive());
    }
    let factors = auth.store().factors_of(user).await?;
    let tokens = peer.device_tokens.iter().map(String::as_str);
    let device = known_device(&auth, tokens, user, &found.password);
    let given = (asked.password, asked.code, asked.recovery_code, asked.passkey);
    let (methods, proof) = match given {
        // A factor that is there is not to be gone around.
        (Some(_), None, None, None) if factors.enrolled().is_second() => {
            return Err(Problem::new(Code::FactorRequired));
        }
        (Some(password), None, None, None) => {
            check_password(&auth, &peer, &found.password, &who, device, &password).await?;
            (Proof::Password.methods(), None)
        }
        (None, Some(Text(code)), None, None) => {
            let shown = FactorShown::code(&code).ok_or_else(|| wrong("code"))?;
            check_factor(&auth, &peer, &found, &factors, device, &shown, "code").await?
        }
        (None, None, Some(Text(code)), None) => {
            let shown = FactorShown::recovery_code(&code).ok_or_else(|| wrong("recovery_code"))?;
            check_factor(&auth, &peer, &found, &factors, device, &shown, "recovery_code").await?
        }
        (None, None, None, Some(Object(passkey))) => {
            let shown = FactorShown::passkey(passkey).ok_or_else(|| wrong("passkey"))?;
            check_factor(&auth, &peer, &found, &factors, device, &shown, "passkey").await?
        }
        (None, None, None, None) => {
            let what = "Send `password`, `code`, `recovery_code` or `passkey`.";
            return Err(Problem::new(Code::ValidationError).field("password", what));
        }
        _ => {
            let what = "Send one of `password`, `code`, `recovery_code` and `passkey`.";
            return Err(Problem::new(Code::ValidationError).field("password", what));
        }
    };
    let authentication = note(&auth, &peer, &who, &found, &factors, methods, proof).await?;
    let session = who.claims().sid;
    tracing::info!(%user, %session, by = %methods, "proved again who it is");
    let csrf_token = who.claims().csrf.as_ref().map(|_| auth.csrf_tokens().token(session));
    let access = Access {
        user: who.user(),
        session,
        authentication,
        is_bound: is_bound(who.claims()),
        csrf_token: csrf_token.as_deref(),
        now: auth.now(),
    };
    Ok(Uncached::new(access.issue(&auth)?))
}

/// Under the same counts as a login.
async fn check_password(
    auth: &Auth,
    peer: &Peer,
    stored: &EncodedPassword,
    who: &Authenticated,
    device: Option<DeviceId>,
    password: &Password,
) -> Result<(), Problem> {
    let counted =
        AccountKey::Named { user: who.user().id(), by: &fold_address(who.user().username()) };
    let attempt = auth
        .attempts()
        .begin(&**auth.store(), counted, device, peer.ip, auth.now())
        .await
        .map_err(|refused| match refused {
            AttemptRefused::Wait(wait) => Problem::new(Code::Throttled).retry_after(wait.seconds()),
            AttemptRefused::Store(error) => error.into(),
        })?;
    let verdict = match auth.passwords().verify_in(Lane::Known, Some(stored), password).await {
        Ok(verdict) => verdict,
        Err(error) => {
            auth.attempts().cancelled(&**auth.store(), attempt).await;
            return Err(error.into());
        }
    };
    if !verdict.matches {
        let what = "This is not your password.";
        return Err(Problem::new(Code::ValidationError).field("password", what));
    }
    Ok(auth.attempts().succeeded(&**auth.store(), attempt).await?)
}

async fn check_factor(
    auth: &Auth,
    peer: &Peer,
    found: &FoundUser<Candidate>,
    factors: &UserFactors,
    device: Option<DeviceId>,
    shown: &FactorShown,
    field: &'static str,
) -> Result<(Methods, Option<FactorProof>), Problem> {
    let user = found.user.account().id();
    let attempt = count_factor(auth, user, device, peer).await?;
    let is_enrolled = factors.enrolled().has(shown.kind());
    let proved = check_shown(auth, peer, found, factors, shown).await;
    let proved = proved.filter(|_| is_enrolled).ok_or_else(|| wrong(field))?;
    auth.attempts().succeeded(&**auth.store(), attempt).await?;
    Ok((proved.by.methods().with(Method::Several), Some(proved.uses)))
}

/// Notes it in the session, on the account as it was checked.
async fn note(
    auth: &Auth,
    peer: &Peer,
    who: &Authenticated,
    found: &FoundUser<Candidate>,
    factors: &UserFactors,
    methods: Methods,
    proof: Option<FactorProof>,
) -> Result<Authentication, Problem> {
    let mails = match &proof {
        Some(proof) => notices(auth, peer, found, factors, proof)?,
        None => Vec::new(),
    };
    let is_recovery_code = matches!(proof, Some(FactorProof::RecoveryCode { .. }));
    let again = StepUp {
        session: who.claims().sid,
        user: who.user().id(),
        checked: found.user.is_in_the_store().then(|| found.password.clone()),
        factors: factors.version,
        methods,
        proof,
        now: auth.now(),
        mails,
    };
    match auth.store().step_up(again).await? {
        SteppedUp::Done(authentication) => {
            if is_recovery_code {
                let event = peer.event(auth.now(), Some(who.user()), Some(who.claims().sid));
                auth.events().on_recovery_code_used(&event);
            }
            Ok(authentication)
        }
        SteppedUp::UserChanged => Err(Problem::new(Code::Conflict)),
        SteppedUp::SessionEnded => Err(Problem::new(Code::SessionRevoked)),
        SteppedUp::Used => Err(wrong("code")),
    }
}

fn wrong(field: &'static str) -> Problem {
    let what = match field {
        "passkey" => "This passkey was not accepted: it is not yours, or was asked too long ago.",
        _ => "This code is not valid: it is wrong, or was used already.",
    };
    Problem::new(Code::ValidationError).field(field, what)
}
