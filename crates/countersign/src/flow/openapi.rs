//! The OpenAPI document, made of what stands beside each handler.

use utoipa::OpenApi;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};

use crate::auth::Auth;

/// The document, with the base path of the settings.
pub(crate) fn openapi(auth: &Auth) -> utoipa::openapi::OpenApi {
    let mut document = Document::openapi();
    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT").build();
    document.components.get_or_insert_default().security_schemes.insert("bearer".to_owned(), SecurityScheme::Http(bearer).into());
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

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Countersign",
        description = "First-party login: a short-lived access token in the body, a refresh token in a cookie that script cannot read, a CSRF token on everything that writes."
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
