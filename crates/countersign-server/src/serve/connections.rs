//! Connections: accepted within a bound, with deadlines, and finished in peace.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use super::edge::{Connection, Edge};
use super::metrics::Metrics;

/// What a peer may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    pub(super) header_timeout: Duration,
    pub(super) max_connections: usize,
    pub(super) shutdown_grace: Duration,
}

/// Accepts connections until `stop` comes; then waits for the requests that have begun, but no longer than the grace.
pub(super) async fn accept_until(listener: TcpListener, edge: Edge, bounds: Bounds, metrics: Arc<Metrics>, stop: impl Future<Output = ()>) {
    let mut stop = std::pin::pin!(stop);
    let places = Arc::new(Semaphore::new(bounds.max_connections));
    let graceful = GracefulShutdown::new();
    let mut http = http1::Builder::new();
    http.max_buf_size(MAX_HEAD_BYTES).max_headers(MAX_HEADERS);
    loop {
        let accepted = tokio::select! {
            () = &mut stop => break,
            accepted = accept(&listener, &places) => accepted,
        };
        let Some((stream, place)) = accepted else { continue };
        let Ok(peer) = stream.peer_addr() else { continue };
        // Answers are written whole; waiting to fill a packet only delays them.
        let _ = stream.set_nodelay(true);
        let service = edge.connection(peer);
        let connection = graceful.watch(http.serve_connection(TokioIo::new(stream), service.clone()));
        let metrics = Arc::clone(&metrics);
        tokio::spawn(async move {
            metrics.connections.inc();
            tokio::select! {
                biased;
                ended = connection => if let Err(error) = ended {
                    tracing::debug!(%peer, %error, "a connection ended early");
                },
                () = too_long_without_a_head(&service, bounds.header_timeout) => tracing::debug!(%peer, "a connection waited too long for a request"),
            }
            metrics.connections.dec();
            drop(place);
        });
    }
    drop(listener);
    tracing::info!(connections = graceful.count(), "stopping; requests that have begun are finished");
    if tokio::time::timeout(bounds.shutdown_grace, graceful.shutdown()).await.is_err() {
        tracing::warn!("some requests did not finish within shutdown_grace and were cut off");
    }
}

/// Ends when the connection has waited for a request's head for as long as it may.
///
/// The clock is looked at as seldom as that: a timer set and cleared for each request, as the HTTP library's own is, costs a tenth of a request's time.
async fn too_long_without_a_head(service: &Connection, header_timeout: Duration) {
    loop {
        match service.waiting() {
            Some(waiting) if waiting >= header_timeout => return,
            Some(waiting) => tokio::time::sleep(header_timeout - waiting).await,
            None => tokio::time::sleep(header_timeout).await,
        }
    }
}

/// The next connection, once there is a place for it. `None` when accepting failed: the listener itself lives on.
async fn accept(listener: &TcpListener, places: &Arc<Semaphore>) -> Option<(TcpStream, tokio::sync::OwnedSemaphorePermit)> {
    let place = Arc::clone(places).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, _)) => Some((stream, place)),
        Err(error) if is_peers_fault(&error) => None,
        Err(error) => {
            // Out of file descriptors or memory: a pause lets others finish.
            tracing::error!(%error, "cannot accept connections; trying again in a second");
            tokio::time::sleep(Duration::from_secs(1)).await;
            None
        }
    }
}

fn is_peers_fault(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionRefused)
}

/// The largest head of a request that is read; a larger one is answered with 431.
const MAX_HEAD_BYTES: usize = 128 * 1024;

const MAX_HEADERS: usize = 100;
