//! `GET /metrics`, in Prometheus' text format.
//!
//! The counters of the hot path are resolved ahead of time: an index into an array, and an atomic
//! addition.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::counts::Counts;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use countersign::Auth;
use countersign::http::{Code, Problem, method_not_allowed, not_found};
use foldhash::fast::RandomState;
use prometheus::{
    Encoder, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, Opts,
    Registry, TextEncoder,
};

/// The figures of this process.
#[derive(Debug)]
pub(super) struct Metrics {
    registry: Registry,
    auth: Auth,
    routes: Vec<Route>,
    by_path: HashMap<String, usize, RandomState>,
    /// Routes with a parameter: what stands before it.
    by_prefix: Vec<(String, usize)>,
    /// Open connections.
    pub(super) connections: IntGauge,
    hash_queue: IntGauge,
    users_cached: IntGauge,
    tokens_cached: IntGauge,
    sessions_revoked: IntGauge,
    resident_bytes: IntGauge,
    outbox_waiting: IntGauge,
    outbox_failed: IntGauge,
    mails_sent: IntCounter,
    mails_put_off: IntCounter,
    mails_failed: IntCounter,
}

#[derive(Debug)]
struct Route {
    name: String,
    /// By the first digit of the status.
    answered: [IntCounter; 6],
    seconds: Histogram,
}

impl Metrics {
    /// Figures for these routes; whatever else is asked for is counted as `other`.
    pub(super) fn new<'a>(
        auth: Auth,
        counts: &Counts,
        paths: impl Iterator<Item = &'a String>,
    ) -> Self {
        let registry = Registry::new();
        if let Err(error) = counts.register(&registry) {
            tracing::error!(%error, "sessions cannot be counted");
        }
        let gauge = |name: &str, help: &str| register(&registry, IntGauge::new(name, help));
        let requests = register(
            &registry,
            IntCounterVec::new(
                Opts::new(
                    "countersign_requests_total",
                    "Requests answered, by route and class of status",
                ),
                &["route", "status"],
            ),
        );
        let durations = register(
            &registry,
            HistogramVec::new(
                HistogramOpts::new("countersign_request_seconds", "Time to answer, by route")
                    .buckets(BUCKETS.to_vec()),
                &["route"],
            ),
        );
        let build = register(
            &registry,
            prometheus::IntGaugeVec::new(
                Opts::new("countersign_build_info", "The version of this program"),
                &["version"],
            ),
        );
        build.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);

        let mails = register(
            &registry,
            IntCounterVec::new(
                Opts::new(
                    "countersign_mails_total",
                    "Mails that this process tried to send, by what came of it",
                ),
                &["result"],
            ),
        );

        let names = std::iter::once("other").chain(paths.map(String::as_str));
        let routes: Vec<Route> = names
            .map(|name| Route {
                name: name.to_owned(),
                answered: CLASSES.map(|class| requests.with_label_values(&[name, class])),
                seconds: durations.with_label_values(&[name]),
            })
            .collect();
        let named = || routes.iter().enumerate().skip(1);
        Self {
            by_path: named()
                .filter(|(_, route)| !route.name.contains('{'))
                .map(|(i, route)| (route.name.clone(), i))
                .collect(),
            by_prefix: named()
                .filter_map(|(i, route)| {
                    route.name.split_once('{').map(|(prefix, _)| (prefix.to_owned(), i))
                })
                .collect(),
            routes,
            connections: gauge("countersign_connections", "Open connections"),
            hash_queue: gauge("countersign_hash_queue", "Password hashes that wait for a thread"),
            users_cached: gauge("countersign_users_cached", "Users in the cache"),
            tokens_cached: gauge(
                "countersign_tokens_cached",
                "Verified access tokens in the cache",
            ),
            sessions_revoked: gauge(
                "countersign_sessions_revoked",
                "Sessions ended within the last access-token lifetime",
            ),
            resident_bytes: gauge("process_resident_memory_bytes", "Resident memory"),
            outbox_waiting: gauge(
                "countersign_outbox_waiting",
                "Mails that wait in the outbox of all nodes, up to 100,000",
            ),
            outbox_failed: gauge(
                "countersign_outbox_failed",
                "Mails of the last 30 days that failed for good, up to 100,000",
            ),
            mails_sent: mails.with_label_values(&["sent"]),
            mails_put_off: mails.with_label_values(&["put_off"]),
            mails_failed: mails.with_label_values(&["failed"]),
            registry,
            auth,
        }
    }

    /// The route that serves `path`.
    pub(super) fn route_of(&self, path: &str) -> usize {
        if let Some(route) = self.by_path.get(path) {
            return *route;
        }
        let path = path.strip_suffix('/').unwrap_or(path);
        if let Some(route) = self.by_path.get(path) {
            return *route;
        }
        let with_parameter = |(prefix, _): &&(String, usize)| {
            path.strip_prefix(prefix.as_str())
                .is_some_and(|rest| !rest.is_empty() && !rest.contains('/'))
        };
        self.by_prefix.iter().find(with_parameter).map_or(OTHER, |(_, route)| *route)
    }

    /// The route's name.
    pub(super) fn route_name(&self, route: usize) -> &str {
        self.routes.get(route).map_or("", |route| &route.name)
    }

    fn answered(&self, route: usize, status: StatusCode, elapsed: Duration) {
        let Some(route) = self.routes.get(route) else { return };
        if let Some(counter) = route.answered.get(usize::from(status.as_u16() / 100)) {
            counter.inc();
        }
        route.seconds.observe(elapsed.as_secs_f64());
    }

    /// Asks the store what stands in the outbox. Without an answer the figures stay as they were.
    async fn look_at_outbox(&self) {
        match self.auth.store().outbox_counts().await {
            Ok(counts) => {
                for (gauge, value) in
                    [(&self.outbox_waiting, counts.waiting), (&self.outbox_failed, counts.failed)]
                {
                    gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
                }
            }
            Err(error) => tracing::debug!(%error, "the outbox was not counted"),
        }
    }

    fn text(&self) -> Result<Vec<u8>, prometheus::Error> {
        let stats = self.auth.stats();
        for (gauge, value) in [
            (&self.hash_queue, stats.hash_queue),
            (&self.users_cached, stats.users_cached),
            (&self.tokens_cached, stats.tokens_cached),
            (&self.sessions_revoked, stats.sessions_revoked),
            (&self.resident_bytes, resident_bytes().unwrap_or(0)),
        ] {
            gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
        }
        for (counter, value) in [
            (&self.mails_sent, stats.mails_sent),
            (&self.mails_put_off, stats.mails_put_off),
            (&self.mails_failed, stats.mails_failed),
        ] {
            counter.inc_by(value.saturating_sub(counter.get()));
        }
        let mut text = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut text)?;
        Ok(text)
    }
}

