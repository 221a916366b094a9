//! A device's key in software, and what a browser does with it that binds its sessions.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::browser::Browser;
use crate::http::Response;

/// A key in software: of P-256, or of Ed25519, which native clients may have too.
#[derive(Debug)]
pub struct DeviceKey(Pair);

#[derive(Debug)]
enum Pair {
    Ec(EcdsaKeyPair),
    Ed(Ed25519KeyPair),
}

impl DeviceKey {
    /// A fresh one of P-256.
    ///
    /// # Panics
    /// When there is none to be had.
    pub fn new() -> Self {
        Self(Pair::Ec(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("a key")))
    }

    /// A fresh one of Ed25519.
    ///
    /// # Panics
    /// When there is none to be had.
    pub fn ed25519() -> Self {
        Self(Pair::Ed(Ed25519KeyPair::generate().expect("a key")))
    }

    /// What it signs with.
    pub const fn algorithm(&self) -> &'static str {
        match &self.0 {
            Pair::Ec(_) => "ES256",
            Pair::Ed(_) => "EdDSA",
        }
    }

    /// Its public half (RFC 7517).
    pub fn jwk(&self) -> Value {
        match &self.0 {
            Pair::Ec(pair) => {
                let (x, y) = pair.public_key().as_ref()[1..].split_at(32);
                let [x, y] = [x, y].map(|number| URL_SAFE_NO_PAD.encode(number));
                json!({ "kty": "EC", "crv": "P-256", "x": x, "y": y })
            }
            Pair::Ed(pair) => {
                let x = URL_SAFE_NO_PAD.encode(pair.public_key().as_ref());
                json!({ "kty": "OKP", "crv": "Ed25519", "x": x })
            }
        }
    }

    /// A signed document.
    ///
    /// # Panics
    /// When it cannot be signed.
    pub fn sign(&self, header: &Value, claims: &Value) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let message = format!("{}.{}", part(header), part(claims));
        format!("{message}.{}", self.signature(&message))
    }

    /// The signature of a text.
    ///
    /// # Panics
    /// When it cannot be signed.
    pub fn signature(&self, message: &str) -> String {
        let signature = match &self.0 {
            Pair::Ec(pair) => {
                let signed = pair.sign(&SystemRandom::new(), message.as_bytes());
                signed.expect("signed").as_ref().to_vec()
            }
            Pair::Ed(pair) => pair.sign(message.as_bytes()).as_ref().to_vec(),
        };
        URL_SAFE_NO_PAD.encode(signature)
    }

    /// A native client's proof of a request (RFC 9449).
    pub fn dpop(&self, claims: &Value) -> String {
        let (alg, jwk) = (self.algorithm(), self.jwk());
        self.sign(&json!({ "typ": "dpop+jwt", "alg": alg, "jwk": jwk }), claims)
    }

    /// A browser's proof of a challenge; with the key, where it is offered.
    pub fn proof(&self, challenge: &str, is_offered: bool) -> String {
        let mut header = json!({ "typ": "dbsc+jwt", "alg": self.algorithm() });
        if is_offered {
            header["jwk"] = self.jwk();
        }
        self.sign(&header, &json!({ "jti": challenge }))
    }
}

impl Default for DeviceKey {
    fn default() -> Self {
        Self::new()
    }
}

impl Browser {
    /// Offers a key for the session, as a browser does when an answer says so.
    pub fn device_start(&mut self, key: &DeviceKey, challenge: &str) -> Response {
        let request = self
            .bare("POST", "/accounts/device/start")
            .header("Secure-Session-Response", key.proof(challenge, true));
        self.send(&request)
    }

    /// Asks for a challenge, or sends a proof.
    pub fn device_refresh(&mut self, session: &str, proof: Option<&str>) -> Response {
        let request = self
            .bare("POST", "/accounts/device/refresh")
            .header("Sec-Secure-Session-Id", format!("\"{session}\""));
        let request = match proof {
            Some(proof) => request.header("Secure-Session-Response", proof),
            None => request,
        };
        self.send(&request)
    }

    /// Asks for a challenge and signs it.
    ///
    /// # Panics
    /// When it gets none.
    pub fn prove(&mut self, session: &str, key: &DeviceKey) -> Response {
        let asked = self.device_refresh(session, None).expect_problem(403, "device_proof_required");
        let challenge = challenge(&asked).expect("a challenge");
        self.device_refresh(session, Some(&key.proof(&challenge, false)))
    }
}

/// The challenge of an offer to bind a session.
pub fn offer(response: &Response) -> Option<String> {
    quoted(response.header("secure-session-registration")?, "challenge=")
}

/// The challenge that is to be signed.
pub fn challenge(response: &Response) -> Option<String> {
    quoted(response.header("secure-session-challenge")?, "")
}

fn quoted(header: &str, before: &str) -> Option<String> {
    let rest = header.split_once(&format!("{before}\""))?.1;
    Some(rest.split('"').next()?.to_owned())
}
