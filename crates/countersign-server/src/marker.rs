//! The marker beside the secret: which installation this node was connected to last.
//!
//! An empty PostgreSQL database beside a secret may be a second node's first start, or what is left
//! of a database that was lost. A node that has been connected knows.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use countersign::store::UserStore;
use countersign::store::postgres::PostgresStore;

use crate::command_error::CommandError;
use crate::config::Config;

/// The file that says which installation this is.
#[derive(Debug)]
pub(crate) struct Marker(PathBuf);

impl Marker {
    /// The marker of a data directory.
    pub(crate) fn of(config: &Config) -> Self {
        Self(config.data_dir().join("installation"))
    }

    /// Whether this node has been connected to a database.
    pub(crate) fn exists(&self) -> bool {
        self.name().is_some()
    }

    /// Looks whether the database is the one of the marker. One with another name and users is
    /// somebody's decision, such as `countersign move`.
    ///
    /// # Errors
    /// A database that was begun after the marker and that nobody is in, unless that is wanted
    /// (`anew`); and the database's.
    pub(crate) async fn compare(
        &self,
        store: &PostgresStore,
        anew: bool,
    ) -> Result<(), CommandError> {
        let Some(before) = self.name().filter(|_| !anew) else { return Ok(()) };
        let now = store.installation().await?;
        if before == now {
            return Ok(());
        }
        if store.users(None, 1).await?.is_empty() {
            return Err(self.refused());
        }
        tracing::warn!(
            before,
            now,
            "this node was connected to another installation before; it goes on with this one"
        );
        Ok(())
    }

    /// Notes the installation. A directory that cannot be written has no marker.
    pub(crate) fn keep(&self, name: &str) {
        if self.name().as_deref() == Some(name) {
            return;
        }
        if let Err(error) = self.write(name) {
            tracing::debug!(%error, path = %self.0.display(), "the installation is not noted");
        }
    }

    /// Why an empty database is not begun anew.
    pub(crate) fn refused(&self) -> CommandError {
        CommandError::new(format!(
            "the database is empty, but this node was connected to one that was not: {} says so; \
             look whether database_url is the right one, restore a backup, or run `countersign \
             serve --new` to begin with an empty database and this secret",
            self.0.display()
        ))
    }

    fn name(&self) -> Option<String> {
        let text = std::fs::read_to_string(&self.0).ok()?;
        Some(text.trim().to_owned()).filter(|name| !name.is_empty())
    }

    /// As one step: a node that is killed meanwhile has the old one or the new one.
    fn write(&self, name: &str) -> std::io::Result<()> {
        let beside = self.0.with_extension("new");
        let _ = std::fs::remove_file(&beside);
        let mut file =
            std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
        file.write_all(format!("{name}\n").as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&beside, &self.0)
    }
}
