//! The edge: what every request passes, whatever it asks for. It is on the hot path: no lock, no
//! span for reads, few allocations.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Instant;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::ConnectInfo;
use axum::http::header::{
    CONNECTION, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, EXPECT, HOST, ORIGIN, REFERRER_POLICY,
    STRICT_TRANSPORT_SECURITY, VARY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode, Version};
use axum::response::IntoResponse;
use countersign::Auth;
use countersign::http::{Code, Drained, Problem, ToItsEnd, keeping_the_binding};
use hyper::body::{Body as _, Frame, Incoming, SizeHint};
use hyper::service::Service;
use ipnet::IpNet;
use tower::Service as _;
use tracing::Instrument;

use super::activity::Activity;
use super::home::Home;
use super::metrics::{Metrics, Tally};
use crate::manage::{INTROSPECT, Manage};
use crate::text::hex;

/// The application behind its edge.
#[derive(Debug, Clone)]
pub(super) struct Edge(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    apps: Apps,
    metrics: Arc<Metrics>,
    trusted_proxies: Vec<IpNet>,
    https: bool,
    home: Option<Home>,
    request_ids: RequestIds,
    stopping: AtomicBool,
}

impl Edge {
    pub(super) fn new(
        apps: Apps,
        metrics: Arc<Metrics>,
        trusted_proxies: Vec<IpNet>,
        https: bool,
    ) -> Self {
        Self(Arc::new(Shared {
            apps,
            metrics,
            trusted_proxies,
            https,
            home: None,
            request_ids: RequestIds::new(),
            stopping: AtomicBool::new(false),
        }))
    }

    /// The same below this path.
    pub(super) fn below(mut self, home: Option<Home>) -> Self {
        // Nobody has it yet but who makes it.
        if let Some(shared) = Arc::get_mut(&mut self.0) {
            shared.home = home;
        }
        self
    }

    /// The service for one connection.
    pub(super) fn connection(&self, peer: SocketAddr) -> Connection {
        let trusts_peer =
            self.0.trusted_proxies.iter().any(|proxy| proxy.contains(&peer.ip().to_canonical()));
        Connection(Arc::new(Own {
            edge: self.clone(),
            same_origin: Mutex::new(self.0.apps.same_origin.clone()),
            cross_origin: Mutex::new(self.0.apps.cross_origin.clone()),
            request_ids: self.0.request_ids.of_a_connection(),
            peer,
            trusts_peer,
            activity: Arc::new(Activity::new()),
            tally: Tally::new(Arc::clone(&self.0.metrics)),
        }))
    }
}

impl Edge {
    /// From now on each answer says that it is the connection's last.
    pub(super) fn stop(&self) {
        self.0.stopping.store(true, Ordering::Relaxed);
    }
}

/// The application, once for requests from pages of other origins, and once for all others, which
/// pass one layer less.
#[derive(Debug, Clone)]
pub(super) struct Apps {
    pub(super) same_origin: Router,
    pub(super) cross_origin: Router,
    /// Who keeps the users behind the routes, where any of them writes.
    pub(super) auth: Option<Auth>,
    /// Who knows the profiles, where those are among the routes.
    pub(super) profiles: Option<Auth>,
    /// Who looks at tokens, where the management API is among the routes.
    pub(super) manage: Option<Manage>,
}

impl Apps {
    /// An application that does not care for origins.
    pub(super) fn alike(app: Router) -> Self {
        Self {
            same_origin: app.clone(),
            cross_origin: app,
            auth: None,
            profiles: None,
            manage: None,
        }
    }
}

/// One connection's service.
#[derive(Debug, Clone)]
pub(super) struct Connection(Arc<Own>);

#[derive(Debug)]
struct Own {
    edge: Edge,
    /// The application. To clone it for each request is to count in a place where all connections
    /// count.
    same_origin: Mutex<Router>,
    cross_origin: Mutex<Router>,
    request_ids: RequestIds,
    peer: SocketAddr,
    trusts_peer: bool,
    activity: Arc<Activity>,
    /// What was answered and not yet counted.
    tally: Tally,
}

