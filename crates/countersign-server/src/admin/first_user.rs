//! `/admin/first/TOKEN`: makes the first superuser, while there is no user at all. The link is told once, at the start, and lives in memory only.

use askama::Template;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use countersign::clock::Random;
use countersign::store::admin::{AdminStore, AuditKind, AuditLine};
use countersign::store::{Store, StoreError};
use countersign::user::NewUser;
use tokio::sync::Mutex;

use super::fault::Fault;
use super::field::{Errors, Field};
use super::frame::{page, redirect};
use super::gate::{Knock, Token, knock_cookie};
use super::sign_in::enter;
use super::user_add::{Names, PASSWORD_HINT, new_password};
use super::{Admin, Answer, with_cookie};

/// The token, until it is used or there is a user.
pub(super) struct FirstUser {
    token: Mutex<Option<Token>>,
    path: Option<String>,
}

impl FirstUser {
    /// A token, when there is nobody.
    pub(super) async fn new(store: &dyn AdminStore, random: &dyn Random) -> Result<Self, StoreError> {
        let token = store.users(None, 1).await?.is_empty().then(|| Token::draw(random));
        let path = token.as_ref().map(|token| format!("/admin/first/{}", token.text()));
        Ok(Self { token: Mutex::new(token), path })
    }

    /// Where the page was at the start.
    pub(super) fn path(&self) -> Option<&str> {
        self.path.as_deref()
    }

    /// Whether this is the link, and there is still nobody.
    async fn is_open(&self, store: &dyn Store, given: &str) -> Result<bool, StoreError> {
        let is_it = {
            let token = self.token.lock().await;
            token.as_ref().zip(Token::parse(given)).is_some_and(|(token, given)| token.is(&given))
        };
        Ok(is_it && store.users(None, 1).await?.is_empty())
    }
}

pub(super) async fn form(State(admin): State<Admin>, Path(given): Path<String>, headers: HeaderMap) -> Answer {
    if !admin.first_user.is_open(&**admin.auth.store(), &given).await? {
        return Err(closed());
    }
    let token = Token::knock(&headers, &*admin.random);
    let (names, errors) = (Names::default(), Errors::default());
    let template = First::new(&token, &names, &errors);
    Ok(with_cookie(page(StatusCode::OK, &template), knock_cookie(&admin, &token)))
}

pub(super) async fn make(State(admin): State<Admin>, Path(given): Path<String>, knock: Knock) -> Answer {
    // One at a time: of two who come at once with the link, the second finds a user there.
    let mut token = admin.first_user.token.lock().await;
    let is_it = token.as_ref().zip(Token::parse(&given)).is_some_and(|(token, given)| token.is(&given));
    if !is_it || !admin.store.users(None, 1).await?.is_empty() {
        return Err(closed());
    }
    let mut errors = Errors::default();
    let names = Names::read(&knock.form, &mut errors);
    let password = new_password(&knock.form, &names, &mut errors);
    let (Some(username), Some(password), true) = (names.username(&mut errors), password, errors.is_empty()) else {
        return Ok(page(StatusCode::BAD_REQUEST, &First::new(&knock.token, &names, &errors)));
    };
    let encoded = admin.auth.passwords().hash(&password).await?;
    let email = names.email(&mut errors);
    let now = admin.clock.now();
    let new = NewUser { is_staff: true, is_superuser: true, ..NewUser::new(username, email, encoded.clone()) };
    let user = admin.store.create_user(new, now).await?;
    *token = None;
    drop(token);
    tracing::info!(user = %user.id, ip = %knock.peer.ip, "the first superuser was made");
    let detail = format!("{}, the first superuser", user.username);
    admin.recorder.note(AuditLine {
        at: now,
        kind: AuditKind::UserAdded,
        actor: None,
        user: Some(user.id),
        session: None,
        ip: Some(knock.peer.ip),
        detail,
    });
    let entered = enter(&admin, user.id, &encoded, &knock.peer, "/admin/?said=welcome").await?;
    Ok(entered.unwrap_or_else(|| redirect("/admin/sign-in")))
}

fn closed() -> Fault {
    let what = "This link has been used, or there is a user already, or the server was started again since it was shown. Sign in, or make a superuser with `countersign createsuperuser`.";
    Fault::Bad(StatusCode::NOT_FOUND, "This link leads nowhere", what.to_owned())
}

#[derive(Template)]
#[template(path = "admin/first_user.html")]
struct First<'a> {
    csrf: String,
    fields: [Field<'a>; 4],
}

impl<'a> First<'a> {
    fn new(token: &Token, names: &'a Names, errors: &'a Errors) -> Self {
        let fields = [
            Field { autocomplete: "username", ..Field::text("username", "User name", &names.username, 150).required() },
            Field { kind: "email", autocomplete: "email", ..Field::text("email", "E-mail address", &names.email, 254) }
                .hint("May be left empty."),
            Field::password("password1", "Password", "new-password").hint(PASSWORD_HINT),
            Field::password("password2", "The same password again", "new-password"),
        ];
        Self { csrf: token.csrf(), fields: fields.map(|field| field.wrong(errors)) }
    }
}
