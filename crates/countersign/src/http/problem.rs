//! Problem details, as the server makes them of its own errors.

use std::borrow::Cow;

pub use countersign_verify::{Code, OwnCode, Problem};
use utoipa::openapi::extensions::ExtensionsBuilder;
use utoipa::openapi::schema::{ArrayBuilder, KnownFormat, ObjectBuilder, SchemaFormat, Type};
use utoipa::openapi::{RefOr, Schema};

use crate::factor::seal::FactorSealError;
use crate::mail::SealError;
use crate::password::HashError;
use crate::session::RevokedReason;
use crate::sign_in::FactorKind;
use crate::store::StoreError;
use crate::token::RefreshError;

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::UsernameTaken => Self::new(Code::ValidationError)
                .field("username", "A user with that name already exists."),
            StoreError::EmailTaken => {
                Self::new(Code::ValidationError).field("email", "Another user has this address.")
            }
            StoreError::Busy | StoreError::Failed(_) => {
                tracing::error!(%error, "the store did not do as asked");
                Self::new(Code::Unavailable).retry_after(1)
            }
            StoreError::Unknown(_) => {
                tracing::error!(%error, "the store did not say what it did");
                Self::new(Code::Unavailable).detail(NOT_KNOWN).retry_after(1)
            }
        }
    }
}

impl From<SealError> for Problem {
    fn from(error: SealError) -> Self {
        tracing::error!(%error, "a mail could not be sealed");
        Self::new(Code::InternalError)
    }
}

impl From<FactorSealError> for Problem {
    fn from(error: FactorSealError) -> Self {
        tracing::error!(%error, "a second factor could not be sealed");
        Self::new(Code::InternalError)
    }
}

impl From<HashError> for Problem {
    fn from(_: HashError) -> Self {
        Self::new(Code::Unavailable).retry_after(1)
    }
}

impl From<RefreshError> for Problem {
    fn from(error: RefreshError) -> Self {
        match error {
            RefreshError::Invalid => Self::new(Code::RefreshTokenInvalid),
            RefreshError::Expired => Self::new(Code::RefreshTokenExpired),
            RefreshError::Sign => internal(error),
        }
    }
}

/// A fault of ours: signing failed, although the key was good when it was loaded.
pub(crate) fn internal(error: impl std::fmt::Display) -> Problem {
    tracing::error!(%error, "a token could not be signed");
    Problem::new(Code::InternalError)
}

/// What is said of something that may have been done. Of what was not done, the code's own sentence
/// says so.
const NOT_KNOWN: &str = "Whether this was done is not known: the database gave no answer. To do it \
    again is safe; try after `Retry-After` seconds.";

/// The answer at a path where nothing is: a fallback for any router.
///
/// ```
/// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
/// use axum::Router;
/// use countersign::http::not_found;
///
/// let app: Router = Router::new().fallback(not_found);
/// # let (status, body) = world::block_on(world::get(&app, "/nowhere", None));
/// assert_eq!(status, 404);
/// assert!(body.contains(r#""code":"not_found""#));
/// ```
pub async fn not_found() -> Problem {
    Problem::new(Code::NotFound)
}

/// The answer to a method that a path has not: a fallback for any router, which adds `Allow`.
///
/// ```
/// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
/// use axum::{Router, routing::post};
/// use countersign::http::method_not_allowed;
///
/// let app: Router = Router::new()
///     .route("/orders", post(|| async {}))
///     .method_not_allowed_fallback(method_not_allowed);
/// # let (status, body) = world::block_on(world::get(&app, "/orders", None)); // GET /orders
/// assert_eq!(status, 405);
/// assert!(body.contains(r#""code":"method_not_allowed""#));
/// ```
pub async fn method_not_allowed() -> Problem {
    Problem::new(Code::MethodNotAllowed)
}

/// The shape of every refusal, for the OpenAPI document.
pub(crate) struct ProblemSchema;

impl utoipa::ToSchema for ProblemSchema {
    fn name() -> Cow<'static, str> {
        "Problem".into()
    }
}

impl utoipa::PartialSchema for ProblemSchema {
    fn schema() -> RefOr<Schema> {
        let text = |description: &str| {
            ObjectBuilder::new().schema_type(Type::String).description(Some(description))
        };
        // Not an `enum`: later versions may have more words, and a client that was made of this
        // document goes on.
        let one_of =
            |words: &[&str]| Some(ExtensionsBuilder::new().add("x-extensible-enum", words).build());
        let status = ObjectBuilder::new()
            .schema_type(Type::Integer)
            .minimum(Some(400))
            .maximum(Some(599))
            .description(Some("The HTTP status."));
        let errors = ObjectBuilder::new()
            .additional_properties(Some(ArrayBuilder::new().items(text("What is wrong with it."))))
            .description(Some("With `validation_error`: messages for each field."));
        ObjectBuilder::new()
            .description(Some("Every refusal (RFC 9457)."))
            .property(
                "type",
                text("A URN made of the code.")
                    .examples(["urn:countersign:problem:invalid_credentials"]),
            )
            .property("title", text("The code in words."))
            .property("status", status)
            .property("detail", text("What is wrong, and what to do."))
            .property(
                "code",
                text("The code: stable, for programs.")
                    .extensions(one_of(&Code::ALL.map(Code::as_str))),
            )
            .property("errors", errors)
            .property(
                "reason",
                text("With `session_revoked`: why the session was ended.")
                    .extensions(one_of(&RevokedReason::ALL.map(RevokedReason::as_str))),
            )
            .property(
                "deletion_at",
                ObjectBuilder::new()
                    .schema_type(Type::String)
                    .format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
                    .description(Some("With `deletion_planned`: when the user is deleted.")),
            )
            .property(
                "pending_token",
                text("With `second_factor_required`: what the login goes on with."),
            )
            .property(
                "factors",
                ArrayBuilder::new()
                    .items(
                        text("A kind of factor.")
                            .extensions(one_of(&FactorKind::ALL.map(FactorKind::as_str))),
                    )
                    .description(Some("With `second_factor_required`: what may be given.")),
            )
            .required("type")
            .required("title")
            .required("status")
            .required("detail")
            .required("code")
            .into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn detail(error: StoreError) -> String {
        let answer = Problem::from(error).to_http::<Vec<u8>>();
        let body: serde_json::Value = serde_json::from_slice(answer.body()).unwrap();
        assert_eq!((answer.status().as_u16(), &body["code"]), (503, &"unavailable".into()));
        body["detail"].as_str().unwrap().to_owned()
    }

    #[test]
    fn a_503_says_that_nothing_was_done_or_that_it_is_not_known() {
        for error in [StoreError::Busy, StoreError::failed("the disk is full")] {
            assert!(detail(error.clone()).contains("Nothing was done"), "{error}");
            let after_an_act = detail(error.unknown());
            assert!(
                after_an_act.contains("not known") && after_an_act.contains("again is safe"),
                "{after_an_act}"
            );
        }
    }
}
