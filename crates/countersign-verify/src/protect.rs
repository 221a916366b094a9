//! The layer that finds out who is asking, and lets nobody through who may not.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http::header::{ACCESS_CONTROL_REQUEST_METHOD, AUTHORIZATION, CACHE_CONTROL, ORIGIN, VARY};
use http::request::Parts;
use http::{HeaderName, HeaderValue, Method, Request, Response};
use http_body::Body;
use tower_layer::Layer;
use tower_service::Service;

use crate::drain::drain;
use crate::identity::Identity;
use crate::permission::{Ask, IsAuthenticated, Permission, consistent};
use crate::problem::{Code, Problem};
use crate::require::{is_grpc, refusal};
use crate::response_body::ResponseBody;

/// Finds out who sends a request, and checks everything about it that does not depend on the route:
/// token, session, user, and the CSRF token of a write.
///
/// ```
/// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
/// use std::sync::Arc;
///
/// use countersign_verify::{
///     Authenticator, Found, Identity, Protect, TokenUser, Verifier, bearer,
/// };
/// use http::request::Parts;
///
/// #[derive(Clone)]
/// struct Door(Arc<Verifier<TokenUser>>);
///
/// impl Door {
///     fn find(&self, request: &Parts) -> Found {
///         let Some(token) = bearer(&request.headers)? else { return Ok(None) };
///         let now = 10_000; // the clock's
///         let verified = self.0.check(token, now)?;
///         let Some(user) = TokenUser::of(&verified.claims) else { return Ok(None) };
///         Ok(Some(Identity::new(self.0.remember(token, verified, user), now)))
///     }
/// }
///
/// impl Authenticator for Door {
///     fn known(&self, _: &Parts) -> Option<Found> {
///         None
///     }
///     async fn identify(&self, request: &Parts) -> Found {
///         self.find(request)
///     }
/// }
/// # let app = axum::Router::new().route("/", axum::routing::get(|| async { "in" }));
/// # assert_eq!(world::ask(app.layer(Protect::new(Door(Arc::new(world::verifier())))), "/").0, 200);
/// ```
pub trait Authenticator: Clone + Send + Sync + 'static {
    /// The header that says who is asking: caches are told that answers differ by it.
    const VARIES_BY: HeaderName = AUTHORIZATION;

    /// The answer, where it is known without waiting; `None` where [`identify`](Self::identify)
    /// must be asked.
    fn known(&self, request: &Parts) -> Option<Found>;

    /// The answer.
    fn identify(&self, request: &Parts) -> impl Future<Output = Found> + Send;
}

/// Who is asking: nobody in particular, somebody, or somebody who is refused whatever the route.
///
/// ```
/// use countersign_verify::{Code, Found, Problem};
///
/// let nobody: Found = Ok(None);
/// let refused: Found = Err(Problem::new(Code::SessionRevoked));
/// assert!(nobody.is_ok() && refused.is_err());
/// ```
pub type Found = Result<Option<Identity>, Problem>;

/// The layer: private by default.
///
/// Who may not pass gets the answer here, and the service inside never sees the request. The
/// service finds the [`Identity`] in the request's extensions.
///
/// No shared cache keeps the answers: they say `Cache-Control: private` and `Vary: authorization`,
/// unless the service inside says a `Cache-Control` of its own.
///
/// ```
/// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
/// use axum::{Router, routing::get};
/// use countersign_verify::Protect;
///
/// # let authenticator = world::Door(std::sync::Arc::new(world::verifier()));
/// let app =
///     Router::new().route("/hello", get(|| async { "hello" })).layer(Protect::new(authenticator));
/// # assert_eq!(world::ask(app.clone(), "/hello").0, 200);
/// let request = axum::extract::Request::get("/hello").body(axum::body::Body::empty()).unwrap();
/// let answer = tower::ServiceExt::oneshot(app, request);
/// # let answer = world::block_on(answer).unwrap();
/// assert_eq!(answer.status(), 401); // no token was sent
/// ```
#[derive(Debug)]
pub struct Protect<A, P = IsAuthenticated>(Arc<Guard<A, P>>);

/// Behind one pointer: a layered service is cloned for each request.
#[derive(Debug)]
struct Guard<A, P> {
    authenticator: A,
    permission: P,
    lets_preflights_through: bool,
}

