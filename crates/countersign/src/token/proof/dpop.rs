use serde::Deserialize;
use url::Url;

use super::jws::DeviceJws;
use super::key::DeviceKey;

/// A native client's proof (DPoP, RFC 9449) of one request: the signature is good, and the request
/// is the one that it was made for. Whether it is new is still to be asked.
#[derive(Debug, Clone)]
pub(crate) struct DpopProof {
    pub(crate) key: DeviceKey,
    /// The challenge, if it answers one.
    pub(crate) nonce: Option<String>,
    /// When it was made, by the client's clock: whole seconds since 1970.
    iat: u64,
}

/// What it says (RFC 9449, 4.2).
#[derive(Deserialize)]
struct Claims {
    /// Its id. The challenge is what makes it good once; who has none gets one.
    #[serde(rename = "jti")]
    _jti: String,
    htm: String,
    htu: String,
    iat: u64,
    nonce: Option<String>,
}

impl DpopProof {
    /// Reads the proof of a request with this method, to this address.
    pub(crate) fn read(text: &str, method: &str, address: &Url) -> Option<Self> {
        let DeviceJws { key, claims } = DeviceJws::<Claims>::read(text, DPOP, None)?;
        let is_for_it = claims.htm == method && is_same(&claims.htu, address);
        (!key.is_of_browsers_alone() && is_for_it).then_some(Self {
            key,
            nonce: claims.nonce,
            iat: claims.iat,
        })
    }

    /// Whether the client's clock is close enough to ours.
    pub(crate) const fn is_of(&self, now: u64) -> bool {
        self.iat.abs_diff(now) <= CLOCKS_APART_SECONDS
    }
}

/// Query and fragment do not count (RFC 9449, 4.3). Nor does what a proxy, or a router around ours,
/// has taken off the path's beginning.
fn is_same(said: &str, address: &Url) -> bool {
    let Ok(mut said) = Url::parse(said) else { return false };
    said.set_query(None);
    said.set_fragment(None);
    if !said.path().ends_with(address.path()) {
        return false;
    }
    said.set_path(address.path());
    said == *address
}

/// The type of a native client's proof.
const DPOP: &str = "dpop+jwt";

/// How far the client's clock may be from ours.
const CLOCKS_APART_SECONDS: u64 = 60;

#[cfg(test)]
mod tests {
    use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_proof_is_of_one_method_and_one_address() {
        let address: Url = "https://api.example.com/accounts/login".parse().unwrap();
        let key = Ed25519KeyPair::generate().unwrap();
        let read = |htm: &str, htu: &str, method: &str| {
            let x = URL_SAFE_NO_PAD.encode(key.public_key().as_ref());
            let jwk = json!({ "kty": "OKP", "crv": "Ed25519", "x": x });
            let header = json!({ "typ": "dpop+jwt", "alg": "EdDSA", "jwk": jwk }).to_string();
            let claims = json!({ "jti": "a", "htm": htm, "htu": htu, "iat": 1_000, "nonce": "n" });
            let [header, claims] =
                [header, claims.to_string()].map(|part| URL_SAFE_NO_PAD.encode(part));
            let message = format!("{header}.{claims}");
            let signature = URL_SAFE_NO_PAD.encode(key.sign(message.as_bytes()));
            DpopProof::read(&format!("{message}.{signature}"), method, &address)
        };
        let proof = read("POST", address.as_str(), "POST").unwrap();
        assert_eq!(proof.nonce.as_deref(), Some("n"));
        assert_eq!(proof.key.algorithm(), "EdDSA");
        for (now, is_of) in [(939, false), (940, true), (1_060, true), (1_061, false)] {
            assert_eq!(proof.is_of(now), is_of, "{now}");
        }
        assert!(read("POST", "https://API.example.com:443/accounts/login?a#b", "POST").is_some());
        assert!(read("GET", address.as_str(), "POST").is_none());
        assert!(read("POST", address.as_str(), "GET").is_none());
        assert!(read("POST", "https://api.example.com/a/accounts/login", "POST").is_some());
        for other in [
            "https://api.example.com/accounts/login/",
            "https://a@api.example.com/accounts/login",
            "http://api.example.com/accounts/login",
            "https://api.example.com/login",
            "https://api.example.com/",
            "",
            "x",
        ] {
            assert!(read("POST", other, "POST").is_none(), "{other}");
        }
    }
}
