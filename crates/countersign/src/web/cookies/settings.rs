//! What can be chosen about cookies, and which choices are refused.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

/// What can be chosen about cookies.
///
/// ```
/// use countersign::web::cookies::{CookieSettings, SameSite};
///
/// let mut strict = CookieSettings::default();
/// strict.same_site = SameSite::Strict;
/// assert_eq!((strict.csrf.as_str(), strict.domain), ("csrftoken", None));
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct CookieSettings {
    /// The cookies' `SameSite`.
    pub same_site: SameSite,
    /// Whether they are `Partitioned`: each site that embeds the front end in a frame has its own.
    /// Needs https and [`SameSite::None`].
    pub partitioned: bool,
    /// The refresh cookie's name; `__Host-refreshtoken` on https and `refreshtoken` on http unless
    /// chosen otherwise. What stands beside it is named after it: the cookie of pages, and the
    /// [ticket](super::Cookies::set_ticket) of a device.
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
        Self {
            same_site: SameSite::Lax,
            partitioned: false,
            refresh: None,
            csrf: "csrftoken".to_owned(),
            device: "devicetoken".to_owned(),
            domain: None,
        }
    }
}

/// When a cookie travels with requests from other sites.
///
/// ```
/// use countersign::web::cookies::SameSite;
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
        [Self::Lax, Self::Strict, Self::None]
            .into_iter()
            .find(|one| one.to_string().eq_ignore_ascii_case(text))
            .ok_or(UnknownSameSite)
    }
}

/// Not a value of `SameSite`.
///
/// ```
/// use countersign::web::cookies::{SameSite, UnknownSameSite};
///
/// assert_eq!("loose".parse::<SameSite>(), Err(UnknownSameSite));
/// assert_eq!(UnknownSameSite.to_string(), "choose lax, strict or none");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("choose lax, strict or none")]
pub struct UnknownSameSite;

/// Cookies that browsers would refuse, or that would not be safe.
///
/// ```
/// use countersign::web::cookies::{CookieError, CookieSettings, Cookies, SameSite};
///
/// let mut settings = CookieSettings::default();
/// settings.same_site = SameSite::None;
/// let error = Cookies::new(&"http://localhost:8000".parse().unwrap(), "/accounts", &settings)
///     .unwrap_err();
/// assert_eq!(error, CookieError::NoneWithoutHttps);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CookieError {
    /// A name with characters that cookie names cannot have.
    #[error("the cookie name {0:?} must be 1 to 64 letters, digits, `-`, `_` or `.`")]
    Name(String),
    /// Two cookies with one name.
    #[error(
        "the refresh, CSRF and device cookies need three different names, other than \
         signintoken and __Host-device, and than the refresh cookie's with `-page` or `-device` \
         behind"
    )]
    SameName,
    /// A prefix that browsers accept over https only.
    #[error(
        "browsers refuse the cookie {0} over http; set public_url to an https:// address, or \
         choose a name without the prefix"
    )]
    PrefixWithoutHttps(String),
    /// The prefix `__Host-` forbids a domain.
    #[error(
        "browsers refuse the cookie {0} with a domain; remove cookie_domain, or set refresh_cookie \
         to a name without `__Host-`"
    )]
    HostWithDomain(String),
    /// The prefix `__Host-` demands the path `/`.
    #[error("device_cookie cannot begin with `__Host-`, because it is sent to the endpoints only")]
    HostWithPath,
    /// Browsers accept `None` with `Secure` only.
    #[error(
        "same_site = none needs https: browsers refuse such cookies over http; set public_url to \
         an https:// address, or same_site to lax"
    )]
    NoneWithoutHttps,
    /// A browser sends no other cookie from a frame in another site's page.
    #[error(
        "partitioned = on needs same_site = none: browsers send no other cookie from a frame in \
         another site's page, and elsewhere nothing needs to be partitioned"
    )]
    PartitionedWithoutNone,
    /// A domain that the server is not in.
    #[error(
        "cookie_domain {domain} does not cover the host of public_url, {host}; browsers would \
         refuse the cookies"
    )]
    ForeignDomain {
        /// The setting.
        domain: String,
        /// The public URL's host.
        host: String,
    },
}
