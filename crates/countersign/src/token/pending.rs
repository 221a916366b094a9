use std::fmt;

use countersign_verify::{Algorithm, jws};
use jsonwebtoken::{DecodingKey, Header};
use serde::{Deserialize, Serialize};

use super::Secrets;
use super::signer::{Signer, Unsigned};

/// What the token of a sign-in says that waits for a second factor. Times are whole seconds since
/// 1970.
///
/// It begins nothing by itself: what it says of the user's row must still be so, and how often it
/// was tried is in the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PendingClaims {
    /// Whose tokens the session's will be: the issuer, and the audience if there is one.
    pub(crate) iss: String,
    /// Its own id.
    pub(crate) jti: String,
    /// The user's id.
    pub(crate) sub: String,
    /// Through which door: `cookie`, `body`, or `pages` for those of an app's own.
    pub(crate) door: String,
    /// The user's row as it was: the fingerprint, in hexadecimal.
    pub(crate) row: String,
    /// What was proved: words with blanks between.
    pub(crate) amr: String,
    /// SHA-256, in hexadecimal, of what the browser keeps in a cookie.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) browser: Option<String>,
    /// The device from which the user has logged in before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) device: Option<u64>,
    /// What the user calls the device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) device_name: Option<String>,
    /// Whether the session is not to outlive the browser.
    #[serde(rename = "short", default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) is_short: bool,
    /// A native client's key, in hexadecimal: the sign-in goes on with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) key: Option<String>,
    /// When it was issued.
    pub(crate) iat: u64,
    /// When it ends.
    pub(crate) exp: u64,
}

/// Signs and verifies them: JWT with `typ: pt+jwt`, HS256 under a key of their own.
pub(crate) struct PendingTokens {
    header: Header,
    signer: Signer,
    verifying: DecodingKey,
}

impl PendingTokens {
    pub(crate) fn new(secrets: &Secrets) -> Self {
        let mut header = Header::new(ALGORITHM);
        header.typ = Some(TYPE.to_owned());
        Self {
            header,
            signer: Signer::hmac(secrets.pending()),
            verifying: DecodingKey::from_secret(secrets.pending()),
        }
    }

    /// Signs one. `None` when the cryptographic library cannot.
    pub(crate) fn sign(&self, claims: &PendingClaims) -> Option<String> {
        jws::encode(&self.header, claims, |message| self.signer.sign(message))
            .map_err(|Unsigned| ())
            .ok()
    }

    /// What a token of ours says, whose time is not over.
    pub(crate) fn verify(&self, token: &str, now: u64) -> Option<PendingClaims> {
        if token.len() > MAX_BYTES {
            return None;
        }
        let (header, claims) =
            jws::decode::<PendingClaims>(token, &self.verifying, ALGORITHM).ok()?;
        let is_ours = header.typ.as_deref() == Some(TYPE) && header.crit.is_none();
        (is_ours && now < claims.exp).then_some(claims)
    }
}

impl fmt::Debug for PendingTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PendingTokens(..)")
    }
}

const TYPE: &str = "pt+jwt";

const ALGORITHM: Algorithm = Algorithm::HS256;

/// Ours have about 500 bytes; a user's id and a device's name may be long.
const MAX_BYTES: usize = 2048;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::SessionId;
    use crate::session::rotation::Jti;
    use crate::token::{RefreshClaims, RefreshTokens};

    fn claims() -> PendingClaims {
        PendingClaims {
            iss: "https://id.example.com".to_owned(),
            jti: "00000000000000ff".to_owned(),
            sub: "7".to_owned(),
            door: "cookie".to_owned(),
            row: "ab".repeat(32),
            amr: "pwd".to_owned(),
            browser: None,
            device: Some(u64::MAX),
            device_name: None,
            is_short: false,
            key: None,
            iat: 1_000,
            exp: 1_300,
        }
    }

    #[test]
    fn a_token_is_good_until_its_second_and_under_its_own_key() {
        let tokens =
            |letter: &str| PendingTokens::new(&Secrets::from_text(&letter.repeat(32)).unwrap());
        let (ours, theirs) = (tokens("p"), tokens("q"));
        let token = ours.sign(&claims()).unwrap();
        assert_eq!(ours.verify(&token, 1_299), Some(claims()));
        assert_eq!(ours.verify(&token, 1_300), None);
        assert_eq!(theirs.verify(&token, 1_000), None);
        for broken in ["", "a.b.c", &token[1..], &format!("{token}A"), &"a".repeat(5_000)] {
            assert_eq!(ours.verify(broken, 1_000), None, "{broken}");
        }
    }

    #[test]
    fn only_a_short_token_of_the_right_type_that_demands_nothing_is_one() {
        let secrets = Secrets::from_text(&"p".repeat(32)).unwrap();
        let tokens = PendingTokens::new(&secrets);
        let forged = |change: &dyn Fn(&mut Header), pad: usize| {
            let mut header = Header::new(ALGORITHM);
            header.typ = Some(TYPE.to_owned());
            change(&mut header);
            let claims = PendingClaims { door: "x".repeat(pad), ..claims() };
            let signer = Signer::hmac(secrets.pending());
            jws::encode(&header, &claims, |message| signer.sign(message)).map_err(|_| ()).unwrap()
        };
        assert!(tokens.verify(&forged(&|_| {}, 0), 1_000).is_some());
        let other_type = forged(&|header| header.typ = Some("rt+jwt".to_owned()), 0);
        let demands = forged(&|header| header.crit = Some(vec!["b64".to_owned()]), 0);
        for wrong in [other_type, demands] {
            assert_eq!(tokens.verify(&wrong, 1_000), None, "{wrong}");
        }
        for pad in 1_150..1_400 {
            let token = forged(&|_| {}, pad);
            let is_good = tokens.verify(&token, 1_000).is_some();
            assert_eq!(is_good, token.len() <= 2_048, "{} bytes", token.len());
        }
        assert_eq!(format!("{tokens:?}"), "PendingTokens(..)");
    }

    #[test]
    fn it_is_no_refresh_token_and_no_refresh_token_is_one() {
        let secrets = Secrets::from_text(&"p".repeat(32)).unwrap();
        let (pending, refresh) = (PendingTokens::new(&secrets), RefreshTokens::new(&secrets));
        let token = pending.sign(&claims()).unwrap();
        assert!(refresh.verify(&token, 1_000).is_err());
        let session = SessionId::new(7).unwrap();
        let jti = Jti([1; 16]);
        let claims = RefreshClaims {
            sid: session,
            generation: 0,
            jti,
            parent: None,
            iat: 1_000,
            exp: 1_300,
            is_short: false,
        };
        assert_eq!(pending.verify(&refresh.sign(&claims).unwrap(), 1_000), None);
    }
}
