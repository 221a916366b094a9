//! Origins: where a page comes from, and which ones are welcome.
//!
//! One list serves CORS and CSRF. Its entries are written by people and are normalised once, at the
//! start. The `Origin` header is written by browsers, which always send the normal form (RFC 6454,
//! 6.2), so a request's origin is compared byte for byte: there is nothing to parse, and no
//! look-alike to be fooled by.
//!
//! ```
//! use countersign::web::origin::Origins;
//!
//! let origins = Origins::parse(["https://app.example.com"]).unwrap();
//! assert!(origins.allows("https://app.example.com"));
//! assert!(!origins.allows("https://app.example.com:8443") && !origins.allows("null"));
//! ```

use std::collections::HashSet;
use std::fmt;
use std::str::FromStr;

use url::{Host, Url};

/// The list of origins that are welcome.
///
/// ```
/// use countersign::web::origin::Origins;
///
/// let origins = Origins::parse(["https://app.example.com", "https://*.example.org"]).unwrap();
/// assert!(origins.allows("https://app.example.com"));
/// assert!(origins.allows("https://a.b.example.org"));
/// assert!(!origins.allows("https://example.org"), "never the apex");
/// assert!(!origins.allows("https://app.example.com.evil.example"));
/// ```
#[derive(Debug, Clone, Default)]
pub struct Origins {
    exact: HashSet<Origin>,
    below: Vec<Below>,
}

impl Origins {
    /// Parses each entry as an [`OriginPattern`].
    ///
    /// # Errors
    /// The first entry that is none.
    ///
    /// ```
    /// use countersign::web::origin::Origins;
    ///
    /// let error = Origins::parse(["https://app.example.com", "*"]).unwrap_err();
    /// assert!(error.to_string().starts_with("the origin `*` "));
    /// ```
    pub fn parse<'a>(entries: impl IntoIterator<Item = &'a str>) -> Result<Self, OriginError> {
        entries.into_iter().map(str::parse).collect::<Result<_, _>>()
    }

    /// Whether this value of an `Origin` header is on the list. `null` never is.
    ///
    /// ```
    /// use countersign::web::origin::Origins;
    ///
    /// let origins = Origins::parse(["https://*.example.com"]).unwrap();
    /// assert!(origins.allows("https://app.example.com"));
    /// assert!(!origins.allows("http://app.example.com"));
    /// ```
    pub fn allows(&self, origin: &str) -> bool {
        origin.len() <= MAX_BYTES
            && (self.exact.contains(origin) || self.below.iter().any(|below| below.matches(origin)))
    }

    /// The hosts of the list, without ports: `app.example.com`, `*.example.com`.
    ///
    /// ```
    /// use countersign::web::origin::Origins;
    ///
    /// let origins =
    ///     Origins::parse(["https://*.example.org", "https://app.example.com:8443"]).unwrap();
    /// assert_eq!(origins.hosts(), ["*.example.org", "app.example.com"]);
    /// ```
    pub fn hosts(&self) -> Vec<String> {
        let host = |origin: &str| {
            let (_, rest) = origin.split_once("://").unwrap_or(("", origin));
            let port = rest.rsplit_once(':').filter(|(_, port)| !port.contains(']'));
            port.map_or(rest, |(host, _)| host).to_owned()
        };
        let below = self.below.iter().map(|below| host(&format!("{}*{}", below.head, below.tail)));
        let mut hosts: Vec<String> =
            self.exact.iter().map(|origin| host(origin.as_str())).chain(below).collect();
        hosts.sort_unstable();
        hosts.dedup();
        hosts
    }

    /// Whether nothing is on the list.
    ///
    /// ```
    /// use countersign::web::origin::Origins;
    ///
    /// assert!(Origins::default().is_empty());
    /// ```
    pub fn is_empty(&self) -> bool {
        self.exact.is_empty() && self.below.is_empty()
    }
}

impl FromIterator<OriginPattern> for Origins {
    fn from_iter<I: IntoIterator<Item = OriginPattern>>(patterns: I) -> Self {
        let mut origins = Self::default();
        for pattern in patterns {
            match pattern {
                OriginPattern::Exact(origin) => {
                    origins.exact.insert(origin);
                }
                OriginPattern::Below(below) => origins.below.push(below),
            }
        }
        origins
    }
}

/// An entry of the list: one origin, or all below a domain, as `https://*.example.com`: one or more
/// labels, and never `https://example.com` itself.
///
/// ```
/// use countersign::web::origin::OriginPattern;
///
/// assert!(matches!("https://app.example.com".parse(), Ok(OriginPattern::Exact(_))));
/// assert!(matches!("https://*.example.com".parse(), Ok(OriginPattern::Below(_))));
/// assert!("https://*.com".parse::<OriginPattern>().is_err());
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum OriginPattern {
    /// One origin.
    Exact(Origin),
    /// Every origin below a domain.
    Below(Below),
}

