//! Cookies: their names, their attributes, and how they are read.
//!
//! ```
//! use std::time::Duration;
//!
//! use countersign::http::cookies::{CookieSettings, Cookies};
//!
//! let cookies = Cookies::new(&"https://app.example.com".parse().unwrap(), "/accounts", &CookieSettings::default()).unwrap();
//! assert_eq!(
//!     cookies.set_refresh("a.b.c", Duration::from_secs(3600)),
//!     "__Host-refreshtoken=a.b.c; Path=/; Max-Age=3600; HttpOnly; SameSite=Lax; Secure"
//! );
//! ```

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use axum::http::header::COOKIE;
use axum::http::{HeaderMap, HeaderValue};
use serde::Serialize;
use url::Url;

/// What can be chosen about cookies.
///
/// ```
/// use countersign::http::cookies::{CookieSettings, SameSite};
///
/// let strict = CookieSettings { same_site: SameSite::Strict, ..CookieSettings::default() };
/// assert_eq!((strict.csrf.as_str(), strict.domain), ("csrftoken", None));
/// ```
#[derive(Debug, Clone)]
pub struct CookieSettings {
    /// The cookies' `SameSite`.
    pub same_site: SameSite,
    /// The refresh cookie's name; `__Host-refreshtoken` on https and `refreshtoken` on http unless chosen otherwise.
    pub refresh: Option<String>,
    /// The CSRF cookie's name.
    pub csrf: String,
    /// The device cookie's name.
    pub device: String,
    /// The cookies' `Domain`; none unless chosen, so that no other host ever gets them.
    pub domain: Option<String>,
}

impl Default for CookieSettings {
    fn default() -> Self {
        Self { same_site: SameSite::Lax, refresh: None, csrf: "csrftoken".to_owned(), device: "devicetoken".to_owned(), domain: None }
    }
}

/// Builds the `Set-Cookie` values, and reads the cookies of a request.
///
/// ```
/// use countersign::http::cookies::{CookieSettings, Cookies};
///
/// let cookies = Cookies::new(&"http://localhost:8000".parse().unwrap(), "/accounts", &CookieSettings::default()).unwrap();
/// assert_eq!((cookies.refresh_name(), cookies.csrf_name()), ("refreshtoken", "csrftoken"));
/// ```
#[derive(Debug, Clone)]
pub struct Cookies {
    refresh: String,
    csrf: String,
    device: String,
    device_path: String,
    attributes: String,
}

