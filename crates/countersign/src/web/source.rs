//! Where a request comes from: the first half of the CSRF check, and who may have a refresh token
//! in the body.
//!
//! ```
//! use axum::http::HeaderMap;
//! use countersign::web::origin::Origins;
//! use countersign::web::source::check_source;
//!
//! let own = "https://app.example.com".parse().unwrap();
//! let from =
//!     |origin: &str| HeaderMap::from_iter([("origin".parse().unwrap(), origin.parse().unwrap())]);
//! assert!(check_source(&from("https://app.example.com"), &own, &Origins::default()).is_ok());
//! assert!(check_source(&from("https://evil.example"), &own, &Origins::default()).is_err());
//! ```

use axum::http::HeaderMap;
use axum::http::header::{HeaderName, ORIGIN};

use super::origin::{Origin, Origins};

/// Rule 1 of the CSRF check: a request that names its origin must come from `own`, the public URL's
/// origin, or from one that is `allowed`; one that does not must not be `cross-site` by
/// `Sec-Fetch-Site`. A client that sends neither is no browser, and passes.
///
/// # Errors
/// Which check failed and what to send instead.
///
/// ```
/// use axum::http::{HeaderMap, HeaderValue};
/// use countersign::web::origin::Origins;
/// use countersign::web::source::{SourceRefused, check_source};
///
/// let own = "https://app.example.com".parse().unwrap();
/// let mut headers = HeaderMap::new();
/// assert!(check_source(&headers, &own, &Origins::default()).is_ok()); // no browser
/// headers.insert("sec-fetch-site", HeaderValue::from_static("cross-site"));
/// assert_eq!(check_source(&headers, &own, &Origins::default()), Err(SourceRefused::CrossSite));
/// ```
pub fn check_source(
    headers: &HeaderMap,
    own: &Origin,
    allowed: &Origins,
) -> Result<(), SourceRefused> {
    match Source::of(headers)? {
        Source::Origin(origin) if origin == own.as_str() || allowed.allows(origin) => Ok(()),
        Source::Origin(origin) => Err(SourceRefused::origin(origin, own)),
        Source::Fetched { cross_site: true } => Err(SourceRefused::CrossSite),
        Source::Fetched { cross_site: false } | Source::Unnamed => Ok(()),
    }
}

/// Whether a request may use the native kind of session, whose refresh token travels in the body: a
/// page may not ask for it, unless its origin is one of `native` (an app in a web view).
///
/// # Errors
/// Which check failed and what to send instead.
///
/// ```
/// use axum::http::{HeaderMap, HeaderValue};
/// use countersign::web::origin::Origins;
/// use countersign::web::source::{SourceRefused, check_native_source};
///
/// let native = Origins::parse(["capacitor://localhost"]).unwrap();
/// let mut headers = HeaderMap::new();
/// headers.insert("origin", HeaderValue::from_static("capacitor://localhost"));
/// assert!(check_native_source(&headers, &native).is_ok());
/// headers.insert("origin", HeaderValue::from_static("https://app.example.com"));
/// assert_eq!(check_native_source(&headers, &native), Err(SourceRefused::NotNative));
/// ```
pub fn check_native_source(headers: &HeaderMap, native: &Origins) -> Result<(), SourceRefused> {
    match Source::of(headers)? {
        Source::Origin(origin) if native.allows(origin) => Ok(()),
        Source::Origin(_) | Source::Fetched { .. } => Err(SourceRefused::NotNative),
        Source::Unnamed => Ok(()),
    }
}

/// Why a request's source is refused. The text is for the `detail` of a 403: it names the check,
/// and says what to send.
///
/// ```
/// use axum::http::{HeaderMap, HeaderValue};
/// use countersign::web::origin::Origins;
/// use countersign::web::source::{SourceRefused, check_source};
///
/// let headers =
///     HeaderMap::from_iter([("origin".parse().unwrap(), HeaderValue::from_static("null"))]);
/// let refused =
///     check_source(&headers, &"https://app.example.com".parse().unwrap(), &Origins::default())
///         .unwrap_err();
/// assert_eq!(refused, SourceRefused::Null);
/// assert!(refused.to_string().starts_with("origin check failed: the Origin is `null`"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SourceRefused {
    /// The origin is not on the list.
    #[error(
        "origin check failed: the Origin `{origin}` is not allowed; send the request from a page \
         of {own}, or add the origin to `allow_origins`"
    )]
    Origin {
        /// What the request said.
        origin: String,
        /// What is always allowed.
        own: Origin,
    },
    /// The origin is no origin that a browser would send, or far too long to be shown.
    #[error(
        "origin check failed: the Origin header is not of the form `https://app.example.com`; send \
         the page's own origin, or no Origin header outside a browser"
    )]
    Malformed,
    /// `Origin: null`.
    #[error(
        "origin check failed: the Origin is `null`, as sandboxed frames, local files and some \
         redirects send it; send the request from a page that has an origin"
    )]
    Null,
    /// More than one `Origin` header.
    #[error(
        "origin check failed: the request has several Origin headers; send one, or none outside a \
         browser"
    )]
    Several,
    /// No origin, and the browser says that another site sent the request.
    #[error(
        "origin check failed: Sec-Fetch-Site is `cross-site` and there is no Origin header; send \
         the request with fetch() from a page of an allowed origin"
    )]
    CrossSite,
    /// A page that asks for a refresh token in the body.
    #[error(
        "origin check failed: a page cannot have its refresh token in the body; leave `transport` \
         out to get a cookie, or list the app's origin in `native_origins`"
    )]
    NotNative,
}

