//! `GET /accounts/verify`: the answer that nginx's `auth_request`, Caddy's and Traefik's `forward_auth` ask for.

use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};

use super::issue::no_store;
use crate::http::authenticated::Authenticated;
use crate::http::problem::ProblemSchema;

#[utoipa::path(
    get,
    path = "/accounts/verify",
    tag = "accounts",
    summary = "Is this access token good?",
    responses(
        (status = 204, description = "It is; the headers say whose", headers(
            ("X-Auth-User-Id" = String, description = "The user's id"),
            ("X-Auth-Username" = String, description = "The user name, percent-encoded UTF-8"),
            ("X-Auth-Groups" = String, description = "The groups, each percent-encoded, with commas between"),
        )),
        (status = 401, description = "not_authenticated, token_invalid, token_expired, session_revoked, user_inactive", body = ProblemSchema, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
)]
pub(crate) async fn verify(who: Authenticated) -> Response {
    let mut headers = no_store([]);
    let groups: Vec<_> = who.user().groups().iter().map(|group| encoded(group)).collect();
    for (name, value) in [
        ("x-auth-user-id", who.user().id().to_string()),
        ("x-auth-username", encoded(who.user().username())),
        ("x-auth-groups", groups.join(",")),
    ] {
        if let Ok(value) = HeaderValue::try_from(value) {
            headers.insert(name, value);
        }
    }
    (StatusCode::NO_CONTENT, headers).into_response()
}

/// Percent-encoding (RFC 3986) of all but unreserved characters and `@` and `+`, which user names may hold: a header is no place for the rest, and a comma in a
/// group's name is no second group.
fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'@' | b'+' => encoded.push(byte.into()),
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_travel_in_a_header_without_becoming_other_names() {
        for (name, header) in
            [("alice@x+y", "alice@x+y"), ("a,b", "a%2Cb"), ("zoë", "zo%C3%AB"), ("a\r\nX: y", "a%0D%0AX%3A%20y"), ("100%", "100%25")]
        {
            assert_eq!(encoded(name), header);
        }
    }
}
