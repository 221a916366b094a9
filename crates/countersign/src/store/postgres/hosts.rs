//! The way to the server that takes writes, whichever host of the URL it is on now.
//!
//! Each host has a time of its own. One that is silent does not hold the others up: the next is
//! tried beside it. Whoever reaches another server than the one before has found a failover, and
//! the connections to the old one are closed, so that nobody waits for a machine that is gone.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::net::lookup_host;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{sleep, timeout};
use tokio_postgres::config::Host;
use tokio_postgres::tls::MakeTlsConnect;
use tokio_postgres::{Client, Config, Connection, Error, SimpleQueryMessage, Socket};
use tokio_postgres_rustls::MakeRustlsConnect;

/// The hosts of a URL, and which server was reached last.
pub(super) struct Hosts {
    each: Vec<(Config, HostAddress)>,
    tls: MakeRustlsConnect,
    /// How long one host may take until it is spoken with.
    patience: Duration,
    /// How long the next one waits for the one before.
    head_start: Duration,
    /// Which of them was reached last: it is asked first.
    first: AtomicUsize,
    /// The server that was reached last, by the time at which it was started.
    server: watch::Sender<i64>,
}

#[derive(Clone)]
enum HostAddress {
    Name(String),
    /// An address, or a socket: there is nothing to look up.
    Known,
}

/// A connection, and what it leads to.
pub(super) struct Reached {
    pub(super) client: Client,
    pub(super) line: Line,
    pub(super) server: Server,
}

/// What moves a connection's bytes.
pub(super) type Line = Connection<Socket, <MakeRustlsConnect as MakeTlsConnect<Socket>>::Stream>;

/// The server of a connection.
pub(super) struct Server {
    started: i64,
    now: watch::Receiver<i64>,
}

impl Hosts {
    /// The hosts of a URL's settings. A server that takes no writes is of no use, so it is passed
    /// over unless the URL wants `any`; then they are asked one after another.
    pub(super) fn new(config: &Config, tls: MakeRustlsConnect, wants_any: bool) -> Self {
        let patience = config
            .get_connect_timeout()
            .copied()
            .unwrap_or(PATIENCE)
            .clamp(Duration::from_secs(1), LONGEST);
        let count = config.get_hosts().len().max(config.get_hostaddrs().len());
        let each = (0..count).filter_map(|number| only(config, number)).collect();
        let head_start = if wants_any { patience } else { HEAD_START };
        Self {
            each,
            tls,
            patience,
            head_start,
            first: AtomicUsize::new(0),
            server: watch::Sender::new(0),
        }
    }

    /// How long an attempt to reach any of them takes at most.
    pub(super) fn longest(&self) -> Duration {
        let others =
            u32::try_from(self.each.len().saturating_sub(1)).unwrap_or(0).min(MOST_ADDRESSES);
        self.patience + self.head_start * others + SPARE
    }

    /// Reaches the server that takes writes.
    ///
    /// # Errors
    /// What the last one said that said anything; `None` when all are silent.
    pub(super) async fn reach(&self) -> Result<Reached, Option<Error>> {
        let first = self.first.load(Ordering::Relaxed);
        let order = (0..self.each.len()).map(|turn| (first + turn) % self.each.len());
        let attempts = order.map(|number| {
            let ((config, lookup), tls, patience) =
                (self.each[number].clone(), self.tls.clone(), self.patience);
            async move { Ok((number, host(config, lookup, tls, patience).await?)) }
        });
        let (number, (client, line, started)) =
            timeout(self.longest(), race(attempts, self.head_start)).await.unwrap_or(Err(None))?;
        self.first.store(number, Ordering::Relaxed);
        let before = self.server.send_replace(started);
        if before != 0 && before != started {
            tracing::warn!(
                "another database server answers now; the connections to the one before are closed"
            );
        }
        Ok(Reached { client, line, server: Server { started, now: self.server.subscribe() } })
    }
}

impl Reached {
    /// Moves the connection's bytes, until it ends or leads to a server that is not the one any
    /// more.
    pub(super) fn drive(self) -> (Client, JoinHandle<()>) {
        let Self { client, line, server } = self;
        let task = tokio::spawn(async move {
            tokio::select! {
                ended = line => if let Err(error) = ended {
                    tracing::debug!(error = super::message_of(&error),
                        "a connection to the database ended");
                },
                () = server.until_replaced() => {}
            }
        });
        (client, task)
    }
}

