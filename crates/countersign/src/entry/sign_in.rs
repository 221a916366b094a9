//! Every door of this server asks the sign-in machine here, once a first step was proved.

use axum::http::HeaderValue;
use jiff::Timestamp;

use super::proof::browser_of;
use crate::auth::Auth;
use crate::auth::settings::EmailVerification;
use crate::clock::{random_bytes, seconds};
use crate::factor::FactorId;
use crate::http::peer::Peer;
use crate::http::problem::{Code, Problem, internal};
use crate::password::EncodedPassword;
use crate::session::Transport;
use crate::sign_in::{Admission, Factors, Known, Next, PENDING_SECONDS, Proof, Rules, decide};
use crate::store::{FactorUse, StoreError, UserFactors};
use crate::token::Fingerprint;
use crate::token::device::DeviceId;
use crate::token::pending::PendingClaims;
use crate::user::FoundUser;
use crate::user_directory::Candidate;

/// A user who has just proved who they are.
pub(crate) struct Checked {
    /// As the row was; its password is the one that was checked, encoded anew where that was done.
    pub(crate) found: FoundUser<Candidate>,
    /// When the row was read, in the reckoning of the cache.
    pub(crate) moment: u64,
    /// The known device that the token named.
    pub(crate) device: Option<DeviceId>,
}

/// Where somebody signs in: what one door began, no other goes on with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Door {
    /// The endpoints, for this kind of client.
    Endpoint(Transport),
    /// Pages of an app's own, such as the admin site.
    Pages,
}

impl Door {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Endpoint(transport) => transport.as_str(),
            Self::Pages => "pages",
        }
    }
}

/// Leave to begin a session, and what it begins on.
pub(crate) struct Entry {
    pub(super) admission: Admission,
    pub(super) factors: UserFactors,
    /// What the session uses up.
    pub(super) uses: Option<FactorUse>,
    /// Until when the device does without a second factor.
    pub(super) remembered_until: Option<Timestamp>,
}

/// What comes next after a first step.
pub(super) enum Step {
    Enter(Entry),
    Ask(Factors, UserFactors),
    Refuse,
}

/// Leave to begin a session for who has just proved this, on the row as it was read.
///
/// # Errors
/// `second_factor_required`, with what the sign-in goes on with; `user_inactive`; `unavailable`.
pub(crate) async fn admitted(
    auth: &Auth,
    peer: &Peer,
    door: Door,
    checked: &Checked,
    proof: Proof,
) -> Result<Entry, Problem> {
    // What the user has is read now, after the proof: a wrong password costs the same whether there
    // is a second factor or not.
    let factors = auth.store().factors_of(checked.found.user.account().id()).await?;
    admitted_with(auth, peer, door, checked, proof, factors)
}

/// The same for who has these factors, read no later than the row.
pub(crate) fn admitted_with(
    auth: &Auth,
    peer: &Peer,
    door: Door,
    checked: &Checked,
    proof: Proof,
    factors: UserFactors,
) -> Result<Entry, Problem> {
    match next(auth, peer, &checked.found, proof, factors) {
        Step::Enter(entry) => Ok(entry),
        Step::Ask(asked, factors) => {
            let (token, cookie) = wait(auth, peer, door, checked, proof, &factors)?;
            Err(Problem::second_factor_required(token, asked.words().collect(), cookie))
        }
        Step::Refuse => Err(Problem::new(Code::UserInactive)),
    }
}

/// Whether no session begins before an address is proved: one that is in the row, or the one that
/// a registration waits for. To be said only to who has proved who they are.
pub(crate) async fn must_prove_address(auth: &Auth, user: &Candidate) -> Result<bool, StoreError> {
    if auth.settings().accounts.email_verification != EmailVerification::Required {
        return Ok(false);
    }
    let account = user.account();
    if account.email().is_empty() {
        return Ok(auth.store().registration_of(account.id()).await?.is_some());
    }
    Ok(user.waits_for_proof())
}

