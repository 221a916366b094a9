//! Cookies: their names, their attributes, and how they are read.
//!
//! ```
//! use std::time::Duration;
//!
//! use countersign::web::cookies::{CookieSettings, Cookies};
//!
//! let cookies = Cookies::new(
//!     &"https://app.example.com".parse().unwrap(),
//!     "/accounts",
//!     &CookieSettings::default(),
//! )
//! .unwrap();
//! assert_eq!(
//!     cookies.set_refresh("a.b.c", Duration::from_secs(3600)),
//!     "__Host-refreshtoken=a.b.c; Path=/; Max-Age=3600; HttpOnly; SameSite=Lax; Secure"
//! );
//! ```

mod page;
mod settings;

use std::time::Duration;

use axum::http::header::COOKIE;
use axum::http::{HeaderMap, HeaderValue};
use memchr::memchr_iter;
use url::Url;

pub use settings::{CookieError, CookieSettings, SameSite, UnknownSameSite};

use crate::sign_in::PENDING_SECONDS;

/// Builds the `Set-Cookie` values, and reads the cookies of a request.
///
/// ```
/// use countersign::web::cookies::{CookieSettings, Cookies};
///
/// let cookies = Cookies::new(
///     &"http://localhost:8000".parse().unwrap(),
///     "/accounts",
///     &CookieSettings::default(),
/// )
/// .unwrap();
/// assert_eq!((cookies.refresh_name(), cookies.csrf_name()), ("refreshtoken", "csrftoken"));
/// ```
#[derive(Debug, Clone)]
pub struct Cookies {
    refresh: String,
    page: String,
    /// The cookie of a browser whose device has proved itself.
    ticket: String,
    csrf: String,
    device: String,
    device_path: String,
    /// The cookie of a browser that asked for a mail: no other host can plant one, whatever domain
    /// the others have.
    sign_in: &'static str,
    sign_in_attributes: String,
    attributes: String,
    /// What removes them in every form.
    cleared: Vec<HeaderValue>,
}