impl SourceRefused {
    fn origin(origin: &str, own: &Origin) -> Self {
        match origin {
            "null" => Self::Null,
            _ if Origin::is_normal(origin) => {
                Self::Origin { origin: origin.to_owned(), own: own.clone() }
            }
            _ => Self::Malformed,
        }
    }
}

/// What a request says of where it comes from.
enum Source<'a> {
    Origin(&'a str),
    /// No origin, but fetch metadata.
    Fetched {
        cross_site: bool,
    },
    /// Neither: not a browser of this decade.
    Unnamed,
}

impl<'a> Source<'a> {
    fn of(headers: &'a HeaderMap) -> Result<Self, SourceRefused> {
        let mut origins = headers.get_all(ORIGIN).iter();
        match (origins.next(), origins.next()) {
            (Some(_), Some(_)) => Err(SourceRefused::Several),
            (Some(origin), None) => {
                origin.to_str().map(Self::Origin).map_err(|_| SourceRefused::Malformed)
            }
            (None, _) if !headers.contains_key(&SEC_FETCH_SITE) => Ok(Self::Unnamed),
            (None, _) => {
                let cross_site = headers
                    .get_all(&SEC_FETCH_SITE)
                    .iter()
                    .any(|site| site.as_bytes().eq_ignore_ascii_case(b"cross-site"));
                Ok(Self::Fetched { cross_site })
            }
        }
    }
}

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn a_request_comes_from_home_from_the_list_or_from_no_browser() {
        let (own, allowed) = home();
        for good in [
            vec![("origin", "https://api.example.com")],
            vec![("origin", "https://app.example.com"), ("sec-fetch-site", "cross-site")],
            vec![("sec-fetch-site", "same-origin")],
            vec![("sec-fetch-site", "same-site")],
            vec![("sec-fetch-site", "none")],
            vec![],
        ] {
            assert_eq!(check_source(&headers(&good), &own, &allowed), Ok(()), "{good:?}");
        }
        for (bad, why) in [
            (vec![("origin", "null")], SourceRefused::Null),
            (vec![("origin", "")], SourceRefused::Malformed),
            (vec![("origin", "https://évil.example")], SourceRefused::Malformed),
            (vec![("origin", "https://evil.example/")], SourceRefused::Malformed),
            (
                vec![("origin", "https://evil.example"), ("sec-fetch-site", "same-origin")],
                evil(&own),
            ),
            (
                vec![("origin", "https://api.example.com"), ("origin", "https://api.example.com")],
                SourceRefused::Several,
            ),
            (vec![("sec-fetch-site", "cross-site")], SourceRefused::CrossSite),
            (vec![("sec-fetch-site", "Cross-Site")], SourceRefused::CrossSite),
            (
                vec![("sec-fetch-site", "same-origin"), ("sec-fetch-site", "cross-site")],
                SourceRefused::CrossSite,
            ),
        ] {
            assert_eq!(check_source(&headers(&bad), &own, &allowed), Err(why), "{bad:?}");
        }
        assert_eq!(
            check_source(&headers(&[("origin", &"x".repeat(60_000))]), &own, &allowed),
            Err(SourceRefused::Malformed)
        );
    }

    #[test]
    fn a_refusal_says_which_check_failed_and_what_to_send() {
        let (own, _) = home();
        let text = evil(&own).to_string();
        assert!(
            text.contains("`https://evil.example` is not allowed")
                && text.contains("https://api.example.com")
                && text.contains("allow_origins"),
            "{text}"
        );
    }

    #[test]
    fn only_a_listed_app_gets_its_refresh_token_in_the_body() {
        let native = Origins::parse(["capacitor://localhost"]).unwrap();
        for good in
            [vec![], vec![("origin", "capacitor://localhost"), ("sec-fetch-site", "cross-site")]]
        {
            assert_eq!(check_native_source(&headers(&good), &native), Ok(()), "{good:?}");
        }
        for bad in [
            vec![("origin", "https://app.example.com")],
            vec![("origin", "null")],
            vec![("sec-fetch-site", "same-origin")],
        ] {
            assert_eq!(
                check_native_source(&headers(&bad), &native),
                Err(SourceRefused::NotNative),
                "{bad:?}"
            );
        }
    }

    fn home() -> (Origin, Origins) {
        (
            "https://api.example.com".parse().unwrap(),
            Origins::parse(["https://app.example.com"]).unwrap(),
        )
    }

    fn evil(own: &Origin) -> SourceRefused {
        SourceRefused::Origin { origin: "https://evil.example".to_owned(), own: own.clone() }
    }

    fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
        lines
            .iter()
            .map(|&(name, value)| {
                (HeaderName::from_static(name), HeaderValue::from_bytes(value.as_bytes()).unwrap())
            })
            .collect()
    }
}
