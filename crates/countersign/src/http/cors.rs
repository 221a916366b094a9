//! CORS with credentials, for the listed front ends only.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, ORIGIN, RETRY_AFTER, VARY, WWW_AUTHENTICATE};
use axum::http::{HeaderName, HeaderValue, Method, Request, Response};
use tower_http::cors::{AllowOrigin, Cors, CorsLayer};
use tower_layer::Layer;
use tower_service::Service;

use crate::auth::Auth;

/// The layer: the same list of origins that the CSRF check knows.
///
/// A request without `Origin` is no cross-origin request. It passes by the CORS service, and only learns that the answer could have varied.
#[derive(Clone)]
pub(crate) struct CorsWhenAsked {
    cors: Arc<CorsLayer>,
}

impl CorsWhenAsked {
    pub(crate) fn new(auth: &Auth) -> Self {
        let auth = auth.clone();
        let cors = CorsLayer::new()
            .allow_origin(AllowOrigin::predicate(move |origin, _| {
                origin.to_str().is_ok_and(|origin| auth.checked.allow_origins.allows(origin) || auth.checked.native_origins.allows(origin))
            }))
            .allow_credentials(true)
            .allow_methods([Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE])
            .allow_headers([AUTHORIZATION, CONTENT_TYPE, HeaderName::from_static(countersign_verify::csrf::HEADER)])
            .expose_headers([RETRY_AFTER, WWW_AUTHENTICATE, HeaderName::from_static("x-request-id")])
            .max_age(PREFLIGHT);
        Self { cors: Arc::new(cors) }
    }
}

impl<S> Layer<S> for CorsWhenAsked {
    type Service = CorsService<S>;

    fn layer(&self, inner: S) -> CorsService<S> {
        CorsService { cors: Arc::clone(&self.cors), inner }
    }
}

/// The service that the layer makes.
#[derive(Clone)]
pub(crate) struct CorsService<S> {
    cors: Arc<CorsLayer>,
    inner: S,
}

impl<S, B, R> Service<Request<B>> for CorsService<S>
where
    S: Service<Request<B>, Response = Response<R>> + Clone,
    S::Future: Send + 'static,
    Cors<S>: Service<Request<B>, Response = Response<R>, Error = S::Error, Future: Send + 'static>,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        if request.headers().contains_key(ORIGIN) {
            return Box::pin(self.cors.layer(self.inner.clone()).call(request));
        }
        let answer = self.inner.call(request);
        Box::pin(async move {
            let mut response = answer.await?;
            response.headers_mut().append(VARY, HeaderValue::from_static("origin"));
            Ok(response)
        })
    }
}

/// How long a browser may keep the answer to a preflight; Chromium keeps none longer.
const PREFLIGHT: Duration = Duration::from_secs(7200);