impl Cookies {
    /// The cookies of these settings.
    ///
    /// # Errors
    /// [`CookieError`] for names and combinations that browsers refuse or that are not safe.
    ///
    /// ```
    /// use countersign::web::cookies::{CookieError, CookieSettings, Cookies};
    ///
    /// let mut settings = CookieSettings::default();
    /// settings.refresh = Some("__Host-refreshtoken".to_owned());
    /// settings.domain = Some("example.com".to_owned());
    /// let error =
    ///     Cookies::new(&"https://app.example.com".parse().unwrap(), "/accounts", &settings)
    ///         .unwrap_err();
    /// assert_eq!(error, CookieError::HostWithDomain("__Host-refreshtoken".to_owned()));
    /// ```
    pub fn new(
        public_url: &Url,
        base_path: &str,
        settings: &CookieSettings,
    ) -> Result<Self, CookieError> {
        let secure = public_url.scheme() == "https";
        let [plain, of_the_host] = USUAL_NAMES;
        let default_name = if secure && settings.domain.is_none() { of_the_host } else { plain };
        let refresh = settings.refresh.clone().unwrap_or_else(|| default_name.to_owned());
        for name in [&refresh, &settings.csrf, &settings.device] {
            if name.is_empty()
                || name.len() > 64
                || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
            {
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
        let page = format!("{refresh}-page");
        let ticket = ticket_beside(&refresh, default_name);
        let names = [&refresh, &page, &settings.csrf, &settings.device];
        let ours = [SIGN_IN, HOST_SIGN_IN, TICKET, ticket.as_str()];
        let is_twice = |name: &&String| names.iter().filter(|other| *other == name).count() > 1;
        if names.iter().any(|name| is_twice(name) || ours.contains(&name.as_str())) {
            return Err(CookieError::SameName);
        }
        if settings.same_site == SameSite::None && !secure {
            return Err(CookieError::NoneWithoutHttps);
        }
        // With https, as `None` has it.
        if settings.partitioned && settings.same_site != SameSite::None {
            return Err(CookieError::PartitionedWithoutNone);
        }
        let domain = match &settings.domain {
            Some(domain) => {
                let host = public_url.host_str().unwrap_or_default();
                let bare = domain.trim_start_matches('.');
                let covers =
                    host == bare || host.strip_suffix(bare).is_some_and(|rest| rest.ends_with('.'));
                if !covers || !bare.contains('.') {
                    return Err(CookieError::ForeignDomain {
                        domain: domain.clone(),
                        host: host.to_owned(),
                    });
                }
                format!("; Domain={bare}")
            }
            None => String::new(),
        };
        let plain =
            format!("; SameSite={}{}", settings.same_site, if secure { "; Secure" } else { "" });
        let parted = format!("{plain}; Partitioned");
        let (common, other) = if settings.partitioned { (parted, plain) } else { (plain, parted) };
        // What the browser has of the time before the setting was changed is in another jar.
        let other = Some(other).filter(|_| settings.same_site == SameSite::None);
        let attributes = format!("{common}{domain}");
        let device_path = format!("{}{base_path}", public_url.path().trim_end_matches('/'));
        let (csrf, device) = (settings.csrf.clone(), settings.device.clone());
        let other = other.map(|other| (format!("{other}{domain}"), other));
        let sign_in = if secure { HOST_SIGN_IN } else { SIGN_IN };
        let mut cookies = Self {
            refresh,
            page,
            ticket,
            csrf,
            device,
            device_path,
            sign_in,
            sign_in_attributes: common.clone(),
            attributes,
            cleared: Vec::new(),
        };
        cookies.cleared = cookies.every_form(public_url, &common);
        if let Some((attributes, sign_in_attributes)) = other {
            let former = Self { attributes, sign_in_attributes, ..cookies.clone() };
            let (none, ticket) = (Duration::ZERO, former.clear_ticket());
            let forms = [former.set_refresh("", none), former.set_csrf("", none), ticket];
            cookies.cleared.extend(forms);
        }
        Ok(cookies)
    }

    /// `Set-Cookie` values that remove the refresh and the CSRF cookie, those of these settings
    /// first, and the ticket.
    fn every_form(&self, public_url: &Url, common: &str) -> Vec<HeaderValue> {
        let mut forms =
            vec![self.set_refresh("", Duration::ZERO), self.set_csrf("", Duration::ZERO)];
        let mut add = |form: HeaderValue| {
            if !forms.contains(&form) {
                forms.push(form);
            }
        };
        // With a name of its own it is one of several on this host: the usual names are another's.
        let is_usual = USUAL_NAMES.contains(&self.refresh.as_str());
        let mut refresh_names = if is_usual { USUAL_NAMES.to_vec() } else { vec![&*self.refresh] };
        if public_url.scheme() == "https" {
            add(self.clear_ticket());
            for name in refresh_names.iter().filter(|name| name.starts_with("__Host-")) {
                // A cookie of such a name has no domain and no other path.
                add(value(format!("{name}=; Path=/; Max-Age=0; HttpOnly{common}")));
            }
        }
        refresh_names.retain(|name| !name.starts_with("__Host-"));
        let mut domains = vec![String::new()];
        if let Some(url::Host::Domain(host)) = public_url.host() {
            let parents = std::iter::successors(Some(host), |name| {
                name.split_once('.').map(|(_, parent)| parent)
            });
            domains.extend(
                parents
                    .filter(|name| name.contains('.'))
                    .take(MOST_PARENTS)
                    .map(|name| format!("; Domain={name}")),
            );
        }
        for domain in &domains {
            for path in ["/", self.device_path.as_str()] {
                for name in &refresh_names {
                    add(value(format!(
                        "{name}=; Path={path}; Max-Age=0; HttpOnly{common}{domain}"
                    )));
                }
                add(value(format!("{}=; Path={path}; Max-Age=0{common}{domain}", self.csrf)));
            }
        }
        forms
    }

    /// The refresh cookie's name.
    ///
    /// ```
    /// use countersign::web::cookies::{CookieSettings, Cookies};
    ///
    /// let cookies = Cookies::new(
    ///     &"https://app.example.com".parse().unwrap(),
    ///     "/accounts",
    ///     &CookieSettings::default(),
    /// )
    /// .unwrap();
    /// assert_eq!(cookies.refresh_name(), "__Host-refreshtoken");
    /// ```
    pub fn refresh_name(&self) -> &str {
        &self.refresh
    }

    /// The CSRF cookie's name.
    ///
    /// ```
    /// use countersign::web::cookies::{CookieSettings, Cookies};
    ///
    /// let mut settings = CookieSettings::default();
    /// settings.csrf = "xsrf".to_owned();
    /// let cookies =
    ///     Cookies::new(&"https://app.example.com".parse().unwrap(), "/accounts", &settings)
    ///         .unwrap();
    /// assert_eq!(cookies.csrf_name(), "xsrf");
    /// ```
    pub fn csrf_name(&self) -> &str {
        &self.csrf
    }

    /// Sets the refresh cookie: `HttpOnly`, so that script cannot read it. Without a lifetime it
    /// goes with the browser.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use countersign::web::cookies::{CookieSettings, Cookies};
    ///
    /// let cookies = Cookies::new(
    ///     &"http://localhost:8000".parse().unwrap(),
    ///     "/accounts",
    ///     &CookieSettings::default(),
    /// )
    /// .unwrap();
    /// let line = cookies.set_refresh("a.b.c", Duration::from_secs(60));
    /// assert_eq!(line, "refreshtoken=a.b.c; Path=/; Max-Age=60; HttpOnly; SameSite=Lax");
    /// let line = cookies.set_refresh("a.b.c", None);
    /// assert_eq!(line, "refreshtoken=a.b.c; Path=/; HttpOnly; SameSite=Lax");
    /// ```
    pub fn set_refresh(&self, token: &str, lifetime: impl Into<Option<Duration>>) -> HeaderValue {
        let (name, life) = (&self.refresh, max_age(lifetime));
        value(format!("{name}={token}; Path=/{life}; HttpOnly{}", self.attributes))
    }

    /// Sets the CSRF cookie, which script must be able to read.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use countersign::web::cookies::{CookieSettings, Cookies};
    ///
    /// let cookies = Cookies::new(
    ///     &"http://localhost:8000".parse().unwrap(),
    ///     "/accounts",
    ///     &CookieSettings::default(),
    /// )
    /// .unwrap();
    /// assert_eq!(
    ///     cookies.set_csrf("abc", Duration::from_secs(60)),
    ///     "csrftoken=abc; Path=/; Max-Age=60; SameSite=Lax"
    /// );
    /// ```
    pub fn set_csrf(&self, token: &str, lifetime: impl Into<Option<Duration>>) -> HeaderValue {
        let (name, life) = (&self.csrf, max_age(lifetime));
        value(format!("{name}={token}; Path=/{life}{}", self.attributes))
    }

    /// Sets the device cookie, which only the endpoints get to see.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use countersign::web::cookies::{CookieSettings, Cookies};
    ///
    /// let cookies = Cookies::new(
    ///     &"http://localhost:8000".parse().unwrap(),
    ///     "/accounts",
    ///     &CookieSettings::default(),
    /// )
    /// .unwrap();
    /// let line = cookies.set_device("abc", Duration::from_secs(60));
    /// assert_eq!(line, "devicetoken=abc; Path=/accounts; Max-Age=60; HttpOnly; SameSite=Lax");
    /// ```
    pub fn set_device(&self, token: &str, lifetime: impl Into<Option<Duration>>) -> HeaderValue {
        self.set_device_at(&self.device_path, token, lifetime)
    }

    /// Sets a device cookie for pages elsewhere.
    pub(crate) fn set_device_at(
        &self,
        path: &str,
        token: &str,
        lifetime: impl Into<Option<Duration>>,
    ) -> HeaderValue {
        let (name, life) = (&self.device, max_age(lifetime));
        value(format!("{name}={token}; Path={path}{life}; HttpOnly{}", self.attributes))
    }

    /// Sets the cookie by which a browser is known that asked for a mail: what the mail's link
    /// begins is for this browser. It is `__Host-signintoken` on https: no other host can plant one
    /// that it knows, and then wait for the owner of an address.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use countersign::web::cookies::{CookieSettings, Cookies};
    ///
    /// let cookies = Cookies::new(
    ///     &"http://localhost:8000".parse().unwrap(),
    ///     "/accounts",
    ///     &CookieSettings::default(),
    /// )
    /// .unwrap();
    /// let line = cookies.set_sign_in("abc", Duration::from_secs(60));
    /// assert_eq!(line, "signintoken=abc; Path=/; Max-Age=60; HttpOnly; SameSite=Lax");
    /// ```
    pub fn set_sign_in(&self, token: &str, lifetime: Duration) -> HeaderValue {
        value(format!(
            "{}={token}; Path=/; Max-Age={}; HttpOnly{}",
            self.sign_in,
            lifetime.as_secs(),
            self.sign_in_attributes
        ))
    }

    /// What [`set_sign_in`](Self::set_sign_in) set, if it came along.
    ///
    /// ```
    /// use axum::http::{HeaderMap, HeaderValue, header::COOKIE};
    /// use countersign::web::cookies::{CookieSettings, Cookies};
    ///
    /// let cookies = Cookies::new(
    ///     &"http://localhost:8000".parse().unwrap(),
    ///     "/accounts",
    ///     &CookieSettings::default(),
    /// )
    /// .unwrap();
    /// let headers = HeaderMap::from_iter([(COOKIE, HeaderValue::from_static("signintoken=abc"))]);
    /// assert_eq!(cookies.sign_in_of(&headers), Some("abc"));
    /// ```
    pub fn sign_in_of<'a>(&self, headers: &'a HeaderMap) -> Option<&'a str> {
        values(headers, self.sign_in).next()
    }

