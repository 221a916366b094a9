//! Why something was not done, as problem documents.

use axum::http::StatusCode;
use countersign::http::{Code, OwnCode, Problem};
use countersign::store::admin::AdminError;
use utoipa::IntoResponses;

use crate::operate::people::NotSent;

/// What is said where nobody would be left who can do everything. How every endpoint with an id, a
/// body or such a header refuses is added by the document.
#[derive(IntoResponses)]
#[response(status = 409, description = "conflict: nobody would be left who can do everything")]
pub(super) struct KeepsASuperuser;

/// Why an act was not done.
pub(super) fn refused(error: AdminError) -> Problem {
    match error {
        AdminError::Stale => Problem::new(Code::Own(&CHANGED)),
        AdminError::Gone => gone(),
        AdminError::NotAllowed => Problem::new(Code::PermissionDenied).detail(NOT_ALLOWED),
        AdminError::LastSuperuser => Problem::new(Code::Conflict).detail(
            "Nobody would be left who can do everything: there must be an active superuser who is \
             staff. Nothing was done.",
        ),
        AdminError::NameTaken => {
            Problem::new(Code::ValidationError).field("name", "Another has this name.")
        }
        AdminError::KeyReused => Problem::new(Code::Own(&KEY_REUSED)),
        AdminError::Store(error) => error.into(),
        other => {
            tracing::error!(error = %other, "an act was refused for a reason without words");
            Problem::new(Code::InternalError)
        }
    }
}

/// Whether it was not done because somebody else changed it meanwhile.
pub(super) fn is_stale(problem: &Problem) -> bool {
    problem.code().as_str() == CHANGED.code
}

/// Why a letter was not sent: the user, as they are, is not one for it.
pub(super) fn not_sent(error: NotSent) -> Problem {
    match error {
        NotSent::Act(error) => refused(error),
        NotSent::Seal(error) => error.into(),
        other => Problem::new(Code::Conflict).detail(format!("Nothing was done: {other}.")),
    }
}

/// What is not there, or not any more.
pub(super) fn gone() -> Problem {
    Problem::new(Code::NotFound).detail("It is not there, or not any more.")
}

/// A change without saying what it is a change of.
pub(super) fn unsure() -> Problem {
    Problem::new(Code::Own(&UNSURE))
}

const NOT_ALLOWED: &str = "This may not be done by whoever asks: only a superuser touches staff \
    and superusers, and nobody gives, or takes over, what they do not have themselves. Nothing was \
    done.";

static CHANGED: OwnCode = OwnCode {
    status: StatusCode::PRECONDITION_FAILED,
    code: "precondition_failed",
    title: "Changed meanwhile",
    detail: "It is not what `If-Match` says any more, and nothing was done. Read it again.",
};

static UNSURE: OwnCode = OwnCode {
    status: StatusCode::PRECONDITION_REQUIRED,
    code: "precondition_required",
    title: "If-Match required",
    detail: "Send the `ETag` of what you have read as `If-Match`, so that nobody's change is lost; \
             `*` overwrites whatever is there.",
};

static KEY_REUSED: OwnCode = OwnCode {
    status: StatusCode::UNPROCESSABLE_ENTITY,
    code: "idempotency_key_reused",
    title: "Idempotency key reused",
    detail: "This `Idempotency-Key` came with another request before. Nothing was done.",
};
