//! Where a browser goes after a login: `?next=`, which anybody may have written into a link.

use std::fmt;

use serde::{Deserialize, Deserializer};

/// A path on this origin, and never another site's. As an extractor it is the query's `next`, and
/// in a form a field; what is no such path becomes `/`.
///
/// What browsers or servers read as something else is refused: `//evil.example`, a `\`, a control
/// character, an empty segment or a dot segment anywhere in the path, and all of these
/// percent-encoded, however often.
///
/// ```
/// use countersign::http::NextPage;
///
/// let next = NextPage::parse("/orders?page=2").unwrap();
/// assert_eq!(next.as_str(), "/orders?page=2");
/// for foreign in ["https://evil.example", "//evil.example", "/\\evil.example", "/%2F/evil", ""] {
///     assert!(NextPage::parse(foreign).is_none(), "{foreign}");
/// }
/// assert_eq!(NextPage::default().as_str(), "/");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NextPage(String);

impl NextPage {
    /// The path, if it is one of this origin.
    ///
    /// ```
    /// use countersign::http::NextPage;
    ///
    /// assert!(NextPage::parse("/a/b").is_some());
    /// assert!(NextPage::parse("/a/../../b").is_none());
    /// ```
    pub fn parse(text: &str) -> Option<Self> {
        let is_plain = text.len() <= MOST_BYTES && text.bytes().all(|b| b.is_ascii_graphic());
        let path = text.split(['?', '#']).next().unwrap_or_default();
        (is_plain && !text.contains('\\') && is_local(path)).then(|| Self(text.to_owned()))
    }

    /// As it is written into `Location`.
    ///
    /// ```
    /// use countersign::http::NextPage;
    ///
    /// assert_eq!(NextPage::parse("/a?b").unwrap().as_str(), "/a?b");
    /// ```
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The first page of the site.
impl Default for NextPage {
    fn default() -> Self {
        Self("/".to_owned())
    }
}

impl fmt::Display for NextPage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for NextPage {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Ok(Self::parse(&text).unwrap_or_default())
    }
}

/// Whether a path begins and stays here, as it is and however often it is decoded.
fn is_local(path: &str) -> bool {
    let mut seen = path.as_bytes().to_vec();
    for _ in 0..MOST_ROUNDS {
        let Some(rest) = seen.strip_prefix(b"/") else { return false };
        let is_bad = |byte: &u8| byte.is_ascii_control() || *byte == b'\\';
        let last = rest.split(|byte| *byte == b'/').count() - 1;
        let mut segments = rest.split(|byte| *byte == b'/').enumerate();
        let leads_away = segments.any(|(at, segment)| {
            matches!(segment, b"." | b"..") || segment.is_empty() && at != last
        });
        if leads_away || seen.iter().any(is_bad) {
            return false;
        }
        let decoded = decoded(&seen);
        if decoded == seen {
            return true;
        }
        seen = decoded;
    }
    false
}

/// Once percent-decoded; what is no such triplet stays.
fn decoded(bytes: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((byte, tail)) = rest.split_first() {
        let pair = tail.get(..2).and_then(|pair| str::from_utf8(pair).ok());
        let code = pair.filter(|pair| pair.bytes().all(|b| b.is_ascii_hexdigit()));
        match code.and_then(|code| u8::from_str_radix(code, 16).ok()) {
            Some(code) if *byte == b'%' => {
                decoded.push(code);
                rest = &tail[2..];
            }
            _ => {
                decoded.push(*byte);
                rest = tail;
            }
        }
    }
    decoded
}

/// Nobody encodes a path more often than this.
const MOST_ROUNDS: usize = 4;

/// No page has a longer address that a browser shows again.
const MOST_BYTES: usize = 2048;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use url::Url;

    use super::*;

    #[test]
    fn a_path_of_this_origin_is_taken_as_it_is() {
        for path in [
            "/",
            "/orders",
            "/orders/",
            "/orders?page=2&back=https%3A%2F%2Fshop.example//x",
            "/a/%C3%BC/b%20c",
            "/100%",
            "/a?b=/../c#d",
            "/.well-known/x",
            "/a..b/...",
        ] {
            assert_eq!(NextPage::parse(path).map(|next| next.to_string()).as_deref(), Some(path));
        }
    }

    #[test]
    fn what_may_lead_to_another_site_is_refused() {
        for foreign in [
            "",
            "orders",
            "https://evil.example",
            "HTTPS://evil.example",
            "javascript:alert(1)",
            "//evil.example",
            "///evil.example",
            "/\\evil.example",
            "\\\\evil.example",
            "/a\\b",
            "/a?b\\c",
            "/\t/evil.example",
            "/\r\nSet-Cookie: a=b",
            "/\n/evil.example",
            " //evil.example",
            "/ /evil.example",
            "/a//evil.example",
            "/./evil.example",
            "/..//evil.example",
            "/%2Fevil.example",
            "/%2fevil.example",
            "/%252Fevil.example",
            "/%25252Fevil.example",
            "/%5Cevil.example",
            "/%255cevil.example",
            "/%2e%2e/evil",
            "/a/%2E/b",
            "/%09/evil.example",
            "/%00",
            "/%0d%0aSet-Cookie:%20a=b",
            "/\u{2028}evil",
            "/ü",
            "?next=/",
            "#a",
            "@evil.example",
        ] {
            assert_eq!(NextPage::parse(foreign), None, "{foreign:?}");
        }
        assert_eq!(NextPage::parse(&format!("/{}", "a".repeat(2048))), None);
    }

    proptest! {
        /// As browsers resolve it (the WHATWG's algorithm, which `url` implements).
        #[test]
        fn whatever_is_taken_stays_on_the_origin(
            text in r"[/\\%.?#@:a2fFcC5e\t\n ]{0,12}",
        ) {
            if let Some(next) = NextPage::parse(&text) {
                let here = Url::parse("https://app.example.com/login?x").unwrap();
                let there = here.join(next.as_str()).unwrap();
                prop_assert_eq!(here.origin(), there.origin());
                prop_assert!(!there.path().starts_with("//"), "{}", there);
            }
        }
    }
}
