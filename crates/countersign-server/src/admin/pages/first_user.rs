//! `/admin/first/TOKEN`: makes the first superuser, while there is none. The link is told at the
//! start.

use askama::Template;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use countersign::clock::Random;
use countersign::store::CheckedRow;
use countersign::store::StoreError;
use countersign::store::admin::FirstLink;
use countersign::user::NewUser;

use crate::admin::gate::{Path, PreSession, Token, enter, pre_session_cookie};
use crate::admin::kit::field::{Errors, Field};
use crate::admin::kit::page::{page, redirect, with_cookie};
use crate::admin::kit::page_error::{PageError, PageResult};
use crate::admin::kit::user_form::{ADDRESS_TAKEN, NAME_TAKEN, Names, PASSWORD_HINT, new_password};
use crate::admin::site::Admin;

/// Where the first superuser can be made, when there is none: a path. The token is in the store, so
/// that there is one link for all nodes, and it is used once. Plain users do not close it: a tour
/// makes one before anybody looks here.
pub(crate) async fn link(
    store: &dyn FirstLink,
    random: &dyn Random,
) -> Result<Option<String>, StoreError> {
    let token = store.make_first_link(Token::draw(random).bytes()).await?;
    Ok(token.map(|token| format!("/admin/first/{}", Token::of_bytes(token).text())))
}

/// The link's token, if this is the link, and there is still no superuser.
async fn open_link(admin: &Admin, given: &str) -> Result<Option<Token>, StoreError> {
    let Some(given) = Token::parse(given) else { return Ok(None) };
    let open = admin.store.first_link().await?.map(Token::of_bytes);
    Ok(open.filter(|token| token.is(&given)))
}

pub(crate) async fn form(
    State(admin): State<Admin>,
    Path(given): Path,
    headers: HeaderMap,
) -> PageResult {
    if open_link(&admin, &given).await?.is_none() {
        return Err(closed());
    }
    let token = Token::pre_session(&admin, &headers);
    let (names, errors) = (Names::default(), Errors::default());
    let template = FirstUserPage::new(&token, &names, &errors);
    Ok(with_cookie(page(StatusCode::OK, &template), pre_session_cookie(&admin, &token)))
}

pub(crate) async fn make(
    State(admin): State<Admin>,
    Path(given): Path,
    pre_session: PreSession,
) -> PageResult {
    let Some(token) = open_link(&admin, &given).await? else { return Err(closed()) };
    let mut errors = Errors::default();
    let names = Names::read(&pre_session.form, &mut errors);
    let password = new_password(admin.auth.judge(), &pre_session.form, &names, &mut errors).await;
    let (Some(username), Some(password), true) =
        (names.username(&mut errors), password, errors.is_empty())
    else {
        return Ok(page(
            StatusCode::BAD_REQUEST,
            &FirstUserPage::new(&pre_session.token, &names, &errors),
        ));
    };
    let encoded = admin.auth.passwords().hash(&password).await?;
    let email = names.email(&mut Errors::default());
    let mut taken = |field, what: &str| {
        errors.add(field, what);
        page(StatusCode::BAD_REQUEST, &FirstUserPage::new(&pre_session.token, &names, &errors))
    };
    let ip = Some(pre_session.peer.ip);
    let mut new = NewUser::new(username, email, encoded.clone());
    new.email_verified = true; // an operator's word is proof enough
    new.is_staff = true;
    new.is_superuser = true;
    // Of two who come at once with the link, on whichever nodes, the second finds it used.
    let user = match admin.store.use_first_link(token.bytes(), new, ip, admin.clock.now()).await {
        Ok(Some(user)) => user,
        Ok(None) => return Err(closed()),
        Err(StoreError::UsernameTaken) => return Ok(taken("username", NAME_TAKEN)),
        Err(StoreError::EmailTaken) => return Ok(taken("email", ADDRESS_TAKEN)),
        Err(error) => return Err(error.into()),
    };
    tracing::info!(user = %user.id, ip = %pre_session.peer.ip, "the first superuser was made");
    let entered = enter(
        &admin,
        user.id,
        &CheckedRow::new(encoded),
        &pre_session.peer,
        "/admin/?said=welcome",
    )
    .await?;
    Ok(entered.unwrap_or_else(|| redirect("/admin/sign-in")))
}

fn closed() -> PageError {
    let what = "This link has been used, or there is a superuser already. Sign in, or make a \
        superuser with `countersign createsuperuser`.";
    PageError::Bad(StatusCode::NOT_FOUND, "This link leads nowhere", what.to_owned())
}

#[derive(Template)]
#[template(path = "admin/first_user.html")]
struct FirstUserPage<'a> {
    csrf: String,
    fields: [Field<'a>; 4],
}

impl<'a> FirstUserPage<'a> {
    fn new(token: &Token, names: &'a Names, errors: &'a Errors) -> Self {
        let fields = [
            Field {
                autocomplete: "username",
                ..Field::text("username", "User name", &names.username, 150).required()
            },
            Field {
                kind: "email",
                autocomplete: "email",
                ..Field::text("email", "E-mail address", &names.email, 254)
            }
            .hint("May be left empty."),
            Field::password("password1", "Password", "new-password").hint(PASSWORD_HINT),
            Field::password("password2", "The same password again", "new-password"),
        ];
        Self { csrf: token.csrf(), fields: fields.map(|field| field.wrong(errors)) }
    }
}
