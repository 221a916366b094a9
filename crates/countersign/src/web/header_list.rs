//! Lists of headers, as CORS has them.

use axum::http::{HeaderName, HeaderValue};

/// What a page may send beside what it may send anyway: our own headers, and those that libraries
/// add by themselves for traces and caches. None of them opens anything.
pub(crate) const ALLOWED: &str = "authorization, baggage, cache-control, content-type, dpop, \
    sentry-trace, traceparent, tracestate, x-csrftoken, x-requested-with";

/// What a page may read of an answer beside its body.
pub(crate) const EXPOSED: &str = "date, dpop-nonce, retry-after, www-authenticate, x-request-id";

/// Our own headers, and more.
///
/// # Errors
/// What is not the name of a header. Nor is `*`: it stands for all of them only where no
/// credentials are sent.
pub(crate) fn header_list(own: &str, more: &[String]) -> Result<HeaderValue, String> {
    let mut list = own.to_owned();
    for header in more {
        let name = HeaderName::try_from(header.as_str()).ok().filter(|name| name != "*");
        let name = name.ok_or_else(|| header.clone())?;
        list.push_str(", ");
        list.push_str(name.as_str());
    }
    HeaderValue::try_from(list).map_err(|_| own.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_of_the_app_come_behind_ours() {
        let list = |more: &[&str]| {
            header_list(EXPOSED, &more.iter().map(ToString::to_string).collect::<Vec<_>>())
        };
        assert_eq!(list(&[]).unwrap(), EXPOSED);
        let more = list(&["X-Total-Count"]).unwrap();
        assert_eq!(more, format!("{EXPOSED}, x-total-count"));
        for wrong in ["X Total", "", "*"] {
            assert_eq!(list(&[wrong]).unwrap_err(), wrong);
        }
    }
}
