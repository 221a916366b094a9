//! What a message says, and its signature, as Standard Webhooks has it.

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

/// The body of a message: the same whenever it is sent.
#[derive(Debug, Serialize)]
pub(super) struct Body<'a> {
    #[serde(rename = "type")]
    pub(super) event: &'a str,
    pub(super) timestamp: Timestamp,
    pub(super) data: &'a Value,
}

/// The header `webhook-signature`: one signature for each key.
pub(super) fn signatures(keys: &[hmac::Key], id: &str, sent_at: i64, body: &[u8]) -> String {
    let head = format!("{id}.{sent_at}.");
    let one = |key: &hmac::Key| {
        let mut signing = hmac::Context::with_key(key);
        signing.update(head.as_bytes());
        signing.update(body);
        format!("v1,{}", STANDARD.encode(signing.sign()))
    };
    keys.iter().map(one).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_the_one_of_the_specification() {
        // The example of the libraries of Standard Webhooks.
        let key = STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let key = hmac::Key::new(hmac::HMAC_SHA256, &key);
        let (id, body) = ("msg_p5jXN8AQM9LWM0D4loKWxJek", br#"{"test": 2432232314}"#);
        let expected = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
        assert_eq!(signatures(std::slice::from_ref(&key), id, 1_614_265_330, body), expected);
        let both = signatures(&[key.clone(), key], id, 1_614_265_330, body);
        assert_eq!(both, format!("{expected} {expected}"));
    }
}
