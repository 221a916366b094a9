//! What somebody shows who got a mail: the link, or the address with the code.

use aws_lc_rs::digest;
use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, Request};

use crate::auth::Auth;
use crate::clock::random_bytes;
use crate::http::fields::{RequestBody, body};
use crate::http::guard;
use crate::http::peer::Peer;
use crate::http::problem::{Code, Problem};
use crate::http::request::Text;
use crate::session::RevokedReason;
use crate::store::{Act, NewMail, Proof, StoredToken, Use, Used};
use crate::token::{Code as DigitCode, OneTimeToken, Purpose};
use crate::user::fold_address;

/// What somebody shows who got a mail. It does not print its secret.
///
/// ```
/// use countersign::Shown;
///
/// assert!(Shown::link("AAAAAAAAAAc.AAAAAAAAAAAAAAAAAAAAAA").is_ok());
/// assert_eq!(Shown::link("nonsense").unwrap_err().code().as_str(), "link_invalid");
/// ```
#[derive(Debug)]
pub struct Shown(What);

#[derive(Debug)]
enum What {
    Link(OneTimeToken),
    Code { address: String, code: DigitCode },
}

impl Shown {
    /// What a link carried.
    ///
    /// # Errors
    /// `link_invalid` for what is no token at all.
    ///
    /// ```
    /// assert!(countersign::Shown::link("").is_err());
    /// ```
    pub fn link(text: &str) -> Result<Self, Problem> {
        OneTimeToken::parse(text.trim())
            .map(|token| Self(What::Link(token)))
            .ok_or_else(link_invalid)
    }

    /// An address, and the code that a mail to it said.
    ///
    /// # Errors
    /// `link_invalid` for what is no code at all.
    ///
    /// ```
    /// use countersign::Shown;
    ///
    /// assert!(Shown::code("ada@example.com", "1234 5678").is_ok());
    /// assert!(Shown::code("ada@example.com", "12").is_err());
    /// ```
    pub fn code(address: &str, code: &str) -> Result<Self, Problem> {
        let code = DigitCode::parse(code).ok_or_else(link_invalid)?;
        Ok(Self(What::Code { address: fold_address(address.trim()), code }))
    }

    /// Whether it is the link.
    pub(crate) const fn is_link(&self) -> bool {
        matches!(self.0, What::Link(_))
    }

    /// What a request has of the two.
    pub(crate) fn read(
        token: Option<Text<64>>,
        email: Option<Text<254>>,
        code: Option<Text<32>>,
    ) -> Result<Self, Problem> {
        match (token, email, code) {
            (Some(Text(token)), _, _) => Self::link(&token),
            (None, Some(Text(email)), Some(Text(code))) => Self::code(&email, &code),
            (None, Some(_), None) => {
                Err(Problem::new(Code::ValidationError).field("code", REQUIRED))
            }
            (None, None, Some(_)) => {
                Err(Problem::new(Code::ValidationError).field("email", REQUIRED))
            }
            (None, None, None) => Err(Problem::new(Code::ValidationError).field("token", REQUIRED)),
        }
    }
}

/// What is asked at a door that is open to strangers: on a page of ours or on none, and counted
/// before any work is done.
pub(crate) async fn asked<T: RequestBody>(
    auth: &Auth,
    peer: &Peer,
    request: Request<Body>,
) -> Result<T, Problem> {
    guard::source(auth, request.headers())?;
    auth.may_ask(peer)?;
    body(request, auth.settings().body_timeout).await
}

/// A token that serves the purpose, and the proof of it.
pub(crate) struct GoodToken {
    pub(crate) token: StoredToken,
    proof: Proof,
}

impl GoodToken {
    /// Whether the request comes from the browser that asked for the token.
    pub(crate) fn is_of_browser(&self, auth: &Auth, headers: &HeaderMap) -> bool {
        let shown = auth.checked().cookies.sign_in_of(headers).map(browser_of);
        shown.is_some() && shown == self.token.payload.browser
    }

