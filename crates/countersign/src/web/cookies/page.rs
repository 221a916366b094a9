//! The cookie by which pages that the server renders know their reader.

use std::time::Duration;

use axum::http::{HeaderMap, HeaderValue};

use super::{Cookies, MOST_PAGE_TOKENS, value, values};

impl Cookies {
    /// Sets the cookie of pages that the server renders: an access token that script cannot read.
    /// Its name is the refresh cookie's with `-page` behind. It has no domain, and it never comes
    /// with what pages of other sites fetch.
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
    /// let line = cookies.set_page("a.b.c", Duration::from_secs(300));
    /// assert_eq!(
    ///     line,
    ///     "__Host-refreshtoken-page=a.b.c; Path=/; Max-Age=300; HttpOnly; SameSite=Lax; Secure"
    /// );
    /// ```
    pub fn set_page(&self, token: &str, lifetime: Duration) -> HeaderValue {
        let (name, seconds) = (&self.page, lifetime.as_secs());
        let attributes = self.sign_in_attributes.replace("SameSite=None", "SameSite=Lax");
        value(format!("{name}={token}; Path=/; Max-Age={seconds}; HttpOnly{attributes}"))
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
    /// assert!(cookies.clear_page().to_str().unwrap().contains("Max-Age=0"));
    /// ```
    pub fn clear_page(&self) -> HeaderValue {
        self.set_page("", Duration::ZERO)
    }

    /// What [`set_page`](Self::set_page) set, if it came along: of several one may be planted.
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
    /// let line = HeaderValue::from_static("refreshtoken-page=a.b.c");
    /// let headers = HeaderMap::from_iter([(COOKIE, line)]);
    /// assert_eq!(cookies.pages_of(&headers).collect::<Vec<_>>(), ["a.b.c"]);
    /// ```
    pub fn pages_of<'a>(&self, headers: &'a HeaderMap) -> impl Iterator<Item = &'a str> {
        values(headers, &self.page).take(MOST_PAGE_TOKENS)
    }
}
