//! `countersign serve`.

use clap::Args;
use countersign::Auth;
use jiff::Timestamp;
use tokio::signal::unix::{SignalKind, signal};

use crate::admin::{Admin, Limits};
use crate::config::Config;
use crate::failure::Failure;
use crate::logs::Log;
use crate::record::{Both, Lasting, Recorder};
use crate::serve::{Beside, Counts, Demo, Listeners, serve};
use crate::world::{Wanted, World};

/// Start everything
///
/// On an empty data directory it makes the secret, the signing key and the database, and says what
/// to do next.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  countersign serve --listen 127.0.0.1:8000 --data-dir ./data \
        --allow-origin https://app.example.com")]
pub(super) struct Serve {
    /// After restoring a backup: end every session that began by the time of the backup, as some of
    /// them may have been ended since
    #[arg(long, value_name = "TIME", value_parser = time)]
    after_restore: Option<Timestamp>,
    /// Begin with an empty database although the data directory has a secret, which says that there
    /// was one before
    #[arg(long)]
    new: bool,
}

impl Serve {
    pub(super) fn run(self, config: &Config, log: &Log) -> Result<(), Failure> {
        let mut parts = config.serve()?;
        crate::descriptors::raise();
        if let Some(room) = crate::descriptors::room(config.database_descriptors()?)
            .filter(|room| *room < parts.options.max_connections)
        {
            tracing::warn!(
                max_connections = parts.options.max_connections,
                room,
                "the limit of open files has room for fewer connections than max_connections; \
                 taking as many as there is room for. Raise the limit (LimitNOFILE= in a unit, \
                 ulimit -Hn in a shell), or lower max_connections"
            );
            parts.options.max_connections = room;
        }
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        runtime.block_on(async {
            // First of all: where the port is taken, nothing is made.
            let listeners = Listeners::bind(&parts.options).await?;
            if parts.settings.public_url.port() == Some(0) {
                let _ = parts.settings.public_url.set_port(Some(listeners.address()?.port()));
            }
            let world = World::open(config, Wanted::UpToDate { anew: self.new }).await?;
            let secrets = world.secrets().await?;
            if let Some(backup) = self.after_restore {
                let ended = world.operator().end_sessions_begun_by(backup).await?;
                tracing::info!(sessions = ended, %backup, "ended the sessions of the restored \
                    backup");
            }
            let is_empty = world.store.users(None, 1).await?.is_empty();
            let counts = Counts::new(&log.fate())?;
            let (recorder, writer) = Recorder::start(
                world.store.clone(),
                Lasting { audit_keep: parts.audit_keep, session_idle: parts.settings.session_idle },
            );
            let builder = Auth::builder_on(world.store.clone())
                .settings(parts.settings.clone())
                .secrets(secrets);
            let auth = builder.events(Both(counts.clone(), recorder.clone())).build().await?;
            let admin = match parts.admin {
                Some(limits) => {
                    let limits = Limits {
                        idle: limits.idle,
                        absolute: limits.absolute,
                        body: parts.settings.body_timeout,
                        session_idle: parts.settings.session_idle,
                    };
                    Some(
                        Admin::new(
                            auth.clone(),
                            world.store.clone(),
                            config.clone(),
                            parts.settings.clone(),
                            recorder,
                            limits,
                        )
                        .await?,
                    )
                }
                None => None,
            };
            let beside = Beside { docs: parts.options.docs, admin: admin.is_some() };
            let demo = if parts.demo {
                Some(Demo::new(auth.clone(), &parts.settings, beside)?)
            } else {
                None
            };
            if is_empty {
                tracing::info!(
                    data_dir = %config.data_dir().display(),
                    link_on_standard_output = admin.is_some(),
                    "there is no user yet; make one with `countersign createsuperuser` or \
                     `countersign user create`, with the same --data-dir"
                );
            }
            let listen = parts.options.listen;
            if !listen.ip().is_loopback() && !parts.options.https {
                tracing::warn!(%listen, "listening beyond this machine with an http:// public_url: \
                    cookies are not Secure; put https before it and set public_url");
            }
            let mut interrupt = signal(SignalKind::interrupt())?;
            let mut terminate = signal(SignalKind::terminate())?;
            let log = log.clone();
            let stop = async move {
                tokio::select! { _ = interrupt.recv() => {}, _ = terminate.recv() => {} }
                // A second signal is a wish not to wait.
                tokio::spawn(async move {
                    tokio::select! { _ = interrupt.recv() => {}, _ = terminate.recv() => {} }
                    log.flush();
                    std::process::exit(130);
                });
            };
            serve(auth, admin, demo, &counts, listeners, parts.options, stop).await?;
            writer.finish().await;
            if tokio::time::timeout(CLOSE_WITHIN, world.store.close()).await.is_err() {
                tracing::warn!(
                    "the database's log could not be emptied in time; the next start \
                    finds everything in it"
                );
            }
            tracing::info!("stopped");
            Ok(())
        })
    }
}

/// How long the end waits for the database's log to be emptied.
const CLOSE_WITHIN: std::time::Duration = std::time::Duration::from_secs(10);

/// The parser's own words are for programmers.
fn time(text: &str) -> Result<Timestamp, String> {
    text.parse().map_err(|_| {
        "write the time of the backup with its zone, such as 2026-11-23T18:18:57Z".to_owned()
    })
}
