//! Lists of headers, as CORS has them.

use axum::http::{HeaderName, HeaderValue};

/// What a page may send beside what it may send anyway.
pub(crate) const ALLOWED: &str = "authorization, content-type, x-csrftoken";

/// What a page may read of an answer beside its body.
pub(crate) const EXPOSED: &str = "retry-after, www-authenticate, x-request-id";

/// Our own headers, and more.
///
/// # Errors
/// What is not the name of a header.
pub(crate) fn header_list(own: &str, more: &[String]) -> Result<HeaderValue, String> {
    let mut list = own.to_owned();
    for header in more {
        let name = HeaderName::try_from(header.as_str()).map_err(|_| header.clone())?;
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
        assert_eq!(more, "retry-after, www-authenticate, x-request-id, x-total-count");
        assert_eq!(list(&["X Total"]).unwrap_err(), "X Total");
    }
}