/// What comes next for who has just proved this, and has these factors.
pub(super) fn next(
    auth: &Auth,
    peer: &Peer,
    found: &FoundUser<Candidate>,
    proof: Proof,
    factors: UserFactors,
) -> Step {
    let account = found.user.account();
    let (rules, now) = (auth.settings().sign_in.of(account), auth.now());
    let remembered_until = remembered_until(auth, peer, found, &factors);
    let known =
        Known { may_enter: account.is_active(), enrolled: factors.enrolled(), remembered_until };
    match decide(&known, None, proof, rules, now) {
        Next::Begin(admission) => {
            let remembered_until = remembered_until.filter(|_| rules.may_remember);
            Step::Enter(Entry { admission, factors, uses: None, remembered_until })
        }
        Next::Ask(asked) => Step::Ask(asked, factors),
        Next::Refuse(_) => Step::Refuse,
    }
}

/// Until when the device does without a second factor that the client comes from.
fn remembered_until(
    auth: &Auth,
    peer: &Peer,
    found: &FoundUser<Candidate>,
    factors: &UserFactors,
) -> Option<Timestamp> {
    let user = found.user.account().id();
    let until = |token: &String| {
        auth.device_tokens().remembered_until(
            token,
            user,
            &found.password,
            factors.version,
            auth.seconds(),
        )
    };
    let until = peer.device_tokens.iter().find_map(until)?;
    Timestamp::from_second(i64::try_from(until).ok()?).ok()
}

/// The token with which a sign-in goes on that waits for a second factor, and the cookie by which
/// its browser is known.
pub(super) fn wait(
    auth: &Auth,
    peer: &Peer,
    door: Door,
    checked: &Checked,
    proof: Proof,
    factors: &UserFactors,
) -> Result<(String, Option<HeaderValue>), Problem> {
    let Checked { found, device, .. } = checked;
    let now = seconds(auth.now());
    let secret = (door == Door::Endpoint(Transport::Cookie)).then(|| {
        let bytes: [u8; 16] = random_bytes(auth.random());
        bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>()
    });
    let claims = PendingClaims {
        iss: issuer(auth),
        jti: FactorId::draw_in_order(auth.random(), auth.now()).to_string(),
        sub: found.user.account().id().to_string(),
        door: door.as_str().to_owned(),
        row: row(&found.password, factors),
        amr: proof.methods().to_string(),
        browser: secret.as_deref().map(browser_of),
        device: device.map(|device| device.0),
        device_name: peer.device_name.as_ref().map(|name| name.as_str().to_owned()),
        is_short: !peer.remember,
        key: peer.dpop.print().filter(|_| door == Door::Endpoint(Transport::Body)),
        iat: now,
        exp: now + PENDING_SECONDS,
    };
    let token = auth.pending_tokens().sign(&claims).ok_or_else(|| internal("a pending token"))?;
    tracing::info!(user = claims.sub, ip = %peer.ip, "a second factor is asked for");
    let cookie = secret.map(|secret| auth.checked().cookies.set_pending(&secret));
    Ok((token, cookie))
}

/// What a sign-in that waits is about: it is over when this is another. That the user is active is
/// asked anyway.
pub(super) fn row(password: &EncodedPassword, factors: &UserFactors) -> String {
    let print = Fingerprint::of(password, &format!("factors {}", factors.version), true);
    print.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Whose tokens a session's will be.
pub(super) fn issuer(auth: &Auth) -> String {
    auth.settings().server_name(&auth.checked().issuer)
}

impl Entry {
    /// The same where the session uses this up.
    pub(crate) fn using(self, uses: FactorUse) -> Self {
        Self { uses: Some(uses), ..self }
    }

    /// The same with the device remembered from now on, where the policy has it so.
    pub(crate) fn remembering(self, auth: &Auth, rules: Rules, wants: bool) -> Self {
        if !wants || !rules.may_remember {
            return self;
        }
        let until = auth.now().saturating_add(auth.settings().sign_in.remember_device).ok();
        Self { remembered_until: until, ..self }
    }
}
