//! The lists of breached passwords.

use std::path::PathBuf;
use std::sync::Arc;

use countersign::password::{BreachedList, BreachedPasswords};

use super::{Config, ConfigError};
use crate::range_service::RangeService;

impl Config {
    /// The lists that new passwords are looked up in: the file, then the service.
    ///
    /// # Errors
    /// A file that cannot be used, with the reason; a URL that cannot be asked.
    pub(crate) fn breached_lists(&self) -> Result<Vec<Arc<dyn BreachedList>>, ConfigError> {
        let mut lists: Vec<Arc<dyn BreachedList>> = Vec::new();
        if let Some(file) = self.breached_file()? {
            lists.push(Arc::new(Arc::new(file)));
        }
        if let Some(url) = self.text("breached_passwords_url") {
            let service = RangeService::new(url)
                .map_err(|reason| self.wrong("breached_passwords_url", url, reason))?;
            lists.push(Arc::new(service));
        }
        Ok(lists)
    }

    /// The file, whose head has been looked at.
    ///
    /// # Errors
    /// As [`breached_lists`](Self::breached_lists).
    pub(crate) fn breached_file(&self) -> Result<Option<BreachedPasswords>, ConfigError> {
        let Some(path) = self.optional::<PathBuf>("breached_passwords")? else { return Ok(None) };
        let file = BreachedPasswords::open(&path);
        file.map(Some).map_err(|error| self.bad_breached_file(&error))
    }

    /// Reads the whole file, as the start does.
    ///
    /// # Errors
    /// A file that is damaged.
    pub(crate) fn check_breached_file(&self) -> Result<Option<u64>, ConfigError> {
        let Some(file) = self.breached_file()? else { return Ok(None) };
        file.check().map_err(|error| self.bad_breached_file(&error))?;
        Ok(Some(file.passwords()))
    }

    fn bad_breached_file(&self, error: &dyn std::fmt::Display) -> ConfigError {
        let path = self.text("breached_passwords").unwrap_or_default();
        self.wrong("breached_passwords", path, error.to_string())
    }
}
