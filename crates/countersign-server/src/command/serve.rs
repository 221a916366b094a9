//! `countersign serve`.

use std::time::Duration;

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
    /// After restoring a backup: cut off what may have been cut off since the time of the backup,
    /// the sessions, the links in mails and the signing keys, and let ids go on after a gap
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

/// The parser's own words are for programmers. A second that is written without a fraction is meant
/// to its end: a session may have begun in the middle of it.
fn time(text: &str) -> Result<Timestamp, String> {
    let time: Timestamp = text.parse().map_err(|_| {
        "write the time of the backup with its zone, such as 2026-11-23T18:18:57Z".to_owned()
    })?;
    let is_exact = text.contains(['.', ',']);
    let to_its_end = if is_exact { Duration::ZERO } else { REST_OF_A_SECOND };
    Ok(time.saturating_add(to_its_end).unwrap_or(time))
}

/// In microseconds, which is what the store counts in.
const REST_OF_A_SECOND: Duration = Duration::from_micros(999_999);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_in_whole_seconds_is_meant_to_the_end_of_its_last_one() {
        for (text, meant) in [
            ("2026-11-23T18:18:57Z", "2026-11-23T18:18:57.999999Z"),
            ("2026-11-23T20:18:57+02:00", "2026-11-23T18:18:57.999999Z"),
            ("2026-11-23T18:18:57.25Z", "2026-11-23T18:18:57.25Z"),
            ("2026-11-23T18:18:57.000000Z", "2026-11-23T18:18:57Z"),
        ] {
            assert_eq!(time(text).unwrap().to_string(), meant, "{text}");
        }
        assert!(time("yesterday").is_err());
        assert!(time(&Timestamp::MAX.to_string()).is_ok());
    }
}
