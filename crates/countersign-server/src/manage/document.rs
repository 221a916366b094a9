//! `GET /manage/v1/openapi.json`: the management API's own document. That of the endpoints for
//! users is for front ends, and says nothing of this one.

use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::IntoResponse;
use std::collections::BTreeMap;
use utoipa::openapi::path::{Operation, Parameter};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{ContentBuilder, OpenApi as Document, RefOr, ResponseBuilder};
use utoipa::{Modify, OpenApi, ToSchema};

use super::{
    audit, bulk, change, create, factors, figures, grants, groups, introspect, links, sessions,
    tickets, users,
};

/// The document.
pub(super) fn document() -> Document {
    let mut document = Api::openapi();
    env!("CARGO_PKG_VERSION").clone_into(&mut document.info.version);
    document
}

/// The document, as it is sent.
pub(super) async fn answer() -> impl IntoResponse {
    let json = serde_json::to_string(&document()).unwrap_or_default();
    ([(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "public, max-age=300")], json)
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Countersign: management",
        description = "For programs that manage users, and for operators' scripts. Every request \
            carries a service token, or the access token of somebody of the staff, as \
            `Authorization: Bearer`. Every refusal is a problem document."
    ),
    paths(
        users::list,
        users::read,
        create::create,
        bulk::bulk,
        change::change,
        change::delete,
        change::activate,
        change::deactivate,
        change::set_password,
        change::forget_password,
        sessions::list,
        sessions::end_all,
        sessions::end,
        factors::list,
        factors::remove_all,
        factors::remove,
        links::make,
        groups::list,
        groups::create,
        groups::read,
        groups::change,
        groups::delete,
        grants::permissions,
        introspect::introspect,
        tickets::redeem,
        audit::audit,
        figures::figures,
    ),
    components(schemas(ManageProblem)),
    modifiers(&Rest),
    tags(
        (name = "users", description = "Users"),
        (name = "sessions", description = "Their sessions"),
        (name = "factors", description = "Their second factors"),
        (name = "groups", description = "Groups and permissions"),
        (name = "tokens", description = "Tokens of users"),
        (name = "log", description = "The audit log and figures"),
    )
)]
struct Api;

/// Every refusal (RFC 9457).
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes what problems look like")]
struct ManageProblem {
    /// A URN made of the code, or `about:blank`.
    r#type: String,
    /// The code in words.
    title: String,
    /// The HTTP status.
    status: u16,
    /// What is wrong, and what to do.
    detail: String,
    /// The code: stable, for programs.
    #[schema(example = "permission_denied")]
    code: String,
    /// With `validation_error`: messages for each field.
    #[schema(required = false)]
    errors: BTreeMap<String, Vec<String>>,
}

/// How each operation is asked, and how it refuses.
struct Rest;

impl Modify for Rest {
    fn modify(&self, document: &mut Document) {
        let bearer = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some("A service token (`cs_…`), or an access token of the staff"));
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("bearer", SecurityScheme::Http(bearer.build()));
        for (path, operation) in document.paths.paths.iter_mut().flat_map(|(path, item)| {
            [&mut item.get, &mut item.post, &mut item.put, &mut item.patch, &mut item.delete]
                .into_iter()
                .flatten()
                .map(move |operation| (path, operation))
        }) {
            for (status, said) in refusals(path, operation) {
                let refused = ResponseBuilder::new().description(said).build();
                operation.responses.responses.entry(status.to_owned()).or_insert(RefOr::T(refused));
            }
            let problem = utoipa::openapi::Ref::from_schema_name("ManageProblem");
            for (status, response) in &mut operation.responses.responses {
                if let RefOr::T(response) = response
                    && status.starts_with(['4', '5'])
                {
                    let content = ContentBuilder::new().schema(Some(problem.clone())).build();
                    response
                        .content
                        .insert("application/problem+json".to_owned(), RefOr::T(content));
                }
            }
        }
    }
}

/// How an operation refuses by what it takes. What is its own, it says itself.
fn refusals(path: &str, operation: &Operation) -> Vec<(&'static str, &'static str)> {
    let takes = |name: &str| {
        let is_it = |own: &RefOr<Parameter>| matches!(own, RefOr::T(own) if own.name == name);
        operation.parameters.iter().flatten().any(is_it)
    };
    let mut all = vec![
        ("400", "validation_error, parse_error, bad_request"),
        (
            "401",
            "not_authenticated, token_invalid, token_expired, session_revoked, user_inactive, \
            recent_login_required",
        ),
        ("403", "permission_denied"),
        ("503", "unavailable"),
    ];
    if path.contains('{') {
        all.push(("404", "not_found"));
    }
    if operation.request_body.is_some() {
        all.push(("408", "request_timeout"));
        all.push(("413", "payload_too_large"));
        all.push(("415", "unsupported_media_type"));
    }
    if takes("If-Match") {
        all.push(("412", "precondition_failed: somebody else changed it"));
        all.push(("428", "precondition_required"));
    }
    if takes("Idempotency-Key") {
        all.push(("422", "idempotency_key_reused"));
    }
    all
}
