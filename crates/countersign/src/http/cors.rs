//! CORS with credentials, for the listed front ends only.
//!
//! ```
//! use axum::{Router, routing::get};
//! use countersign::Auth;
//!
//! /// `protect` and `routes` have it already; a public route that other front ends read needs it.
//! fn public(auth: &Auth) -> Router {
//!     Router::new().route("/prices", get(|| async { "17.50" })).layer(auth.cors())
//! }
//! ```

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
};
use axum::http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use tower_layer::Layer;
use tower_service::Service;

use crate::auth::Auth;
use crate::auth::settings::Checked;

/// The layer: the same list of origins that the CSRF check knows. A request that names no origin
/// passes by with a look at its headers; where the list is empty, every request passes by, as no
/// page of another origin may read anything.
///
/// ```
/// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
/// use axum::{Router, routing::get};
/// use countersign::Auth;
///
/// # world::block_on(async {
/// # let (store, secrets, _directory) = world::place();
/// let auth = Auth::builder(store)
///     .secrets(secrets)
///     .allow_origins(["https://app.example.com"])
///     .build()
///     .await
///     .unwrap();
/// let public: Router =
///     Router::new().route("/prices", get(|| async { "17.50" })).layer(auth.cors());
/// let request =
///     axum::extract::Request::get("/prices").header("origin", "https://app.example.com");
/// let answer =
///     tower::ServiceExt::oneshot(public, request.body(axum::body::Body::empty()).unwrap())
///         .await
///         .unwrap();
/// assert_eq!(answer.headers()["access-control-allow-origin"], "https://app.example.com");
/// # });
/// ```
#[derive(Debug, Clone)]
pub struct Cors {
    /// Nothing where no page of another origin may read anything.
    auth: Option<Auth>,
    /// Whether pages of this machine may read why they are refused.
    tells_developers: bool,
}

impl Cors {
    pub(crate) fn of(auth: &Auth) -> Self {
        let is_closed = !auth.settings().cors
            || (auth.checked().allow_origins.is_empty()
                && auth.checked().native_origins.is_empty());
        Self { auth: (!is_closed).then(|| auth.clone()), tells_developers: false }
    }

    /// For the endpoints. Where the public URL is on this machine, whoever develops a page on
    /// another port reads in the refusal which setting is missing, rather than nothing.
    pub(crate) fn of_endpoints(auth: &Auth) -> Self {
        let tells_developers =
            auth.settings().cors && is_here(auth.checked().public_origin.as_str());
        let auth = if tells_developers { Some(auth.clone()) } else { Self::of(auth).auth };
        Self { auth, tells_developers }
    }

    /// A list of headers, where there is one.
    fn headers(&self, which: fn(&Checked) -> &HeaderValue) -> HeaderValue {
        let nothing = || HeaderValue::from_static("");
        self.auth.as_ref().map_or_else(nothing, |auth| which(auth.checked()).clone())
    }

    /// Whether no origin but the server's own is let in, so that there is nothing to do.
    pub(crate) fn is_closed(&self) -> bool {
        self.auth.is_none()
    }

    /// The origin of a page that may read the answer.
    fn listed(&self, headers: &HeaderMap) -> Option<HeaderValue> {
        let checked = self.auth.as_ref()?.checked();
        let origin = headers.get(ORIGIN)?;
        let text = origin.to_str().ok()?;
        (checked.allow_origins.allows(text) || checked.native_origins.allows(text))
            .then(|| origin.clone())
    }

    /// The origin of a page on this machine, where such pages are told why they are refused.
    fn developers(&self, headers: &HeaderMap) -> Option<HeaderValue> {
        let own = self.auth.as_ref()?.checked().public_origin.as_str();
        let origin = headers.get(ORIGIN).filter(|_| self.tells_developers)?;
        origin.to_str().ok().filter(|text| *text != own && is_here(text))?;
        Some(origin.clone())
    }
}