impl Server {
    /// Waits until another server was reached.
    pub(super) async fn until_replaced(mut self) {
        if self.now.wait_for(|now| *now != self.started).await.is_err() {
            // The store is gone; what it began may end.
            std::future::pending::<()>().await;
        }
    }
}

/// The settings for one host alone.
fn only(config: &Config, number: usize) -> Option<(Config, HostAddress)> {
    let mut one = Config::new();
    one.ssl_mode(config.get_ssl_mode())
        .ssl_negotiation(config.get_ssl_negotiation())
        .channel_binding(config.get_channel_binding())
        .target_session_attrs(config.get_target_session_attrs())
        .keepalives(config.get_keepalives())
        .keepalives_idle(config.get_keepalives_idle());
    config.get_user().map(|user| one.user(user));
    config.get_password().map(|password| one.password(password));
    config.get_dbname().map(|name| one.dbname(name));
    config.get_options().map(|options| one.options(options));
    config.get_application_name().map(|name| one.application_name(name));
    config.get_tcp_user_timeout().map(|time| one.tcp_user_timeout(*time));
    config.get_keepalives_interval().map(|interval| one.keepalives_interval(interval));
    config.get_keepalives_retries().map(|retries| one.keepalives_retries(retries));
    config.get_ports().get(number).or(config.get_ports().first()).map(|port| one.port(*port));
    let lookup = match (config.get_hosts().get(number), config.get_hostaddrs().get(number)) {
        (None, None) => return None,
        (Some(Host::Tcp(name)), None) => {
            one.host(name);
            HostAddress::Name(name.clone())
        }
        (Some(Host::Unix(path)), _) => {
            one.host_path(path);
            HostAddress::Known
        }
        (name, Some(address)) => {
            if let Some(Host::Tcp(name)) = name {
                one.host(name);
            }
            one.hostaddr(*address);
            HostAddress::Known
        }
    };
    Some((one, lookup))
}

type Spoken = (Client, Line, i64);

/// Speaks with one host, by whichever of its addresses answers.
async fn host(
    config: Config,
    lookup: HostAddress,
    tls: MakeRustlsConnect,
    patience: Duration,
) -> Result<Spoken, Option<Error>> {
    let HostAddress::Name(name) = lookup else { return address(config, tls, patience).await };
    let port = config.get_ports().first().copied().unwrap_or(5432);
    let found = match timeout(patience, lookup_host((name.as_str(), port))).await {
        Err(_) => return Err(None),
        // The driver says why it finds nothing.
        Ok(Err(_)) => return address(config, tls, patience).await,
        Ok(Ok(found)) => found.take(MOST_ADDRESSES as usize).collect::<Vec<_>>(),
    };
    let attempts = found.into_iter().map(|at| {
        let (mut config, tls) = (config.clone(), tls.clone());
        config.hostaddr(at.ip());
        address(config, tls, patience)
    });
    race(attempts, HEAD_START).await
}

async fn address(
    config: Config,
    tls: MakeRustlsConnect,
    patience: Duration,
) -> Result<Spoken, Option<Error>> {
    timeout(patience, speak(config, tls)).await.unwrap_or(Err(None))
}

/// Connects, and asks the server when it was started: what tells one from another, whatever its
/// address.
async fn speak(config: Config, tls: MakeRustlsConnect) -> Result<Spoken, Option<Error>> {
    let (client, mut line) = config.connect(tls).await?;
    let mut answer = Box::pin(client.simple_query(STARTED));
    let rows = tokio::select! {
        rows = &mut answer => rows?,
        ended = &mut line => {
            ended?;
            drop(line);
            // It says that the connection is closed.
            return Err(answer.await.err());
        }
    };
    drop(answer);
    let started = rows.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0)?.parse().ok(),
        _ => None,
    });
    Ok((client, line, started.unwrap_or(1)))
}

/// The first that succeeds. Each begins when the one before has failed, or has had its head start.
async fn race<T: Send + 'static, F>(
    attempts: impl Iterator<Item = F>,
    head_start: Duration,
) -> Result<T, Option<Error>>
where
    F: Future<Output = Result<T, Option<Error>>> + Send + 'static,
{
    let (mut attempts, mut running, mut why) = (attempts.fuse(), JoinSet::new(), None);
    loop {
        if let Some(next) = attempts.next() {
            running.spawn(next);
        } else if running.is_empty() {
            return Err(why);
        }
        let is_last = attempts.size_hint().1 == Some(0);
        tokio::select! {
            Some(done) = running.join_next() => match done {
                Ok(Ok(reached)) => return Ok(reached),
                Ok(Err(error)) => why = error.or(why),
                Err(_) => {}
            },
            () = sleep(head_start), if !is_last => {}
        }
    }
}