    /// Sets the cookie by which a browser is known whose login waits for a second factor. Only the
    /// endpoints below the base path get it.
    ///
    /// ```
    /// use countersign::web::cookies::{CookieSettings, Cookies};
    ///
    /// let cookies = Cookies::new(
    ///     &"http://localhost:8000".parse().unwrap(),
    ///     "/accounts",
    ///     &CookieSettings::default(),
    /// )
    /// .unwrap();
    /// let line = cookies.set_pending("abc");
    /// assert_eq!(line, "pendingtoken=abc; Path=/accounts; Max-Age=300; HttpOnly; SameSite=Lax");
    /// ```
    pub fn set_pending(&self, token: &str) -> HeaderValue {
        self.pending(token, PENDING_SECONDS)
    }

    /// Removes it.
    ///
    /// ```
    /// use countersign::web::cookies::{CookieSettings, Cookies};
    ///
    /// let cookies = Cookies::new(
    ///     &"http://localhost:8000".parse().unwrap(),
    ///     "/accounts",
    ///     &CookieSettings::default(),
    /// )
    /// .unwrap();
    /// assert!(cookies.clear_pending().to_str().unwrap().contains("Max-Age=0"));
    /// ```
    pub fn clear_pending(&self) -> HeaderValue {
        self.pending("", 0)
    }