/// Whether an origin is on this machine.
fn is_here(origin: &str) -> bool {
    let Some((_, host)) = origin.split_once("://") else { return false };
    let name = host
        .rsplit_once(':')
        .filter(|(_, port)| port.bytes().all(|b| b.is_ascii_digit()))
        .map_or(host, |(name, _)| name);
    matches!(name, "localhost" | "127.0.0.1" | "[::1]")
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
    type Future = CorsFuture<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> CorsFuture<S::Future> {
        if self.cors.is_closed() {
            return CorsFuture::Open { answer: self.inner.call(request) };
        }
        let listed = self.cors.listed(request.headers());
        let Some(origin) = listed.clone().or_else(|| self.cors.developers(request.headers()))
        else {
            return CorsFuture::Plain { answer: self.inner.call(request) };
        };
        // Any other `OPTIONS` is a method like another (Fetch, 3.2.2).
        if request.method() == Method::OPTIONS
            && request.headers().contains_key(ACCESS_CONTROL_REQUEST_METHOD)
        {
            let allowed = self.cors.headers(|c| &c.allow_headers);
            return CorsFuture::Preflight { origin, allowed };
        }
        CorsFuture::Cors {
            origin,
            exposed: self.cors.headers(|c| &c.expose_headers),
            only_refusals: listed.is_none(),
            answer: self.inner.call(request),
        }
    }
}

pin_project_lite::pin_project! {
    /// The answer of a service with CORS.
    ///
    /// ```
    /// use axum::{Router, body::Body, extract::Request};
    /// use countersign::http::cors::{CorsFuture, WithCors};
    /// use tower_service::Service;
    ///
    /// type Answered<S> = <S as Service<Request<Body>>>::Future;
    ///
    /// fn is_the_future(of: Answered<WithCors<Router>>) -> CorsFuture<Answered<Router>> {
    ///     of
    /// }
    /// ```
    #[project = Projected]
    #[allow(missing_docs)]
    pub enum CorsFuture<F> {
        /// To a request from a page of a listed origin; or of another one on this machine, which
        /// may read refusals only.
        Cors {
            origin: HeaderValue,
            exposed: HeaderValue,
            only_refusals: bool,
            #[pin]
            answer: F,
        },
        /// To such a page's question whether it may send a request.
        Preflight {
            origin: HeaderValue,
            allowed: HeaderValue,
        },
        /// Where no page of another origin may read anything.
        Open {
            #[pin]
            answer: F,
        },
        /// To any other: a page of an unlisted origin reads nothing, and is told nothing.
        Plain {
            #[pin]
            answer: F,
        },
    }
}

impl<F, R, E> Future for CorsFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
    R: Default,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project() {
            Projected::Cors { origin, exposed, only_refusals, answer } => {
                let mut answer = ready!(answer.poll(context));
                if let Ok(response) = &mut answer {
                    let is_hidden = *only_refusals && response.status() != StatusCode::FORBIDDEN;
                    let headers = response.headers_mut();
                    if is_hidden {
                        headers.append(VARY, HeaderValue::from_static("origin"));
                        return Poll::Ready(answer);
                    }
                    allow(headers, origin);
                    headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, exposed.clone());
                }
                Poll::Ready(answer)
            }
            Projected::Preflight { origin, allowed } => {
                let mut response = Response::new(R::default());
                let headers = response.headers_mut();
                allow(headers, origin);
                headers.insert(
                    ACCESS_CONTROL_ALLOW_METHODS,
                    HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE"),
                );
                headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, allowed.clone());
                headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static(PREFLIGHT_SECONDS));
                Poll::Ready(Ok(response))
            }
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

/// What every answer to a listed origin says. A cache must not hand it to a page of another one.
fn allow(headers: &mut HeaderMap, origin: &HeaderValue) {
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
    headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
    headers.append(VARY, HeaderValue::from_static("origin"));
}

impl<F> std::fmt::Debug for CorsFuture<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CorsFuture(..)")
    }
}

/// How long a browser may keep the answer to a preflight; Chromium keeps none longer.
const PREFLIGHT_SECONDS: &str = "7200";