const STARTED: &str = "SELECT (extract(epoch FROM pg_postmaster_start_time()) * 1000000)::bigint";

/// How long a host may take, unless the URL says `connect_timeout`.
const PATIENCE: Duration = Duration::from_secs(3);

const LONGEST: Duration = Duration::from_secs(60);

/// As browsers wait before they try the next address (RFC 8305, section 5).
const HEAD_START: Duration = Duration::from_millis(250);

/// Addresses of one name that are tried.
const MOST_ADDRESSES: u32 = 8;

/// So that the time of the last host ends before that of the attempt.
const SPARE: Duration = Duration::from_millis(500);

#[cfg(test)]
mod tests {
    use super::*;

    async fn raced(
        attempts: Vec<Option<Result<u8, Option<Error>>>>,
        head_start: Duration,
    ) -> Result<u8, Option<Error>> {
        let attempts = attempts.into_iter().map(|attempt| async move {
            match attempt {
                Some(done) => done,
                None => std::future::pending().await,
            }
        });
        race(attempts, head_start).await
    }

    #[tokio::test]
    async fn one_that_is_silent_does_not_hold_the_next_up_and_one_that_refuses_costs_no_head_start()
    {
        assert_eq!(
            raced(vec![None, None, Some(Ok(3))], Duration::from_millis(1)).await.ok(),
            Some(3)
        );
        assert_eq!(raced(vec![Some(Err(None)), Some(Ok(2))], Duration::MAX).await.ok(), Some(2));
        assert_eq!(
            raced(vec![Some(Ok(1)), Some(Ok(2))], Duration::MAX).await.ok(),
            Some(1),
            "in the order of the URL"
        );
        assert!(
            raced(vec![Some(Err(None)), Some(Err(None))], Duration::from_millis(1)).await.is_err()
        );
        assert!(raced(vec![], Duration::ZERO).await.is_err());
    }

    #[tokio::test]
    async fn connections_to_a_server_that_another_replaced_end_and_others_do_not() {
        let servers = watch::Sender::new(1);
        let old = Server { started: 1, now: servers.subscribe() };
        servers.send_replace(2);
        old.until_replaced().await;
        let new = Server { started: 2, now: servers.subscribe() };
        drop(servers);
        assert!(
            timeout(Duration::from_millis(1), new.until_replaced()).await.is_err(),
            "the store's end is no failover"
        );
    }

    #[test]
    fn each_host_has_the_settings_of_all_and_an_address_and_port_of_its_own() {
        let config: Config =
            "postgres://me:word@one:1,%2Ftmp:2/app?connect_timeout=7&application_name=x&options=-c%20a%3D1".parse().unwrap();
        let each: Vec<_> = (0..3).map(|number| only(&config, number).map(|(one, _)| one)).collect();
        let [Some(first), Some(second), None] = &each[..] else { panic!("{each:?}") };
        assert_eq!(
            (first.get_hosts(), first.get_ports()),
            (&[Host::Tcp("one".to_owned())][..], &[1][..])
        );
        assert_eq!(
            (second.get_hosts(), second.get_ports()),
            (&[Host::Unix("/tmp".into())][..], &[2][..])
        );
        for one in [first, second] {
            assert_eq!((one.get_user(), one.get_password()), (Some("me"), Some(&b"word"[..])));
            assert_eq!((one.get_dbname(), one.get_options()), (Some("app"), Some("-c a=1")));
        }
    }

    #[test]
    fn the_time_for_one_host_is_the_urls_and_the_whole_is_longer() {
        let hosts = |url: &str| {
            let client = rustls::ClientConfig::builder_with_provider(std::sync::Arc::new(
                rustls::crypto::aws_lc_rs::default_provider(),
            ));
            let client = client
                .with_safe_default_protocol_versions()
                .unwrap()
                .with_root_certificates(rustls::RootCertStore::empty());
            Hosts::new(
                &url.parse().unwrap(),
                MakeRustlsConnect::new(client.with_no_client_auth()),
                false,
            )
        };
        let three = hosts("postgres://a,b,c/x?connect_timeout=7");
        assert_eq!((three.patience, three.each.len()), (Duration::from_secs(7), 3));
        assert!(three.longest() > three.patience + three.head_start * 2);
        assert_eq!(hosts("postgres://a/x").patience, PATIENCE);
    }
}
