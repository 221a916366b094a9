//! `countersign move`.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use clap::Args;
use countersign::store::postgres::PostgresTransfer;
use countersign::store::sqlite::SqliteTransfer;
use countersign::store::transfer::{
    self, Compared, Phase, Progress, Source, Target, TransferError,
};
use indicatif::{ProgressBar, ProgressStyle};

use super::output::{line, note, table};
use crate::command_error::CommandError;
use crate::config::without_password;
use crate::operate;
use crate::services::Context;

/// Move everything from one database into another: from SQLite to PostgreSQL, or back
///
/// Stop the servers first. Ids, passwords, sessions and keys stay what they are, so nobody is
/// logged out. The source is only read. Killed at any moment, it goes on when it is run again with
/// the same arguments.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  COUNTERSIGN_MOVE_TO='postgres://countersign:PASSWORD@db.internal/\
        countersign?sslmode=verify-full' countersign move --from \
        sqlite:data/countersign.sqlite3\n\nA URL with a password belongs into the environment: \
        others on the machine can read a command line."
)]
pub(super) struct Move {
    /// The database to read: sqlite:PATH or postgres://USER:PASSWORD@HOST/DATABASE
    #[arg(long, value_name = "URL", env = "COUNTERSIGN_MOVE_FROM", hide_env_values = true)]
    from: Written,
    /// The empty database to fill
    #[arg(long, value_name = "URL", env = "COUNTERSIGN_MOVE_TO", hide_env_values = true)]
    to: Written,
    /// Empty the target of the beginning of an earlier move, and begin again
    #[arg(long)]
    anew: bool,
}

impl Move {
    pub(super) async fn run(self, context: &Context) -> Result<(), CommandError> {
        let (of, into) = (self.from.read("--from")?, self.to.read("--to")?);
        let (from, to) = (of.shown(), into.shown());
        if from == to {
            return Err(CommandError::new("--from and --to are the same database; name two"));
        }
        let mut source = of.source().await?;
        let mut target = into.target().await?;
        let mut bar = Bar::new();
        if transfer::begin(&mut *target, &from, self.anew).await? {
            note("An earlier run was not finished; it goes on.");
        }
        let mut tell = |progress| bar.tell(progress);
        transfer::copy(&mut *source, &mut *target, &mut tell).await?;
        let compared = transfer::compare(&mut *source, &mut *target, &mut tell).await?;
        target.finish(&transfer::moved(&from, &operate::shell(context.clock.now()))).await?;
        bar.end();
        report(compared);
        line(format!("Moved from {from} to {to}; every row is the same on both sides."));
        line(of.about_the_secret());
        Ok(())
    }
}

/// What was written for a database, and is not read yet: the parser of the command line would
/// repeat what it cannot read, with the password.
#[derive(Clone)]
struct Written(String);

impl Written {
    fn read(&self, argument: &str) -> Result<DatabaseName, CommandError> {
        self.0.parse().map_err(|error| {
            let shown = without_password(&self.0);
            CommandError::new(format!("{argument} = {shown:?}: {error}"))
        })
    }
}

impl From<String> for Written {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl std::fmt::Debug for Written {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&without_password(&self.0))
    }
}

/// A database as it is named on the command line.
enum DatabaseName {
    Sqlite(PathBuf),
    Postgres(String),
}

impl DatabaseName {
    /// What it is called in messages, and by the target that remembers where its rows come from:
    /// without the password, and with what else of the URL says which database it is.
    fn shown(&self) -> String {
        let url = match self {
            Self::Sqlite(path) => return format!("sqlite:{}", absolute(path).display()),
            // First the password, in which a question mark may stand.
            Self::Postgres(url) => without_password(url),
        };
        let (base, query) = url.split_once('?').unwrap_or((&url, ""));
        let names = |part: &&str| WHICH.contains(&part.split('=').next().unwrap_or_default());
        let which: Vec<&str> = query.split('&').filter(names).collect();
        match which.as_slice() {
            [] => base.to_owned(),
            which => format!("{base}?{}", which.join("&")),
        }
    }

    async fn source(&self) -> Result<Box<dyn Source>, TransferError> {
        Ok(match self {
            Self::Sqlite(path) => Box::new(SqliteTransfer::source(path)?),
            Self::Postgres(url) => Box::new(PostgresTransfer::source(url, &self.shown()).await?),
        })
    }

