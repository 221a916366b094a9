//! The OpenAPI document, made of what stands beside each handler.

use serde_json::Value;
use utoipa::OpenApi;
use utoipa::openapi::Server;
use utoipa::openapi::schema::ObjectBuilder;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};

use crate::auth::Auth;
use crate::auth::schemas::USER_SCHEMA;
use crate::http::describe::{self, BEARER};
use crate::http::problem::ProblemSchema;

/// The document, with the base path and the cookie of the settings, and `own` merged into it.
pub(crate) fn openapi(auth: &Auth, own: utoipa::openapi::OpenApi) -> utoipa::openapi::OpenApi {
    let mut document = Document::openapi();
    // The rows of an app's own table are the app's to change.
    if let Some(profile) = document.paths.paths.get_mut("/accounts/profile") {
        if !auth.users().owns_profiles() {
            profile.patch = None;
        }
        if !auth.users().keeps_accounts() {
            profile.delete = None;
        }
    }
    // What is not mounted is not there.
    document.paths.paths.retain(|path, _| match path.strip_prefix(DEFAULT_BASE) {
        None if path == "/.well-known/webauthn" => !auth.related_origins().is_empty(),
        Some(rest) if rest.starts_with("/passkeys/") || rest.starts_with("/login/passkey/") => {
            auth.passkeys().is_some()
        }
        Some("/register") => auth.can_register(),
        Some("/undo") => auth.can_prove(),
        Some(rest) if rest.starts_with("/login/code") => auth.can_send_codes(),
        Some(rest) if rest.starts_with("/email/") => auth.can_prove(),
        Some(rest) if rest.starts_with("/password/") => auth.can_mail(),
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
    own_users(auth, &mut document);
    let prefix = &auth.settings().openapi_prefix;
    if !prefix.is_empty() {
        document = prefixed(document, prefix);
    }
    document.merge(own);
    if !auth.settings().home().is_empty() {
        document.servers = Some(vec![Server::new(auth.settings().home())]);
    }
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
    describe::complete(&mut document, &format!("{prefix}Problem"));
    document
}

/// The users of an app's own table have what columns they have.
fn own_users(auth: &Auth, document: &mut utoipa::openapi::OpenApi) {
    if auth.users().owns_profiles() {
        return;
    }
    let schemas = &mut document.components.get_or_insert_default().schemas;
    match auth.user_schemas() {
        Some(own) => schemas.extend(own.iter().cloned()),
        None => {
            let any = ObjectBuilder::new().description(Some("A user, as the app has them."));
            schemas.insert(USER_SCHEMA.to_owned(), any.into());
        }
    }
}

/// The document with the prefix before the names of its schemas, and, in lower case, before the ids
/// of its operations.
fn prefixed(document: utoipa::openapi::OpenApi, prefix: &str) -> utoipa::openapi::OpenApi {
    let Ok(mut json) = serde_json::to_value(&document) else { return document };
    if let Some(Value::Object(schemas)) = json.pointer_mut("/components/schemas") {
        let named = std::mem::take(schemas).into_iter();
        schemas.extend(named.map(|(name, schema)| (format!("{prefix}{name}"), schema)));
    }
    rename(&mut json, prefix);
    typed_everywhere(&mut json);
    serde_json::from_value(json).unwrap_or_else(|error| {
        tracing::error!(%error, "the OpenAPI document has no prefix: it cannot be read back");
        document
    })
}

/// A schema that takes anything says nothing of its type, and cannot be read back without.
fn typed_everywhere(json: &mut Value) {
    match json {
        Value::Object(fields) => {
            for (name, value) in fields {
                match (name.as_str(), value) {
                    ("schema", schema) => typed(schema),
                    ("schemas", Value::Object(schemas)) => schemas.values_mut().for_each(typed),
                    (_, value) => typed_everywhere(value),
                }
            }
        }
        Value::Array(values) => values.iter_mut().for_each(typed_everywhere),
        _ => {}
    }
}

fn typed(schema: &mut Value) {
    let Value::Object(fields) = schema else { return };
    if !["$ref", "oneOf", "allOf", "anyOf"].iter().any(|kind| fields.contains_key(*kind)) {
        fields.entry("type").or_insert(Value::Null);
    }
    for (name, value) in fields {
        match (name.as_str(), value) {
            ("items" | "additionalProperties", schema) => typed(schema),
            ("properties", Value::Object(schemas)) => schemas.values_mut().for_each(typed),
            ("oneOf" | "allOf" | "anyOf" | "prefixItems", Value::Array(schemas)) => {
                schemas.iter_mut().for_each(typed);
            }
            _ => {}
        }
    }
}

fn rename(json: &mut Value, prefix: &str) {
    match json {
        Value::Object(fields) => {
            for (name, value) in fields {
                match value {
                    Value::String(text) if name == "$ref" => {
                        if let Some(schema) = text.strip_prefix(SCHEMAS) {
                            *text = format!("{SCHEMAS}{prefix}{schema}");
                        }
                    }
                    Value::String(id) if name == "operationId" => {
                        *id = format!("{}_{id}", prefix.to_lowercase());
                    }
                    value => rename(value, prefix),
                }
            }
        }
        Value::Array(values) => values.iter_mut().for_each(|value| rename(value, prefix)),
        _ => {}
    }
}

const SCHEMAS: &str = "#/components/schemas/";

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
        super::login_factor::login_factor,
        super::login_passkey::begin_passkey_login,
        super::login_passkey::finish_passkey_login,
        super::refresh::refresh,
        super::device_start::device_start,
        super::device_refresh::device_refresh,
        super::csrf::csrf,
        super::session::session,
        super::logout::logout,
        super::logout_all::logout_all,
        super::profile::profile,
        super::profile::change_profile,
        super::deletion::delete_account,
        super::export::export,
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
        super::step_up::step_up,
        super::factors::factors,
        super::totp::offer_totp,
        super::totp::confirm_totp,
        super::passkeys::begin_passkey,
        super::passkeys::finish_passkey,
        super::factors::new_recovery_codes,
        super::factors::name_factor,
        super::factors::remove_factor,
        super::tickets::new_ticket,
        super::verify::verify,
        super::discovery::openid_configuration,
        super::discovery::oauth_authorization_server,
        super::jwks::jwks,
        super::revocations::revocations,
        super::related_origins::related_origins,
    ),
    components(schemas(ProblemSchema)),
    tags(
        (name = "accounts", description = "Logging in, staying in, logging out"),
        (name = "well-known", description = "For who verifies tokens"),
    )
)]
struct Document;

const DEFAULT_BASE: &str = "/accounts";
