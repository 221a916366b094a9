use std::time::Duration;

use http::header::{ETAG, IF_NONE_MATCH};
use http::{Request, StatusCode, Uri};
use http_body_util::{BodyExt, Empty, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

/// Fetches small documents from one base URL.
pub(super) struct Fetcher {
    base: Uri,
    client: Client<HttpsConnector<HttpConnector>, Empty<bytes::Bytes>>,
}

/// What came.
pub(super) struct Fetched {
    /// `None`: not modified.
    pub(super) body: Option<String>,
    pub(super) tag: Option<String>,
}

impl Fetcher {
    pub(super) fn new(base: Uri) -> Result<Self, String> {
        // Named, because an app that turns on another provider of rustls has no default one.
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        let builder = HttpsConnectorBuilder::new()
            .with_provider_and_native_roots(provider)
            .map_err(|error| error.to_string())?;
        let connector = builder.https_or_http().enable_http1().build();
        Ok(Self {
            base,
            client: Client::builder(TokioExecutor::new())
                .pool_idle_timeout(Duration::from_secs(30))
                .build(connector),
        })
    }

    /// The document at `path`, unless it is still the one with this `tag`.
    pub(super) async fn get(&self, path: &str, tag: Option<&str>) -> Result<Fetched, String> {
        tokio::time::timeout(TIMEOUT, self.get_in_time(path, tag))
            .await
            .unwrap_or_else(|_| Err("it does not answer in time".to_owned()))
    }

    async fn get_in_time(&self, path: &str, tag: Option<&str>) -> Result<Fetched, String> {
        let uri = format!("{}{path}", self.base.to_string().trim_end_matches('/'));
        let mut request = Request::get(uri);
        if let Some(tag) = tag {
            request = request.header(IF_NONE_MATCH, tag);
        }
        let request = request.body(Empty::new()).map_err(|error| error.to_string())?;
        let response = self.client.request(request).await.map_err(|error| with_sources(&error))?;
        let tag = response.headers().get(ETAG).and_then(|tag| tag.to_str().ok()).map(str::to_owned);
        match response.status() {
            StatusCode::NOT_MODIFIED => Ok(Fetched { body: None, tag }),
            StatusCode::OK => {
                let body = Limited::new(response.into_body(), MAX_BYTES)
                    .collect()
                    .await
                    .map_err(|error| error.to_string())?;
                let body =
                    String::from_utf8(body.to_bytes().into()).map_err(|error| error.to_string())?;
                Ok(Fetched { body: Some(body), tag })
            }
            other => Err(format!("it answers {other}")),
        }
    }
}

/// The client's errors say little without what caused them.
fn with_sources(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

const TIMEOUT: Duration = Duration::from_secs(5);

/// Room for a list of a million ended sessions.
const MAX_BYTES: usize = 16 * 1024 * 1024;
