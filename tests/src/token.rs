//! Tokens taken apart, and tokens that somebody with the right key would never make.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

use crate::test_server::TestServer;

/// The three segments of a token.
///
/// # Panics
/// When it has not three.
pub fn segments(token: &str) -> [String; 3] {
    let parts: Vec<String> = token.split('.').map(str::to_owned).collect();
    parts.try_into().unwrap_or_else(|parts| panic!("not three segments: {parts:?}"))
}

/// What a token says, unverified.
///
/// # Panics
/// When it is no token.
pub fn claims_of(token: &str) -> Value {
    let payload = URL_SAFE_NO_PAD.decode(&segments(token)[1]).expect("base64url");
    serde_json::from_slice(&payload).expect("JSON")
}

/// Signs with the server's own key, so that nothing but the one thing that a test bends is wrong.
#[derive(Debug)]
pub struct Forge {
    kid: String,
    key: EncodingKey,
    public_x: Vec<u8>,
}

impl Forge {
    /// Takes the signing key out of the server's store with `countersign keys export --private`.
    ///
    /// # Panics
    /// When that does not work.
    pub fn of(server: &TestServer) -> Self {
        let keys: Value =
            serde_json::from_str(&server.cli(&["keys", "list", "--json"]).ok()).expect("JSON");
        let kid = keys.as_array().expect("a list").last().expect("a key")["kid"]
            .as_str()
            .expect("a kid")
            .to_owned();
        let pem = server.cli(&["keys", "export", &kid, "--private"]).ok();
        let jwks = server.get("/.well-known/jwks.json").json();
        let x = jwks["keys"][0]["x"].as_str().expect("an Ed25519 key");
        Self {
            key: EncodingKey::from_ed_pem(pem.as_bytes()).expect("a private key"),
            public_x: URL_SAFE_NO_PAD.decode(x).expect("base64url"),
            kid,
        }
    }

    /// The key's id.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The public key's bytes, which an attacker knows.
    pub fn public_key(&self) -> &[u8] {
        &self.public_x
    }

    /// The header of a good access token.
    pub fn header(&self) -> Value {
        json!({"typ": "at+jwt", "alg": "EdDSA", "kid": self.kid})
    }

    /// Signs any header and any payload, byte for byte.
    ///
    /// # Panics
    /// Never, with a good key.
    pub fn sign(&self, header: &str, payload: &str) -> String {
        self.seal(&format!(
            "{}.{}",
            URL_SAFE_NO_PAD.encode(header),
            URL_SAFE_NO_PAD.encode(payload)
        ))
    }

    /// Signs whatever stands before the last dot, however it is encoded.
    ///
    /// # Panics
    /// Never, with a good key.
    pub fn seal(&self, message: &str) -> String {
        let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &self.key, Algorithm::EdDSA)
            .expect("a signature");
        format!("{message}.{signature}")
    }

    /// A token with HS256 under a key that an attacker knows.
    ///
    /// # Panics
    /// Never.
    pub fn hs256(&self, claims: &Value, key: &[u8]) -> String {
        let mut header = Header::new(Algorithm::HS256);
        header.typ = Some("at+jwt".to_owned());
        header.kid = Some(self.kid.clone());
        jsonwebtoken::encode(&header, claims, &EncodingKey::from_secret(key)).expect("a token")
    }
}
