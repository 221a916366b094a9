//! `GET /accounts/verify`: the answer that nginx's `auth_request`, Caddy's and Traefik's
//! `forward_auth` ask for.

use axum::extract::{FromRequestParts, State};
use axum::http::request::Parts;
use countersign_verify::{Account, TokenError, bearer};

use crate::auth::Auth;
use crate::entry::in_query;
use crate::http::answer::Whose;
use crate::http::authenticated::Authenticated;
use crate::http::problem::Problem;
use crate::web::percent::encoded;

#[utoipa::path(
    get,
    path = "/accounts/verify",
    tag = "accounts",
    summary = "Is this access token good, or this ticket?",
    params(
        ("ticket" = Option<String>, Query, description = "In the place of a token: a ticket, which \
            is used up"),
        ("for" = Option<String>, Query, description = "What the ticket must have been made for"),
    ),
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
pub(crate) async fn verify(State(auth): State<Auth>, mut parts: Parts) -> Result<Whose, Problem> {
    let Some(ticket) = in_query(&parts, "ticket")? else {
        let who = Authenticated::from_request_parts(&mut parts, &auth).await?;
        return Ok(whose(who.user()));
    };
    // Two credentials are none (RFC 6750, 2).
    if bearer(&parts.headers)?.is_some() {
        return Err(TokenError::Malformed.into());
    }
    let purpose = in_query(&parts, "for")?.unwrap_or_default();
    Ok(whose(auth.redeem_ticket(&ticket, &purpose).await?.account()))
}

fn whose(user: &dyn Account) -> Whose {
    let (groups, left_out) = listed(user.groups());
    Whose { user: user.id().to_string(), username: encoded(user.username()), groups, left_out }
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
}
