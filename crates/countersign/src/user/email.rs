//! E-mail addresses, kept as their owner writes them but for the form of the domain.

use std::fmt;

use serde::Serialize;
use unicode_normalization::UnicodeNormalization;

use super::username::fold;

/// An e-mail address of at most 254 bytes (RFC 5321, 4.5.3.1.3), without blanks around it, in NFC, its domain in lower case and in the form that name servers know (IDNA).
///
/// The check is for slips of the pen, not for existence: one `@` with something before it, and a domain of labels behind it.
///
/// ```
/// use countersign::user::Email;
///
/// assert_eq!(Email::parse("Alice@Example.COM").unwrap().as_str(), "Alice@example.com");
/// assert_eq!(Email::parse(" alice@bücher.example ").unwrap().as_str(), "alice@xn--bcher-kva.example");
/// assert!(Email::parse("alice").is_err());
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct Email(String);

impl Email {
    /// Checks the shape and normalises.
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
        let text = text.trim();
        if text.len() > MAX_BYTES {
            return Err(EmailError::TooLong);
        }
        let text: String = text.nfc().collect();
        let (local, domain) = text.rsplit_once('@').ok_or(EmailError::Shape)?;
        let domain = idna::domain_to_ascii(domain).map_err(|_| EmailError::Shape)?;
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
        let address = format!("{local}@{domain}");
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

/// What two addresses have in common that name one mailbox as far as anybody can say: both are compared by it, wherever addresses are compared. The domain is in the form that name
/// servers know, in whichever the address is written; the rest is folded like a user name.
///
/// ```
/// use countersign::user::fold_address;
///
/// assert_eq!(fold_address("STRASSE@bücher.example"), fold_address("straße@XN--BCHER-KVA.example"));
/// ```
pub fn fold_address(text: &str) -> String {
    match text.rsplit_once('@').filter(|_| text.len() <= 4 * MAX_BYTES) {
        Some((local, domain)) => {
            format!("{}@{}", fold(local), idna::domain_to_ascii(domain).unwrap_or_else(|_| fold(domain)))
        }
        None => fold(text),
    }
}

/// The foldings that a user name has if it reads as this address: with the domain as name servers know it, and as people write it.
pub(crate) fn names_like(address: &str) -> [String; 2] {
    let written = address.rsplit_once('@').map(|(local, domain)| format!("{local}@{}", idna::domain_to_unicode(domain).0));
    [fold(address), fold(written.as_deref().unwrap_or(address))]
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
        for bad in ["", "a", "@b.com", "a@", "a@b", "a@@b.com", "a b@c.com", "a@b..com", "a@-b.com", ".a@b.com", "a\0@b.com", "a@b .com"] {
            assert_eq!(Email::parse(bad), Err(EmailError::Shape), "{bad:?}");
        }
        assert_eq!(Email::parse(&format!("a@{}.com", "b".repeat(260))), Err(EmailError::TooLong));
    }

    #[test]
    fn an_address_keeps_its_own_part_and_gets_the_domain_that_name_servers_know() {
        for (given, kept) in [
            ("Al.Ice+x@EXAMPLE.com", "Al.Ice+x@example.com"),
            ("é@bücher.example", "é@xn--bcher-kva.example"),
            ("e\u{301}@B\u{75}\u{308}CHER.example", "é@xn--bcher-kva.example"),
            ("a@faß.example", "a@xn--fa-hia.example"),
            (" \t\u{a0}a@b.com\n", "a@b.com"),
            ("a@localhost", "a@localhost"),
        ] {
            assert_eq!(Email::parse(given).map(|email| email.0), Ok(kept.to_owned()));
        }
    }

    #[test]
    fn addresses_of_one_mailbox_fold_to_one() {
        for (one, other) in [
            ("Alice@Example.com", "aLICE@eXAMPLE.COM"),
            ("STRASSE@example.com", "straße@example.com"),
            ("a@bücher.example", "A@xn--bcher-kva.example"),
            ("ａ@example.com", "a@ｅxample.com"),
        ] {
            assert_eq!(fold_address(one), fold_address(other));
        }
        assert_ne!(fold_address("a@example.com"), fold_address("b@example.com"));
        assert_ne!(fold_address("a@fass.example"), fold_address("a@faß.example"), "two domains, and two owners (UTS 46)");
        assert_eq!(fold_address("STRASSE"), "strasse");
    }
}