impl<A> Protect<A> {
    /// A layer that lets only users in.
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// use countersign_verify::{Protect, permission::IsAuthenticated};
    ///
    /// # let authenticator = world::Door(std::sync::Arc::new(world::verifier()));
    /// let layer: Protect<_, IsAuthenticated> = Protect::new(authenticator);
    /// ```
    pub fn new(authenticator: A) -> Self {
        let permission = IsAuthenticated;
        Self(Arc::new(Guard { authenticator, permission, lets_preflights_through: false }))
    }
}

impl<A, P: Permission> Protect<A, P> {
    /// A layer that lets in who has `permission`.
    ///
    /// # Panics
    /// When the parts of the permission contradict each other, as [`require`](crate::require()).
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// use axum::{Router, routing::get};
    /// use countersign_verify::{Protect, permission::IsStaff};
    ///
    /// # let authenticator = world::Door(std::sync::Arc::new(world::verifier()));
    /// let app = Router::new()
    ///     .route("/reports", get(|| async { "figures" }))
    ///     .layer(Protect::with(authenticator, IsStaff));
    /// # let (status, body) = world::ask(app, "/reports"); // Ada is an editor
    /// assert_eq!(status, 403);
    /// assert!(body.contains("The permission that you lack: IsStaff."));
    /// ```
    pub fn with(authenticator: A, permission: P) -> Self {
        if let Err(contradiction) = consistent(&permission) {
            panic!("{contradiction}");
        }
        Self(Arc::new(Guard { authenticator, permission, lets_preflights_through: false }))
    }

    /// Lets a browser's preflights (`OPTIONS` with `Origin` and `Access-Control-Request-Method`)
    /// through to a CORS layer of the app's own that stands further in. They carry no token, and
    /// nobody is logged in for them. A CORS layer further out needs nothing of this.
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// use countersign_verify::Protect;
    ///
    /// # let authenticator = world::Door(std::sync::Arc::new(world::verifier()));
    /// let layer = Protect::new(authenticator).let_preflights_through();
    /// ```
    #[must_use]
    pub fn let_preflights_through(self) -> Self
    where
        A: Clone,
        P: Clone,
    {
        let (authenticator, permission) = (self.0.authenticator.clone(), self.0.permission.clone());
        Self(Arc::new(Guard { authenticator, permission, lets_preflights_through: true }))
    }
}

impl<A, P> Clone for Protect<A, P> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<A, P, S> Layer<S> for Protect<A, P> {
    type Service = Protected<A, P, S>;

    fn layer(&self, inner: S) -> Self::Service {
        Protected { layer: self.clone(), inner }
    }
}

/// A service behind [`Protect`].
///
/// ```
/// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
/// use countersign_verify::{Protect, Protected};
/// use tower_layer::Layer;
///
/// # let authenticator = world::Door(std::sync::Arc::new(world::verifier()));
/// # struct MyService;
/// let service: Protected<_, _, MyService> = Protect::new(authenticator).layer(MyService);
/// ```
#[derive(Debug)]
pub struct Protected<A, P, S> {
    layer: Protect<A, P>,
    inner: S,
}

impl<A, P, S: Clone> Clone for Protected<A, P, S> {
    fn clone(&self) -> Self {
        Self { layer: self.layer.clone(), inner: self.inner.clone() }
    }
}

impl<A, P, S, B, R> Service<Request<B>> for Protected<A, P, S>
where
    A: Authenticator,
    P: Permission,
    B: Body<Data: Send, Error: Send> + Send + 'static,
    R: ResponseBody + 'static,
    S: Service<Request<B>, Response = Response<R>> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = Passage<S::Future, R, S::Error>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let (mut parts, body) = request.into_parts();
        if self.layer.0.lets_preflights_through && is_preflight(&parts) {
            parts.extensions.remove::<Identity>();
            parts.extensions.insert(Nobody);
            let inner = self.inner.call(Request::from_parts(parts, body));
            return Passage { way: Way::Open { inner } };
        }
        if let Some(found) = self.layer.0.authenticator.known(&parts) {
            return match self.layer.permit(parts, found) {
                Ok(parts) => {
                    let inner = self.inner.call(Request::from_parts(parts, body));
                    Passage { way: Way::Passed { inner, varies_by: A::VARIES_BY } }
                }
                Err(refused) => {
                    drain(body);
                    Passage { way: Way::Refused { refused } }
                }
            };
        }
        // The one that is ready answers; its copy waits for the next request.
        let copy = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, copy);
        let layer = self.layer.clone();
        let answer = Box::pin(async move {
            let found = layer.0.authenticator.identify(&parts).await;
            match layer.permit(parts, found) {
                Ok(parts) => {
                    let answer = inner.call(Request::from_parts(parts, body)).await;
                    answer.map(|answer| private(answer, A::VARIES_BY))
                }
                Err(refused) => {
                    drain(body);
                    Ok(refused.answer())
                }
            }
        });
        Passage { way: Way::Waiting { answer } }
    }
}

