//! Codes of authenticator apps (RFC 6238): SHA-1, six digits, thirty seconds, one step either way.

use std::fmt;

use qrcode::render::svg;
use qrcode::{EcLevel, QrCode};
use secrecy::{ExposeSecret, SecretBox};
use totp_rs::{Builder, Totp};

use crate::clock::{Random, random_bytes};

/// What an authenticator app and the server share: 160 bits. It is not printed.
pub(crate) struct TotpSecret(SecretBox<[u8; SECRET_BYTES]>);

impl TotpSecret {
    /// A fresh one.
    pub(crate) fn draw(random: &dyn Random) -> Self {
        Self(SecretBox::new(Box::new(random_bytes(random))))
    }

    /// As it was sealed. `None` for another length.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(|bytes| Self(SecretBox::new(Box::new(bytes))))
    }

    /// To be sealed.
    pub(crate) fn bytes(&self) -> &[u8] {
        self.0.expose_secret()
    }

    /// For who types it into an app: base32, in groups of four.
    pub(crate) fn spelled(&self) -> String {
        let text = totp_rs::Secret::from(*self.0.expose_secret()).to_base32();
        text.as_bytes().chunks(4).map(String::from_utf8_lossy).collect::<Vec<_>>().join(" ")
    }

    /// What an app reads: `otpauth://totp/SITE:ACCOUNT?secret=…`. A colon in either would part
    /// them elsewhere, and becomes a blank.
    pub(crate) fn uri(&self, site: &str, account: &str) -> String {
        let plain = |text: &str| text.replace(':', " ");
        let account = Some(plain(account)).filter(|name| !name.is_empty());
        let account = account.unwrap_or_else(|| "user".to_owned());
        let named = Builder::new()
            .with_secret(*self.0.expose_secret())
            .with_account_name(account)
            .with_issuer(Some(plain(site)).filter(|site| !site.is_empty()));
        // It fails for an empty account and for colons alone.
        named.build().and_then(|totp| totp.to_url()).unwrap_or_default()
    }

    /// The step whose code this is, if it is that of now, of the one before or of the next.
    /// `now` is in whole seconds since 1970.
    pub(crate) fn step_of(&self, code: &TotpCode, now: u64) -> Option<u64> {
        self.totp().check(code.0.expose_secret(), now)
    }

    fn totp(&self) -> Totp {
        Builder::new().with_secret(*self.0.expose_secret()).build_noncompliant()
    }
}

impl fmt::Debug for TotpSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TotpSecret(..)")
    }
}

/// What somebody typed: six digits. It is not printed.
pub(crate) struct TotpCode(SecretBox<String>);

impl TotpCode {
    /// Six ASCII digits, with blanks wherever.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        if text.len() > 32 {
            return None;
        }
        let digits: String = text.chars().filter(|c| *c != ' ').collect();
        (digits.len() == DIGITS && digits.bytes().all(|byte| byte.is_ascii_digit()))
            .then(|| Self(SecretBox::new(Box::new(digits))))
    }
}

impl fmt::Debug for TotpCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TotpCode(..)")
    }
}

/// The picture of a text, for a camera: an SVG in black on white, whatever the page's colours.
/// `None` for a text that has no room in one.
pub(crate) fn picture(text: &str) -> Option<String> {
    let code = QrCode::with_error_correction_level(text, EcLevel::M).ok()?;
    let svg = code.render::<svg::Color<'_>>().min_dimensions(240, 240).build();
    // Without the line that says that it is XML: so it stands in a page too.
    Some(svg.split_once("?>").map_or(svg.clone(), |(_, svg)| svg.to_owned()))
}

const SECRET_BYTES: usize = 20;
const DIGITS: usize = 6;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::OsRandom;

    fn of_the_rfc() -> TotpSecret {
        TotpSecret::from_bytes(b"12345678901234567890").unwrap()
    }

    /// RFC 6238, appendix B, of which an app shows the last six digits.
    #[test]
    fn the_codes_are_those_of_the_rfc() {
        for (now, code) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000, "353130"),
        ] {
            let code = TotpCode::parse(code).unwrap();
            assert_eq!(of_the_rfc().step_of(&code, now), Some(now / 30), "{now}");
        }
    }

    #[test]
    fn a_clock_may_be_one_step_off_and_not_two() {
        let (secret, code) = (of_the_rfc(), TotpCode::parse("287082").unwrap());
        for now in [0, 30, 59, 60, 89] {
            assert_eq!(secret.step_of(&code, now), Some(1), "{now}");
        }
        for now in [90, 91, 120] {
            assert_eq!(secret.step_of(&code, now), None, "{now}");
        }
    }

    #[test]
    fn a_code_is_six_digits_and_nothing_else() {
        assert!(TotpCode::parse("287 082").is_some());
        for wrong in ["", "28708", "2870820", "28708a", "-28708", "٢٨٧٠٨٢", &"1".repeat(40)] {
            assert!(TotpCode::parse(wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn an_app_reads_where_it_belongs_and_no_name_breaks_that() {
        let secret = of_the_rfc();
        assert_eq!(
            secret.uri("id.example.com", "ada@example.com"),
            "otpauth://totp/id.example.com:ada%40example.com?secret=\
             GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=id.example.com"
        );
        assert!(secret.uri("a:b", "c:d").starts_with("otpauth://totp/a%20b:c%20d?"));
        assert!(secret.uri("", "").starts_with("otpauth://totp/user?"));
        assert_eq!(secret.spelled(), "GEZD GNBV GY3T QOJQ GEZD GNBV GY3T QOJQ");
    }

    #[test]
    fn the_picture_is_a_square_of_black_and_white_without_a_script() {
        let svg = picture(&of_the_rfc().uri("id.example.com", &"a".repeat(150))).unwrap();
        assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>"), "{}", &svg[..80]);
        assert!(!svg.contains("script") && !svg.contains("otpauth"));
        assert!(picture(&"a".repeat(4_000)).is_none());
    }

    #[test]
    fn no_secret_is_printed_and_no_two_are_drawn() {
        let (one, other) = (TotpSecret::draw(&OsRandom), TotpSecret::draw(&OsRandom));
        assert_ne!(one.bytes(), other.bytes());
        let code = TotpCode::parse("123456").unwrap();
        assert_eq!(format!("{one:?} {code:?}"), "TotpSecret(..) TotpCode(..)");
    }
}