impl Cookies {
    /// The cookies of these settings.
    ///
    /// # Errors
    /// [`CookieError`] for names and combinations that browsers refuse or that are not safe.
    ///
    /// ```
    /// use countersign::http::cookies::{CookieError, CookieSettings, Cookies};
    ///
    /// let settings = CookieSettings {
    ///     refresh: Some("__Host-refreshtoken".to_owned()),
    ///     domain: Some("example.com".to_owned()),
    ///     ..CookieSettings::default()
    /// };
    /// let error = Cookies::new(&"https://app.example.com".parse().unwrap(), "/accounts", &settings).unwrap_err();
    /// assert_eq!(error, CookieError::HostWithDomain("__Host-refreshtoken".to_owned()));
    /// ```
    pub fn new(public_url: &Url, base_path: &str, settings: &CookieSettings) -> Result<Self, CookieError> {
        let secure = public_url.scheme() == "https";
        let default_name = if secure && settings.domain.is_none() { "__Host-refreshtoken" } else { "refreshtoken" };
        let refresh = settings.refresh.clone().unwrap_or_else(|| default_name.to_owned());
        for name in [&refresh, &settings.csrf, &settings.device] {
            if name.is_empty() || name.len() > 64 || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b)) {
                return Err(CookieError::Name(name.clone()));
            }
            if !secure && (name.starts_with("__Host-") || name.starts_with("__Secure-")) {
                return Err(CookieError::PrefixWithoutHttps(name.clone()));
            }
            if name.starts_with("__Host-") && settings.domain.is_some() {
                return Err(CookieError::HostWithDomain(name.clone()));
            }
        }
        if settings.device.starts_with("__Host-") {
            return Err(CookieError::HostWithPath);
        }
        if refresh == settings.csrf || refresh == settings.device || settings.csrf == settings.device {
            return Err(CookieError::SameName);
        }
        if settings.same_site == SameSite::None && !secure {
            return Err(CookieError::NoneWithoutHttps);
        }
        let domain = match &settings.domain {
            Some(domain) => {
                let host = public_url.host_str().unwrap_or_default();
                let bare = domain.trim_start_matches('.');
                let covers = host == bare || host.strip_suffix(bare).is_some_and(|rest| rest.ends_with('.'));
                if !covers || !bare.contains('.') {
                    return Err(CookieError::ForeignDomain { domain: domain.clone(), host: host.to_owned() });
                }
                format!("; Domain={bare}")
            }
            None => String::new(),
        };
        let attributes = format!("; SameSite={}{}{domain}", settings.same_site, if secure { "; Secure" } else { "" });
        Ok(Self { refresh, csrf: settings.csrf.clone(), device: settings.device.clone(), device_path: base_path.to_owned(), attributes })
    }

    /// The refresh cookie's name.
    ///
    /// ```
    /// use countersign::http::cookies::{CookieSettings, Cookies};
    ///
    /// let cookies = Cookies::new(&"https://app.example.com".parse().unwrap(), "/accounts", &CookieSettings::default()).unwrap();
    /// assert_eq!(cookies.refresh_name(), "__Host-refreshtoken");
    /// ```
    pub fn refresh_name(&self) -> &str {
        &self.refresh
    }

    /// The CSRF cookie's name.
    ///
    /// ```
    /// use countersign::http::cookies::{CookieSettings, Cookies};
    ///
    /// let settings = CookieSettings { csrf: "xsrf".to_owned(), ..CookieSettings::default() };
    /// let cookies = Cookies::new(&"https://app.example.com".parse().unwrap(), "/accounts", &settings).unwrap();
    /// assert_eq!(cookies.csrf_name(), "xsrf");
    /// ```
    pub fn csrf_name(&self) -> &str {
        &self.csrf
    }

    /// Sets the refresh cookie: `HttpOnly`, so that script cannot read it.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use countersign::http::cookies::{CookieSettings, Cookies};
    ///
    /// let cookies = Cookies::new(&"http://localhost:8000".parse().unwrap(), "/accounts", &CookieSettings::default()).unwrap();
    /// let line = cookies.set_refresh("a.b.c", Duration::from_secs(60));
    /// assert_eq!(line, "refreshtoken=a.b.c; Path=/; Max-Age=60; HttpOnly; SameSite=Lax");
    /// ```
    pub fn set_refresh(&self, token: &str, lifetime: Duration) -> HeaderValue {
        value(format!("{}={token}; Path=/; Max-Age={}; HttpOnly{}", self.refresh, lifetime.as_secs(), self.attributes))
    }

    /// Sets the CSRF cookie, which script must be able to read.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use countersign::http::cookies::{CookieSettings, Cookies};
    ///
    /// let cookies = Cookies::new(&"http://localhost:8000".parse().unwrap(), "/accounts", &CookieSettings::default()).unwrap();
    /// assert_eq!(cookies.set_csrf("abc", Duration::from_secs(60)), "csrftoken=abc; Path=/; Max-Age=60; SameSite=Lax");
    /// ```
    pub fn set_csrf(&self, token: &str, lifetime: Duration) -> HeaderValue {
        value(format!("{}={token}; Path=/; Max-Age={}{}", self.csrf, lifetime.as_secs(), self.attributes))
    }

    /// Sets the device cookie, which only the endpoints get to see.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use countersign::http::cookies::{CookieSettings, Cookies};
    ///
    /// let cookies = Cookies::new(&"http://localhost:8000".parse().unwrap(), "/accounts", &CookieSettings::default()).unwrap();
    /// let line = cookies.set_device("abc", Duration::from_secs(60));
    /// assert_eq!(line, "devicetoken=abc; Path=/accounts; Max-Age=60; HttpOnly; SameSite=Lax");
    /// ```
    pub fn set_device(&self, token: &str, lifetime: Duration) -> HeaderValue {
        self.set_device_at(&self.device_path, token, lifetime)
    }

    /// Sets a device cookie for pages elsewhere.
    pub(crate) fn set_device_at(&self, path: &str, token: &str, lifetime: Duration) -> HeaderValue {
        value(format!("{}={token}; Path={path}; Max-Age={}; HttpOnly{}", self.device, lifetime.as_secs(), self.attributes))
    }

    /// Removes the refresh and the CSRF cookie. The device stays known.
    ///
    /// ```
    /// use countersign::http::cookies::{CookieSettings, Cookies};
    ///
    /// let cookies = Cookies::new(&"http://localhost:8000".parse().unwrap(), "/accounts", &CookieSettings::default()).unwrap();
    /// let [refresh, csrf] = cookies.clear();
    /// assert_eq!(csrf, "csrftoken=; Path=/; Max-Age=0; SameSite=Lax");
    /// ```
    pub fn clear(&self) -> [HeaderValue; 2] {
        [self.set_refresh("", Duration::ZERO), self.set_csrf("", Duration::ZERO)]
    }

    /// The refresh token of a request.
    ///
    /// # Errors
    /// [`TwoCookies`] when there are two: one of them was planted, and guessing which is not safe.
    ///
    /// ```
    /// use axum::http::{HeaderMap, HeaderValue, header::COOKIE};
    /// use countersign::http::cookies::{CookieSettings, Cookies, TwoCookies};
    ///
    /// let cookies = Cookies::new(&"http://localhost:8000".parse().unwrap(), "/accounts", &CookieSettings::default()).unwrap();
    /// let mut headers = HeaderMap::new();
    /// headers.append(COOKIE, HeaderValue::from_static("theme=dark; refreshtoken=a.b.c"));
    /// assert_eq!(cookies.refresh_of(&headers), Ok(Some("a.b.c")));
    /// headers.append(COOKIE, HeaderValue::from_static("refreshtoken=planted"));
    /// assert_eq!(cookies.refresh_of(&headers), Err(TwoCookies));
    /// ```
    pub fn refresh_of<'a>(&self, headers: &'a HeaderMap) -> Result<Option<&'a str>, TwoCookies> {
        let mut found = values(headers, &self.refresh);
        match (found.next(), found.next()) {
            (_, Some(_)) => Err(TwoCookies),
            (first, None) => Ok(first.filter(|token| !token.is_empty())),
        }
    }

    /// The device token of a request; of several, the first.
    ///
    /// ```
    /// use axum::http::{HeaderMap, HeaderValue, header::COOKIE};
    /// use countersign::http::cookies::{CookieSettings, Cookies};
    ///
    /// let cookies = Cookies::new(&"http://localhost:8000".parse().unwrap(), "/accounts", &CookieSettings::default()).unwrap();
    /// let headers = HeaderMap::from_iter([(COOKIE, HeaderValue::from_static("devicetoken=abc"))]);
    /// assert_eq!(cookies.device_of(&headers), Some("abc"));
    /// ```
    pub fn device_of<'a>(&self, headers: &'a HeaderMap) -> Option<&'a str> {
        self.devices_of(headers).next()
    }

    /// The device tokens of a request: there may be one for each path.
    pub(crate) fn devices_of<'a>(&self, headers: &'a HeaderMap) -> impl Iterator<Item = &'a str> {
        values(headers, &self.device)
    }
}