    fn pending(&self, token: &str, seconds: u64) -> HeaderValue {
        value(format!(
            "{PENDING}={token}; Path={}; Max-Age={seconds}; HttpOnly{}",
            self.device_path, self.attributes
        ))
    }

    /// What [`set_pending`](Self::set_pending) set, if it came along.
    ///
    /// ```
    /// use axum::http::{HeaderMap, HeaderValue, header::COOKIE};
    /// use countersign::web::cookies::{CookieSettings, Cookies};
    ///
    /// let cookies = Cookies::new(
    ///     &"http://localhost:8000".parse().unwrap(),
    ///     "/accounts",
    ///     &CookieSettings::default(),
    /// )
    /// .unwrap();
    /// let cookie = HeaderValue::from_static("pendingtoken=abc");
    /// let headers = HeaderMap::from_iter([(COOKIE, cookie)]);
    /// assert_eq!(cookies.pending_of(&headers), Some("abc"));
    /// ```
    pub fn pending_of<'a>(&self, headers: &'a HeaderMap) -> Option<&'a str> {
        values(headers, PENDING).next()
    }

    /// Sets the ticket: the cookie by which a browser shows that its device has proved itself.
    /// There is one with https alone. Its name is `__Host-device`, or where the refresh cookie has
    /// a name of its own, that with `-device` behind: two servers on one host have two.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use countersign::web::cookies::{CookieSettings, Cookies};
    ///
    /// let cookies = Cookies::new(
    ///     &"https://app.example.com".parse().unwrap(),
    ///     "/accounts",
    ///     &CookieSettings::default(),
    /// )
    /// .unwrap();
    /// let line = cookies.set_ticket("abc", Duration::from_secs(300));
    /// assert_eq!(
    ///     line,
    ///     "__Host-device=abc; Max-Age=300; Path=/; HttpOnly; SameSite=Lax; Secure"
    /// );
    /// ```
    pub fn set_ticket(&self, ticket: &str, lifetime: Duration) -> HeaderValue {
        let attributes = self.ticket_attributes();
        let (name, seconds) = (&self.ticket, lifetime.as_secs());
        value(format!("{name}={ticket}; Max-Age={seconds}; {attributes}"))
    }

    /// Removes it.
    ///
    /// ```
    /// use countersign::web::cookies::{CookieSettings, Cookies};
    ///
    /// let cookies = Cookies::new(
    ///     &"https://app.example.com".parse().unwrap(),
    ///     "/accounts",
    ///     &CookieSettings::default(),
    /// )
    /// .unwrap();
    /// assert!(cookies.clear_ticket().to_str().unwrap().contains("Max-Age=0"));
    /// ```
    pub fn clear_ticket(&self) -> HeaderValue {
        self.set_ticket("", Duration::ZERO)
    }

    /// Its name.
    ///
    /// ```
    /// use countersign::web::cookies::{CookieSettings, Cookies};
    ///
    /// let name = |refresh: Option<&str>| {
    ///     let mut settings = CookieSettings::default();
    ///     settings.refresh = refresh.map(str::to_owned);
    ///     let url = "https://app.example.com".parse().unwrap();
    ///     Cookies::new(&url, "/accounts", &settings).unwrap().ticket_name().to_owned()
    /// };
    /// assert_eq!(name(None), "__Host-device");
    /// assert_eq!(name(Some("__Host-b")), "__Host-b-device");
    /// ```
    pub fn ticket_name(&self) -> &str {
        &self.ticket
    }

    /// Its attributes, as a browser is told which cookie a proof renews.
    ///
    /// ```
    /// use countersign::web::cookies::{CookieSettings, Cookies};
    ///
    /// let cookies = Cookies::new(
    ///     &"https://app.example.com".parse().unwrap(),
    ///     "/accounts",
    ///     &CookieSettings::default(),
    /// )
    /// .unwrap();
    /// assert_eq!(cookies.ticket_attributes(), "Path=/; HttpOnly; SameSite=Lax; Secure");
    /// ```
    pub fn ticket_attributes(&self) -> String {
        format!("Path=/; HttpOnly{}", self.sign_in_attributes)
    }

    /// The tickets of a request: of several one may be planted.
    ///
    /// ```
    /// use axum::http::{HeaderMap, HeaderValue, header::COOKIE};
    /// use countersign::web::cookies::{CookieSettings, Cookies};
    ///
    /// let cookies = Cookies::new(
    ///     &"https://app.example.com".parse().unwrap(),
    ///     "/accounts",
    ///     &CookieSettings::default(),
    /// )
    /// .unwrap();
    /// let headers = HeaderMap::from_iter([(COOKIE, HeaderValue::from_static("__Host-device=a"))]);
    /// assert_eq!(cookies.tickets_of(&headers).collect::<Vec<_>>(), ["a"]);
    /// ```
    pub fn tickets_of<'a>(&self, headers: &'a HeaderMap) -> impl Iterator<Item = &'a str> {
        values(headers, &self.ticket).take(MOST_TOKENS)
    }

    /// Removes the refresh and the CSRF cookie and the ticket, in every form that a browser may
    /// have them in: under other settings, or from an installation above, they have other names,
    /// domains and paths, and come along all the same. Of names that is the two usual ones, for who
    /// has one of them; a server with a name of its own leaves them to its neighbour. The device
    /// stays known.
    ///
    /// ```
    /// use countersign::web::cookies::{CookieSettings, Cookies};
    ///
    /// let cookies = Cookies::new(
    ///     &"http://localhost:8000".parse().unwrap(),
    ///     "/accounts",
    ///     &CookieSettings::default(),
    /// )
    /// .unwrap();
    /// let cleared = cookies.clear();
    /// assert_eq!(cleared[0], "refreshtoken=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax");
    /// assert_eq!(cleared[1], "csrftoken=; Path=/; Max-Age=0; SameSite=Lax");
    /// ```
    pub fn clear(&self) -> Vec<HeaderValue> {
        self.cleared.clone()
    }

    /// The refresh tokens of a request, each once. Of several one was planted, or set under other
    /// settings, or by an installation above: which counts is not known from their names.
    ///
    /// ```
    /// use axum::http::{HeaderMap, HeaderValue, header::COOKIE};
    /// use countersign::web::cookies::{CookieSettings, Cookies};
    ///
    /// let cookies = Cookies::new(
    ///     &"http://localhost:8000".parse().unwrap(),
    ///     "/accounts",
    ///     &CookieSettings::default(),
    /// )
    /// .unwrap();
    /// let mut headers = HeaderMap::new();
    /// headers.append(COOKIE, HeaderValue::from_static("theme=dark; refreshtoken=a.b.c"));
    /// assert_eq!(cookies.refresh_of(&headers), ["a.b.c"]);
    /// headers
    ///     .append(COOKIE, HeaderValue::from_static("refreshtoken=planted; refreshtoken=a.b.c"));
    /// assert_eq!(cookies.refresh_of(&headers), ["a.b.c", "planted"]);
    /// ```
    pub fn refresh_of<'a>(&self, headers: &'a HeaderMap) -> Vec<&'a str> {
        let mut found = Vec::new();
        for token in values(headers, &self.refresh).filter(|token| !token.is_empty()) {
            if found.len() < MOST_TOKENS && !found.contains(&token) {
                found.push(token);
            }
        }
        found
    }

    /// The device token of a request; of several, the first.
    ///
    /// ```
    /// use axum::http::{HeaderMap, HeaderValue, header::COOKIE};
    /// use countersign::web::cookies::{CookieSettings, Cookies};
    ///
    /// let cookies = Cookies::new(
    ///     &"http://localhost:8000".parse().unwrap(),
    ///     "/accounts",
    ///     &CookieSettings::default(),
    /// )
    /// .unwrap();
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

