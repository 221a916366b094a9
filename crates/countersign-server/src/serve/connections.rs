//! Connections: accepted within bounds, with deadlines, and finished in peace.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use hyper::server::conn::http1;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::again::Again;
use super::edge::{Connection, Edge};
use super::metrics::Metrics;
use super::slots::{Client, Slot, Slots};
use super::stream::Stream;

/// What a peer may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    pub(super) header_timeout: Duration,
    pub(super) max_connections: usize,
    /// Of one client; zero for no limit.
    pub(super) max_connections_per_address: usize,
    pub(super) shutdown_grace: Duration,
}

/// Accepts connections until `stop` comes; then answers what has arrived by then, and waits for the
/// requests that have begun, but no longer than the grace.
pub(super) async fn accept_until(
    listener: TcpListener,
    edge: Edge,
    bounds: Bounds,
    metrics: Arc<Metrics>,
    stop: impl Future<Output = ()>,
) {
    let mut stop = std::pin::pin!(stop);
    let (stopping, stopped) = watch::channel(false);
    let mut http = http1::Builder::new();
    http.max_buf_size(MAX_HEAD_BYTES).max_headers(MAX_HEADERS);
    // Answers are small: to copy one behind its head costs less than to hand over two parts.
    http.writev(false);
    let slots = Slots::new(bounds.max_connections, bounds.max_connections_per_address);
    let server =
        Server { http, edge, header_timeout: bounds.header_timeout, metrics, slots, stopped };
    let mut last = None;
    loop {
        let accepted = tokio::select! {
            biased;
            () = &mut stop => break,
            accepted = accept(&listener) => accepted,
        };
        let Some(arrived) = accepted.and_then(|stream| server.arrived(stream)) else { continue };
        tokio::select! {
            biased;
            () = &mut stop => {
                last = Some(arrived);
                break;
            }
            slot = server.slots.take(arrived.client, arrived.service.activity()) => {
                if let Some(slot) = slot {
                    server.serve(arrived, slot);
                }
            }
        }
    }
    // A client whose connection the operating system has taken believes that it is served.
    for arrived in
        last.into_iter().chain(backlog(listener).filter_map(|stream| server.arrived(stream)))
    {
        if let Some(slot) = server.slots.take_now(arrived.client, arrived.service.activity()) {
            server.serve(arrived, slot);
        }
    }
    server.edge.stop();
    let _ = stopping.send(true);
    tracing::info!(
        connections = server.slots.taken(),
        "stopping; requests that have begun are finished"
    );
    if tokio::time::timeout(bounds.shutdown_grace, server.slots.empty()).await.is_err() {
        tracing::warn!("some requests did not finish within shutdown_grace and were cut off");
    }
}

/// What every connection needs.
struct Server {
    http: http1::Builder,
    edge: Edge,
    header_timeout: Duration,
    metrics: Arc<Metrics>,
    slots: Arc<Slots>,
    stopped: watch::Receiver<bool>,
}

/// A connection without a slot yet.
struct Arrived {
    stream: TcpStream,
    peer: SocketAddr,
    client: Option<Client>,
    service: Connection,
}

impl Server {
    fn arrived(&self, stream: TcpStream) -> Option<Arrived> {
        let peer = stream.peer_addr().ok()?;
        // Answers are written whole; waiting to fill a packet only delays them.
        let _ = stream.set_nodelay(true);
        let service = self.edge.connection(peer);
        // Behind a proxy are many clients.
        let client = (!service.trusts_peer()).then(|| Client::of(peer.ip()));
        Some(Arrived { stream, peer, client, service })
    }

