//! Serving: the library's routes and the binary's own behind one edge, on one listener, or the
//! management API on another.

mod account;
mod activity;
mod again;
mod connections;
mod console_mail;
mod counts;
mod demo;
mod docs_page;
mod edge;
mod health;
mod home;
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
use crate::manage::Manage;
use connections::{Bounds, accept_until};
use edge::{Apps, Edge};
use home::Home;
use metrics::Metrics;

/// What stands beside the library's endpoints.
#[derive(Debug)]
pub(crate) struct Pages {
    /// The admin site, the demo page.
    pub(crate) routes: Router,
    /// The management API.
    pub(crate) manage: Option<Manage>,
    /// Paths of theirs that have figures of their own.
    pub(crate) paths: Vec<String>,
    /// Where the first superuser can be made.
    pub(crate) invitation: Option<String>,
}

/// The sockets, listening.
#[derive(Debug)]
pub(crate) struct Listeners {
    main: TcpListener,
    metrics: Option<TcpListener>,
    manage: Option<TcpListener>,
    announced: watch::Sender<bool>,
}

impl Listeners {
    /// Listens where the options say.
    ///
    /// # Errors
    /// When an address cannot be listened on.
    pub(crate) async fn bind(options: &Options) -> io::Result<Self> {
        let metrics = bind_if_any(options.metrics_listen, "metrics_listen").await?;
        let manage = bind_if_any(options.manage_listen, "manage_listen").await?;
        let main = bind(options.listen, "listen").await?;
        Ok(Self { main, metrics, manage, announced: watch::Sender::new(false) })
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

/// Serves until `stop` comes, then finishes what has begun.
///
/// # Errors
/// When an address cannot be told.
pub(crate) async fn serve(
    auth: Auth,
    pages: Pages,
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
    let paths = openapi.paths.paths.keys().chain(&pages.paths);
    let metrics = Arc::new(Metrics::new(auth.clone(), counts, paths));
    let home = Home::of(&options.home);
    let around = |routes: Router| match home.clone() {
        Some(home) => home.around(routes),
        None => routes,
    };
    let (beside, manage, apart) = match (pages.manage, listeners.manage) {
        (Some(manage), Some(listener)) => (pages.routes, None, Some((manage, listener))),
        (Some(manage), None) => (pages.routes.merge(manage.routes()), Some(manage), None),
        (None, _) => (pages.routes, None, None),
    };
    let beside = match options.docs {
        true => beside.merge(docs_page::routes(&openapi)),
        false => beside,
    };
    let beside = around(beside);
    let apps = Apps {
        same_origin: routes(&auth, counts, auth.same_origin_routes(), beside.clone()),
        cross_origin: routes(&auth, counts, auth.routes(), beside),
        auth: Some(auth.clone()),
        profiles: Some(auth.clone()),
        manage,
    };
    let new_edge = |apps| {
        let (proxies, https) = (options.trusted_proxies.clone(), options.https);
        Edge::new(apps, Arc::clone(&metrics), proxies, https).below(home.clone())
    };
    let edge = new_edge(apps);

    let (ending, ends) = watch::channel(false);
    let apart = match apart {
        Some((manage, listener)) => {
            tracing::info!(address = %listener.local_addr()?, "serving /manage/v1 there alone");
            let routes = around(manage.routes()).fallback(not_found);
            let auth = Some(auth.clone());
            let apps = Apps { auth, manage: Some(manage), ..Apps::alike(routes) };
            let (edge, metrics) = (new_edge(apps), Arc::clone(&metrics));
            let stop = when(ends);
            Some(tokio::spawn(accept_until(listener, edge, bounds, metrics, stop)))
        }
        None => None,
    };
    let (stopping, stopped) = watch::channel(false);
    if let Some(listener) = listeners.metrics {
        tracing::info!(address = %listener.local_addr()?, "serving /metrics");
        let edge = Edge::new(
            Apps::alike(metrics::routes(Arc::clone(&metrics))),
            Arc::clone(&metrics),
            Vec::new(),
            false,
        );
        let stop = when(stopped);
        tokio::spawn(accept_until(
            listener,
            edge,
            Bounds { max_connections: 16, max_connections_per_address: 0, ..bounds },
            Arc::clone(&metrics),
            stop,
        ));
    }
    announce(address);
    if let Some(link) = &pages.invitation {
        invite(link);
    }
    listeners.announced.send_replace(true);
    let stop = async {
        stop.await;
        ending.send_replace(true);
    };
    accept_until(listeners.main, edge, bounds, metrics, stop).await;
    if let Some(apart) = apart
        && let Err(error) = apart.await
    {
        return Err(io::Error::other(error));
    }
    let _ = stopping.send(true);
    Ok(())
}

/// Is over when it becomes true, or nobody is there who could say so.
async fn when(mut it_is: watch::Receiver<bool>) {
    let _ = it_is.wait_for(|is| *is).await;
}

fn routes(auth: &Auth, counts: &Counts, endpoints: Router, pages: Router) -> Router {
    let app = endpoints.merge(health::routes(auth.clone(), counts.clone()));
    // Beside the endpoints rather than among them: what lets other origins in lies around those
    // alone.
    let app = app.merge(pages);
    app.fallback(not_found).method_not_allowed_fallback(method_not_allowed)
}

async fn bind_if_any(
    address: Option<SocketAddr>,
    setting: &str,
) -> io::Result<Option<TcpListener>> {
    match address {
        Some(address) => bind(address, setting).await.map(Some),
        None => Ok(None),
    }
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