/// Every value of the cookie `name`, over all `Cookie` headers, without the quotes that RFC 6265
/// allows.
///
/// The headers are split as bytes: what a neighbour keeps in its own cookies, in whatever encoding,
/// is nobody else's affair.
///
/// ```
/// use axum::http::{HeaderMap, HeaderValue, header::COOKIE};
/// use countersign::web::cookies::values;
///
/// let line = HeaderValue::from_bytes(b"greeting=Ol\xe1; id=\"7\"").unwrap();
/// let headers = HeaderMap::from_iter([(COOKIE, line)]);
/// assert_eq!(values(&headers, "id").collect::<Vec<_>>(), ["7"]);
/// ```
pub fn values<'a>(headers: &'a HeaderMap, name: &str) -> impl Iterator<Item = &'a str> {
    headers.get_all(COOKIE).into_iter().flat_map(|line| pairs(line.as_bytes())).filter_map(
        move |pair| {
            let value = pair.trim_ascii().strip_prefix(name.as_bytes())?.strip_prefix(b"=")?;
            let value = value
                .strip_prefix(b"\"")
                .and_then(|value| value.strip_suffix(b"\""))
                .unwrap_or(value);
            // A value of ours is ASCII. What is no text is no token, but it is there.
            Some(str::from_utf8(value).unwrap_or("\u{fffd}"))
        },
    )
}