impl Service<Request<Incoming>> for Connection {
    type Response = Response<Body>;
    type Error = std::convert::Infallible;
    type Future = Answering;

    fn call(&self, mut request: Request<Incoming>) -> Answering {
        let own = Arc::clone(&self.0);
        if let Some(home) = &own.edge.0.home {
            home.enter(&mut request);
        }
        own.activity.works(!request.body().is_end_stream());
        let asked = Asked {
            started: Instant::now(),
            route: own.metrics().route_of(request.uri().path()),
            id: own.request_id(&request),
            proves_device: own.proves_device(&request),
        };
        let answer = match own.known_profile(&request) {
            Some(response) => Answer::There(Some(response)),
            None if own.is_introspection(&request) => {
                let own = Arc::clone(&own);
                Answer::Awaited(Box::pin(async move { own.introspect(request).await }))
            }
            // Reads leave no lines in the log unless they fail; a span for each would cost more
            // than all the rest of the edge.
            None if request.method().is_safe() => Answer::Awaited(Box::pin(own.answer(request))),
            None => {
                let id = asked.id.to_str().unwrap_or_default();
                let answer = own.answer(request).instrument(tracing::info_span!("request", id));
                match &own.edge.0.apps.auth {
                    Some(auth) => Answer::Whole(ToItsEnd::new(auth, answer)),
                    None => Answer::Awaited(Box::pin(answer)),
                }
            }
        };
        Answering { own, asked: Some(asked), answer }
    }
}

/// The answer to a request, while it is made. It lies in its connection's own memory, so that an
/// answer that is there at once takes none.
pub(super) struct Answering {
    own: Arc<Own>,
    /// Until it is answered.
    asked: Option<Asked>,
    answer: Answer,
}

enum Answer {
    There(Option<Response<Body>>),
    Awaited(Pin<Box<dyn Future<Output = Response<Body>> + Send>>),
    /// What writes is done whole, though the client goes away: the pages of this server too have
    /// something to say of it afterwards.
    Whole(ToItsEnd<Response<Body>>),
}

impl Future for Answering {
    type Output = Result<Response<Body>, std::convert::Infallible>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { own, asked, answer } = &mut *self;
        let response = match answer {
            Answer::There(response) => response.take(),
            Answer::Awaited(answer) => Some(ready!(answer.as_mut().poll(context))),
            Answer::Whole(answer) => Some(ready!(Pin::new(answer).poll(context))),
        };
        match (asked.take(), response) {
            (Some(asked), Some(response)) => Poll::Ready(Ok(own.answered(asked, response))),
            // It was answered.
            _ => Poll::Pending,
        }
    }
}

/// What is known of a request when it comes.
struct Asked {
    started: Instant,
    route: usize,
    id: HeaderValue,
    /// Whether a refusal would end a browser's binding.
    proves_device: bool,
}

impl Connection {
    /// What the connection is doing.
    pub(super) fn activity(&self) -> &Arc<Activity> {
        &self.0.activity
    }

    /// Whether it comes from a trusted proxy.
    pub(super) fn trusts_peer(&self) -> bool {
        self.0.trusts_peer
    }
}

impl Own {
    fn metrics(&self) -> &Metrics {
        &self.edge.0.metrics
    }

    /// Whether somebody asks whose a token is. A backend may do so with each request of its own, so
    /// that it passes no router. It has a body, but nothing is written.
    fn is_introspection<B>(&self, request: &Request<B>) -> bool {
        self.edge.0.apps.manage.is_some()
            && request.method() == Method::POST
            && request.uri().path() == INTROSPECT
            && !request.headers().contains_key(EXPECT)
    }

    /// The answer to who asks for their profile with a token that is known: the hottest path of
    /// all passes no router. Whatever stands in its way is for the endpoint to say.
    fn known_profile(&self, request: &Request<Incoming>) -> Option<Response<Body>> {
        let profiles = self.edge.0.apps.profiles.as_ref()?;
        let is_plain = request.method() == Method::GET
            && request.body().is_end_stream()
            && has_good_host(request)
            && !request.headers().contains_key(ORIGIN);
        if is_plain {
            profiles.known_profile(request.uri().path(), request.headers())
        } else {
            None
        }
    }

