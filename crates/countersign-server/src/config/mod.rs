//! Configuration: every setting has one name in three spellings; of file, environment and flag the
//! later wins.

mod breached;
mod derived;
mod environment;
mod error;
mod example;
mod hooks;
mod library;
mod log;
mod mail;
mod secrets_in_file;
mod table;
#[cfg(test)]
mod tests;
mod value;

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use secrecy::SecretString;

use environment::is_ours;
pub(crate) use error::ConfigError;
use error::unknown;
pub(crate) use example::example;
pub(crate) use hooks::Hook;
use hooks::{SECRET_PREFIX, WrittenHook};
pub(crate) use library::{Database, Options, ServeConfig};
pub(crate) use log::{LogFormat, LogSettings};
pub(crate) use mail::MailWay;
use secrets_in_file::SecretsInFile;
pub(crate) use table::{Kind, SETTINGS, Setting};
use table::{PREFIX, find};
pub(crate) use value::{duration, network, without_password};

/// The effective settings, and where each came from.
#[derive(Debug, Clone)]
pub(crate) struct Config {
    values: BTreeMap<&'static str, Value>,
    hooks: Vec<WrittenHook>,
    /// What the environment says of them, by the variables' names without the prefix.
    hook_secrets: BTreeMap<String, SecretString>,
    /// The file, if one was read that holds what is secret.
    secrets_in_file: Option<SecretsInFile>,
}

/// A setting's value as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Value {
    /// One text, or with a list any number.
    pub(crate) texts: Vec<String>,
    /// Where it came from.
    pub(crate) source: Source,
}

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    /// Nobody chose it.
    Default,
    /// The configuration file.
    File(PathBuf),
    /// An environment variable.
    Environment(String),
    /// A flag.
    Flag(String),
}

impl Config {
    /// Reads the file, then the environment, then the flags.
    ///
    /// `file` is the one that `--config` names, which must be there; without it `countersign.toml`
    /// is read if it is in the working directory.
    ///
    /// # Errors
    /// An unreadable file, an unknown key, a value of the wrong shape.
    pub(crate) fn load(
        file: Option<&Path>,
        environment: impl Iterator<Item = (OsString, OsString)>,
        flags: impl Iterator<Item = (&'static Setting, Vec<String>)>,
    ) -> Result<Self, ConfigError> {
        let mut config = Self {
            values: SETTINGS
                .iter()
                .map(|setting| (setting.name, Value::default_of(setting)))
                .collect(),
            hooks: Vec::new(),
            hook_secrets: BTreeMap::new(),
            secrets_in_file: None,
        };
        match file {
            Some(path) => config.read_file(path)?,
            None if Path::new(DEFAULT_FILE).exists() => {
                config.read_file(Path::new(DEFAULT_FILE))?;
            }
            None => {}
        }
        for (variable, text) in environment {
            let Some(name) = variable.to_str().and_then(|variable| variable.strip_prefix(PREFIX))
            else {
                continue;
            };
            if !is_ours(name, &text.to_string_lossy()) {
                continue;
            }
            if name.starts_with(SECRET_PREFIX) {
                let secret = text.to_string_lossy().into_owned().into();
                config.hook_secrets.insert(name.to_owned(), secret);
                continue;
            }
            let variable = format!("{PREFIX}{name}");
            let setting = find(&name.to_ascii_lowercase())
                .ok_or_else(|| unknown(&variable, Setting::variable))?;
            let texts = match text.to_str() {
                Some(text) if setting.list => split(text),
                Some(text) => vec![text.to_owned()],
                None => {
                    config.set(setting, Vec::new(), Source::Environment(variable));
                    return Err(config.wrong(
                        setting.name,
                        &text.to_string_lossy(),
                        "this is not UTF-8".to_owned(),
                    ));
                }
            };
            config.set(setting, texts, Source::Environment(variable));
        }
        for (setting, texts) in flags {
            let texts = if setting.list {
                texts.iter().flat_map(|text| split(text)).collect()
            } else {
                texts
            };
            config.set(setting, texts, Source::Flag(format!("--{}", setting.flag())));
        }
        config.refuse_empty()?;
        Ok(config)
    }

    /// Nobody means the default by an empty value: a variable of a deployment was not filled in. A
    /// list may be empty, and is then a list of nothing.
    fn refuse_empty(&self) -> Result<(), ConfigError> {
        for (setting, value) in self.values() {
            let is_chosen = value.source != Source::Default && !setting.list;
            if is_chosen && value.texts.iter().all(|text| text.trim().is_empty()) {
                let reason = match setting.default {
                    "" => "it is empty; leave it out, or give it a value".to_owned(),
                    default => format!("it is empty; leave it out for the default, {default}"),
                };
                return Err(self.wrong(setting.name, "", reason));
            }
        }
        Ok(())
    }

    /// Every setting with its value, in the order of the table.
    pub(crate) fn values(&self) -> impl Iterator<Item = (&'static Setting, &Value)> {
        SETTINGS.iter().filter_map(|setting| Some((setting, self.values.get(setting.name)?)))
    }

    /// The text of a setting, if it has one.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.values.get(name)?.texts.first().map(String::as_str).filter(|text| !text.is_empty())
    }