/// What stands between the semicolons of a header.
fn pairs(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut ends = memchr_iter(b';', line).chain([line.len()]);
    let mut start = 0;
    std::iter::from_fn(move || {
        let end = ends.next()?;
        let pair = line.get(start..end);
        start = end + 1;
        pair
    })
}

/// The ticket's name beside this refresh cookie. No other host of the domain may plant one,
/// whatever the refresh cookie's name lets them do.
fn ticket_beside(refresh: &str, default: &str) -> String {
    if refresh == default {
        return TICKET.to_owned();
    }
    let bare = ["__Host-", "__Secure-"].iter().find_map(|prefix| refresh.strip_prefix(prefix));
    format!("__Host-{}-device", bare.unwrap_or(refresh))
}

/// How long a browser keeps a cookie: until it is closed where nothing is said.
fn max_age(lifetime: impl Into<Option<Duration>>) -> String {
    lifetime.into().map(|life| format!("; Max-Age={}", life.as_secs())).unwrap_or_default()
}

fn value(text: String) -> HeaderValue {
    // Names are checked, attributes are ours, and tokens are base64url and dots.
    HeaderValue::try_from(text).expect("a cookie of visible ASCII characters")
}

/// Tokens of one request that are looked at.
const MOST_TOKENS: usize = 32;

/// Cookies of pages of one request that are looked at: each may cost the check of a signature.
const MOST_PAGE_TOKENS: usize = 4;

/// A host has fewer parents that may set cookies for it.
const MOST_PARENTS: usize = 6;

/// What the refresh cookie is called where no other name was chosen: by domain and scheme.
const USUAL_NAMES: [&str; 2] = ["refreshtoken", "__Host-refreshtoken"];

/// The cookie of a browser whose login waits for a second factor.
const PENDING: &str = "pendingtoken";

/// The cookie of a browser whose device has proved itself, where the refresh cookie has its usual
/// name.
const TICKET: &str = "__Host-device";

/// The cookie of a browser that asked for a mail.
const SIGN_IN: &str = "signintoken";
const HOST_SIGN_IN: &str = "__Host-signintoken";

#[cfg(test)]
#[path = "cookies_tests.rs"]
mod tests;
