//! The baseline: a bare axum route that returns the same bytes.

use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::routing::get;

/// Serves the bytes of `file` on a free port, which it prints, until it is killed.
pub(crate) fn serve(file: &str) {
    let body = axum::body::Bytes::from(std::fs::read(file).expect("the body"));
    let app = axum::Router::new()
        .route("/accounts/profile", get(async move || ([(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "no-store")], body.clone())));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        crate::table::line(&format!("listening on http://{}", listener.local_addr().expect("an address")));
        axum::serve(listener, app).await.expect("serving");
    });
}