    fn serve(&self, arrived: Arrived, slot: Slot) {
        let Arrived { stream, peer, service, .. } = arrived;
        let activity = Arc::clone(service.activity());
        let connection =
            self.http.serve_connection(Stream::new(stream, Arc::clone(&activity)), service.clone());
        let (metrics, header_timeout, mut stopped) =
            (Arc::clone(&self.metrics), self.header_timeout, self.stopped.clone());
        tokio::spawn(async move {
            metrics.connections.inc();
            let mut connection = Again::new(connection, || activity.has_body());
            let mut events =
                FuturesUnordered::<Pin<Box<dyn Future<Output = Event> + Send + '_>>>::new();
            events.push(Box::pin(async {
                too_long_without_the_client(&service, header_timeout).await;
                Event::TooLong
            }));
            events.push(Box::pin(async {
                slot.needed().await;
                Event::Needed
            }));
            events.push(Box::pin(async {
                let _ = stopped.wait_for(|stopped| *stopped).await;
                // Requests that were sent before the client could know are answered too.
                tokio::time::sleep(LAST_CALL).await;
                Event::LastCall
            }));
            loop {
                tokio::select! {
                    biased;
                    ended = &mut connection => {
                        if let Err(error) = ended {
                            tracing::debug!(%peer, %error, "a connection ended early");
                        }
                        break;
                    }
                    Some(event) = events.next() => match event {
                        Event::TooLong => {
                            tracing::debug!(%peer, "a connection waited too long for its client");
                            break;
                        }
                        Event::Needed => {
                            tracing::debug!(%peer, "a connection that waited for its client made \
                                room for another");
                            break;
                        }
                        Event::LastCall => {
                            activity.hurries();
                            connection.inner().graceful_shutdown();
                        }
                    }
                }
            }
            drop(events);
            metrics.connections.dec();
            drop(slot);
        });
    }
}

/// What may happen to a connection besides its requests. Each of them is looked at when it happens:
/// to ask all of them whenever a request comes takes locks, one of them shared by all connections.
enum Event {
    /// It has waited for its client for as long as it may.
    TooLong,
    /// Another one needs its slot.
    Needed,
    /// The server is stopping.
    LastCall,
}

/// Ends when the connection has waited for a request's head, or for the client to read, for as long
/// as it may.
///
/// The clock is looked at as seldom as that: a timer set and cleared for each request, as the HTTP
/// library's own is, costs a tenth of a request's time.
async fn too_long_without_the_client(service: &Connection, header_timeout: Duration) {
    loop {
        match service.activity().idle() {
            Some(idle) if idle >= header_timeout => return,
            Some(idle) => tokio::time::sleep(header_timeout - idle).await,
            None => tokio::time::sleep(header_timeout).await,
        }
    }
}

/// The next connection. `None` when accepting failed: the listener itself lives on.
async fn accept(listener: &TcpListener) -> Option<TcpStream> {
    match listener.accept().await {
        Ok((stream, _)) => Some(stream),
        Err(error) if is_peers_fault(&error) => None,
        Err(error) => {
            // Out of file descriptors or memory: a pause lets others finish.
            tracing::error!(%error, "cannot accept connections; trying again in a second");
            tokio::time::sleep(Duration::from_secs(1)).await;
            None
        }
    }
}

/// The connections that the operating system has taken already, as many as it takes: a client that
/// goes on connecting does not keep the server from stopping. Nobody listens after that.
fn backlog(listener: TcpListener) -> impl Iterator<Item = TcpStream> {
    let listener = listener.into_std().ok();
    let next = move || {
        let (stream, _) = listener.as_ref()?.accept().ok()?;
        stream.set_nonblocking(true).ok()?;
        TcpStream::from_std(stream).ok()
    };
    std::iter::from_fn(next).take(BACKLOG)
}

fn is_peers_fault(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
    )
}

/// The largest head of a request that is waited for; a larger one is answered with 431. It bounds
/// what a connection takes in memory: what came in one piece may be up to twice as large.
const MAX_HEAD_BYTES: usize = 64 * 1024;

const MAX_HEADERS: usize = 100;

/// How long a connection that waits is listened to after the signal to stop.
const LAST_CALL: Duration = Duration::from_millis(100);

/// What `bind` asks the operating system to take before it is accepted.
const BACKLOG: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_client_that_goes_on_connecting_does_not_keep_the_server_from_stopping() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let connect = || std::net::TcpStream::connect(address).unwrap();
        let mut last = connect();
        let taken = backlog(listener).take(3 * BACKLOG).inspect(|_| last = connect()).count();
        assert_eq!(taken, BACKLOG);
    }
}
