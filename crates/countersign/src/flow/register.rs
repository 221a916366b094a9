//! `POST /accounts/register`: somebody makes an account.
//!
//! That an address has an account already is told to its owner by mail, and to nobody else: the
//! asker gets the same answer at the same cost. A user name that is taken is said, because the
//! person must choose another.

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Request};

use crate::auth::Auth;
use crate::auth::post::{in_words, spaced};
use crate::auth::settings::{EmailVerification, RegistrationField};
use crate::clock::random_bytes;
use crate::entry::{LoggedIn, browser_of};
use crate::http::answer::{Accepted, Created, Either};
use crate::http::fields::{FieldErrors, body_so_far};
use crate::http::guard;
use crate::http::peer::Peer;
use crate::http::problem::{Code, Problem};
use crate::http::request::{Text, request};
use crate::mail::{MailKind, choose_language};
use crate::password::{Password, UserAttributes, validate};
use crate::session::Transport;
use crate::sign_in::Proof;
use crate::store::{MailBounds, NewToken, Register, Registered};
use crate::token::{Code as DigitCode, OneTimeToken, Purpose};
use crate::user::{Email, NewUser, User, Username, fold_address};

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
    }
}

#[utoipa::path(
    post,
    path = "/accounts/register",
    tag = "accounts",
    summary = "Register",
    request_body = RegisterRequest,
    responses(
        (status = 201, description = "Where an address need not be proved first: as after a login",
            body = crate::entry::LoginResponse),
        (status = 202, description = "Where it must: a mail is on its way, whatever the address",
            body = crate::http::answer::AcceptedBody),
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
    let from_own_page = guard::source(&auth, &headers);
    let native = guard::native(&auth, &headers);
    if native.is_err() {
        from_own_page.clone()?;
    }
    auth.may_ask(&peer)?;
    let (asked, errors) = body_so_far(request, auth.settings().body_timeout).await?;
    let new = NewAccount::read(&auth, asked, errors)?;
    match new.transport {
        Transport::Cookie => from_own_page?,
        Transport::Body => native?,
    }
    let language = choose_language(guard::languages(&headers), ["en", "de"]);
    let (transport, lifetime) = (new.transport, auth.settings().accounts.verify_lifetime);
    let (user, browser) = make(&auth, new, language).await?;
    let cookie = auth.checked().cookies.set_sign_in(&browser, lifetime);
    match user {
        Some(user) => {
            tracing::info!(user = %user.id, ip = %peer.ip, "registered");
            let login = auth.log_in_by(Proof::Password, user.id, transport, &peer).await?;
            Ok(Either::Left(Created::new(login).with_cookies([cookie])))
        }
        None => {
            tracing::info!(ip = %peer.ip, "a registration waits for its address");
            Ok(Either::Right(Accepted::new(SENT).with_cookies([cookie])))
        }
    }
}

/// Makes the user and the mail. The user is given where they may log in at once, and the secret
/// that the browser keeps.
async fn make(
    auth: &Auth,
    new: NewAccount,
    language: &str,
) -> Result<(Option<User>, String), Problem> {
    let NewAccount { username, email, password, first_name, last_name, .. } = new;
    let encoded = auth.passwords().hash_of_stranger(&password).await?;
    let user = NewUser {
        first_name,
        last_name,
        locale: language.to_owned(),
        ..NewUser::new(username, None, encoded)
    };
    let (token, code) = (OneTimeToken::draw(auth.random()), DigitCode::draw(auth.random()));
    let browser = browser_secret(auth);
    let how = auth.settings().accounts.email_verification;
    let email = match (email, how) {
        (None, _) => return Ok((Some(auth.store().create_user(user, auth.now()).await?), browser)),
        (Some(email), EmailVerification::None) => {
            let user = NewUser { email: Some(email), ..user };
            return Ok((Some(auth.store().create_user(user, auth.now()).await?), browser));
        }
        (Some(email), _) => email,
    };
    let until = auth.now() + auth.settings().accounts.verify_lifetime;
    let mail = auth
        .mail(MailKind::Verify, email.as_str(), language)
        .with("link", auth.link(Purpose::VerifyEmail, &token))
        .with("code", spaced(&code))
        .with("until", in_words(until));
    let taken = auth
        .mail(MailKind::AccountExists, email.as_str(), language)
        .with("link", auth.page("reset"));
    let mut stored = NewToken {
        address: fold_address(email.as_str()),
        code: Some(auth.code_hasher().hash(token.id(), &code)),
        ..NewToken::new(&token, Purpose::VerifyEmail, auth.now(), until)
    };
    stored.payload.browser = Some(browser_of(&browser));
    let is_required = how == EmailVerification::Required;
    if !is_required {
        stored.payload.new_address = Some(email.as_str().to_owned());
    }
    let register = Register {
        user: NewUser { email: is_required.then(|| email.clone()), ..user },
        claims: (!is_required).then_some(email),
        token: stored,
        mail: Some(auth.queued(&mail, None)?),
        taken: auth.queued(&taken, None)?,
        bounds: MailBounds { an_hour: auth.settings().accounts.mails_per_address },
        now: auth.now(),
    };
    match auth.store().register(register).await? {
        Registered::Done(user) if !is_required => Ok((Some(*user), browser)),
        Registered::Done(_) | Registered::EmailTaken => Ok((None, browser)),
        Registered::UsernameTaken => Err(Problem::new(Code::ValidationError)
            .field("username", "A user with that name already exists.")),
    }
}

/// What a registration said, parsed.
struct NewAccount {
    username: Username,
    email: Option<Email>,
    password: Password,
    first_name: String,
    last_name: String,
    transport: Transport,
}

impl NewAccount {
    fn read(
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
        let name = errors.unless("username", Username::parse(&name));
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
            for problem in validate(password.expose(), &about).err().into_iter().flatten() {
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
        })
    }
}

/// A user name for who chose none: `user-` and ten letters and digits.
fn made_up(auth: &Auth) -> String {
    let number = u64::from_be_bytes(random_bytes(auth.random()));
    format!("user-{:010x}", number & 0xff_ffff_ffff)
}

/// The secret by which a browser is known that asked for a mail.
fn browser_secret(auth: &Auth) -> String {
    let bytes: [u8; 16] = random_bytes(auth.random());
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

const SENT: &str = "A mail with a link is on its way to this address. Follow it to go on.";
