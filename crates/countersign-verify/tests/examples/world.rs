// What the examples in the documentation of this crate take for granted, out of the reader's sight:
// Ada, a token, and the door it opens.

use std::sync::Arc;

use countersign_verify::{
    Algorithm, Authenticator, Claims, Found, Identity, KeySet, SessionId, TokenUser, Verifier,
    VerifyingKey, bearer,
};
use http::request::Parts;
use jsonwebtoken::{DecodingKey, EncodingKey, Header};
use serde_json::json;

/// The time of all examples, in seconds since 1970.
pub const NOW: u64 = 10_000;

const KEY: &[u8] = b"a key of the examples' own, thirty-two bytes and more";

/// The set of one key that signs everything here.
pub fn keys() -> KeySet {
    KeySet::new(vec![VerifyingKey::new(
        "k1".to_owned(),
        Algorithm::HS256,
        DecodingKey::from_secret(KEY),
        u64::MAX,
    )])
}

/// What Ada's token says: an editor who may publish articles, and gave the password ten minutes
/// ago.
pub fn claims() -> Claims {
    let mut claims = Claims::new(
        "https://id.example.com".to_owned(),
        "7".to_owned(),
        SessionId::new(1).unwrap(),
        NOW - 600,
        NOW,
        NOW + 300,
    );
    claims.extra.insert("username".to_owned(), json!("ada"));
    claims.extra.insert("groups".to_owned(), json!(["editors"]));
    claims.extra.insert("permissions".to_owned(), json!(["articles.publish"]));
    claims
}

/// Ada's token.
pub fn token() -> String {
    let mut header = Header::new(Algorithm::HS256);
    header.typ = Some(countersign_verify::ACCESS_TOKEN_TYPE.to_owned());
    header.kid = Some("k1".to_owned());
    jsonwebtoken::encode(&header, &claims(), &EncodingKey::from_secret(KEY)).unwrap()
}

/// A verifier of such tokens.
pub fn verifier<T>() -> Verifier<T> {
    Verifier::new("https://id.example.com".to_owned(), None, keys(), 100)
}

/// Ada.
pub fn ada() -> Identity {
    let (verifier, token) = (verifier(), token());
    let verified = verifier.check(&token, NOW).unwrap();
    let user = TokenUser::of(&verified.claims).unwrap();
    Identity::new(verifier.remember(&token, verified, user), NOW)
}

/// The head of a request.
pub fn request(method: &str, path: &str) -> Parts {
    http::Request::builder().method(method).uri(path).body(()).unwrap().into_parts().0
}

/// Finds out who is asking, by such tokens.
#[derive(Clone)]
pub struct Door(pub Arc<Verifier<TokenUser>>);

impl Authenticator for Door {
    fn known(&self, request: &Parts) -> Option<Found> {
        Some(self.find(request))
    }

    async fn identify(&self, request: &Parts) -> Found {
        self.find(request)
    }
}

impl Door {
    fn find(&self, request: &Parts) -> Found {
        let Some(token) = bearer(&request.headers)? else { return Ok(None) };
        let verified = self.0.check(token, NOW)?;
        let user = TokenUser::of(&verified.claims).unwrap();
        Ok(Some(Identity::new(self.0.remember(token, verified, user), NOW)))
    }
}

/// Stands before a router, as `protect` or the layer of a resource server does.
pub fn layer() -> countersign_verify::Protect<Door> {
    countersign_verify::Protect::new(Door(Arc::new(verifier())))
}

/// Sends a request of Ada's to an app, and returns the status and the body.
pub fn ask(app: axum::Router, path: &str) -> (u16, String) {
    let request = http::Request::get(path)
        .header("authorization", format!("Bearer {}", token()))
        .body(axum::body::Body::empty())
        .unwrap();
    block_on(async {
        let answer = tower::ServiceExt::oneshot(app, request).await.unwrap();
        let status = answer.status().as_u16();
        let body = axum::body::to_bytes(answer.into_body(), 1 << 20).await.unwrap();
        (status, String::from_utf8(body.to_vec()).unwrap())
    })
}

/// Waits for an answer.
pub fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}
