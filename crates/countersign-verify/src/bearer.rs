use http::HeaderMap;
use http::header::AUTHORIZATION;

use crate::problem::{Code, Problem};
use crate::verifier::TokenError;

/// The bearer token of a request, if it has an `Authorization` header.
///
/// # Errors
/// A 401 for a header that is no bearer token, or for several.
///
/// ```
/// use countersign_verify::{Code, bearer};
/// use http::{HeaderMap, HeaderValue, header::AUTHORIZATION};
///
/// let mut headers = HeaderMap::new();
/// assert_eq!(bearer(&headers).unwrap(), None);
/// headers.insert(AUTHORIZATION, HeaderValue::from_static("Bearer a.b.c"));
/// assert_eq!(bearer(&headers).unwrap(), Some("a.b.c"));
/// headers.insert(AUTHORIZATION, HeaderValue::from_static("Basic YTpi"));
/// assert_eq!(bearer(&headers).unwrap_err().code(), Code::TokenInvalid);
/// ```
pub fn bearer(headers: &HeaderMap) -> Result<Option<&str>, Problem> {
    let mut values = headers.get_all(AUTHORIZATION).into_iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(
            Problem::new(Code::TokenInvalid).detail("Send one Authorization header, not several.")
        );
    }
    Ok(Some(bearer_token(value.as_bytes())?))
}

/// What stands after `Bearer` in a request's only `Authorization` header, unread: enough to look it
/// up among the tokens that were verified before, which is most of what a hot path does. `None`
/// says nothing; then [`bearer`] tells.
///
/// ```
/// use countersign_verify::unread_bearer;
/// use http::{HeaderMap, HeaderValue, header::AUTHORIZATION};
///
/// let mut headers = HeaderMap::new();
/// assert_eq!(unread_bearer(&headers), None);
/// headers.insert(AUTHORIZATION, HeaderValue::from_static("Bearer a.b.c"));
/// assert_eq!(unread_bearer(&headers), Some(b"a.b.c".as_slice()));
/// ```
pub fn unread_bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let mut values = headers.get_all(AUTHORIZATION).into_iter();
    let (only, None) = (values.next()?, values.next()) else { return None };
    let (scheme, rest) = only.as_bytes().split_at_checked(SCHEME.len())?;
    scheme.eq_ignore_ascii_case(SCHEME).then_some(rest)?.strip_prefix(b" ")
}

/// The token in the value of an `Authorization` header: `Bearer`, in any letter case, one or more
/// spaces, and one word (RFC 6750, 2.1).
///
/// # Errors
/// [`TokenError::Malformed`] for every other value: another scheme, no token, more words, bytes
/// that are no text.
///
/// ```
/// use countersign_verify::{TokenError, bearer_token};
///
/// assert_eq!(bearer_token(b"bearer  a.b.c"), Ok("a.b.c"));
/// assert_eq!(bearer_token(b"Bearer two words"), Err(TokenError::Malformed));
/// ```
pub fn bearer_token(value: &[u8]) -> Result<&str, TokenError> {
    let (scheme, rest) = value.split_at_checked(SCHEME.len()).ok_or(TokenError::Malformed)?;
    if !scheme.eq_ignore_ascii_case(SCHEME) {
        return Err(TokenError::Malformed);
    }
    let token = &rest[rest.iter().take_while(|byte| **byte == b' ').count()..];
    // Whatever else no token can hold fails when the token is read; a second word would be read by
    // nobody.
    let is_one_word = !token.is_empty()
        && token.len() < rest.len()
        && !token.contains(&b' ')
        && !token.contains(&b',');
    if !is_one_word {
        return Err(TokenError::Malformed);
    }
    std::str::from_utf8(token).map_err(|_| TokenError::Malformed)
}

const SCHEME: &[u8] = b"Bearer";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_word_after_the_scheme_bearer_is_a_token() {
        for good in ["Bearer a.b.c", "bearer a.b.c", "BEARER  a.b.c"] {
            assert_eq!(bearer_token(good.as_bytes()), Ok("a.b.c"), "{good:?}");
        }
        for bad in [
            "",
            "Bearer",
            "Bearer ",
            "Bearera.b.c",
            "Token a.b.c",
            "Bearer a.b.c d",
            "Bearer a,b",
            "a.b.c",
            "Bearer\t",
            "Bearer\ta.b.c",
        ] {
            assert_eq!(bearer_token(bad.as_bytes()), Err(TokenError::Malformed), "{bad:?}");
        }
    }
}
