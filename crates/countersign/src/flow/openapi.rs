//! The OpenAPI document, made of what stands beside each handler.

use utoipa::OpenApi;
use utoipa::openapi::path::Operation;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{ContentBuilder, Ref, ResponseBuilder};

use crate::auth::Auth;

/// The document, with the base path of the settings.
pub(crate) fn openapi(auth: &Auth) -> utoipa::openapi::OpenApi {
    let mut document = Document::openapi();
    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT").build();
    document
        .components
        .get_or_insert_default()
        .security_schemes
        .insert("bearer".to_owned(), SecurityScheme::Http(bearer).into());
    for item in document.paths.paths.values_mut() {
        for operation in [&mut item.post, &mut item.patch].into_iter().flatten() {
            with_what_a_body_may_be_answered(operation);
        }
    }
    let paths = std::mem::take(&mut document.paths.paths);
    document.paths.paths = paths
        .into_iter()
        .map(|(path, item)| match path.strip_prefix(DEFAULT_BASE) {
            Some(rest) => (format!("{}{rest}", auth.settings.base_path), item),
            None => (path, item),
        })
        .collect();
    document
}

/// What `Fields` answers, wherever a body is read.
fn with_what_a_body_may_be_answered(operation: &mut Operation) {
    if operation.request_body.is_none() {
        return;
    }
    for (status, description) in [
        ("400", "parse_error, validation_error"),
        ("408", "request_timeout: the body took too long to arrive"),
        ("413", "payload_too_large: the body is larger than 64 KiB"),
        ("415", "unsupported_media_type: neither JSON nor a form, not in UTF-8, or encoded"),
    ] {
        let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
        let response = ResponseBuilder::new()
            .description(description)
            .content("application/problem+json", content)
            .build();
        operation.responses.responses.entry(status.to_owned()).or_insert_with(|| response.into());
    }
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Countersign",
        description = "First-party login: a short-lived access token in the body, a refresh token \
            in a cookie that script cannot read, a CSRF token on everything that writes."
    ),
    paths(
        super::login::login,
        super::refresh::refresh,
        super::csrf::csrf,
        super::logout::logout,
        super::logout_all::logout_all,
        super::profile::profile,
        super::profile::change_profile,
        super::password::change_password,
        super::sessions::sessions,
        super::sessions::end_session,
        super::verify::verify,
        super::jwks::jwks,
        super::revocations::revocations,
    ),
    tags((name = "accounts", description = "Logging in, staying in, logging out"), (name = "well-known", description = "For who verifies tokens"))
)]
struct Document;

const DEFAULT_BASE: &str = "/accounts";
