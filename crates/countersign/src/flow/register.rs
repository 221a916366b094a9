//! `POST /accounts/register`: somebody makes an account.
//!
//! That an address has an account already is told to its owner by mail, and to nobody else: the
//! asker gets the same answer at the same cost, and a user is made all the same, whose address is
//! not in the row before it is proved. A user name that is taken is said, because the person must
//! choose another.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Request};
use serde_json::{Map, Value};

use crate::auth::Auth;
use crate::auth::events::Event;
use crate::auth::post::Letter;
use crate::auth::registration::{Asked, Registered};
use crate::auth::settings::{EmailVerification, Registration, RegistrationField};
use crate::clock::random_bytes;
use crate::entry::{Browser, LoggedIn, Shown, browser_of};
use crate::http::answer::{Accepted, Created, Either};
use crate::http::fields::{FieldErrors, body_and_rest};
use crate::http::guard;
use crate::http::peer::Peer;
use crate::http::problem::{Code, Problem};
use crate::http::request::{Text, request};
use crate::http::sender::Sender;
use crate::mail::{MailKind, choose_language};
use crate::password::{Password, UserAttributes};
use crate::session::{DeviceName, Transport};
use crate::sign_in::Proof;
use crate::store::{NewMail, Register, TokenPayload};
use crate::token::Purpose;
use crate::user::{Email, NewUser, ProfileChange, UserId, Username};

request! {
    /// Who registers. What must be there is a setting: user name, address and password unless
    /// chosen otherwise.
    pub(crate) struct RegisterRequest {
        /// The user name.
        #[example = "alice"]
        username: Option<Text<150>>,
        /// The address.
        #[example = "alice@example.com"]
        email: Option<Text<254>>,
        /// The password: at least 8 characters, at most 1,024 bytes.
        #[example = "tin kettle 14"]
        password: Option<Password>,
        /// The given name.
        first_name: Option<Text<150>>,
        /// The family name.
        last_name: Option<Text<150>>,
        /// `body` for native clients, as at login.
        transport: Option<Transport>,
        /// What the user calls the device, as at login.
        #[example = "Ada's phone"]
        device_name: Option<DeviceName>,
        /// `false` on a device of others, as at login.
        remember: Option<bool>,
        /// Whoever was invited: what the link carries. The address is that of the invitation then,
        /// and the password is all that must be there.
        invitation: Option<Text<64>>,
    }
}