impl FromStr for OriginPattern {
    type Err = OriginError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.trim().split_once("://*.") {
            Some((scheme, domain)) => Below::new(text, scheme, domain).map(Self::Below),
            None => text.parse().map(Self::Exact),
        }
    }
}

/// Every origin below a domain, with one scheme and port.
///
/// ```
/// use countersign::web::origin::{OriginPattern, Origins};
///
/// let Ok(OriginPattern::Below(below)) = "https://*.example.com".parse() else { unreachable!() };
/// let origins: Origins = [OriginPattern::Below(below)].into_iter().collect();
/// assert!(origins.allows("https://a.b.example.com"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Below {
    /// `https://`
    head: String,
    /// `.example.com`, with the port where it is not the scheme's own.
    tail: String,
}

impl Below {
    fn new(text: &str, scheme: &str, domain: &str) -> Result<Self, OriginError> {
        let apex = Parts::new(text, &format!("{scheme}://{domain}"))?;
        // An address has nothing below it, and a pattern below a top-level domain would welcome
        // strangers.
        let is_wide = !apex.host.contains('.') && apex.host != "localhost";
        let is_address = apex.is_address;
        if !apex.is_web || is_address || is_wide {
            return Err(OriginError::new(text, Fault::WildcardDomain));
        }
        Ok(Self {
            head: format!("{}://", apex.scheme),
            tail: format!(".{}{}", apex.host, apex.port),
        })
    }

    fn matches(&self, origin: &str) -> bool {
        let labels = origin
            .strip_prefix(self.head.as_str())
            .and_then(|rest| rest.strip_suffix(self.tail.as_str()));
        labels.is_some_and(|labels| labels.split('.').all(is_label))
    }
}

/// A scheme, a host and a port in the normal form that browsers send: lower case, international
/// names in punycode, the scheme's own port left out.
///
/// ```
/// use countersign::web::origin::Origin;
///
/// let origin: Origin = "HTTPS://Bücher.Example:443/".parse().unwrap();
/// assert_eq!(origin.as_str(), "https://xn--bcher-kva.example");
/// assert!("capacitor://localhost".parse::<Origin>().is_ok(), "an app in a web view");
/// assert!("app.example.com".parse::<Origin>().is_err(), "no scheme");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Origin(String);

impl Origin {
    /// The origin of a URL, whatever its path.
    ///
    /// # Errors
    /// When the URL has no host.
    ///
    /// ```
    /// use countersign::web::origin::Origin;
    ///
    /// let origin =
    ///     Origin::of(&"https://app.example.com:443/accounts?next=/".parse().unwrap()).unwrap();
    /// assert_eq!(origin.as_str(), "https://app.example.com");
    /// ```
    pub fn of(url: &Url) -> Result<Self, OriginError> {
        url[..url::Position::BeforePath].parse()
    }

    /// The normal form, as in an `Origin` header.
    ///
    /// ```
    /// use countersign::web::origin::Origin;
    ///
    /// assert_eq!(
    ///     "http://LOCALHOST:5173/".parse::<Origin>().unwrap().as_str(),
    ///     "http://localhost:5173"
    /// );
    /// ```
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the text is an origin already in normal form.
    pub(super) fn is_normal(text: &str) -> bool {
        text.len() <= MAX_BYTES && text.parse::<Self>().is_ok_and(|origin| origin.as_str() == text)
    }
}

impl FromStr for Origin {
    type Err = OriginError;

    /// A trailing slash is taken off; anything else after the port is a mistake worth telling.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let Parts { scheme, host, port, .. } = Parts::new(text, text.trim())?;
        Ok(Self(format!("{scheme}://{host}{port}")))
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::borrow::Borrow<str> for Origin {
    fn borrow(&self) -> &str {
        &self.0
    }
}

/// An entry that is no origin and no pattern, with a sentence that says what to write.
///
/// ```
/// use countersign::web::origin::Origin;
///
/// let error = "app.example.com".parse::<Origin>().unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "the origin `app.example.com` has no scheme: write `https://app.example.com`"
/// );
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the origin `{entry}` {fault}")]
pub struct OriginError {
    entry: String,
    fault: Fault,
}

impl OriginError {
    fn new(entry: &str, fault: Fault) -> Self {
        Self { entry: entry.chars().take(MAX_BYTES).collect(), fault }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
enum Fault {
    #[error("has no scheme: write `https://{0}`")]
    NoScheme(String),
    #[error("has no host: write scheme and host, as in `https://app.example.com`")]
    NoHost,
    #[error("has a path, query or fragment: an origin ends after host and port, write `{0}`")]
    Path(String),
    #[error(
        "has a user name or password: write scheme and host only, as in `https://app.example.com`"
    )]
    Credentials,
    #[error(
        "has a wildcard in the wrong place: only whole labels at the beginning can be open, as in \
         `https://*.example.com`"
    )]
    Wildcard,
    #[error(
        "is open to too much: `*.` goes before a domain of your own over http or https, as in \
         `https://*.example.com`"
    )]
    WildcardDomain,
    #[error(
        "would let every page of the world act for your users: list the origins of your own pages, \
         as in `https://app.example.com`"
    )]
    Everything,
    #[error(
        "is what sandboxed frames and local files of anyone send, and cannot be allowed: serve the \
         page from an origin of its own"
    )]
    Null,
    #[error(
        "names a scheme that pages do not have: write `http` or `https`, for web sockets too, or \
         the scheme that your app registers"
    )]
    Scheme,
    #[error("is not a valid origin ({0}): write scheme and host, as in `https://app.example.com`")]
    Invalid(String),
}

