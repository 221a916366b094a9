//! What every page has: its head, the way to the other pages, who is signed in, and the headers
//! that keep scripts out.

use std::fmt;

use askama::Template;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, LOCATION, REFERRER_POLICY,
};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;

use super::forms::Form;
use super::gate::Staff;
use super::rules::{Permit, may};

/// What the frame around a page shows.
#[derive(Debug)]
pub(super) struct Frame {
    pub(super) title: String,
    pub(super) links: Vec<Link>,
    pub(super) who: String,
    pub(super) csrf: String,
    /// What has just been done.
    pub(super) said: Option<&'static str>,
}

/// A way to another page.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) href: &'static str,
    pub(super) text: &'static str,
    pub(super) here: bool,
}

impl Frame {
    /// The frame of a page in this room: `/admin/users/` and the like.
    pub(super) fn new(staff: &Staff, room: &str, title: impl Into<String>) -> Self {
        let links = ROOMS
            .iter()
            .filter(|(_, _, permit)| permit.is_none_or(|permit| may(&staff.user, permit)))
            .map(|&(href, text, _)| Link { href, text, here: href == room })
            .collect();
        Self {
            title: title.into(),
            links,
            who: staff.user.username.clone(),
            csrf: staff.csrf(),
            said: None,
        }
    }

    /// With the message that the address asks for, after a form was taken.
    pub(super) fn saying(mut self, query: &Form) -> Self {
        let word = query.text("said");
        self.said = SAID.iter().find(|(own, _)| *own == word).map(|(_, text)| *text);
        self
    }
}

/// A page, which no cache keeps, no page frames and no script runs in.
pub(super) fn page(status: StatusCode, template: &impl Template) -> Response {
    match template.render() {
        Ok(html) => (
            status,
            [
                (CONTENT_TYPE, "text/html; charset=utf-8"),
                (CACHE_CONTROL, "no-store"),
                (CONTENT_SECURITY_POLICY, POLICY),
                // Without a referrer some browsers send `Origin: null` with a form.
                (REFERRER_POLICY, "same-origin"),
                (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
            ],
            html,
        )
            .into_response(),
        Err(error) => {
            tracing::error!(%error, "a page could not be written");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// A page, when all is well.
pub(super) fn shown(template: &impl Template) -> Result<Response, super::fault::Fault> {
    Ok(page(StatusCode::OK, template))
}

/// Sends the browser to a page of ours, with GET.
pub(super) fn redirect(to: &str) -> Response {
    let to = HeaderValue::from_str(to).unwrap_or(HeaderValue::from_static("/admin/"));
    (StatusCode::SEE_OTHER, [(LOCATION, to), (CACHE_CONTROL, HeaderValue::from_static("no-store"))])
        .into_response()
}

/// A moment, in UTC, as `<time>`: in a template `{{ when|safe }}`.
#[derive(Debug, Clone, Copy)]
pub(super) struct When(pub(super) Option<Timestamp>);

impl fmt::Display for When {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(at) => write!(
                f,
                "<time datetime=\"{}\">{}</time>",
                at.strftime("%Y-%m-%dT%H:%M:%SZ"),
                at.strftime("%Y-%m-%d %H:%M:%S")
            ),
            None => f.write_str("<span class=\"none\">never</span>"),
        }
    }
}

impl From<Timestamp> for When {
    fn from(at: Timestamp) -> Self {
        Self(Some(at))
    }
}

/// A number with its thousands apart.
pub(super) fn thousands(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Where an operator can go, and what for.
const ROOMS: [(&str, &str, Option<Permit>); 7] = [
    ("/admin/", "Dashboard", None),
    ("/admin/users/", "Users", Some(Permit::ViewUser)),
    ("/admin/groups/", "Groups", Some(Permit::ViewGroup)),
    ("/admin/permissions/", "Permissions", Some(Permit::ViewPermission)),
    ("/admin/sessions/", "Sessions", Some(Permit::ViewSession)),
    ("/admin/audit/", "Audit log", Some(Permit::ViewAuditEvent)),
    ("/admin/keys/", "Keys", Some(Permit::ViewKey)),
];

/// What a page says after a form was taken. The word travels in the address; the text is ours.
const SAID: [(&str, &str); 20] = [
    ("added", "The user was added."),
    ("saved", "Your changes were saved."),
    ("unchanged", "Nothing was different, so nothing was changed."),
    ("password", "The password was set, and the user's sessions were ended."),
    ("unusable", "The password was made unusable, and the user's sessions were ended."),
    ("activated", "The users you ticked may sign in."),
    ("deactivated", "The users you ticked may no longer sign in, and their sessions were ended."),
    ("ended", "The sessions were ended."),
    ("deleted", "What you chose was deleted."),
    ("group-added", "The group was added."),
    ("group-saved", "The group was saved."),
    ("group-deleted", "The group was deleted."),
    ("permission-added", "The permission was added."),
    ("permission-saved", "The permission was saved."),
    ("permission-deleted", "The permission was deleted."),
    ("access", "Groups and permissions were saved."),
    (
        "rotated",
        "A new key was made. It signs in two minutes; the old ones verify until their last token \
         has expired.",
    ),
    (
        "cut-off",
        "A new key signs now, and the old keys are cut off. Clients get new access tokens with \
         their next refresh.",
    ),
    ("retired", "The key was retired. What it signed is refused from now on."),
    ("welcome", "You are signed in as the first superuser."),
];

const POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action \
    'self'; base-uri 'none'; frame-ancestors 'none'";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_their_thousands_apart() {
        for (n, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(thousands(n), text);
        }
    }
}