/// When a cookie travels with requests from other sites.
///
/// ```
/// use countersign::http::cookies::SameSite;
///
/// assert_eq!("lax".parse(), Ok(SameSite::Lax));
/// assert_eq!(SameSite::default().to_string(), "Lax");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SameSite {
    /// With links from other sites, not with their forms and scripts: the default.
    #[default]
    Lax,
    /// Never from other sites.
    Strict,
    /// Always; for a front end on another site. Needs https.
    None,
}

impl fmt::Display for SameSite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Lax => "Lax",
            Self::Strict => "Strict",
            Self::None => "None",
        })
    }
}

impl FromStr for SameSite {
    type Err = UnknownSameSite;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::Lax, Self::Strict, Self::None].into_iter().find(|one| one.to_string().eq_ignore_ascii_case(text)).ok_or(UnknownSameSite)
    }
}

/// Not a value of `SameSite`.
///
/// ```
/// use countersign::http::cookies::{SameSite, UnknownSameSite};
///
/// assert_eq!("loose".parse::<SameSite>(), Err(UnknownSameSite));
/// assert_eq!(UnknownSameSite.to_string(), "choose lax, strict or none");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("choose lax, strict or none")]
pub struct UnknownSameSite;

/// A request with two refresh cookies.
///
/// ```
/// use countersign::http::cookies::TwoCookies;
///
/// assert!(TwoCookies.to_string().starts_with("the request carries two refresh cookies"));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the request carries two refresh cookies; delete the cookies of this site and its parent domains, and log in again")]
pub struct TwoCookies;

/// Cookies that browsers would refuse, or that would not be safe.
///
/// ```
/// use countersign::http::cookies::{CookieError, CookieSettings, Cookies, SameSite};
///
/// let settings = CookieSettings { same_site: SameSite::None, ..CookieSettings::default() };
/// let error = Cookies::new(&"http://localhost:8000".parse().unwrap(), "/accounts", &settings).unwrap_err();
/// assert_eq!(error, CookieError::NoneWithoutHttps);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CookieError {
    /// A name with characters that cookie names cannot have.
    #[error("the cookie name {0:?} must be 1 to 64 letters, digits, `-`, `_` or `.`")]
    Name(String),
    /// Two cookies with one name.
    #[error("the refresh, CSRF and device cookies need three different names")]
    SameName,
    /// A prefix that browsers accept over https only.
    #[error("browsers refuse the cookie {0} over http; set public_url to an https:// address, or choose a name without the prefix")]
    PrefixWithoutHttps(String),
    /// The prefix `__Host-` forbids a domain.
    #[error("browsers refuse the cookie {0} with a domain; remove cookie_domain, or set refresh_cookie to a name without `__Host-`")]
    HostWithDomain(String),
    /// The prefix `__Host-` demands the path `/`.
    #[error("device_cookie cannot begin with `__Host-`, because it is sent to the endpoints only")]
    HostWithPath,
    /// Browsers accept `None` with `Secure` only.
    #[error(
        "same_site = none needs https: browsers refuse such cookies over http; set public_url to an https:// address, or same_site to lax"
    )]
    NoneWithoutHttps,
    /// A domain that the server is not in.
    #[error("cookie_domain {domain} does not cover the host of public_url, {host}; browsers would refuse the cookies")]
    ForeignDomain {
        /// The setting.
        domain: String,
        /// The public URL's host.
        host: String,
    },
}

