//! Passkeys: what a browser is asked to sign, and whether it has (WebAuthn, level 3).
//!
//! The ceremonies themselves are the library's: this says what of them is wanted here. A passkey
//! is found again by the user without a name typed, and its authenticator verifies the user.

#[cfg(feature = "passkeys")]
mod challenge;
#[cfg(feature = "passkeys")]
mod webauthn;
#[cfg(not(feature = "passkeys"))]
mod without;

use std::fmt;

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use url::Url;

#[cfg(feature = "passkeys")]
pub(crate) use webauthn::Passkeys;
#[cfg(not(feature = "passkeys"))]
pub(crate) use without::Passkeys;

use super::FactorId;
use crate::token::Secrets;
use crate::user::UserId;

/// What a browser shows: the JSON of a `PublicKeyCredential`. Nothing of it is checked yet. It does
/// not print.
pub(crate) struct PasskeyShown {
    /// Which challenge it says that it has signed.
    pub(crate) challenge: FactorId,
    /// All of it.
    asked: Vec<u8>,
    /// Which passkey it says it is, as its authenticator names it.
    pub(crate) credential: Vec<u8>,
    /// Whose passkey it says it is.
    pub(crate) handle: Option<Vec<u8>>,
    json: Value,
}

impl PasskeyShown {
    /// `None` for what is none at all.
    pub(crate) fn read(json: Value) -> Option<Self> {
        let bytes = |text: &Value| URL_SAFE_NO_PAD.decode(text.as_str()?).ok();
        let credential = bytes(&json["rawId"])?;
        let said: Value =
            serde_json::from_slice(&bytes(&json["response"]["clientDataJSON"])?).ok()?;
        let asked = bytes(&said["challenge"])?;
        let challenge = challenge_id(&asked)?;
        let handle = bytes(&json["response"]["userHandle"]);
        let is_one = !credential.is_empty() && credential.len() <= CREDENTIAL_BYTES;
        is_one.then_some(Self { challenge, asked, credential, handle, json })
    }
}

impl fmt::Debug for PasskeyShown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasskeyShown(..)")
    }
}

/// Whose passkeys they are.
pub(crate) struct Site<'a> {
    /// The server: of several on one secret, none takes what another has asked for.
    pub(crate) server: &'a str,
    /// The domain that they belong to, if there is one.
    pub(crate) rp_id: Option<&'a str>,
    /// What browsers call it.
    pub(crate) name: &'a str,
    /// Where its pages are.
    pub(crate) url: &'a Url,
    /// The other origins whose pages and apps may use them.
    pub(crate) origins: &'a [Url],
}

/// What a browser is asked for, who shall make a passkey.
pub(crate) struct Asked {
    /// For the browser: what `navigator.credentials.create` is called with, as JSON.
    pub(crate) options: Value,
    /// The challenge's id.
    pub(crate) challenge: FactorId,
    /// What the answer is checked against.
    pub(crate) state: Vec<u8>,
}

/// A passkey that was made just now.
pub(crate) struct NewPasskey {
    /// What its signatures are checked with. To be sealed.
    pub(crate) record: Vec<u8>,
    /// Its id, as its authenticator names it.
    pub(crate) credential: Vec<u8>,
    pub(crate) signed: Signed,
}

/// What an authenticator has said and signed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Signed {
    /// The count of its signatures; 0 where it does not count.
    pub(crate) count: u32,
    /// Whether its provider has a copy of it.
    pub(crate) is_backed_up: bool,
    /// Whether it does not leave its hardware.
    pub(crate) is_in_hardware: bool,
    /// Whether the authenticator has verified that it is its owner.
    pub(crate) is_user_verified: bool,
}

/// A challenge that was signed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Answered {
    /// The first bits of it, under which its use is noted.
    pub(crate) challenge: FactorId,
    /// Until when it may be answered, in seconds since 1970.
    pub(crate) until: u64,
}

/// Why a signature does not count.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotSigned {
    /// It is not what was asked for.
    #[error("{0}")]
    Wrong(String),
    /// It is right, but its count is no higher than the last one: somebody has a copy.
    #[error("the passkey's count went back")]
    Copied,
}

/// The handle by which a user's passkeys are known to their authenticators: 16 bytes that say
/// nothing of the user, and are the same for each of them.
pub(crate) struct Handles {
    key: hmac::Key,
}

impl Handles {
    pub(crate) fn new(secrets: &Secrets) -> Self {
        Self { key: hmac::Key::new(hmac::HMAC_SHA256, secrets.handles()) }
    }

    pub(crate) fn of(&self, user: UserId) -> [u8; HANDLE_BYTES] {
        let tag = hmac::sign(&self.key, user.to_string().as_bytes());
        let mut handle = [0; HANDLE_BYTES];
        handle.copy_from_slice(&tag.as_ref()[..HANDLE_BYTES]);
        handle
    }
}

impl fmt::Debug for Handles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Handles(..)")
    }
}

/// The id under which a challenge is kept: its first bits. All of them are compared later.
fn challenge_id(challenge: &[u8]) -> Option<FactorId> {
    let first: [u8; 8] = challenge.get(..8)?.try_into().ok()?;
    FactorId::new(i64::from_be_bytes(first) & i64::MAX)
}

/// How long a browser has for an answer, in seconds.
pub(crate) const CHALLENGE_SECONDS: u64 = 5 * 60;

const HANDLE_BYTES: usize = 16;

/// The longest name that an authenticator may give a passkey.
const CREDENTIAL_BYTES: usize = 1023;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_a_browser_shows_names_its_challenge_and_its_passkey() {
        let said = json!({"type": "webauthn.get", "challenge": "AAAAAAAAAAcAAAAAAAAAAA"});
        let shown = |said: &Value| {
            let said = URL_SAFE_NO_PAD.encode(said.to_string());
            PasskeyShown::read(json!({
                "rawId": "AQID", "response": {"clientDataJSON": said, "userHandle": "BA"},
            }))
        };
        let read = shown(&said).unwrap();
        assert_eq!(read.challenge, FactorId::new(7).unwrap());
        assert_eq!((read.credential, read.handle), (vec![1, 2, 3], Some(vec![4])));
        for wrong in [json!({}), json!({"challenge": "AAAA"}), json!({"challenge": 7}), json!(7)] {
            assert!(shown(&wrong).is_none(), "{wrong}");
        }
        for wrong in [json!({}), json!({"rawId": "AQID"}), json!([]), json!("text")] {
            assert!(PasskeyShown::read(wrong).is_none());
        }
    }

    #[test]
    fn a_handle_is_the_same_for_a_user_and_another_for_another() {
        let handles = |letter: &str| Handles::new(&Secrets::from_text(&letter.repeat(32)).unwrap());
        let (one, other) = (UserId::new(1), UserId::new(2));
        assert_eq!(handles("a").of(one), handles("a").of(one));
        assert_ne!(handles("a").of(one), handles("a").of(other));
        assert_ne!(handles("a").of(one), handles("b").of(one));
    }
}
