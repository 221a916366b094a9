//! `GET /.well-known/revocations`: the sessions that ended within the last access-token lifetime,
//! signed, for resource servers in any language.
//!
//! With `?since=CURSOR` it holds what is new since then, or everything (`full`) where that is no
//! longer known.

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use serde::Deserialize;

use crate::auth::Auth;
use crate::auth::revocation_list::Asked;
use crate::http::answer::Cacheable;
use crate::http::problem::{Code, Problem, internal};

/// What is asked.
#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Since {
    /// The `cursor` of the list that is known already.
    #[param(value_type = String, required = false)]
    since: Option<String>,
}

#[utoipa::path(
    get,
    path = "/.well-known/revocations",
    tag = "well-known",
    summary = "The sessions that ended lately",
    params(Since),
    responses(
        (status = 200, description = "A signed JWT of the type `rl+jwt`", body = String,
            content_type = "application/jwt"),
        (status = 304, description = "Unchanged since the `ETag` in `If-None-Match`"),
        (status = 503, description = "unavailable: this server does not hear what ends"),
    )
)]
pub(crate) async fn revocations(
    State(auth): State<Auth>,
    headers: HeaderMap,
    since: Result<Query<Since>, QueryRejection>,
) -> Result<Cacheable, Problem> {
    // Who believes a list believes it for `max_staleness` of their own. One that was signed anew by
    // a process that hears nothing would let ended sessions live on with them.
    if auth.is_too_stale() {
        return Err(Problem::new(Code::Unavailable).retry_after(1));
    }
    // A cursor that cannot be read, or is another node's, is one that is not known: the answer is
    // everything.
    let since = since.ok().and_then(|Query(since)| since.since);
    let asked = Asked::new(auth.feed(), auth.ring(), since.as_deref(), auth.now());
    Cacheable::new(&headers, &asked.tag(), "application/jwt", "public, max-age=1", || {
        auth.revocation_list()
            .sign(&asked, auth.feed(), auth.ring(), &auth.checked().issuer, auth.endings_kept())
            .map_err(internal)
    })
}
