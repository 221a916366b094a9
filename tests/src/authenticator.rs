//! An authenticator app: RFC 6238, written here once more, so that the server's is not tested
//! against itself.

use aws_lc_rs::hmac;
use serde_json::Value;

use crate::http::Response;

/// An app with one secret in it.
#[derive(Debug, Clone)]
pub struct Authenticator {
    secret: Vec<u8>,
}

impl Authenticator {
    /// With the secret as somebody types it in: base32, with blanks.
    ///
    /// # Panics
    /// When it is none.
    pub fn typed(text: &str) -> Self {
        let (mut bits, mut held, mut secret) = (0u32, 0, Vec::new());
        for letter in text.chars().filter(|c| *c != ' ') {
            let value = match letter {
                'A'..='Z' => letter as u32 - 'A' as u32,
                '2'..='7' => letter as u32 - '2' as u32 + 26,
                other => panic!("{other:?} is no base32"),
            };
            bits = (bits << 5 | value) & 0xfff;
            held += 5;
            if held >= 8 {
                held -= 8;
                secret.push(u8::try_from(bits >> held & 0xff).expect("a byte"));
            }
        }
        assert_eq!(secret.len(), 20, "160 bits");
        Self { secret }
    }

    /// With the secret that an answer of `POST /accounts/factors/totp` offers.
    pub fn offered(answer: &Response) -> Self {
        let json: Value = answer.json();
        Self::typed(json["secret"].as_str().expect("a secret"))
    }

    /// What it shows at `now`, in seconds since 1970.
    ///
    /// # Panics
    /// Never.
    pub fn code(&self, now: u64) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &self.secret);
        let tag = hmac::sign(&key, &(now / 30).to_be_bytes());
        let tag = tag.as_ref();
        let at = usize::from(tag[tag.len() - 1] & 15);
        let four: [u8; 4] = tag[at..at + 4].try_into().expect("four bytes");
        format!("{:06}", (u32::from_be_bytes(four) & 0x7fff_ffff) % 1_000_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6238, appendix B: the last six digits.
    #[test]
    fn it_shows_the_codes_of_the_rfc() {
        let app = Authenticator::typed("GEZD GNBV GY3T QOJQ GEZD GNBV GY3T QOJQ");
        for (now, code) in [(59, "287082"), (1_111_111_109, "081804"), (20_000_000_000, "353130")] {
            assert_eq!(app.code(now), code);
        }
    }
}
