//! The CSRF token of a form on a page that the server renders: a hidden field.

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use countersign_verify::csrf;
use futures_util::{StreamExt, stream};

use super::guard;
use super::page::FIELD;
use super::problem::{Code, Problem};
use super::unparsed_body::{is_no_other_charset, is_plain};
use super::whole_body::whole_body;
use crate::auth::Auth;
use crate::session::SessionId;

/// Refuses a write without the session's CSRF token, in the header or in a form's field. The body
/// comes back as it was.
///
/// # Errors
/// `csrf_failed`; `payload_too_large` and `request_timeout` for a form that is not to be read.
pub(crate) async fn check(
    auth: &Auth,
    parts: &Parts,
    body: Body,
    session: SessionId,
) -> Result<Body, Problem> {
    let headers = &parts.headers;
    if headers.contains_key(csrf::HEADER) {
        return guard::csrf(auth, headers, session).map(|()| body);
    }
    let (sent, body) = match Form::of(headers).filter(|_| is_plain(headers)) {
        None => (None, body),
        Some(Form::Fields) => whole(body, auth.settings().body_timeout).await?,
        Some(Form::Parts(boundary)) => {
            first_part(body, &boundary, auth.settings().body_timeout).await?
        }
    };
    let token = sent.ok_or_else(|| Problem::new(Code::CsrfFailed).detail(MISSING))?;
    if auth.csrf_tokens().matches(session, &token) {
        Ok(body)
    } else {
        Err(Problem::new(Code::CsrfFailed).detail(WRONG))
    }
}

/// How a form is sent.
enum Form {
    Fields,
    /// In parts, with this between them.
    Parts(String),
}

impl Form {
    fn of(headers: &HeaderMap) -> Option<Self> {
        let value = headers.get(CONTENT_TYPE)?.to_str().ok()?;
        let mut parameters = value.split(';').map(str::trim);
        let essence = parameters.next().unwrap_or_default();
        if essence.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            return parameters.all(is_no_other_charset).then_some(Self::Fields);
        }
        if !essence.eq_ignore_ascii_case("multipart/form-data") {
            return None;
        }
        let (_, boundary) = parameters
            .filter_map(|parameter| parameter.split_once('='))
            .find(|(name, _)| name.eq_ignore_ascii_case("boundary"))?;
        let boundary = boundary.trim_matches('"');
        // RFC 2046, 5.1.1.
        (1..=70).contains(&boundary.len()).then(|| Self::Parts(boundary.to_owned()))
    }
}

/// What is sent in the field, where it is there once; and the body as it was.
type Sent = (Option<Vec<u8>>, Body);

async fn whole(body: Body, deadline: Duration) -> Result<Sent, Problem> {
    let bytes = whole_body(body, MOST_BYTES, deadline).await?;
    let mut found = url::form_urlencoded::parse(&bytes).filter(|(name, _)| name == FIELD);
    let token = match (found.next(), found.next()) {
        (Some((_, token)), None) => Some(token.as_bytes().to_vec()),
        _ => None,
    };
    Ok((token, Body::from(bytes)))
}

/// Of a form with files the first part alone is read, where the field must stand.
async fn first_part(body: Body, boundary: &str, deadline: Duration) -> Result<Sent, Problem> {
    let mut stream = body.into_data_stream();
    let mut read = Vec::new();
    let first = async {
        while read.len() <= MOST_OF_A_PART {
            match token_in(&read, boundary) {
                First::Token(token) => return Ok(Some(token.to_vec())),
                First::Another => return Ok(None),
                First::Unfinished => {}
            }
            match stream.next().await {
                Some(Ok(bytes)) => read.extend_from_slice(&bytes),
                Some(Err(_)) => return Err(Problem::new(Code::ParseError)),
                None => return Ok(None),
            }
        }
        Ok(None)
    };
    let token = tokio::time::timeout(deadline, first)
        .await
        .map_err(|_| Problem::new(Code::RequestTimeout))??;
    let read = stream::once(std::future::ready(Ok(Bytes::from(read))));
    Ok((token, Body::from_stream(read.chain(stream))))
}

/// What the beginning of a body in parts says.
#[derive(Debug, PartialEq)]
enum First<'a> {
    Token(&'a [u8]),
    /// The first part is no field of ours, or there is none.
    Another,
    /// It is not known yet.
    Unfinished,
}

fn token_in<'a>(read: &'a [u8], boundary: &str) -> First<'a> {
    let begins = format!("--{boundary}\r\n");
    let Some(part) = read.strip_prefix(begins.as_bytes()) else {
        return if begins.as_bytes().starts_with(read) {
            First::Unfinished
        } else {
            First::Another
        };
    };
    let Some(head) = place(part, b"\r\n\r\n") else { return First::Unfinished };
    let is_ours = str::from_utf8(&part[..head]).is_ok_and(|head| {
        head.trim()
            .eq_ignore_ascii_case(&format!("Content-Disposition: form-data; name=\"{FIELD}\""))
    });
    if !is_ours {
        return First::Another;
    }
    let value = &part[head + 4..];
    match place(value, format!("\r\n--{boundary}").as_bytes()) {
        Some(end) => First::Token(&value[..end]),
        None => First::Unfinished,
    }
}

fn place(within: &[u8], what: &[u8]) -> Option<usize> {
    within.windows(what.len()).position(|window| window == what)
}

const MISSING: &str = "There is no form with the field `csrf_token`, or it is there twice. Write a \
    `CsrfField` into the form, as its first field where it sends files; or send the header \
    X-CSRFTOKEN.";
const WRONG: &str = "The form's `csrf_token` is not this session's: somebody has logged in since \
    the page was shown. Load the page again.";

/// As much as axum's own extractors read.
const MOST_BYTES: usize = 2 * 1024 * 1024;

/// The first part of a form with files, and what comes with it in one piece.
const MOST_OF_A_PART: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_part_is_known_from_as_much_as_has_come() {
        let body =
            b"--x\r\nContent-Disposition: form-data; name=\"csrf_token\"\r\n\r\nabc\r\n--x\r\n";
        for end in 0..body.len() - 2 {
            assert_eq!(token_in(&body[..end], "x"), First::Unfinished, "{end}");
        }
        assert_eq!(token_in(body, "x"), First::Token(b"abc"));
    }

    #[test]
    fn another_part_in_its_place_is_no_token() {
        let part = |names: &str| {
            format!("--x\r\nContent-Disposition: form-data; {names}\r\n\r\nabc\r\n--x")
        };
        for body in [
            "--y\r\n".to_owned(),
            "preamble".to_owned(),
            part("name=\"file\"; filename=\"csrf_token\""),
            part("name=\"csrf_token\"; filename=\"a\""),
            "--x--\r\n".to_owned(),
        ] {
            assert_eq!(token_in(body.as_bytes(), "x"), First::Another, "{body}");
        }
    }
}
