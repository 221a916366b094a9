//! Moments on a page.

use std::fmt;

use jiff::Timestamp;

/// A moment, in UTC, as `<time>`: in a template `{{ when|safe }}`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct When(pub(crate) Option<Timestamp>);

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