    /// Whether a browser proves the key of its session.
    fn proves_device<B>(&self, request: &Request<B>) -> bool {
        let auth = self.edge.0.apps.auth.as_ref();
        auth.is_some_and(|auth| auth.is_device_proof(request.method(), request.uri().path()))
    }

    async fn introspect(&self, request: Request<Incoming>) -> Response<Body> {
        match &self.edge.0.apps.manage {
            _ if !has_good_host(&request) => no_good_host(),
            Some(manage) => manage.introspect(request.map(Drained::new), self.peer.ip()).await,
            None => self.answer(request).await,
        }
    }

    /// The answer as it goes out, and counted.
    fn answered(&self, asked: Asked, mut response: Response<Body>) -> Response<Body> {
        let Asked { started, route, id, proves_device } = asked;
        let status = response.status();
        let answered = Instant::now();
        let elapsed = answered.duration_since(started);
        self.tally.answered(route, status, answered, elapsed);
        if status.is_server_error() {
            tracing::error!(
                request_id = id.to_str().unwrap_or_default(),
                route = self.metrics().route_name(route),
                status = status.as_u16(),
                "a request failed"
            );
        } else {
            tracing::debug!(
                request_id = id.to_str().unwrap_or_default(),
                route = self.metrics().route_name(route),
                status = status.as_u16(),
                ?elapsed,
                "answered"
            );
        }
        // After it was counted and logged as what it is: a refusal is no failure of this server's.
        if proves_device {
            response = keeping_the_binding(response);
        }
        self.edge.0.add_headers(&mut response, id);
        if response.body().size_hint().exact().is_some() {
            self.activity.waits_from(answered);
            response
        } else {
            // How long it takes is seen when it is over.
            let activity = Arc::clone(&self.activity);
            response.map(|body| Body::new(Streamed { body, activity }))
        }
    }

    fn answer(
        &self,
        request: Request<Incoming>,
    ) -> impl Future<Output = Response<Body>> + Send + 'static {
        let host_is_good = has_good_host(&request);
        // A client that waits to be told to go on has not sent the body. It is not asked for it
        // when the answer is no.
        let has_sent = !request.headers().contains_key(EXPECT);
        let mut request = request.map(|body| match body.is_end_stream() {
            true => Body::empty(),
            false if has_sent => Body::new(Drained::new(body)),
            false => Body::new(body),
        });
        if asks_whence(request.uri().path()) || !request.method().is_safe() {
            request.extensions_mut().insert(ConnectInfo(self.peer));
        }
        let app = if request.headers().contains_key(ORIGIN) {
            &self.cross_origin
        } else {
            &self.same_origin
        };
        // A connection has one request at a time: nobody waits here.
        let app = || app.lock().unwrap_or_else(PoisonError::into_inner);
        let answer = host_is_good.then(|| app().call(request));
        async move {
            match answer {
                Some(answer) => match answer.await {
                    Ok(response) => response,
                    Err(never) => match never {},
                },
                None => no_good_host(),
            }
        }
    }

    /// The trusted proxy's id, or a fresh one.
    fn request_id<B>(&self, request: &Request<B>) -> HeaderValue {
        let given = if self.trusts_peer { request.headers().get(&REQUEST_ID) } else { None };
        let is_good = |id: &&HeaderValue| {
            (1..=64).contains(&id.len())
                && id.as_bytes().iter().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(b))
        };
        let own = || self.request_ids.next(&self.edge.0.request_ids);
        given.filter(is_good).cloned().unwrap_or_else(own)
    }
}

