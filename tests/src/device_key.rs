//! A device's key in software, and what a browser does with it that binds its sessions.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::browser::Browser;
use crate::http::Response;

/// A P-256 key.
#[derive(Debug)]
pub struct DeviceKey(EcdsaKeyPair);

impl DeviceKey {
    /// A fresh one.
    ///
    /// # Panics
    /// When there is none to be had.
    pub fn new() -> Self {
        Self(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("a key"))
    }

    /// Its public half (RFC 7517).
    pub fn jwk(&self) -> Value {
        let (x, y) = self.0.public_key().as_ref()[1..].split_at(32);
        let [x, y] = [x, y].map(|number| URL_SAFE_NO_PAD.encode(number));
        json!({ "kty": "EC", "crv": "P-256", "x": x, "y": y })
    }

    /// A signed document.
    ///
    /// # Panics
    /// When it cannot be signed.
    pub fn sign(&self, header: &Value, claims: &Value) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let message = format!("{}.{}", part(header), part(claims));
        let signature = self.0.sign(&SystemRandom::new(), message.as_bytes()).expect("signed");
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    /// A browser's proof of a challenge; with the key, where it is offered.
    pub fn proof(&self, challenge: &str, is_offered: bool) -> String {
        let mut header = json!({ "typ": "dbsc+jwt", "alg": "ES256" });
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
