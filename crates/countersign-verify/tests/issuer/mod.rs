//! An issuer of the test's own on a loopback port.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use axum::Router;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign_verify::{
    Algorithm, Claims, Code, ResourceServer, ResourceServerBuilder, SessionId,
};
use jsonwebtoken::{EncodingKey, Header};
use serde_json::{Value, json};

pub(crate) struct Key {
    pub(crate) kid: &'static str,
    pub(crate) private: EncodingKey,
    pub(crate) public: String,
}

impl Key {
    pub(crate) fn new(kid: &'static str) -> Self {
        let pair = Ed25519KeyPair::generate().unwrap();
        let pkcs8 = pair.to_pkcs8v1().unwrap();
        Self {
            kid,
            private: EncodingKey::from_ed_der(pkcs8.as_ref()),
            public: URL_SAFE_NO_PAD.encode(pair.public_key()),
        }
    }

    pub(crate) fn sign(&self, typ: &str, claims: &Value) -> String {
        let mut header = Header::new(Algorithm::EdDSA);
        header.typ = Some(typ.to_owned());
        header.kid = Some(self.kid.to_owned());
        jsonwebtoken::encode(&header, claims, &self.private).unwrap()
    }
}

/// An issuer whose keys, list and moods are the test's.
pub(crate) struct Issuer {
    pub(crate) keys: Mutex<Vec<Key>>,
    pub(crate) ended: Mutex<Vec<u64>>,
    /// When more ended than is listed.
    pub(crate) uncounted: Mutex<Option<u64>>,
    /// What the list says its issuer is.
    pub(crate) name: Mutex<&'static str>,
    pub(crate) now: Arc<AtomicU64>,
    pub(crate) is_down: AtomicBool,
    /// A cache in front of it that hands out the first list for ever.
    pub(crate) frozen: Mutex<Option<String>>,
    pub(crate) key_sets_asked: AtomicUsize,
    pub(crate) unchanged: AtomicUsize,
}

impl Issuer {
    pub(crate) async fn start() -> (Arc<Self>, String) {
        let issuer = Arc::new(Self {
            keys: Mutex::new(vec![Key::new("first")]),
            ended: Mutex::default(),
            uncounted: Mutex::default(),
            name: Mutex::new("https://issuer.test"),
            now: Arc::new(AtomicU64::new(100_000)),
            is_down: AtomicBool::new(false),
            frozen: Mutex::default(),
            key_sets_asked: AtomicUsize::new(0),
            unchanged: AtomicUsize::new(0),
        });
        let app = Router::new()
            .route("/.well-known/jwks.json", get(jwks))
            .route("/.well-known/revocations", get(revocations))
            .with_state(Arc::clone(&issuer));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, app).await });
        (issuer, url)
    }

    pub(crate) fn now(&self) -> u64 {
        self.now.load(Ordering::SeqCst)
    }

    pub(crate) fn name(&self) -> &'static str {
        *self.name.lock().unwrap()
    }

    pub(crate) fn list(&self, since: Option<usize>) -> Value {
        let ended = self.ended.lock().unwrap();
        let bytes: Vec<u8> =
            ended.iter().skip(since.unwrap_or(0)).flat_map(|id| id.to_be_bytes()).collect();
        let (cursor, sids) = (ended.len().to_string(), URL_SAFE_NO_PAD.encode(bytes));
        let mut list = json!({"iss": self.name(), "iat": self.now(), "exp": self.now() + 120,
            "cursor": cursor, "kept": 360, "full": since.is_none(), "sids": sids});
        if let Some(at) = *self.uncounted.lock().unwrap() {
            list["issued_after"] = json!(at);
        }
        list
    }

    pub(crate) fn token(&self, session: u64) -> String {
        self.token_by(session, 0)
    }

    pub(crate) fn token_by(&self, session: u64, key: usize) -> String {
        let now = self.now();
        let claims = Claims::new(
            self.name().to_owned(),
            "7".to_owned(),
            SessionId::new(session).unwrap(),
            now,
            now,
            now + 300,
        );
        self.keys.lock().unwrap()[key].sign("at+jwt", &serde_json::to_value(claims).unwrap())
    }
}

async fn jwks(State(issuer): State<Arc<Issuer>>) -> Response {
    if issuer.is_down.load(Ordering::SeqCst) {
        return StatusCode::BAD_GATEWAY.into_response();
    }
    issuer.key_sets_asked.fetch_add(1, Ordering::SeqCst);
    let keys: Vec<_> = issuer
        .keys
        .lock()
        .unwrap()
        .iter()
        .map(|key| {
            json!({"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig",
                "kid": key.kid, "x": key.public})
        })
        .chain([json!({"kty": "oct", "alg": "HS256", "kid": "planted", "k": "c2VjcmV0"})])
        .collect();
    json!({"keys": keys}).to_string().into_response()
}

async fn revocations(
    State(issuer): State<Arc<Issuer>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    if issuer.is_down.load(Ordering::SeqCst) {
        return StatusCode::BAD_GATEWAY.into_response();
    }
    if let Some(frozen) = &*issuer.frozen.lock().unwrap() {
        return frozen.clone().into_response();
    }
    let signer = issuer.keys.lock().unwrap().last().unwrap().kid;
    let tag = format!("\"{}.{}.{signer}\"", issuer.ended.lock().unwrap().len(), issuer.name());
    if headers.get("if-none-match").is_some_and(|known| known == tag.as_str()) {
        issuer.unchanged.fetch_add(1, Ordering::SeqCst);
        return StatusCode::NOT_MODIFIED.into_response();
    }
    let since = query.and_then(|query| query.strip_prefix("since=")?.parse().ok());
    let keys = issuer.keys.lock().unwrap();
    ([("etag", tag)], keys.last().unwrap().sign("rl+jwt", &issuer.list(since))).into_response()
}

pub(crate) fn following(issuer: &Issuer, url: &str) -> ResourceServerBuilder {
    let now = Arc::clone(&issuer.now);
    ResourceServer::builder(url)
        .poll_interval(Duration::from_millis(50))
        .clock(move || now.load(Ordering::SeqCst))
}

/// Waits for what the poller does in its own time.
pub(crate) async fn eventually(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    for _ in 0..600 {
        if is_so().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("it never came: {what}");
}

pub(crate) async fn code(server: &ResourceServer, token: &str) -> Option<Code> {
    server.verify(token).await.err().map(|problem| problem.code())
}