impl Shared {
    fn add_headers(&self, response: &mut Response<Body>, id: HeaderValue) {
        let no_content = response.status() == StatusCode::NO_CONTENT;
        let headers = response.headers_mut();
        headers.insert(REQUEST_ID, id);
        if no_content {
            // RFC 9110, 8.6. The router adds a zero to the answer of a HEAD.
            headers.remove(CONTENT_LENGTH);
        }
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        // Pages have their own.
        headers
            .entry(CONTENT_SECURITY_POLICY)
            .or_insert(HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"));
        headers.entry(REFERRER_POLICY).or_insert(HeaderValue::from_static("no-referrer"));
        if self.stopping.load(Ordering::Relaxed) {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        headers.entry(VARY).or_insert(HeaderValue::from_static("origin"));
        if self.https {
            headers.insert(STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000"));
        }
    }
}

/// A body that is made while it is sent. The connection waits for its client's next request when
/// that is over.
struct Streamed {
    body: Body,
    activity: Arc<Activity>,
}

impl hyper::body::Body for Streamed {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Streamed {
    fn drop(&mut self) {
        self.activity.waits_from(Instant::now());
    }
}

/// Whether a read of this path asks where it comes from. Most do not, and are spared the note.
fn asks_whence(path: &str) -> bool {
    // To look at the page of an account's security is to refresh a session; mails are for this
    // machine only, and service tokens for some networks.
    ["/account/", "/demo/mail", "/manage/"].iter().any(|own| path.starts_with(own))
        // An export costs much, and is counted by the client's address.
        || path.strip_suffix('/').unwrap_or(path).ends_with("/profile/export")
}

fn no_good_host() -> Response<Body> {
    Problem::new(Code::BadRequest)
        .detail("Send exactly one Host header, with a name or an address, and a port.")
        .into_response()
}

/// RFC 9112, 3.2: one `Host`, or in HTTP/1.0 none; in the letters that RFC 3986 gives to a host and
/// a port, but for the comma, which stands between two.
fn has_good_host<B>(request: &Request<B>) -> bool {
    let mut hosts = request.headers().get_all(HOST).into_iter();
    match (hosts.next(), hosts.next()) {
        (Some(host), None) => host
            .as_bytes()
            .iter()
            .all(|letter| letter.is_ascii_alphanumeric() || b".:-[]_~%!$&'()*+;=".contains(letter)),
        (None, None) => request.version() == Version::HTTP_10,
        _ => false,
    }
}

/// Ids that differ within a process and very likely between processes. They name, they prove
/// nothing.
#[derive(Debug)]
struct RequestIds {
    next: AtomicU64,
}

impl RequestIds {
    fn new() -> Self {
        use std::hash::{BuildHasher, RandomState};
        let begin = RandomState::new().hash_one(std::process::id());
        Self { next: AtomicU64::new(begin - begin % IDS_AT_ONCE) }
    }

    /// Those of one connection, which counts for itself.
    fn of_a_connection(&self) -> Self {
        Self { next: AtomicU64::new(self.take_some()) }
    }

    fn take_some(&self) -> u64 {
        self.next.fetch_add(IDS_AT_ONCE, Ordering::Relaxed)
    }

    /// The next one of a connection, which takes more from `all` when it has had its own.
    fn next(&self, all: &Self) -> HeaderValue {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        if number % IDS_AT_ONCE == IDS_AT_ONCE - 1 {
            self.next.store(all.take_some(), Ordering::Relaxed);
        }
        HeaderValue::from_bytes(&hex(number)).unwrap_or(HeaderValue::from_static("0"))
    }
}

/// How many ids a connection takes at once: none comes twice in the first 10^12 connections.
const IDS_AT_ONCE: u64 = 1 << 24;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_that_has_had_its_ids_takes_those_of_no_other() {
        let all = RequestIds::new();
        let (one, other) = (all.of_a_connection(), all.of_a_connection());
        let theirs = other.next(&all);
        one.next.fetch_add(IDS_AT_ONCE - 1, Ordering::Relaxed);
        let (last, first) = (one.next(&all), one.next(&all));
        assert!(![last, first.clone()].contains(&theirs));
        assert_ne!(all.of_a_connection().next(&all), first);
    }
}
