//! What is secret in the configuration file, which others must not read then.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::hooks::WrittenHook;
use super::{Config, Setting};

/// The file, and what of it is secret.
#[derive(Debug, Clone)]
pub(super) struct SecretsInFile {
    path: PathBuf,
    names: Vec<String>,
}

impl SecretsInFile {
    pub(super) fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), names: Vec::new() }
    }

    /// Notes a setting whose value is not shown, or not the whole of it: a secret, or a URL with a
    /// password in it.
    pub(super) fn add(&mut self, setting: &Setting, texts: &[String]) {
        if texts.iter().any(|text| setting.shown(text) != *text) {
            self.names.push(setting.name.to_owned());
        }
    }

    pub(super) fn add_hooks(&mut self, hooks: &[WrittenHook]) {
        if hooks.iter().any(WrittenHook::has_secret) {
            self.names.push("the secret of a web hook".to_owned());
        }
    }

    pub(super) fn if_any(self) -> Option<Self> {
        (!self.names.is_empty()).then_some(self)
    }
}

impl Config {
    /// The configuration file, if something in it is secret, and what that is.
    pub(crate) fn secret_file(&self) -> Option<(&Path, String)> {
        let SecretsInFile { path, names } = self.secrets_in_file.as_ref()?;
        Some((path, names.join(", ")))
    }

    /// Why somebody should change the mode of the configuration file: others may read what is
    /// secret in it.
    pub(crate) fn open_secrets(&self) -> Option<String> {
        let (path, names) = self.secret_file()?;
        let mode = fs::metadata(path).ok()?.permissions().mode() & 0o777;
        (mode & 0o007 != 0).then(|| {
            format!(
                "{} has {names} in it, and its mode {mode:04o} lets everybody on this machine \
                 read it; run `chmod 640` on it, with the group of the server, and think of \
                 whether anybody did",
                path.display()
            )
        })
    }
}