#[utoipa::path(
    post,
    path = "/accounts/register",
    tag = "accounts",
    summary = "Register",
    params(("DPoP" = Option<String>, Header, description = "Native clients: a proof of the key \
        that the session is to be bound to")),
    request_body = RegisterRequest,
    responses(
        (status = 201, description = "Where an address need not be proved first: as after a login",
            body = crate::entry::LoginResponse),
        (status = 202, description = "Where it must: a mail is on its way, whatever the address",
            body = crate::http::answer::AcceptedBody),
        (status = 400, description = "parse_error, validation_error, link_invalid, \
            invalid_dpop_proof, use_dpop_nonce: with the challenge of the header `DPoP-Nonce`"),
        (status = 403, description = "csrf_failed"),
        (status = 429, description = "throttled"),
        (status = 503, description = "unavailable"),
    )
)]
pub(crate) async fn register(
    State(auth): State<Auth>,
    peer: Peer,
    headers: HeaderMap,
    request: Request<Body>,
) -> Result<Either<Created<LoggedIn>, Accepted>, Problem> {
    let sender = Sender::of(&auth, &headers)?;
    auth.may_ask(&peer)?;
    let (asked, errors, rest) =
        body_and_rest::<RegisterRequest>(request, auth.settings().body_timeout).await?;
    let remember = asked.as_ref().and_then(|asked| asked.remember).unwrap_or(true);
    let device_name = asked.as_ref().and_then(|asked| asked.device_name.clone());
    let peer = Peer { device_name, remember, ..peer };
    if let Some(asked) = asked.as_ref().filter(|asked| asked.invitation.is_some()) {
        errors.none()?;
        sender.may_begin(&auth, &peer, asked.transport.unwrap_or(Transport::Cookie))?;
        let login = join(&auth, asked, &peer).await?;
        return Ok(Either::Left(Created::new(login)));
    }
    if auth.settings().accounts.registration == Registration::Invite {
        let problem = Problem::new(Code::ValidationError);
        return Err(problem.field("invitation", "This field is required."));
    }
    let mut new = NewAccount::read(&auth, asked, errors).await?;
    sender.may_begin(&auth, &peer, new.transport)?;
    new.metadata = allowed(&auth, &new, rest, &headers, &peer).await?;
    let language = choose_language(guard::languages(&headers), auth.languages());
    let transport = new.transport;
    let (username, email) = (new.username.as_str().to_owned(), new.email.clone());
    let (ip, metadata) = (peer.ip, new.metadata.clone());
    let browser = Browser::of(&auth, &headers);
    let payload = TokenPayload {
        browser: Some(browser_of(browser.secret())),
        is_short: !peer.remember,
        ..TokenPayload::default()
    };
    let made = make(&auth, new, language, payload).await?;
    let Made { user, may_enter } = made;
    let event = Event { user: Some(user), ..peer.event(auth.now(), None, None) };
    auth.events().on_registered(&event);
    let email = email.map(|email| email.as_str().to_owned());
    let registered = Registered { user, username, email, metadata, ip };
    // By itself: the client does not wait for it.
    let hooks = Arc::clone(auth.registration());
    tokio::spawn(async move { hooks.after(registered).await });
    let cookie = browser.cookie(&auth);
    if !may_enter {
        tracing::info!(%user, ip = %peer.ip, "a registration waits for its address");
        return Ok(Either::Right(Accepted::new(SENT).with_cookies([cookie])));
    }
    tracing::info!(%user, ip = %peer.ip, "registered");
    let login = auth.log_in_by(Proof::Password, user, transport, &peer).await?;
    Ok(Either::Left(Created::new(login).with_cookies([cookie])))
}

/// Whoever was invited chooses the password, and other names if they like. The session begins.
async fn join(auth: &Auth, asked: &RegisterRequest, peer: &Peer) -> Result<LoggedIn, Problem> {
    let (mut errors, accounts) = (FieldErrors::default(), &auth.settings().accounts);
    let text = |field: &Option<Text<150>>| {
        field.as_ref().map(|Text(text)| text.trim().to_owned()).filter(|text| !text.is_empty())
    };
    let username = text(&asked.username)
        .and_then(|name| errors.unless("username", accounts.chosen_name(&name)));
    let profile = ProfileChange {
        username,
        email: None,
        first_name: text(&asked.first_name),
        last_name: text(&asked.last_name),
    };
    if asked.password.is_none() {
        errors.unless::<()>("password", Err("This field is required."));
    }
    errors.none()?;
    let (Some(Text(link)), Some(password)) = (&asked.invitation, &asked.password) else {
        return Err(Problem::new(Code::ValidationError));
    };
    let shown = Shown::link(link)?;
    let user = auth.accept_invitation(&shown, profile, password, peer).await?;
    let transport = asked.transport.unwrap_or(Transport::Cookie);
    auth.log_in_by(Proof::Password, user, transport, peer).await
}

/// Whether the app lets them register; what it keeps of the fields that it alone knows.
async fn allowed(
    auth: &Auth,
    new: &NewAccount,
    fields: Map<String, Value>,
    headers: &HeaderMap,
    peer: &Peer,
) -> Result<Map<String, Value>, Problem> {
    let mut asked = Asked {
        username: new.username.as_str(),
        email: new.email.as_ref().map(Email::as_str),
        first_name: &new.first_name,
        last_name: &new.last_name,
        fields,
        headers,
        ip: peer.ip,
        metadata: Map::new(),
    };
    auth.registration().before(&mut asked).await?;
    Ok(asked.metadata)
}

/// What a registration came to.
struct Made {
    user: UserId,
    /// Whether they may log in at once.
    may_enter: bool,
}

