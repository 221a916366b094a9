//! Small things as text, for the command line and the site alike.

use jiff::Timestamp;

/// A moment to the second, in UTC: `2026-11-24 03:59:59Z`.
pub(crate) fn to_the_second(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%SZ").to_string()
}
