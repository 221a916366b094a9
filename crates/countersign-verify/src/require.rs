//! The layer that asks for a permission.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::header::CONTENT_TYPE;
use http::{HeaderValue, Request, Response};
use http_body::Body;
use tower_layer::Layer;
use tower_service::Service;

use crate::drain::drain;
use crate::identity::Identity;
use crate::permission::{Ask, Permission, consistent};
use crate::problem::Problem;
use crate::response_body::ResponseBody;

/// A layer that lets only those through who have `permission`; for a route, or for a whole router.
/// It stands inside `protect` or the layer of a resource server, which find out who is asking;
/// outside of them nobody is logged in.
///
/// # Panics
/// When the parts of the permission contradict each other, with a sentence that says so: at start,
/// as with a route that is given twice, never at a request.
///
/// ```
/// use countersign_verify::permission::{HasPerm, InGroup, Permission};
/// use countersign_verify::require;
///
/// let layer = require(HasPerm("articles.publish").or(InGroup("editors")));
/// ```
pub fn require<P: Permission>(permission: P) -> Require<P> {
    if let Err(contradiction) = consistent(&permission) {
        panic!("{contradiction}");
    }
    Require { permission: Arc::new(permission) }
}

/// What [`require`] makes.
///
/// ```
/// use countersign_verify::permission::IsStaff;
/// use countersign_verify::{Require, require};
///
/// let layer: Require<IsStaff> = require(IsStaff);
/// let twice = layer.clone(); // for another route
/// ```
#[derive(Debug)]
pub struct Require<P> {
    permission: Arc<P>,
}

impl<P> Clone for Require<P> {
    fn clone(&self) -> Self {
        Self { permission: Arc::clone(&self.permission) }
    }
}

impl<P, S> Layer<S> for Require<P> {
    type Service = Required<P, S>;

    fn layer(&self, inner: S) -> Self::Service {
        Required { permission: Arc::clone(&self.permission), inner }
    }
}

/// A service behind [`require`].
///
/// ```
/// use countersign_verify::permission::IsStaff;
/// use countersign_verify::{Required, require};
/// use tower_layer::Layer;
///
/// # struct MyService;
/// let service: Required<IsStaff, MyService> = require(IsStaff).layer(MyService);
/// ```
#[derive(Debug)]
pub struct Required<P, S> {
    permission: Arc<P>,
    inner: S,
}

impl<P, S: Clone> Clone for Required<P, S> {
    fn clone(&self) -> Self {
        Self { permission: Arc::clone(&self.permission), inner: self.inner.clone() }
    }
}

impl<P, S, B, R> Service<Request<B>> for Required<P, S>
where
    P: Permission,
    B: Body<Data: Send, Error: Send> + Send + 'static,
    S: Service<Request<B>, Response = Response<R>>,
    R: ResponseBody,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = GuardFuture<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let (parts, body) = request.into_parts();
        let who = parts.extensions.get::<Identity>();
        match self.permission.check(&Ask::new(who, &parts)) {
            Ok(()) => {
                let inner = self.inner.call(Request::from_parts(parts, body));
                GuardFuture { way: Way::Passed { inner } }
            }
            Err(denied) => {
                drain(body);
                let (problem, is_grpc) = (denied.to_problem(who), is_grpc(&parts.headers));
                GuardFuture { way: Way::Refused { problem, is_grpc } }
            }
        }
    }
}

pin_project_lite::pin_project! {
    /// The answer of a guarded service.
    ///
    /// ```
    /// use axum::{Router, body::Body, extract::Request};
    /// use countersign_verify::{GuardFuture, Required, permission::IsStaff};
    /// use tower_service::Service;
    ///
    /// type Answered<S> = <S as Service<Request<Body>>>::Future;
    ///
    /// fn is_the_future(of: Answered<Required<IsStaff, Router>>) -> GuardFuture<Answered<Router>> {
    ///     of
    /// }
    /// ```
    #[derive(Debug)]
    pub struct GuardFuture<F> {
        #[pin]
        way: Way<F>,
    }
}

pin_project_lite::pin_project! {
    #[derive(Debug)]
    #[project = Projected]
    enum Way<F> {
        // The inner service's.
        Passed {
            #[pin]
            inner: F,
        },
        // A refusal.
        Refused {
            problem: Problem,
            is_grpc: bool,
        },
    }
}

impl<F, R, E> Future for GuardFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
    R: ResponseBody,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().way.project() {
            Projected::Passed { inner } => inner.poll(context),
            Projected::Refused { problem, is_grpc } => Poll::Ready(Ok(refusal(problem, *is_grpc))),
        }
    }
}

/// The problem as an answer; to a gRPC client as the status that it understands, without a body.
pub(crate) fn refusal<R: ResponseBody>(problem: &Problem, is_grpc: bool) -> Response<R> {
    if !is_grpc {
        return problem.to_http::<Vec<u8>>().map(R::from_bytes);
    }
    // https://grpc.github.io/grpc/core/md_doc_statuscodes.html
    let status = match problem.code().status().as_u16() {
        401 => "16",
        403 => "7",
        503 => "14",
        _ => "2",
    };
    let mut response = Response::new(R::from_bytes(Vec::new()));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.insert("grpc-status", HeaderValue::from_static(status));
    headers.insert("grpc-message", HeaderValue::from_static(problem.code().as_str()));
    response
}

pub(crate) fn is_grpc(headers: &http::HeaderMap) -> bool {
    headers.get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"))
}