/// The answers of one connection that are not yet counted.
///
/// Counters are shared by all threads, and a shared counter costs each of them more than a
/// request's whole bookkeeping otherwise. So answers are counted some at a time: when there are
/// [`TALLIED`] of them, when the first of them is a second old, and when the connection ends.
#[derive(Debug)]
pub(super) struct Tally {
    metrics: Arc<Metrics>,
    answers: Mutex<Answers>,
}

#[derive(Debug, Default)]
struct Answers {
    all: Vec<AnsweredRequest>,
    /// When the first of them was given.
    since: Option<Instant>,
}

/// Small: each connection has some of them, and a busy server thousands of connections.
#[derive(Debug)]
struct AnsweredRequest {
    nanos: u64,
    route: u32,
    status: StatusCode,
}

impl Tally {
    pub(super) fn new(metrics: Arc<Metrics>) -> Self {
        Self { metrics, answers: Mutex::default() }
    }

    pub(super) fn answered(
        &self,
        route: usize,
        status: StatusCode,
        at: Instant,
        elapsed: Duration,
    ) {
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        let nanos = u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX);
        answers.all.push(AnsweredRequest {
            nanos,
            route: u32::try_from(route).unwrap_or(0),
            status,
        });
        let since = *answers.since.get_or_insert(at);
        let is_old = at.duration_since(since) >= Duration::from_secs(1);
        if answers.all.len() >= TALLIED || is_old {
            self.count(&mut answers);
        }
    }

    fn count(&self, answers: &mut Answers) {
        answers.since = None;
        for answer in answers.all.drain(..) {
            let elapsed = Duration::from_nanos(answer.nanos);
            self.metrics.answered(answer.route as usize, answer.status, elapsed);
        }
    }
}

impl Drop for Tally {
    fn drop(&mut self) {
        let mut answers =
            std::mem::take(self.answers.get_mut().unwrap_or_else(PoisonError::into_inner));
        self.count(&mut answers);
    }
}

pub(super) fn routes(metrics: Arc<Metrics>) -> Router {
    Router::new()
        .route("/metrics", get(metrics_text))
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .with_state(metrics)
}

async fn metrics_text(State(metrics): State<Arc<Metrics>>) -> Response {
    metrics.look_at_outbox().await;
    match metrics.text() {
        Ok(text) => {
            ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response()
        }
        Err(error) => {
            tracing::error!(%error, "the metrics could not be written");
            Problem::new(Code::InternalError).into_response()
        }
    }
}

/// The names and labels stand above, each once: they register.
fn register<C: prometheus::core::Collector + Clone + 'static>(
    registry: &Registry,
    collector: Result<C, prometheus::Error>,
) -> C {
    let collector = collector.expect("a metric's name and labels are valid");
    registry.register(Box::new(collector.clone())).expect("a metric is registered once");
    collector
}

fn resident_bytes() -> Option<usize> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<usize>().ok().map(|kib| kib * 1024)
}

const TALLIED: usize = 32;

const OTHER: usize = 0;

const CLASSES: [&str; 6] = ["0xx", "1xx", "2xx", "3xx", "4xx", "5xx"];

/// From a cached token to a hash in a queue.
const BUCKETS: [f64; 10] = [0.000_1, 0.000_5, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0];