/// Makes the user and the mail: the same, whether or not another has the address.
async fn make(
    auth: &Auth,
    new: NewAccount,
    language: &str,
    payload: TokenPayload,
) -> Result<Made, Problem> {
    let NewAccount { username, email, password, first_name, last_name, metadata, .. } = new;
    let encoded = auth.passwords().hash_of_stranger(&password).await?;
    let user = NewUser {
        first_name,
        last_name,
        locale: language.to_owned(),
        metadata,
        ..NewUser::new(username, None, encoded)
    };
    let accounts = &auth.settings().accounts;
    let how = accounts.email_verification;
    let Some(claims) = email.clone().filter(|_| how != EmailVerification::None) else {
        let user =
            auth.users().create(&**auth.store(), NewUser { email, ..user }, auth.now()).await?;
        return Ok(Made { user, may_enter: true });
    };
    let payload = TokenPayload { new_address: Some(claims.as_str().to_owned()), ..payload };
    let letter = Letter { payload, ..Letter::new(Purpose::VerifyEmail, claims.as_str(), language) };
    // Whose it is is filled in, when the address is nobody's.
    let (token, mail) = auth.write(letter)?;
    let post = auth.post();
    let taken = post
        .mail(MailKind::AccountExists, claims.as_str(), language)
        .with("link", post.page("reset"));
    let must_prove = how == EmailVerification::Required;
    let register = Register {
        user,
        token,
        mail: NewMail { is_void: false, ..mail },
        taken: post.queued(&taken, None, auth.now(), auth.random())?,
        claims,
        waits_until: must_prove.then(|| auth.now() + accounts.verify_lifetime * LIVES),
        bounds: post.bounds(),
        now: auth.now(),
    };
    let user = auth.users().register(&**auth.store(), register).await?;
    Ok(Made { user, may_enter: !must_prove })
}

/// What a registration said, parsed.
struct NewAccount {
    username: Username,
    email: Option<Email>,
    password: Password,
    first_name: String,
    last_name: String,
    transport: Transport,
    /// What the app keeps.
    metadata: Map<String, Value>,
}

impl NewAccount {
    async fn read(
        auth: &Auth,
        asked: Option<RegisterRequest>,
        mut errors: FieldErrors,
    ) -> Result<Self, Problem> {
        let Some(asked) = asked else {
            errors.none()?;
            return Err(Problem::new(Code::ValidationError));
        };
        let text = |field: Option<Text<150>>| field.map(|Text(text)| text).unwrap_or_default();
        let (username, first_name, last_name) =
            (text(asked.username), text(asked.first_name), text(asked.last_name));
        let email = asked.email.map(|Text(email)| email).unwrap_or_default();
        for field in &auth.settings().accounts.registration_fields {
            let is_there = match field {
                RegistrationField::Username => !username.trim().is_empty(),
                RegistrationField::Email => !email.trim().is_empty(),
                RegistrationField::Password => asked.password.is_some(),
                RegistrationField::FirstName => !first_name.trim().is_empty(),
                RegistrationField::LastName => !last_name.trim().is_empty(),
            };
            if !is_there {
                errors.unless::<()>(field.as_str(), Err("This field is required."));
            }
        }
        let name = match username.trim() {
            "" => made_up(auth),
            name => name.to_owned(),
        };
        let name = errors.unless("username", auth.settings().accounts.chosen_name(&name));
        let address = match email.trim() {
            "" => None,
            address => errors.unless("email", Email::parse(address)),
        };
        if let Some(password) = &asked.password {
            let about = UserAttributes {
                username: &username,
                email: &email,
                first_name: &first_name,
                last_name: &last_name,
            };
            for problem in auth.judge().judge(password, &about).await {
                errors.unless::<()>("password", Err(problem));
            }
        }
        errors.none()?;
        let incomplete = || Problem::new(Code::ValidationError);
        Ok(Self {
            username: name.ok_or_else(incomplete)?,
            email: address,
            password: asked.password.ok_or_else(incomplete)?,
            first_name,
            last_name,
            transport: asked.transport.unwrap_or(Transport::Cookie),
            metadata: Map::new(),
        })
    }
}

/// A user name for who chose none: `user-` and ten letters and digits.
fn made_up(auth: &Auth) -> String {
    let number = u64::from_be_bytes(random_bytes(auth.random()));
    format!("user-{:010x}", number & 0xff_ffff_ffff)
}

const SENT: &str = "A mail with a link is on its way to this address. Follow it to go on.";
/// Who must prove an address waits as long as two links live, one after the other.
const LIVES: u32 = 2;
