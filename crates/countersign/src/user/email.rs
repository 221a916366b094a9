//! E-mail addresses, kept as their owner writes them but for the domain's case.

use std::fmt;

use serde::Serialize;

/// An e-mail address of at most 254 bytes (RFC 5321, 4.5.3.1.3), its domain in lower case (Django's `normalize_email`).
///
/// The check is for slips of the pen, not for existence: one `@` with something before it, and a domain of labels behind it.
///
/// ```
/// use countersign::user::Email;
///
/// assert_eq!(Email::parse("Alice@Example.COM").unwrap().as_str(), "Alice@example.com");
/// assert!(Email::parse("alice").is_err());
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct Email(String);

impl Email {
    /// Checks the shape and lowers the domain.
    ///
    /// # Errors
    /// [`EmailError`] when the text is too long or has not the shape of an address.
    ///
    /// ```
    /// use countersign::user::{Email, EmailError};
    ///
    /// assert!(Email::parse("ada@example.com").is_ok());
    /// assert_eq!(Email::parse("ada@example@com"), Err(EmailError::Shape));
    /// ```
    pub fn parse(text: &str) -> Result<Self, EmailError> {
        if text.len() > MAX_BYTES {
            return Err(EmailError::TooLong);
        }
        let (local, domain) = text.rsplit_once('@').ok_or(EmailError::Shape)?;
        let local_is_good = !local.is_empty()
            && local.len() <= 64
            && !local.starts_with('.')
            && !local.ends_with('.')
            && !local.contains("..")
            && !local.contains(|c: char| c.is_whitespace() || c.is_control() || "()<>[]:;@\\,\"".contains(c));
        let label_is_good = |label: &str| {
            !label.is_empty()
                && label.len() <= 63
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.chars().all(|c| c.is_alphanumeric() || c == '-')
        };
        let domain_is_good = domain == "localhost" || (domain.contains('.') && domain.split('.').all(label_is_good));
        if !local_is_good || !domain_is_good {
            return Err(EmailError::Shape);
        }
        let address = format!("{local}@{}", domain.to_lowercase());
        if address.len() > MAX_BYTES { Err(EmailError::TooLong) } else { Ok(Self(address)) }
    }

    /// The address.
    ///
    /// ```
    /// assert_eq!(countersign::user::Email::parse("Ada@EXAMPLE.com").unwrap().as_str(), "Ada@example.com");
    /// ```
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Why a text is no e-mail address.
///
/// ```
/// use countersign::user::{Email, EmailError};
///
/// assert_eq!(Email::parse(&format!("{}@example.com", "a".repeat(250))), Err(EmailError::TooLong));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EmailError {
    /// More than 254 bytes.
    #[error("An e-mail address has at most {MAX_BYTES} bytes.")]
    TooLong,
    /// Not of the form `name@domain`.
    #[error("Give an e-mail address of the form name@example.com.")]
    Shape,
}

const MAX_BYTES: usize = 254;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_of_the_pen_are_refused() {
        for bad in ["", "a", "@b.com", "a@", "a@b", "a@@b.com", "a b@c.com", "a@b..com", "a@-b.com", ".a@b.com", "a\0@b.com", "a@b.com "] {
            assert_eq!(Email::parse(bad), Err(EmailError::Shape), "{bad:?}");
        }
        assert_eq!(Email::parse(&format!("a@{}.com", "b".repeat(260))), Err(EmailError::TooLong));
    }

    #[test]
    fn only_the_domain_is_lowered() {
        for (given, kept) in
            [("Al.Ice+x@EXAMPLE.com", "Al.Ice+x@example.com"), ("é@bücher.example", "é@bücher.example"), ("a@localhost", "a@localhost")]
        {
            assert_eq!(Email::parse(given).map(|email| email.0), Ok(kept.to_owned()));
        }
    }
}