    async fn target(&self) -> Result<Box<dyn Target>, TransferError> {
        Ok(match self {
            Self::Sqlite(path) => Box::new(SqliteTransfer::target(path)?),
            Self::Postgres(url) => Box::new(PostgresTransfer::target(url, &self.shown()).await?),
        })
    }

    /// The one thing that is not in a database.
    fn about_the_secret(&self) -> String {
        let secret = match self {
            Self::Sqlite(path) => {
                Some(absolute(path).with_file_name("secret")).filter(|secret| secret.exists())
            }
            Self::Postgres(_) => None,
        };
        let sealed = "The signing keys are sealed under the secret, which is not in the database.";
        match secret {
            Some(secret) => format!(
                "{sealed} Start every server on the target with the same one: set \
                 COUNTERSIGN_SECRET to what {} holds, or copy the file.",
                secret.display()
            ),
            None => format!(
                "{sealed} Start every server on the target with the same COUNTERSIGN_SECRET."
            ),
        }
    }
}

impl FromStr for DatabaseName {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            return Ok(Self::Postgres(text.to_owned()));
        }
        match text.strip_prefix("sqlite:") {
            Some(path) if !path.is_empty() => {
                Ok(Self::Sqlite(PathBuf::from(path.strip_prefix("//").unwrap_or(path))))
            }
            _ => Err("write sqlite:PATH or postgres://USER:PASSWORD@HOST/DATABASE"),
        }
    }
}

/// A bar for each table on a terminal; elsewhere a line for each tenth of a large one.
struct Bar {
    bar: Option<ProgressBar>,
    current: Option<(Phase, &'static str)>,
    tenth: u64,
}

impl Bar {
    fn new() -> Self {
        let style = ProgressStyle::with_template(
            "{msg:<28} {bar:40} {human_pos}/{human_len} {per_sec} {eta}",
        );
        let bar = std::io::stderr().is_terminal().then(|| {
            ProgressBar::new(0).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        });
        Self { bar, current: None, tenth: 0 }
    }

    fn tell(&mut self, progress: Progress) {
        let is_next = self.current.replace((progress.phase, progress.table))
            != Some((progress.phase, progress.table));
        let what = match progress.phase {
            Phase::Copying => format!("copying {}", progress.table),
            Phase::Comparing => format!("comparing {}", progress.table),
        };
        match &self.bar {
            Some(bar) => {
                if is_next {
                    bar.reset();
                    bar.set_length(progress.of);
                    bar.set_message(what);
                }
                bar.set_position(progress.done);
            }
            None => {
                let tenth = (progress.done * 10).checked_div(progress.of).unwrap_or(10);
                if is_next || tenth != self.tenth {
                    self.tenth = tenth;
                    note(format!("{what}: {} of {}", progress.done, progress.of));
                }
            }
        }
    }

    fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn report(compared: Vec<Compared>) {
    table(
        ["TABLE", "ROWS", "SHA-256"],
        compared
            .into_iter()
            .map(|same| [same.table.to_owned(), same.rows.to_string(), same.checksum]),
    );
}

fn absolute(path: &Path) -> PathBuf {
    path.canonicalize().or_else(|_| std::path::absolute(path)).unwrap_or_else(|_| path.to_owned())
}

/// What may stand behind the `?` of a URL and says which database it is.
const WHICH: [&str; 5] = ["host", "hostaddr", "port", "user", "dbname"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_is_called_by_where_it_is_and_without_its_password() {
        for (url, shown) in [
            ("postgres:///cs?host=/tmp/a&sslmode=disable", "postgres:///cs?host=/tmp/a"),
            ("postgres:///cs?port=5433&host=/tmp/a", "postgres:///cs?port=5433&host=/tmp/a"),
            ("postgres://me:pw@db/cs?sslmode=verify-full", "postgres://me:…@db/cs"),
            ("postgres:///?dbname=cs&user=me&password=pw", "postgres:///?dbname=cs&user=me"),
        ] {
            assert_eq!(url.parse::<DatabaseName>().unwrap().shown(), shown);
        }
    }
}
