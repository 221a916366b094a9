//! An authenticator in software: it makes and uses one passkey (WebAuthn, ES256, no attestation),
//! as the client and the authenticator do together. What it says is the test's to bend.

use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::test_server::TestServer;

/// A device with a passkey.
pub struct SoftKey {
    key: EcdsaKeyPair,
    credential: Vec<u8>,
    handle: Option<String>,
    /// The page that asks, as the browser says.
    pub origin: String,
    /// The domain that the passkey is made for; that of the options, unless it is bent.
    pub rp_id: Option<String>,
    /// How many times it has signed; it does not count where this is `None`.
    pub count: Option<u32>,
    /// Whether it asks for a finger.
    pub verifies_user: bool,
    /// Whether the passkey may be copied to the user's other devices, and is.
    pub is_synchronised: bool,
}

impl SoftKey {
    /// A new device, in front of a page of the server's own.
    ///
    /// # Panics
    /// When the cryptographic library fails.
    pub fn new(server: &TestServer) -> Self {
        Self::at(&format!("http://localhost:{}", server.address().port()))
    }

    /// The same in front of a page of this origin.
    ///
    /// # Panics
    /// When the cryptographic library fails.
    pub fn at(origin: &str) -> Self {
        let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).expect("a key");
        let credential = digest(&SHA256, key.public_key().as_ref()).as_ref().to_vec();
        Self {
            key,
            credential,
            handle: None,
            origin: origin.to_owned(),
            rp_id: None,
            count: Some(0),
            verifies_user: true,
            is_synchronised: false,
        }
    }

    /// What `navigator.credentials.create` gives for these options.
    pub fn make(&mut self, options: &Value) -> Value {
        self.handle = options["user"]["id"].as_str().map(str::to_owned);
        let mut said = self.said(options["rp"]["id"].as_str(), MADE_NOW);
        said.extend([0; 16]);
        said.extend(u16::try_from(self.credential.len()).expect("a length").to_be_bytes());
        said.extend(&self.credential);
        // {1: 2, 3: -7, -1: 1, -2: x, -3: y}: a key on P-256, for ES256.
        let point = self.key.public_key().as_ref();
        said.extend([0xa5, 0x01, 0x02, 0x03, 0x26, 0x20, 0x01, 0x21, 0x58, 0x20]);
        said.extend(&point[1..33]);
        said.extend([0x22, 0x58, 0x20]);
        said.extend(&point[33..]);
        // {"fmt": "none", "attStmt": {}, "authData": said}
        let mut object = b"\xa3\x63fmt\x64none\x67attStmt\xa0\x68authData\x59".to_vec();
        object.extend(u16::try_from(said.len()).expect("a length").to_be_bytes());
        object.extend(said);
        json!({
            "id": encode(&self.credential),
            "rawId": encode(&self.credential),
            "type": "public-key",
            "authenticatorAttachment": "platform",
            "clientExtensionResults": {"credProps": {"rk": true}},
            "response": {
                "clientDataJSON": encode(self.client_data("webauthn.create", options).as_bytes()),
                "attestationObject": encode(&object),
                "transports": ["internal", "carrier-pigeon"],
            },
        })
    }

    /// What `navigator.credentials.get` gives for these options.
    ///
    /// # Panics
    /// When the cryptographic library fails.
    pub fn sign(&mut self, options: &Value) -> Value {
        self.count = self.count.map(|count| count + 1);
        let client_data = self.client_data("webauthn.get", options);
        let said = self.said(options["rpId"].as_str(), 0);
        let mut message = said.clone();
        message.extend(digest(&SHA256, client_data.as_bytes()).as_ref());
        let signature = self.key.sign(&SystemRandom::new(), &message).expect("a signature");
        json!({
            "id": encode(&self.credential),
            "rawId": encode(&self.credential),
            "type": "public-key",
            "authenticatorAttachment": "platform",
            "clientExtensionResults": {},
            "response": {
                "clientDataJSON": encode(client_data.as_bytes()),
                "authenticatorData": encode(&said),
                "signature": encode(signature.as_ref()),
                "userHandle": self.handle,
            },
        })
    }

    /// The handle of the user whose passkey it is.
    pub fn handle(&self) -> &str {
        self.handle.as_deref().unwrap_or_default()
    }

    fn client_data(&self, kind: &str, options: &Value) -> String {
        let (challenge, origin) = (&options["challenge"], &self.origin);
        json!({"type": kind, "challenge": challenge, "origin": origin, "crossOrigin": false})
            .to_string()
    }

    /// The authenticator's own data, without a key.
    fn said(&self, rp_id: Option<&str>, more: u8) -> Vec<u8> {
        let rp_id = self.rp_id.as_deref().or(rp_id).unwrap_or_default();
        let mut said = digest(&SHA256, rp_id.as_bytes()).as_ref().to_vec();
        let verified = if self.verifies_user { USER_VERIFIED } else { 0 };
        let copied = if self.is_synchronised { COPIED } else { 0 };
        said.push(USER_PRESENT | verified | copied | more);
        said.extend(self.count.unwrap_or(0).to_be_bytes());
        said
    }
}

impl fmt::Debug for SoftKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SoftKey").field("count", &self.count).finish_non_exhaustive()
    }
}

fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

const USER_PRESENT: u8 = 0x01;
const USER_VERIFIED: u8 = 0x04;
/// It may be copied, and is.
const COPIED: u8 = 0x08 | 0x10;
const MADE_NOW: u8 = 0x40;
