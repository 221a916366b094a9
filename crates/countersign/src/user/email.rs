//! E-mail addresses, kept as their owner writes them but for the form of the domain.

use std::fmt;
use std::net::IpAddr;

use serde::Serialize;
use unicode_normalization::UnicodeNormalization;

use super::username::fold;

/// An e-mail address of at most 254 bytes (RFC 5321, 4.5.3.1.3), without blanks around it, in NFC,
/// its domain in lower case and in the form that name servers know (IDNA).
///
/// The rules are those of Django's `EmailValidator`, so that neither side refuses what the other
/// has taken; beside them, letters of any script may stand before the `@`.
///
/// ```
/// use countersign::user::Email;
///
/// assert_eq!(Email::parse("Alice@Example.COM").unwrap().as_str(), "Alice@example.com");
/// assert_eq!(
///     Email::parse(" alice@bücher.example ").unwrap().as_str(),
///     "alice@xn--bcher-kva.example"
/// );
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
        let domain = known_domain(domain).ok_or(EmailError::Shape)?;
        if !(is_dotted(local) || is_quoted(local)) {
            return Err(EmailError::Shape);
        }
        let address = format!("{local}@{domain}");
        if address.len() > MAX_BYTES { Err(EmailError::TooLong) } else { Ok(Self(address)) }
    }

    /// The address.
    ///
    /// ```
    /// assert_eq!(
    ///     countersign::user::Email::parse("Ada@EXAMPLE.com").unwrap().as_str(),
    ///     "Ada@example.com"
    /// );
    /// ```
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Words with dots between them (`dot-atom`, RFC 5322, 3.2.3; letters of any script, RFC 6531,
/// 3.3).
fn is_dotted(local: &str) -> bool {
    let is_word = |word: &str| {
        !word.is_empty()
            && word.chars().all(|c| c.is_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c))
    };
    local.split('.').all(is_word)
}

/// A text in quotation marks, with backslashes before what could not stand there (`quoted-string`,
/// RFC 5322, 3.2.4), without blanks: as Django reads it.
fn is_quoted(local: &str) -> bool {
    let Some(text) = local.strip_prefix('"').and_then(|text| text.strip_suffix('"')) else {
        return false;
    };
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        let is_good = match byte {
            b'\\' => bytes.next().is_some_and(|next| matches!(next, 1..=9 | 11 | 12 | 14..=127)),
            _ => matches!(byte, 1..=8 | 11 | 12 | 14..=31 | b'!' | b'#'..=b'[' | b']'..=127),
        };
        if !is_good {
            return false;
        }
    }
    true
}

/// The domain as name servers know it: `localhost`, a name of several labels, in any script, or an
/// address in brackets.
fn known_domain(text: &str) -> Option<String> {
    if let Some(address) = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')) {
        return address.parse::<IpAddr>().ok().map(|_| text.to_lowercase());
    }
    idna::domain_to_ascii(text).ok().filter(|domain| domain == "localhost" || is_name(domain))
}

fn is_name(domain: &str) -> bool {
    let is_made_of_letters = |label: &str| {
        label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') && !label.ends_with('-')
    };
    let is_label = |label: &str| {
        (1..=63).contains(&label.len()) && is_made_of_letters(label) && !label.starts_with('-')
    };
    domain.rsplit_once('.').is_some_and(|(before, last)| {
        (2..=63).contains(&last.len())
            && is_made_of_letters(last)
            && before.split('.').all(is_label)
    })
}

impl fmt::Display for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What two addresses have in common that name one mailbox as far as anybody can say: both are
/// compared by it, wherever addresses are compared. The domain is in the form that name servers
/// know, in whichever the address is written; the rest is folded like a user name.
///
/// ```
/// use countersign::user::fold_address;
///
/// assert_eq!(
///     fold_address("STRASSE@bücher.example"),
///     fold_address("straße@XN--BCHER-KVA.example")
/// );
/// ```
pub fn fold_address(text: &str) -> String {
    match text.rsplit_once('@').filter(|_| text.len() <= 4 * MAX_BYTES) {
        Some((local, domain)) => {
            format!(
                "{}@{}",
                fold(local),
                idna::domain_to_ascii(domain).unwrap_or_else(|_| fold(domain))
            )
        }
        None => fold(text),
    }
}

/// The foldings that a user name has if it reads as this address: with the domain as name servers
/// know it, and as people write it.
#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub(crate) fn names_like(address: &str) -> [String; 2] {
    let written = address
        .rsplit_once('@')
        .map(|(local, domain)| format!("{local}@{}", idna::domain_to_unicode(domain).0));
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
#[non_exhaustive]
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
        for bad in [
            "",
            "a",
            "@b.com",
            "a@",
            "a@b",
            "a@@b.com",
            "a b@c.com",
            "a@b..com",
            "a@-b.com",
            ".a@b.com",
            "a\0@b.com",
            "a@b .com",
        ] {
            assert_eq!(Email::parse(bad), Err(EmailError::Shape), "{bad:?}");
        }
        assert_eq!(Email::parse(&format!("a@{}.com", "b".repeat(260))), Err(EmailError::TooLong));
    }

    /// The addresses of Django's own tests (`tests/validators/tests.py`), as far as they are no
    /// longer than ours may be.
    #[test]
    fn an_address_is_one_where_django_says_so() {
        for good in [
            "email@here.com",
            "weirder-email@here.and.there.com",
            "email@[127.0.0.1]",
            "email@[2001:dB8::1]",
            "email@[2001:dB8:0:0:0:0:0:1]",
            "email@[::fffF:127.0.0.1]",
            "example@valid-----hyphens.com",
            "example@valid-with-hyphens.com",
            "test@domain.with.idn.tld.उदाहरण.परीक्षा",
            "email@localhost",
            "\"test@test\"@example.com",
            "example@atm.aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
            "example@aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.atm",
            "\"\\\u{b}\"@here.com",
        ] {
            assert!(Email::parse(good).is_ok(), "{good:?}");
        }
        for bad in [
            "abc",
            "abc@",
            "abc@bar",
            "a @x.cz",
            "abc@.com",
            "something@@somewhere.com",
            "email@127.0.0.1",
            "email@[127.0.0.256]",
            "email@[2001:db8::12345]",
            "email@[2001:db8:0:0:0:0:1]",
            "email@[::ffff:127.0.0.256]",
            "email@[2001:dg8::1]",
            "email@[2001:dG8:0:0:0:0:0:1]",
            "email@[::fTzF:127.0.0.1]",
            "example@invalid-.com",
            "example@-invalid.com",
            "example@invalid.com-",
            "example@inv-.alid-.com",
            "example@inv-.-alid.com",
            "test@example.com\n\n<script src=\"x.js\">",
            "\"\\\u{b}\"@here.com\\",
            "\"\\\n\"@here.com",
            "trailingdot@shouldfail.com.",
            "a@b.com\n, c@d.com",
            "\"test@test\"\n@example.com",
        ] {
            assert!(Email::parse(bad).is_err(), "{bad:?}");
        }
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
        assert_ne!(
            fold_address("a@fass.example"),
            fold_address("a@faß.example"),
            "two domains, and two owners (UTS 46)"
        );
        assert_eq!(fold_address("STRASSE"), "strasse");
    }
}
