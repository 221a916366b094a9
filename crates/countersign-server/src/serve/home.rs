//! A server below a path: `public_url` has one, as in `https://example.org/auth`.
//!
//! The routes know nothing of it. A request comes with the path before it, or without where the
//! proxy has taken it away; the pages of this server are given it back in whatever they link to.

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::State;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE, LOCATION};
use axum::http::uri::PathAndQuery;
use axum::http::{HeaderValue, Request, Response, StatusCode, Uri};
use axum::middleware::map_response_with_state;
use axum::response::IntoResponse;

/// The path, as in `/auth`.
#[derive(Debug, Clone)]
pub(super) struct Home(Arc<str>);

impl Home {
    /// `None` where there is none.
    pub(super) fn of(path: &str) -> Option<Self> {
        (!path.is_empty()).then(|| Self(path.into()))
    }

    /// Takes it from a request, once.
    pub(super) fn enter<B>(&self, request: &mut Request<B>) {
        let uri = request.uri();
        let Some(path) = self.inside(uri.path()) else { return };
        let inner = match uri.query() {
            Some(query) => format!("{path}?{query}"),
            None => path.to_owned(),
        };
        let mut parts = uri.clone().into_parts();
        parts.path_and_query = PathAndQuery::try_from(inner).ok();
        if let Ok(inner) = Uri::from_parts(parts) {
            *request.uri_mut() = inner;
        }
    }

    /// What a path is for the routes. The documents of the issuer stand before its path too (RFC
    /// 8414, section 3.1).
    fn inside<'a>(&self, path: &'a str) -> Option<&'a str> {
        if let Some(document) = path.strip_suffix(&*self.0).filter(|path| ISSUERS.contains(path)) {
            return Some(document);
        }
        match path.strip_prefix(&*self.0)? {
            "" => Some("/"),
            rest => rest.starts_with('/').then_some(rest),
        }
    }

    /// Pages that link below it.
    pub(super) fn around(self, pages: Router) -> Router {
        pages.layer(map_response_with_state(self, linked))
    }

    /// The path as clients have it. What stands below it already, or elsewhere, stays.
    fn outside(&self, path: &str) -> Option<String> {
        let is_ours = path.starts_with('/') && !path.starts_with("//");
        (is_ours && self.inside(path).is_none()).then(|| format!("{}{path}", self.0))
    }

    /// A page with its links. In an attribute no quotation mark comes from anybody but the page.
    fn linked(&self, page: &str) -> String {
        let mut linked = String::with_capacity(page.len() + 1024);
        let mut rest = page;
        while let Some(at) = rest.find("=\"/") {
            let (before, value) = rest.split_at(at + 2);
            linked.push_str(before);
            let attribute = before[..at].rsplit(char::is_whitespace).next().unwrap_or_default();
            let path = value.split('"').next().unwrap_or_default();
            match self.outside(path).filter(|_| LINKS.contains(&attribute)) {
                Some(path) => linked.push_str(&path),
                None => linked.push_str(path),
            }
            rest = &value[path.len()..];
        }
        linked.push_str(rest);
        linked
    }
}

async fn linked(State(home): State<Home>, mut response: Response<Body>) -> Response<Body> {
    let location = response.headers().get(LOCATION).and_then(|to| home.outside(to.to_str().ok()?));
    if let Some(to) = location.and_then(|to| HeaderValue::try_from(to).ok()) {
        response.headers_mut().insert(LOCATION, to);
    }
    let is_page = |kind: &HeaderValue| kind.as_bytes().starts_with(b"text/html");
    if !response.headers().get(CONTENT_TYPE).is_some_and(is_page) {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let Ok(page) = to_bytes(body, usize::MAX).await else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    parts.headers.remove(CONTENT_LENGTH);
    let page = home.linked(&String::from_utf8_lossy(&page));
    Response::from_parts(parts, Body::from(page))
}

/// Documents of an issuer.
const ISSUERS: [&str; 2] =
    ["/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"];

/// Attributes of our pages that name a path of this server's.
const LINKS: [&str; 7] =
    ["action", "data-base", "data-options", "data-path", "formaction", "href", "src"];

#[cfg(test)]
mod tests {
    use super::*;

    fn home() -> Home {
        Home::of("/auth").unwrap()
    }

    #[test]
    fn a_request_comes_with_the_path_or_without_it_and_loses_it_once() {
        for (sent, inner) in [
            ("/auth/accounts/login", "/accounts/login"),
            ("/accounts/login", "/accounts/login"),
            ("/auth/admin/users/?q=/auth/x&o=1", "/admin/users/?q=/auth/x&o=1"),
            ("/auth", "/"),
            ("/auth/", "/"),
            ("/auth?a=b", "/?a=b"),
            ("/auth/auth/docs", "/auth/docs"),
            ("/author/docs", "/author/docs"),
            ("/.well-known/oauth-authorization-server/auth", ISSUERS[0]),
            ("/.well-known/openid-configuration/auth", ISSUERS[1]),
            ("/auth/.well-known/openid-configuration", ISSUERS[1]),
            ("/.well-known/jwks.json/auth", "/.well-known/jwks.json/auth"),
            ("http://example.org/auth/docs", "http://example.org/docs"),
        ] {
            let mut request = Request::get(sent).body(()).unwrap();
            home().enter(&mut request);
            assert_eq!(request.uri().to_string(), inner, "{sent}");
        }
        assert!(Home::of("").is_none());
    }

    #[test]
    fn links_of_a_page_lead_below_the_path_and_nothing_else_is_touched() {
        for (page, linked) in [
            ("<a href=\"/admin/\">", "<a href=\"/auth/admin/\">"),
            ("<a class=\"x\"\nhref=\"/\">", "<a class=\"x\"\nhref=\"/auth/\">"),
            ("<form action=\"/admin/a?b=/c\">", "<form action=\"/auth/admin/a?b=/c\">"),
            ("<a href=\"/auth/docs\">", "<a href=\"/auth/docs\">"),
            ("<a href=\"//elsewhere.example/\">", "<a href=\"//elsewhere.example/\">"),
            ("<a href=\"https://a.example/\">", "<a href=\"https://a.example/\">"),
            ("<input value=\"/admin/\">", "<input value=\"/admin/\">"),
            ("<p>=\"/ and href=/x</p>", "<p>=\"/ and href=/x</p>"),
            ("<img src=\"/é.svg\" alt=\"é\">", "<img src=\"/auth/é.svg\" alt=\"é\">"),
        ] {
            assert_eq!(home().linked(page), linked, "{page}");
        }
    }
}