/// An origin taken apart and normalised.
struct Parts {
    scheme: String,
    host: String,
    /// Empty, or a colon and a number.
    port: String,
    /// Over http or https.
    is_web: bool,
    is_address: bool,
}

impl Parts {
    /// Reads `text`; errors speak of the `entry` as the user wrote it.
    fn new(entry: &str, text: &str) -> Result<Self, OriginError> {
        let fault = |fault| Err(OriginError::new(entry, fault));
        match text {
            "*" => return fault(Fault::Everything),
            "null" => return fault(Fault::Null),
            _ => {}
        }
        let Some((scheme, rest)) = text.split_once("://") else {
            return fault(if text.is_empty() {
                Fault::NoHost
            } else {
                Fault::NoScheme(text.trim_start_matches('/').to_owned())
            });
        };
        let scheme = scheme.to_ascii_lowercase();
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        if let Some(end) = rest.find(['/', '\\', '?', '#']) {
            return fault(if end == 0 {
                Fault::NoHost
            } else {
                Fault::Path(format!("{scheme}://{}", &rest[..end]))
            });
        }
        match rest {
            _ if text.len() > MAX_BYTES => fault(Fault::Invalid("too long".to_owned())),
            "" => fault(Fault::NoHost),
            _ if rest.contains('@') => fault(Fault::Credentials),
            _ if text.contains('*') => fault(Fault::Wildcard),
            _ if rest.contains(|c: char| c.is_whitespace() || c.is_control()) => {
                fault(Fault::Invalid("white space".to_owned()))
            }
            _ if matches!(scheme.as_str(), "http" | "https") => {
                Self::web(scheme, rest).or_else(fault)
            }
            _ if matches!(
                scheme.as_str(),
                "ws" | "wss" | "ftp" | "file" | "data" | "blob" | "javascript"
            ) || !is_scheme(&scheme) =>
            {
                fault(Fault::Scheme)
            }
            _ => Self::custom(scheme, rest).or_else(fault),
        }
    }

    fn web(scheme: String, rest: &str) -> Result<Self, Fault> {
        let url = Url::parse(&format!("{scheme}://{rest}"))
            .map_err(|error| Fault::Invalid(error.to_string()))?;
        let host = url.host().ok_or(Fault::NoHost)?;
        let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
        Ok(Self {
            scheme,
            host: host.to_string(),
            port,
            is_web: true,
            is_address: !matches!(host, Host::Domain(_)),
        })
    }

    /// What apps in a web view register: `capacitor://localhost`, `app://-`, `tauri://localhost`.
    fn custom(scheme: String, rest: &str) -> Result<Self, Fault> {
        let rest = rest.to_ascii_lowercase();
        let (host, port) = match rest.split_once(':') {
            Some((host, port)) => (
                host,
                format!(
                    ":{}",
                    port.parse::<u16>().map_err(|error| Fault::Invalid(error.to_string()))?
                ),
            ),
            None => (rest.as_str(), String::new()),
        };
        if !host.split('.').all(is_label) {
            return Err(Fault::Invalid(
                "a host of letters, digits, `-`, `_` and `.` is needed".to_owned(),
            ));
        }
        Ok(Self { scheme, host: host.to_owned(), port, is_web: false, is_address: false })
    }
}

/// RFC 3986, 3.1, after lower-casing.
fn is_scheme(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'+' | b'-' | b'.'))
}

/// A label of a host name in normal form. Browsers take the underscore, so it is one.
fn is_label(text: &str) -> bool {
    (1..=63).contains(&text.len())
        && text.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_'))
}

/// Longer than any origin of a real host: a name has 253 characters at most.
const MAX_BYTES: usize = 300;

#[cfg(test)]
#[path = "origin_tests.rs"]
mod tests;