    /// Uses it up for this, wherever the user lives. In a table of the app's own the act is not in
    /// the transaction: the token goes first, so that nothing is done twice.
    pub(crate) async fn spend(
        &self,
        auth: &Auth,
        act: Act,
        mails: Vec<NewMail>,
    ) -> Result<(), Problem> {
        let Some(table) = auth.users().own_table() else {
            return self.use_up(auth, act, mails).await;
        };
        let user = self.token.user.ok_or_else(link_invalid)?;
        let row = table.row(user).await?.ok_or_else(link_invalid)?;
        table.refuse_taken(user, &act).await?;
        let leftovers = row.leftovers_of(&act);
        let here = Act::Elsewhere { row: row.fingerprint(), leftovers };
        if matches!(act, Act::Undo { .. }) {
            // What a session of the thief's has under way is issued before the token is used up,
            // which ends it, or not at all.
            let reason = RevokedReason::PasswordChanged;
            auth.store().revoke_user_sessions(user, None, reason, auth.now()).await?;
        }
        self.use_up(auth, here, mails).await?;
        if !table.bring_about(&**auth.store(), &row, &act, auth.now()).await? {
            return Err(link_invalid());
        }
        if matches!(act, Act::VerifyEmail { to: Some(_), .. }) {
            auth.store().forget_registration(user).await?;
        }
        Ok(auth.user_changed(user).await?)
    }

    async fn use_up(&self, auth: &Auth, act: Act, mails: Vec<NewMail>) -> Result<(), Problem> {
        let (id, purpose, proof) = (self.token.id, self.token.purpose, self.proof);
        let take = Use { id, purpose, proof, now: auth.now(), act, mails };
        match auth.store().use_token(take).await? {
            Used::Done { .. } => Ok(()),
            Used::Invalid => Err(link_invalid()),
        }
    }
}

/// The token that is shown, if it serves the purpose: nothing is used up. A try at a code is
/// counted before the code is looked at; what is no token costs what a wrong one costs. Several may
/// have asked for a mail to one address: whoever comes later takes nobody's code away.
pub(crate) async fn good_token(
    auth: &Auth,
    purpose: Purpose,
    shown: &Shown,
) -> Result<GoodToken, Problem> {
    let now = auth.now();
    let good = |token: StoredToken, proof: Proof| {
        token.serves(purpose, &proof, now).then_some(GoodToken { token, proof })
    };
    let found = match &shown.0 {
        What::Link(token) => {
            let found = auth.store().token(token.id()).await?;
            found.and_then(|found| good(found, Proof::Secret(token.hash())))
        }
        What::Code { address, code } => {
            let tried = auth.store().try_codes(purpose, address, now).await?;
            tried.into_iter().find_map(|found| {
                let proof = Proof::Code(auth.code_hasher().hash(found.id, code));
                good(found, proof)
            })
        }
    };
    found.ok_or_else(link_invalid)
}

impl Auth {
    /// Counts a request of what makes mails or users, or guesses at codes: before any work is done,
    /// and on pages of an app's own too.
    ///
    /// # Errors
    /// `throttled` when the client, or all together, asked for too much.
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// # world::run(async |world| {
    /// # let client = countersign::http::Peer::local();
    /// assert!(world.auth.may_ask(&client).is_ok());
    /// # });
    /// ```
    pub fn may_ask(&self, client: &Peer) -> Result<(), Problem> {
        self.asks().check(client.ip, self.now()).map_err(|wait| {
            tracing::info!(ip = %client.ip, "too much was asked for");
            Problem::new(Code::Throttled).retry_after(wait.seconds())
        })
    }
}

/// A browser that asks for a mail: it is known again by a cookie. One that has it keeps it, so that
/// what it asks for later takes nothing from what it asked for before.
pub(crate) struct Browser(String);

impl Browser {
    /// As it was known, or from now on.
    pub(crate) fn of(auth: &Auth, headers: &HeaderMap) -> Self {
        let known = auth.checked().cookies.sign_in_of(headers);
        match known.filter(|secret| is_secret(secret)) {
            Some(secret) => Self(secret.to_owned()),
            None => {
                let bytes: [u8; 16] = random_bytes(auth.random());
                Self(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
            }
        }
    }

    /// What its cookie says.
    pub(crate) fn secret(&self) -> &str {
        &self.0
    }

    /// The cookie, for as long as any link may be tied to it.
    pub(crate) fn cookie(&self, auth: &Auth) -> HeaderValue {
        let accounts = &auth.settings().accounts;
        let lifetime = accounts.verify_lifetime.max(accounts.code_lifetime);
        auth.checked().cookies.set_sign_in(&self.0, lifetime)
    }
}

/// Whether it is as we make them.
fn is_secret(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// What is kept of the secret of a browser that asked for a mail: its SHA-256, in hexadecimal.
pub(crate) fn browser_of(secret: &str) -> String {
    let digest = digest::digest(&digest::SHA256, secret.as_bytes());
    digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// One answer for unknown, used, expired and foreign.
pub(crate) fn link_invalid() -> Problem {
    Problem::new(Code::LinkInvalid)
}

const REQUIRED: &str = "This field is required.";
