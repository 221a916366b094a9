//! `GET /accounts/verify`: the answer that nginx's `auth_request`, Caddy's and Traefik's
//! `forward_auth` ask for.

use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};

use crate::entry::no_store;
use crate::http::authenticated::Authenticated;

#[utoipa::path(
    get,
    path = "/accounts/verify",
    tag = "accounts",
    summary = "Is this access token good?",
    responses(
        (status = 204, description = "It is; the headers say whose", headers(
            ("X-Auth-User-Id" = String, description = "The user's id"),
            ("X-Auth-Username" = String, description = "The user name, percent-encoded UTF-8"),
            ("X-Auth-Groups" = String, description = "The groups, each percent-encoded, with \
                commas between; at most 4096 bytes"),
            ("X-Auth-Groups-Left-Out" = u64, description = "How many groups found no room; absent \
                where all did"),
        )),
    ),
    security(("bearer" = [])),
)]
pub(crate) async fn verify(who: Authenticated) -> Response {
    let mut headers = no_store([]);
    let (groups, left_out) = listed(who.user().groups());
    let left_out = (left_out > 0).then(|| ("x-auth-groups-left-out", left_out.to_string()));
    for (name, value) in [
        ("x-auth-user-id", who.user().id().to_string()),
        ("x-auth-username", encoded(who.user().username())),
        ("x-auth-groups", groups),
    ]
    .into_iter()
    .chain(left_out)
    {
        if let Ok(value) = HeaderValue::try_from(value) {
            headers.insert(name, value);
        }
    }
    (StatusCode::NO_CONTENT, headers).into_response()
}

/// As many of the groups as there is room for, whole names all, and how many are left out. A proxy
/// that meets a longer header than it has room for answers with an error of its own, and the user
/// could do nothing at all.
fn listed(groups: &[String]) -> (String, usize) {
    let mut list = String::new();
    for (place, group) in groups.iter().enumerate() {
        let group = encoded(group);
        let comma = usize::from(place > 0);
        if list.len() + comma + group.len() > GROUPS_MAX_BYTES {
            return (list, groups.len() - place);
        }
        if comma == 1 {
            list.push(',');
        }
        list.push_str(&group);
    }
    (list, 0)
}

/// Percent-encoding (RFC 3986) of all but unreserved characters and `@` and `+`, which user names
/// may hold: a header is no place for the rest, and a comma in a group's name is no second group.
fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'@' | b'+' => {
                encoded.push(byte.into());
            }
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

/// With the other headers of the answer it fits into 8 KiB, which proxies have room for, and into
/// what apps behind them take.
const GROUPS_MAX_BYTES: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_listed_as_far_as_there_is_room_and_the_rest_is_counted() {
        let groups: Vec<String> = (0..500).map(|number| format!("group {number:03}")).collect();
        let (list, left_out) = listed(&groups);
        assert!(
            list.len() <= GROUPS_MAX_BYTES && list.len() > GROUPS_MAX_BYTES - 13,
            "{}",
            list.len()
        );
        assert_eq!(list.split(',').count() + left_out, 500);
        assert!(list.starts_with("group%20000,group%20001,") && !list.ends_with(','));
        assert_eq!(listed(&groups[..2]), ("group%20000,group%20001".to_owned(), 0));
        assert_eq!(listed(&[]), (String::new(), 0));
        assert_eq!(listed(&["x".repeat(5_000)]), (String::new(), 1));
    }

    #[test]
    fn names_travel_in_a_header_without_becoming_other_names() {
        for (name, header) in [
            ("alice@x+y", "alice@x+y"),
            ("a,b", "a%2Cb"),
            ("zoë", "zo%C3%AB"),
            ("a\r\nX: y", "a%0D%0AX%3A%20y"),
            ("100%", "100%25"),
        ] {
            assert_eq!(encoded(name), header);
        }
    }
}
