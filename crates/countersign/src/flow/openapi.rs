//! The OpenAPI document, made of what stands beside each handler.

use utoipa::OpenApi;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};

use crate::auth::Auth;
use crate::http::describe::{self, BEARER};
use crate::http::problem::ProblemSchema;

/// The document, with the base path and the cookie of the settings, and `own` merged into it.
pub(crate) fn openapi(auth: &Auth, own: utoipa::openapi::OpenApi) -> utoipa::openapi::OpenApi {
    let mut document = Document::openapi();
    // The rows of an app's own table are the app's to change.
    if !auth.users().owns_profiles()
        && let Some(profile) = document.paths.paths.get_mut("/accounts/profile")
    {
        profile.patch = None;
    }
    // What is not mounted is not there.
    document.paths.paths.retain(|path, _| match path.strip_prefix(DEFAULT_BASE) {
        Some("/register") => auth.can_register(),
        Some("/undo") => auth.can_change_address(),
        Some(rest) if rest.starts_with("/email/change") => auth.can_change_address(),
        Some(rest) if rest.starts_with("/login/code") => auth.can_send_codes(),
        Some(rest) if rest.starts_with("/email/") || rest.starts_with("/password/") => {
            auth.can_mail()
        }
        _ => true,
    });
    let paths = std::mem::take(&mut document.paths.paths);
    document.paths.paths = paths
        .into_iter()
        .map(|(path, item)| match path.strip_prefix(DEFAULT_BASE) {
            Some(rest) => (format!("{}{rest}", auth.settings().base_path), item),
            None => (path, item),
        })
        .collect();
    document.merge(own);
    let bearer = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .bearer_format("JWT")
        .description(Some("The `access_token` of a login or a refresh"))
        .build();
    let cookie = ApiKey::Cookie(ApiKeyValue::with_description(
        auth.checked().cookies.refresh_name(),
        "The refresh token of a browser, which script cannot read",
    ));
    let components = document.components.get_or_insert_default();
    components.add_security_scheme(BEARER, SecurityScheme::Http(bearer));
    components.add_security_scheme("refresh_cookie", SecurityScheme::ApiKey(cookie));
    describe::complete(&mut document);
    document
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Countersign",
        description = "First-party login: a short-lived access token in the body, a refresh token \
            in a cookie that script cannot read, a CSRF token on everything that writes. Every \
            refusal is a problem document (RFC 9457); its `code` is stable."
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
        super::password_reset::request_reset,
        super::password_reset::confirm_reset,
        super::register::register,
        super::email_verify::verify_email,
        super::email_verify::resend,
        super::email_change::change_email,
        super::email_change::confirm_change,
        super::undo::undo,
        super::login_code::request_code,
        super::login_code::confirm_code,
        super::sessions::sessions,
        super::sessions::name_session,
        super::sessions::end_session,
        super::verify::verify,
        super::jwks::jwks,
        super::revocations::revocations,
    ),
    components(schemas(ProblemSchema)),
    tags(
        (name = "accounts", description = "Logging in, staying in, logging out"),
        (name = "well-known", description = "For who verifies tokens"),
    )
)]
struct Document;

const DEFAULT_BASE: &str = "/accounts";