/// Every value of the cookie `name`, over all `Cookie` headers, without the quotes that RFC 6265 allows.
fn values<'a>(headers: &'a HeaderMap, name: &str) -> impl Iterator<Item = &'a str> {
    headers
        .get_all(COOKIE)
        .into_iter()
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .filter(move |(key, _)| *key == name)
        .map(|(_, value)| value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value))
}

fn value(text: String) -> HeaderValue {
    // Names are checked, attributes are ours, and tokens are base64url and dots.
    HeaderValue::try_from(text).expect("a cookie of visible ASCII characters")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cookies(public_url: &str, settings: &CookieSettings) -> Result<Cookies, CookieError> {
        Cookies::new(&public_url.parse().unwrap(), "/accounts", settings)
    }

    const HTTP: &str = "http://localhost:8000";
    const HTTPS: &str = "https://id.example.com";

    #[test]
    fn over_https_the_refresh_cookie_is_bound_to_the_host() {
        let cookies = cookies(HTTPS, &CookieSettings::default()).unwrap();
        let hour = Duration::from_secs(3600);
        assert_eq!(cookies.set_refresh("a.b.c", hour), "__Host-refreshtoken=a.b.c; Path=/; Max-Age=3600; HttpOnly; SameSite=Lax; Secure");
        assert_eq!(cookies.set_csrf("abc", hour), "csrftoken=abc; Path=/; Max-Age=3600; SameSite=Lax; Secure");
        assert_eq!(cookies.set_device("d", hour), "devicetoken=d; Path=/accounts; Max-Age=3600; HttpOnly; SameSite=Lax; Secure");
    }

    #[test]
    fn combinations_that_browsers_refuse_are_refused_before_them() {
        let default = CookieSettings::default;
        let none = CookieSettings { same_site: SameSite::None, ..default() };
        assert_eq!(cookies(HTTP, &none).err(), Some(CookieError::NoneWithoutHttps));
        assert!(cookies(HTTPS, &none).is_ok());
        let host = Some("__Host-refreshtoken".to_owned());
        let named = CookieSettings { refresh: host.clone(), ..default() };
        assert!(matches!(cookies(HTTP, &named), Err(CookieError::PrefixWithoutHttps(_))));
        let domain = Some("example.com".to_owned());
        let both = CookieSettings { refresh: host, domain: domain.clone(), ..default() };
        assert!(matches!(cookies(HTTPS, &both), Err(CookieError::HostWithDomain(_))));
        assert!(cookies(HTTPS, &CookieSettings { domain, ..default() }).is_ok());
        for foreign in ["example.org", "com", "ample.com"] {
            let foreign = CookieSettings { domain: Some(foreign.to_owned()), ..default() };
            assert!(matches!(cookies(HTTPS, &foreign), Err(CookieError::ForeignDomain { .. })));
        }
        assert!(matches!(cookies(HTTP, &CookieSettings { csrf: "a b".to_owned(), ..default() }), Err(CookieError::Name(_))));
        assert_eq!(cookies(HTTP, &CookieSettings { csrf: "refreshtoken".to_owned(), ..default() }).err(), Some(CookieError::SameName));
    }

    #[test]
    fn two_refresh_cookies_are_refused_wherever_they_stand() {
        let cookies = cookies(HTTP, &CookieSettings::default()).unwrap();
        let headers = |lines: &[&'static str]| lines.iter().map(|line| (COOKIE, HeaderValue::from_static(line))).collect::<HeaderMap>();
        assert_eq!(cookies.refresh_of(&headers(&["a=b; refreshtoken=x; c"])), Ok(Some("x")));
        assert_eq!(cookies.refresh_of(&headers(&["refreshtoken=\"x\""])), Ok(Some("x")));
        assert_eq!(cookies.refresh_of(&headers(&["refreshtoken="])), Ok(None));
        assert_eq!(cookies.refresh_of(&headers(&["xrefreshtoken=x"])), Ok(None));
        assert_eq!(cookies.refresh_of(&headers(&["refreshtoken=x; refreshtoken=x"])), Err(TwoCookies));
        assert_eq!(cookies.refresh_of(&headers(&["refreshtoken=x", "refreshtoken=y"])), Err(TwoCookies));
    }
}
