//! `countersign migrate`.

use clap::Args;
use countersign::store::postgres::PostgresStore;
use countersign::store::sqlite::SqliteStore;

use super::output::{line, note};
use crate::command_error::CommandError;
use crate::config::Database;
use crate::services::{Context, Services, Wanted, is_there};

/// Bring the database's schema up to date; `serve` does it by itself
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  countersign migrate --check")]
pub(super) struct Migrate {
    /// Change nothing; fail if there is something to do
    #[arg(long)]
    check: bool,
}

impl Migrate {
    pub(super) async fn run(self, context: &Context) -> Result<(), CommandError> {
        let pending = match context.config.database()? {
            Database::Sqlite(path) => {
                // One that we are not let to see is told with what to do.
                is_there(&path)?;
                SqliteStore::pending_migrations(&path)?
            }
            Database::Postgres { url, .. } => PostgresStore::pending_migrations(&url).await?,
        };
        if pending.is_empty() {
            line("The schema is up to date.");
            return Ok(());
        }
        if self.check {
            for name in &pending {
                line(format!("to do: {name}"));
            }
            return Err(CommandError::new(
                "the schema is not up to date; run `countersign migrate`",
            ));
        }
        let bar = indicatif::ProgressBar::new(1).with_message("migrating");
        bar.set_style(
            indicatif::ProgressStyle::with_template("{spinner} {msg} {elapsed}")
                .unwrap_or_else(|_| indicatif::ProgressStyle::default_spinner()),
        );
        bar.enable_steady_tick(std::time::Duration::from_millis(100));
        Services::open(context, Wanted::UpToDate { anew: false }).await?;
        bar.finish_and_clear();
        for name in &pending {
            note(format!("done: {name}"));
        }
        if !pending.contains(&"0001_initial") {
            note(
                "A server of an older version that still runs on this database must be stopped \
                 now, and the new one started.",
            );
        }
        line("The schema is up to date.");
        Ok(())
    }
}
