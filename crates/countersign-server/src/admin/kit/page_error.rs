//! What goes wrong on a page: an HTML page that says what to do, with the right status.

use askama::Template;
use axum::http::header::RETRY_AFTER;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use countersign::store::StoreError;
use countersign::store::admin::AdminError;

use crate::admin::kit::page::{page, redirect};

/// A handler's answer: a page, or why there is none.
pub(crate) type PageResult = Result<Response, PageError>;

/// Why a page was not made, or a form not taken.
#[derive(Debug)]
pub(crate) enum PageError {
    /// Nobody is signed in. Where to go afterwards.
    SignedOut(String),
    /// The request makes no sense.
    Bad(StatusCode, &'static str, String),
    /// The store or the hashing threads cannot, at this moment.
    Unavailable,
    /// The store did not say what it did.
    Unknown,
    /// A page that says it better.
    Page(Box<Response>),
}

impl PageError {
    pub(crate) fn bad(what: impl Into<String>) -> Self {
        Self::Bad(StatusCode::BAD_REQUEST, "That did not make sense", what.into())
    }

    pub(crate) fn forbidden(what: impl Into<String>) -> Self {
        Self::Bad(StatusCode::FORBIDDEN, "You may not do that", what.into())
    }

    pub(crate) fn gone(what: &str) -> Self {
        Self::Bad(
            StatusCode::NOT_FOUND,
            "Not found",
            format!("{what} Perhaps it was deleted meanwhile; go back to the list and look again."),
        )
    }

    pub(crate) fn conflict(what: impl Into<String>) -> Self {
        Self::Bad(StatusCode::CONFLICT, "Nothing was changed", what.into())
    }

    /// Some of it was done.
    pub(crate) fn broke_off(what: impl Into<String>) -> Self {
        Self::Bad(StatusCode::CONFLICT, "Only a part was done", what.into())
    }

    pub(crate) fn page(response: Response) -> Self {
        Self::Page(Box::new(response))
    }
}

impl From<StoreError> for PageError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::UsernameTaken => Self::conflict(
                "Another user has this name, to the letter or in another case, or as e-mail \
                 address. Choose another one.",
            ),
            StoreError::EmailTaken => Self::conflict(
                "Another user has this address, or is called so. Choose another one.",
            ),
            StoreError::Unknown(_) => {
                tracing::error!(%error, "the store did not say what it did");
                Self::Unknown
            }
            error => {
                tracing::error!(%error, "the store did not do as asked");
                Self::Unavailable
            }
        }
    }
}

impl From<AdminError> for PageError {
    fn from(error: AdminError) -> Self {
        match error {
            AdminError::Stale => Self::conflict(
                "It was changed meanwhile, and your change was not made. Go back, load the page \
                 again and look at what is new.",
            ),
            AdminError::Gone => Self::gone("It is not there any more."),
            AdminError::LastSuperuser => Self::conflict(
                "Nobody would be left who can do everything: there must be an active superuser. \
                 Make another one first.",
            ),
            AdminError::NotAllowed => Self::forbidden(
                "Your permissions, or those of the user, were changed meanwhile, and nothing was \
                 done.",
            ),
            AdminError::NameTaken => Self::conflict("Another has this name. Choose another one."),
            AdminError::Store(error) => error.into(),
            error => {
                tracing::error!(%error, "the store did not do as asked");
                Self::Unavailable
            }
        }
    }
}

impl From<countersign::password::HashError> for PageError {
    fn from(_: countersign::password::HashError) -> Self {
        Self::Unavailable
    }
}

impl IntoResponse for PageError {
    fn into_response(self) -> Response {
        match self {
            Self::SignedOut(next) => {
                let query = url::form_urlencoded::Serializer::new(String::new())
                    .append_pair("next", &next)
                    .finish();
                redirect(&format!("/admin/sign-in?{query}"))
            }
            Self::Bad(status, title, detail) => {
                page(status, &ErrorPage { status: status.as_u16(), title, detail: &detail })
            }
            Self::Unavailable => not_now(
                "Not now",
                "The database or the password checker has too much to do, or is down. Nothing was \
                 changed. Try again in a moment; if it lasts, look at the server's log.",
            ),
            Self::Unknown => not_now(
                "Perhaps it was done",
                "The database gave no answer, so it is not known whether this was done. Look at \
                 the page again in a moment, and do again what is missing; if it lasts, look at \
                 the server's log.",
            ),
            Self::Page(response) => *response,
        }
    }
}

fn not_now(title: &str, detail: &str) -> Response {
    let status = StatusCode::SERVICE_UNAVAILABLE;
    let mut response = page(status, &ErrorPage { status: status.as_u16(), title, detail });
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
    response
}

/// A page, when all is well.
pub(crate) fn shown(template: &impl Template) -> PageResult {
    Ok(page(StatusCode::OK, template))
}

/// Why an operator may not do what would let them sign in as somebody who may do more.
pub(crate) fn beyond_in_words(username: &str, what: &str) -> String {
    format!(
        "{username} has {what}, which you do not have. By setting their password, name or \
         address, or letting them sign in, you could act as them. Ask a superuser. Nothing was \
         changed."
    )
}

/// The answer at an address below `/admin/` where nothing is.
pub(crate) async fn not_found() -> Response {
    PageError::Bad(
        StatusCode::NOT_FOUND,
        "Not found",
        "There is no such page here. Go back, or to the beginning.".to_owned(),
    )
    .into_response()
}

/// The answer to a method that a page has not; the router adds `Allow`.
pub(crate) async fn method_not_allowed() -> Response {
    let what = "This address is not for that. Go back to the page and use its buttons.".to_owned();
    PageError::Bad(StatusCode::METHOD_NOT_ALLOWED, "Not like this", what).into_response()
}

#[derive(Template)]
#[template(path = "admin/error.html")]
struct ErrorPage<'a> {
    status: u16,
    title: &'a str,
    detail: &'a str,
}