    /// A setting of any type that can be parsed, if it has a value.
    pub(crate) fn optional<T: FromStr<Err: fmt::Display>>(
        &self,
        name: &'static str,
    ) -> Result<Option<T>, ConfigError> {
        self.text(name)
            .map(|text| {
                text.parse().map_err(|error: T::Err| self.wrong(name, text, error.to_string()))
            })
            .transpose()
    }

    /// A setting of any type that can be parsed and has a default.
    pub(crate) fn required<T: FromStr<Err: fmt::Display>>(
        &self,
        name: &'static str,
    ) -> Result<T, ConfigError> {
        self.optional(name)?.ok_or_else(|| self.wrong(name, "", "a value is needed".to_owned()))
    }

    /// A whole number that has a default.
    pub(crate) fn number<T: TryFrom<u64>>(&self, name: &'static str) -> Result<T, ConfigError> {
        let text = self.text(name).unwrap_or_default();
        let number: u64 =
            text.parse().map_err(|_| self.wrong(name, text, "write a whole number".to_owned()))?;
        self.check_bounds(name, text, number)?;
        T::try_from(number)
            .map_err(|_| self.wrong(name, text, "this number is too large".to_owned()))
    }

    /// A list.
    pub(crate) fn list<T: FromStr<Err: fmt::Display>>(
        &self,
        name: &'static str,
    ) -> Result<Vec<T>, ConfigError> {
        let texts = self.values.get(name).map(|value| value.texts.as_slice()).unwrap_or_default();
        texts
            .iter()
            .map(|text| {
                text.parse().map_err(|error: T::Err| self.wrong(name, text, error.to_string()))
            })
            .collect()
    }

    /// A duration.
    pub(crate) fn duration(&self, name: &'static str) -> Result<Duration, ConfigError> {
        let text = self.text(name).unwrap_or_default();
        let length = duration(text).map_err(|error| self.wrong(name, text, error.to_string()))?;
        self.check_bounds(name, text, length.as_secs())?;
        Ok(length)
    }

    /// A switch: `on` or `off`.
    pub(crate) fn switch(&self, name: &'static str) -> Result<bool, ConfigError> {
        match self.text(name).unwrap_or_default() {
            "on" | "true" => Ok(true),
            "off" | "false" => Ok(false),
            other => Err(self.wrong(name, other, "choose on or off".to_owned())),
        }
    }

    fn check_bounds(&self, name: &'static str, text: &str, n: u64) -> Result<(), ConfigError> {
        match find(name).map(|setting| &setting.kind).filter(|kind| !kind.takes(n)) {
            Some(kind) => Err(self.wrong(name, text, format!("choose {}", kind.bounds()))),
            None => Ok(()),
        }
    }

    /// A value that does not do.
    pub(crate) fn wrong(&self, name: &'static str, text: &str, reason: String) -> ConfigError {
        let text = find(name).map_or_else(String::new, |setting| setting.shown(text));
        ConfigError::Value { name, text, place: self.source(name), reason }
    }

    /// Where a setting's value came from.
    pub(crate) fn source(&self, name: &str) -> Source {
        self.values.get(name).map_or(Source::Default, |value| value.source.clone())
    }

    fn set(&mut self, setting: &Setting, texts: Vec<String>, source: Source) {
        self.values.insert(setting.name, Value { texts, source });
    }

    fn read_file(&mut self, path: &Path) -> Result<(), ConfigError> {
        let error = |error: String| ConfigError::File { path: path.to_owned(), error };
        let text = std::fs::read_to_string(path).map_err(|e| error(e.to_string()))?;
        // The parser's own words quote the line, which may be the one with the secret.
        let mut table: toml::Table = text.parse().map_err(|e: toml::de::Error| {
            let line = e
                .span()
                .and_then(|span| text.get(..span.start))
                .map_or(1, |before| before.matches('\n').count() + 1);
            error(format!("line {line}: {}", e.message()))
        })?;
        if let Some(hooks) = table.remove("hook") {
            self.hooks = WrittenHook::read_all(&hooks).map_err(error)?;
        }
        let mut secrets = SecretsInFile::new(path);
        secrets.add_hooks(&self.hooks);
        let mut seen = BTreeSet::new();
        for (name, value) in value::flatten(table) {
            let setting = find(&name).ok_or_else(|| {
                error(unknown(&name, |setting| setting.name.to_owned()).to_string())
            })?;
            if !seen.insert(setting.name) {
                return Err(error(format!(
                    "{name} is given twice, alone and in a table; leave one of them out"
                )));
            }
            let texts = value::texts(&value, setting.list)
                .map_err(|reason| error(format!("{name}: {reason}")))?;
            secrets.add(setting, &texts);
            self.set(setting, texts, Source::File(path.to_owned()));
        }
        self.secrets_in_file = secrets.if_any();
        Ok(())
    }
}

impl Value {
    fn default_of(setting: &Setting) -> Self {
        let texts =
            if setting.default.is_empty() { Vec::new() } else { vec![setting.default.to_owned()] };
        Self { texts, source: Source::Default }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path) => path.display().fmt(f),
            Self::Environment(name) | Self::Flag(name) => f.write_str(name),
        }
    }
}

/// Lists are written with commas where one text has to hold them.
fn split(text: &str) -> Vec<String> {
    text.split(',').map(str::trim).filter(|entry| !entry.is_empty()).map(str::to_owned).collect()
}

const DEFAULT_FILE: &str = "countersign.toml";
