//! `countersign serve`.

use clap::Args;
use jiff::Timestamp;

use crate::app::{StartOptions, run};
use crate::command_error::CommandError;
use crate::logs::Log;
use crate::services::Context;

/// Start everything
///
/// On an empty data directory it makes the secret, the signing key and the database, and says what
/// to do next.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  countersign serve --listen 127.0.0.1:8000 --data-dir ./data \
        --allow-origin https://app.example.com")]
pub(super) struct Serve {
    /// After restoring a backup: end every session that began by the time of the backup, as some of
    /// them may have been ended since, and let ids go on after a gap
    #[arg(long, value_name = "TIME", value_parser = time)]
    after_restore: Option<Timestamp>,
    /// Begin with an empty database although the data directory has a secret, which says that there
    /// was one before
    #[arg(long)]
    new: bool,
}

impl Serve {
    pub(super) fn run(self, context: &Context, log: &Log) -> Result<(), CommandError> {
        let mut parts = context.config.serve()?;
        if let Some(why) = context.config.open_secrets() {
            tracing::warn!("{why}");
        }
        crate::descriptors::raise();
        if let Some(room) = crate::descriptors::room(context.config.database_descriptors()?)
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
        let start = StartOptions { after_restore: self.after_restore, anew: self.new };
        let mut runtime = tokio::runtime::Builder::new_multi_thread();
        let runtime = runtime.enable_all().event_interval(LOOK_AFTER).build()?;
        runtime.block_on(run(context, parts, start, log))
    }
}

/// After how many turns of connections that have something to do the runtime looks for others who
/// have. A turn may be three requests of one connection, of a millisecond each.
const LOOK_AFTER: u32 = 16;

/// The parser's own words are for programmers.
fn time(text: &str) -> Result<Timestamp, String> {
    text.parse().map_err(|_| {
        "write the time of the backup with its zone, such as 2026-11-23T18:18:57Z".to_owned()
    })
}
