//! The baseline: a bare axum route that returns the same bytes, headers included.

use axum::Router;
use axum::http::HeaderName;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, VARY,
    X_CONTENT_TYPE_OPTIONS,
};
use axum::routing::get;

/// Serves the bytes of `file` on a free port, which it prints, until it is killed.
pub(crate) fn serve(file: &str) {
    serve_with(file, async |route| route);
}

/// The same, behind whatever `wrap` puts before it.
pub(crate) fn serve_with(file: &str, wrap: impl AsyncFnOnce(Router) -> Router) {
    let body = axum::body::Bytes::from(std::fs::read(file).expect("the body"));
    let route =
        Router::new().route("/accounts/profile", get(async move || (HEADERS, body.clone())));
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let app = wrap(route).await;
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        crate::table::line(&format!(
            "listening on http://{}",
            listener.local_addr().expect("an address")
        ));
        axum::serve(listener, app).await.expect("serving");
    });
}

/// What the server under test sends as well; its request ids differ from answer to answer, and
/// these do not.
const HEADERS: [(HeaderName, &str); 7] = [
    (CONTENT_TYPE, "application/json"),
    (CACHE_CONTROL, "no-store"),
    (HeaderName::from_static("x-request-id"), "0123456789abcdef"),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
    (REFERRER_POLICY, "no-referrer"),
    (VARY, "origin"),
];
