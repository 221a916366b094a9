//! CORS with credentials, for the listed front ends only.
//!
//! ```
//! use axum::{Router, routing::get};
//! use countersign::Auth;
//!
//! /// `protect` and `routes` have it already; a public route that other front ends read needs it, too.
//! fn public(auth: &Auth) -> Router {
//!     Router::new().route("/prices", get(|| async { "17.50" })).layer(auth.cors())
//! }
//! ```

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, ORIGIN, RETRY_AFTER, VARY, WWW_AUTHENTICATE};
use axum::http::{HeaderName, HeaderValue, Method, Request, Response};
use tower_http::cors::{AllowOrigin, CorsLayer, ResponseFuture};
use tower_layer::Layer;
use tower_service::Service;

use crate::auth::Auth;

/// The layer: the same list of origins that the CSRF check knows. A request that names no origin passes by with a look at its headers; where the list is empty, every
/// request passes by, as no page of another origin may read anything.
///
/// ```
/// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
/// use axum::{Router, routing::get};
/// use countersign::Auth;
///
/// # world::block_on(async {
/// # let (store, secrets, _directory) = world::place();
/// let auth = Auth::builder(store).secrets(secrets).allow_origins(["https://app.example.com"]).build().await.unwrap();
/// let public: Router = Router::new().route("/prices", get(|| async { "17.50" })).layer(auth.cors());
/// let request = axum::extract::Request::get("/prices").header("origin", "https://app.example.com");
/// let answer = tower::ServiceExt::oneshot(public, request.body(axum::body::Body::empty()).unwrap()).await.unwrap();
/// assert_eq!(answer.headers()["access-control-allow-origin"], "https://app.example.com");
/// # });
/// ```
#[derive(Debug, Clone)]
pub struct Cors(Option<Arc<CorsLayer>>);

impl Cors {
    pub(crate) fn of(auth: &Auth) -> Self {
        if auth.checked.allow_origins.is_empty() && auth.checked.native_origins.is_empty() {
            return Self(None);
        }
        let auth = auth.clone();
        Self(Some(Arc::new(
            CorsLayer::new()
                .allow_origin(AllowOrigin::predicate(move |origin, _| {
                    origin
                        .to_str()
                        .is_ok_and(|origin| auth.checked.allow_origins.allows(origin) || auth.checked.native_origins.allows(origin))
                }))
                .allow_credentials(true)
                .allow_methods([Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE])
                .allow_headers([AUTHORIZATION, CONTENT_TYPE, HeaderName::from_static(countersign_verify::csrf::HEADER)])
                .expose_headers([RETRY_AFTER, WWW_AUTHENTICATE, HeaderName::from_static("x-request-id")])
                .max_age(PREFLIGHT),
        )))
    }

    /// Whether no origin but the server's own is let in, so that there is nothing to do.
    pub(crate) fn is_closed(&self) -> bool {
        self.0.is_none()
    }
}

impl<S: Clone> Layer<S> for Cors {
    type Service = WithCors<S>;

    fn layer(&self, inner: S) -> WithCors<S> {
        WithCors { cors: self.clone(), inner }
    }
}

/// A service with CORS.
///
/// ```
/// use countersign::Auth;
/// use countersign::http::cors::WithCors;
/// use tower_layer::Layer;
///
/// fn readable<S: Clone>(auth: &Auth, service: S) -> WithCors<S> {
///     auth.cors().layer(service)
/// }
/// ```
#[derive(Debug, Clone)]
pub struct WithCors<S> {
    cors: Cors,
    inner: S,
}

impl<S, B, R> Service<Request<B>> for WithCors<S>
where
    S: Service<Request<B>, Response = Response<R>> + Clone,
    R: Default,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = Answer<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Answer<S::Future> {
        let Some(cors) = &self.cors.0 else { return Answer::Open { answer: self.inner.call(request) } };
        if request.headers().contains_key(ORIGIN) {
            let cors = Arc::clone(cors);
            // The one that is ready answers; its copy waits for the next request.
            let copy = self.inner.clone();
            let inner = std::mem::replace(&mut self.inner, copy);
            Answer::Cors { answer: cors.layer(inner).call(request) }
        } else {
            Answer::Plain { answer: self.inner.call(request) }
        }
    }
}

pin_project_lite::pin_project! {
    /// The answer of a service with CORS.
    ///
    /// ```
    /// use axum::{Router, body::Body, extract::Request};
    /// use countersign::http::cors::{Answer, WithCors};
    /// use tower_service::Service;
    ///
    /// type Answered<S> = <S as Service<Request<Body>>>::Future;
    ///
    /// fn is_the_future(of: Answered<WithCors<Router>>) -> Answer<Answered<Router>> {
    ///     of
    /// }
    /// ```
    #[project = Projected]
    #[allow(missing_docs)]
    pub enum Answer<F> {
        /// To a request from a page of some origin.
        Cors {
            #[pin]
            answer: ResponseFuture<F>,
        },
        /// Where no page of another origin may read anything.
        Open {
            #[pin]
            answer: F,
        },
        /// To any other.
        Plain {
            #[pin]
            answer: F,
        },
    }
}

impl<F, R, E> Future for Answer<F>
where
    F: Future<Output = Result<Response<R>, E>>,
    R: Default,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project() {
            Projected::Cors { answer } => answer.poll(context),
            Projected::Open { answer } => answer.poll(context),
            Projected::Plain { answer } => {
                let mut answer = ready!(answer.poll(context));
                if let Ok(response) = &mut answer {
                    // A cache must not hand this answer to a page that sends an origin.
                    response.headers_mut().append(VARY, HeaderValue::from_static("origin"));
                }
                Poll::Ready(answer)
            }
        }
    }
}

impl<F> std::fmt::Debug for Answer<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Answer(..)")
    }
}

/// How long a browser may keep the answer to a preflight; Chromium keeps none longer.
const PREFLIGHT: Duration = Duration::from_secs(7200);