impl<A, P: Permission> Protect<A, P> {
    fn permit(&self, mut parts: Parts, found: Found) -> Result<Parts, Box<Refused>> {
        let problem = match found {
            // A session that may only enrol a second factor gets nowhere else.
            Ok(Some(who)) if who.claims().scope.is_some() => Problem::new(Code::EnrolmentRequired),
            Ok(who) => match self.0.permission.check(&Ask::new(who.as_ref(), &parts)) {
                Ok(()) => {
                    // What an outer layer said of who is asking does not count here.
                    match who {
                        Some(who) => {
                            parts.extensions.insert(who);
                        }
                        None => {
                            parts.extensions.remove::<Identity>();
                            parts.extensions.insert(Nobody);
                        }
                    }
                    return Ok(parts);
                }
                Err(denied) => denied.to_problem(who.as_ref()),
            },
            Err(problem) => problem,
        };
        Err(Box::new(Refused { problem, is_grpc: is_grpc(&parts.headers) }))
    }
}

/// Keeps an answer out of shared caches, unless it says itself what they may do (RFC 9111, 5.2.2).
fn private<R>(mut answer: Response<R>, varies_by: HeaderName) -> Response<R> {
    let headers = answer.headers_mut();
    if !headers.contains_key(CACHE_CONTROL) {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("private"));
        headers.append(VARY, HeaderValue::from(varies_by));
    }
    answer
}

/// Fetch, 3.2.2: any other `OPTIONS` is a method like another.
fn is_preflight(parts: &Parts) -> bool {
    parts.method == Method::OPTIONS
        && parts.headers.contains_key(ORIGIN)
        && parts.headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD)
}

/// In the extensions of a request that was let through although nobody is logged in: what tells it
/// from one on a route that stands behind no layer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Nobody;

/// An answer that the inner service has no part in.
struct Refused {
    problem: Problem,
    is_grpc: bool,
}

impl Refused {
    fn answer<R: ResponseBody>(&self) -> Response<R> {
        refusal(&self.problem, self.is_grpc)
    }
}

type Waiting<R, E> = Pin<Box<dyn Future<Output = Result<Response<R>, E>> + Send>>;

pin_project_lite::pin_project! {
    /// The answer of a protected service.
    ///
    /// ```
    /// use axum::{Router, body::Body, extract::Request};
    /// use countersign_verify::{Passage, Protected, ResourceServer, permission::IsAuthenticated};
    /// use tower_service::Service;
    ///
    /// type Answered<S> = <S as Service<Request<Body>>>::Future;
    ///
    /// fn is_the_future(
    ///     of: Answered<Protected<ResourceServer, IsAuthenticated, Router>>,
    /// ) -> impl Future {
    ///     let passage: Passage<_, _, _> = of;
    ///     passage
    /// }
    /// ```
    pub struct Passage<F, R, E> {
        #[pin]
        way: Way<F, R, E>,
    }
}

pin_project_lite::pin_project! {
    #[project = Projected]
    enum Way<F, R, E> {
        // The inner service's, to a preflight that is for it.
        Open {
            #[pin]
            inner: F,
        },
        // The inner service's.
        Passed {
            #[pin]
            inner: F,
            varies_by: HeaderName,
        },
        // A refusal.
        Refused {
            refused: Box<Refused>,
        },
        // Either, once it is known who is asking.
        Waiting {
            answer: Waiting<R, E>,
        },
    }
}

impl<F, R, E> Future for Passage<F, R, E>
where
    F: Future<Output = Result<Response<R>, E>>,
    R: ResponseBody,
{
    type Output = Result<Response<R>, E>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().way.project() {
            Projected::Open { inner } => inner.poll(context),
            Projected::Passed { inner, varies_by } => {
                let answer = ready!(inner.poll(context));
                Poll::Ready(answer.map(|answer| private(answer, varies_by.clone())))
            }
            Projected::Refused { refused } => Poll::Ready(Ok(refused.answer())),
            Projected::Waiting { answer } => answer.as_mut().poll(context),
        }
    }
}

impl<F, R, E> std::fmt::Debug for Passage<F, R, E> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Passage(..)")
    }
}
