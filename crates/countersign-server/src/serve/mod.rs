//! Serving: the library's routes and the binary's own behind one edge, on one listener.

mod account;
mod activity;
mod connections;
mod console_mail;
mod counts;
mod demo;
mod docs_page;
mod edge;
mod health;
mod metrics;
mod slots;
mod stream;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use countersign::Auth;
use countersign::http::{method_not_allowed, not_found};
use tokio::net::TcpListener;
use tokio::sync::watch;

pub(crate) use account::account_pages;
pub(crate) use console_mail::ConsoleMailer;
pub(crate) use counts::Counts;
pub(crate) use demo::{Demo, DemoLinks, Mailbox};

use crate::config::Options;
use connections::{Bounds, accept_until};
use edge::{Apps, Edge};
use metrics::Metrics;

/// The sockets, listening.
#[derive(Debug)]
pub(crate) struct Listeners {
    main: TcpListener,
    metrics: Option<TcpListener>,
    announced: watch::Sender<bool>,
}

impl Listeners {
    /// Listens where the options say.
    ///
    /// # Errors
    /// When an address cannot be listened on.
    pub(crate) async fn bind(options: &Options) -> io::Result<Self> {
        let metrics = match options.metrics_listen {
            Some(address) => Some(bind(address, "metrics_listen").await?),
            None => None,
        };
        let main = bind(options.listen, "listen").await?;
        Ok(Self { main, metrics, announced: watch::Sender::new(false) })
    }

    /// Becomes true once the server has said where it listens.
    pub(crate) fn announced(&self) -> watch::Receiver<bool> {
        self.announced.subscribe()
    }

    /// Where the main one listens.
    ///
    /// # Errors
    /// The operating system's.
    pub(crate) fn address(&self) -> io::Result<SocketAddr> {
        self.main.local_addr()
    }
}

/// Serves until `stop` comes, then finishes what has begun. `pages` stand beside the library's
/// endpoints; `invitation` is where the first superuser can be made.
///
/// # Errors
/// When an address cannot be told.
pub(crate) async fn serve(
    auth: Auth,
    pages: Router,
    invitation: Option<&str>,
    counts: &Counts,
    listeners: Listeners,
    options: Options,
    stop: impl Future<Output = ()>,
) -> io::Result<()> {
    let address = listeners.address()?;
    let bounds = Bounds {
        header_timeout: options.header_timeout,
        max_connections: options.max_connections,
        max_connections_per_address: options.max_connections_per_address,
        shutdown_grace: options.shutdown_grace,
    };
    let openapi = docs_page::document(&auth);
    let metrics = Arc::new(Metrics::new(auth.clone(), counts, openapi.paths.paths.keys()));
    let docs = options.docs.then_some(&openapi);
    let apps = Apps {
        same_origin: routes(&auth, counts, auth.same_origin_routes(), pages.clone(), docs),
        cross_origin: routes(&auth, counts, auth.routes(), pages, docs),
    };
    let edge = Edge::new(apps, Arc::clone(&metrics), options.trusted_proxies, options.https);

    let (stopping, stopped) = watch::channel(false);
    if let Some(listener) = listeners.metrics {
        tracing::info!(address = %listener.local_addr()?, "serving /metrics");
        let edge = Edge::new(
            Apps::alike(metrics::routes(Arc::clone(&metrics))),
            Arc::clone(&metrics),
            Vec::new(),
            false,
        );
        let mut stopped = stopped.clone();
        let stop = async move {
            let _ = stopped.wait_for(|stopping| *stopping).await;
        };
        tokio::spawn(accept_until(
            listener,
            edge,
            Bounds { max_connections: 16, max_connections_per_address: 0, ..bounds },
            Arc::clone(&metrics),
            stop,
        ));
    }
    announce(address);
    if let Some(link) = invitation {
        invite(link);
    }
    listeners.announced.send_replace(true);
    accept_until(listeners.main, edge, bounds, metrics, stop).await;
    let _ = stopping.send(true);
    Ok(())
}

fn routes(
    auth: &Auth,
    counts: &Counts,
    endpoints: Router,
    pages: Router,
    docs: Option<&utoipa::openapi::OpenApi>,
) -> Router {
    let app = endpoints.merge(health::routes(auth.clone(), counts.clone()));
    // Beside the endpoints rather than among them: what lets other origins in lies around those
    // alone.
    let app = app.merge(pages);
    let app = match docs {
        Some(openapi) => app.merge(docs_page::routes(openapi)),
        None => app,
    };
    app.fallback(not_found).method_not_allowed_fallback(method_not_allowed)
}

async fn bind(address: SocketAddr, setting: &str) -> io::Result<TcpListener> {
    TcpListener::bind(address).await.map_err(|error| {
        let hint = match error.kind() {
            io::ErrorKind::AddrInUse => {
                "; another program listens there: stop it, or choose another address"
            }
            io::ErrorKind::AddrNotAvailable => {
                "; this machine has no such address: choose another one"
            }
            io::ErrorKind::PermissionDenied => {
                "; ports below 1024 need a privilege: choose a higher one and put a proxy before it"
            }
            _ => "",
        };
        io::Error::new(
            error.kind(),
            format!("{setting} = \"{address}\": cannot listen there: {error}{hint}"),
        )
    })
}

/// The one line on standard output, for people and for scripts that start the server on a free
/// port. Perhaps nobody reads it.
fn announce(address: SocketAddr) {
    use io::Write;
    let _ = writeln!(io::stdout(), "listening on http://{address}");
    let _ = io::stdout().flush();
}

/// Tells the operator who started the server how to make the first superuser. Perhaps nobody reads
/// it.
fn invite(link: &str) {
    use io::Write;
    let _ = writeln!(io::stdout(), "there is no superuser yet; make the first one at {link}");
    let _ = io::stdout().flush();
}
