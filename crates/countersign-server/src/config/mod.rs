//! Configuration: every setting has one name in three spellings; of file, environment and flag the
//! later wins.

mod library;
mod table;
mod value;

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

pub(crate) use library::{Database, Options, ServeConfig};
use table::PREFIX;
pub(crate) use table::{SETTINGS, Setting};
use value::duration;
pub(crate) use value::without_password;

/// The effective settings, and where each came from.
#[derive(Debug, Clone)]
pub(crate) struct Config {
    values: BTreeMap<&'static str, Value>,
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
            if NOT_SETTINGS.contains(&name) || is_service_link(name, &text.to_string_lossy()) {
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
        Ok(config)
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
        duration(text).map_err(|error| self.wrong(name, text, error.to_string()))
    }

    /// A switch: `on` or `off`.
    pub(crate) fn switch(&self, name: &'static str) -> Result<bool, ConfigError> {
        match self.text(name).unwrap_or_default() {
            "on" | "true" => Ok(true),
            "off" | "false" => Ok(false),
            other => Err(self.wrong(name, other, "choose on or off".to_owned())),
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
        let table: toml::Table = text.parse().map_err(|e: toml::de::Error| {
            let line = e
                .span()
                .and_then(|span| text.get(..span.start))
                .map_or(1, |before| before.matches('\n').count() + 1);
            error(format!("line {line}: {}", e.message()))
        })?;
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
            self.set(setting, texts, Source::File(path.to_owned()));
        }
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

/// A commented file with every setting at its default, for `countersign config --example`.
pub(crate) fn example() -> String {
    let mut text =
        String::from("# Settings of Countersign. What is commented out is the default.\n");
    for setting in SETTINGS {
        if setting.secret {
            // There is no secret that everybody may have, and an empty one is a mistake.
            text.push_str(&format!(
                "\n# {} Better in {} than here.\n",
                setting.help,
                setting.variable()
            ));
            continue;
        }
        let value = match setting.default {
            _ if setting.list => "[]".to_owned(),
            number if number.parse::<u64>().is_ok() => number.to_owned(),
            text => format!("{text:?}"),
        };
        text.push_str(&format!("\n# {}\n# {} = {value}\n", setting.help, setting.name));
    }
    text
}

/// Why there is no configuration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ConfigError {
    /// A key that no setting has.
    #[error("there is no setting {given}{}", .nearest.as_ref().map(|name| format!("; did you mean {name}?")).unwrap_or_default())]
    Unknown {
        /// What was given.
        given: String,
        /// What is most like it.
        nearest: Option<String>,
    },
    /// A file that cannot be read.
    #[error("{path}: {error}", path = .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        error: String,
    },
    /// A value that does not do.
    #[error("{name} = {text:?} ({place}): {reason}")]
    Value {
        /// The setting.
        name: &'static str,
        /// What was given.
        text: String,
        /// Where.
        place: Source,
        /// What is wrong with it.
        reason: String,
    },
    /// Settings that do not go together.
    #[error("{0}")]
    Together(String),
}

fn find(name: &str) -> Option<&'static Setting> {
    SETTINGS.iter().find(|setting| setting.name == name)
}

fn unknown(given: &str, spelling: impl Fn(&Setting) -> String) -> ConfigError {
    let likeness = |candidate: &String| {
        strsim::jaro_winkler(&given.to_ascii_lowercase(), &candidate.to_ascii_lowercase())
    };
    let nearest = SETTINGS.iter().map(spelling).max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
    ConfigError::Unknown {
        given: given.to_owned(),
        nearest: nearest.filter(|name| likeness(name) > 0.8),
    }
}

/// Lists are written with commas where one text has to hold them.
fn split(text: &str) -> Vec<String> {
    text.split(',').map(str::trim).filter(|entry| !entry.is_empty()).map(str::to_owned).collect()
}

/// Whether Kubernetes made the variable: in the pods beside a service named `countersign`, or
/// `countersign-postgres`, it sets `COUNTERSIGN_SERVICE_HOST`,
/// `COUNTERSIGN_POSTGRES_PORT=tcp://10.0.0.7:5432`, `COUNTERSIGN_POSTGRES_PORT_5432_TCP_ADDR` and
/// the like, which nobody chose and which must not stop the start. What is a setting is none of
/// them, and a misspelt setting looks like none.
fn is_service_link(name: &str, text: &str) -> bool {
    let is_url = ["tcp://", "udp://", "sctp://"].iter().any(|scheme| text.starts_with(scheme));
    let ends_as = |suffix: &str| {
        name.strip_suffix(suffix)
            .is_some_and(|service| service.is_empty() || service.ends_with('_'))
    };
    let port_is_numbered = |(_, rest): (&str, &str)| {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        digits > 0
            && ["_TCP", "_UDP", "_SCTP"].iter().any(|protocol| rest[digits..].starts_with(protocol))
    };
    name == "PORT"
        || ends_as("SERVICE_HOST")
        || ends_as("SERVICE_PORT")
        || name.starts_with("SERVICE_PORT_")
        || name.contains("_SERVICE_PORT_")
        || (ends_as("PORT") && is_url)
        || name.strip_prefix("PORT_").map(|rest| ("", rest)).is_some_and(port_is_numbered)
        || name.split_once("_PORT_").is_some_and(port_is_numbered)
}

const DEFAULT_FILE: &str = "countersign.toml";

/// Variables with our prefix that are no settings: `--config`'s, and passwords for the command
/// line.
const NOT_SETTINGS: [&str; 5] =
    ["CONFIG", "MOVE_FROM", "MOVE_TO", "PASSWORD", "SUPERUSER_PASSWORD"];

#[cfg(test)]
mod tests {
    use super::*;

    fn load(
        file: &str,
        environment: &[(&str, &str)],
        flags: &[(&str, &str)],
    ) -> Result<Config, ConfigError> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("countersign.toml");
        std::fs::write(&path, file).unwrap();
        let environment = environment.iter().map(|(name, text)| (name.into(), text.into()));
        let flags =
            flags.iter().map(|(name, text)| (find(name).unwrap(), vec![(*text).to_owned()]));
        Config::load(Some(&path), environment, flags)
    }

    #[test]
    fn of_file_environment_and_flag_the_later_wins() {
        let file = "base_path = \"/file\"\nissuer = \"file\"\naudience = \"file\"";
        let environment = [
            ("COUNTERSIGN_ISSUER", "environment"),
            ("COUNTERSIGN_AUDIENCE", "environment"),
            ("HOME", "/"),
        ];
        let config = load(file, &environment, &[("audience", "flag")]).unwrap();
        assert_eq!(config.text("base_path"), Some("/file"));
        assert_eq!(config.text("issuer"), Some("environment"));
        assert_eq!(config.text("audience"), Some("flag"));
        assert_eq!(config.text("listen"), Some("127.0.0.1:8000"));
        assert_eq!(config.values["audience"].source.to_string(), "--audience");
    }

    #[test]
    fn an_unknown_key_is_told_its_nearest_neighbour() {
        let error = load("acces_lifetime = \"5m\"", &[], &[]).unwrap_err().to_string();
        assert!(
            error.ends_with(
                "countersign.toml: there is no setting acces_lifetime; did you \
            mean access_lifetime?"
            ),
            "{error}"
        );
        let error = load("", &[("COUNTERSIGN_PUBLIC_URI", "x")], &[]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "there is no setting COUNTERSIGN_PUBLIC_URI; did you mean COUNTERSIGN_PUBLIC_URL?"
        );
        let error = load("zzz = 1", &[], &[]).unwrap_err().to_string();
        assert!(error.ends_with("countersign.toml: there is no setting zzz"), "{error}");
    }

    #[test]
    fn a_group_of_settings_may_be_a_table() {
        let config =
            load("[throttle]\naccount_attempts = 7\n[hash]\nthreads = 3\n", &[], &[]).unwrap();
        assert_eq!(config.required::<u32>("throttle_account_attempts"), Ok(7));
        assert_eq!(config.required::<u32>("hash_threads"), Ok(3));
    }

    #[test]
    fn lists_are_arrays_in_the_file_and_have_commas_elsewhere() {
        let file = "allow_origins = [\"https://a.example\", \"https://b.example\"]";
        let config = load(file, &[("COUNTERSIGN_EXTRA_CLAIMS", "email, username")], &[]).unwrap();
        assert_eq!(
            config.list::<String>("allow_origins").unwrap(),
            ["https://a.example", "https://b.example"]
        );
        assert_eq!(config.list::<String>("extra_claims").unwrap(), ["email", "username"]);
        assert!(load("listen = [\"a\"]", &[], &[]).is_err());
    }

    #[test]
    fn a_wrong_value_is_told_with_its_place_and_a_secret_is_never_shown() {
        let config = load("access_lifetime = \"soon\"\nsecret = \"hunter2\"", &[], &[]).unwrap();
        let error = config.duration("access_lifetime").unwrap_err().to_string();
        assert!(
            error.starts_with("access_lifetime = \"soon\" (") && error.contains("countersign.toml"),
            "{error}"
        );
        assert!(!config.secret().unwrap_err().to_string().contains("hunter2"));
        let error = load("listen = \"127.0.0.1:1\"\nsecret = \"hunter2\nissuer = \"x\"", &[], &[])
            .unwrap_err()
            .to_string();
        assert!(error.contains("line 2: ") && !error.contains("hunter2"), "{error}");
        let error = load("", &[("COUNTERSIGN_DATABASE_URL", "mysql://me:hunter2@db/x")], &[])
            .unwrap()
            .database()
            .err()
            .unwrap()
            .to_string();
        assert!(error.contains("mysql://me:…@db/x") && error.contains("sqlite:PATH"), "{error}");
    }

    #[test]
    fn an_empty_secret_is_no_wish_for_another_one() {
        assert!(load("", &[("COUNTERSIGN_SECRET", "")], &[]).unwrap().secret().is_err());
        assert!(load("", &[], &[]).unwrap().secret().unwrap().is_none());
    }

    #[test]
    fn a_setting_that_is_given_twice_in_the_file_is_not_guessed_at() {
        let error =
            load("throttle_account_attempts = 3\n[throttle]\naccount_attempts = 7\n", &[], &[])
                .unwrap_err()
                .to_string();
        assert!(error.contains("throttle_account_attempts is given twice"), "{error}");
    }

    #[test]
    fn variables_that_kubernetes_sets_do_not_stop_the_start() {
        for (link, text) in [
            ("SERVICE_HOST", "10.0.0.1"),
            ("SERVICE_PORT", "8000"),
            ("SERVICE_PORT_HTTP", "8000"),
            ("PORT", "tcp://10.0.0.1:8000"),
            ("PORT_8000_TCP", "tcp://10.0.0.1:8000"),
            ("PORT_8000_TCP_ADDR", "10.0.0.1"),
            // Services named countersign-postgres and countersign-admin-ui.
            ("POSTGRES_PORT", "tcp://10.0.0.7:5432"),
            ("POSTGRES_SERVICE_HOST", "10.0.0.7"),
            ("POSTGRES_SERVICE_PORT", "5432"),
            ("POSTGRES_SERVICE_PORT_POSTGRESQL", "5432"),
            ("POSTGRES_PORT_5432_TCP", "tcp://10.0.0.7:5432"),
            ("POSTGRES_PORT_5432_TCP_PROTO", "tcp"),
            ("POSTGRES_PORT_5432_TCP_PORT", "5432"),
            ("ADMIN_UI_PORT", "udp://10.0.0.8:80"),
            ("ADMIN_UI_PORT_53_UDP_ADDR", "10.0.0.8"),
        ] {
            let config = load("", &[(&format!("COUNTERSIGN_{link}"), text)], &[])
                .unwrap_or_else(|error| panic!("{link}: {error}"));
            assert!(config.values().all(|(_, value)| value.source == Source::Default), "{link}");
        }
        for mistake in ["METRICS_PORT", "POSTGRES_PORT", "DATABASE_PORTS", "PORT_8000", "PORT_TCP"]
        {
            assert!(
                load("", &[(&format!("COUNTERSIGN_{mistake}"), "5432")], &[]).is_err(),
                "{mistake}"
            );
        }
        assert!(load("", &[("COUNTERSIGN_PORTS", "1")], &[]).is_err());
    }

    #[test]
    fn a_text_that_is_no_utf_8_is_told_and_not_left_out() {
        use std::os::unix::ffi::OsStringExt;
        let environment = [(OsString::from("COUNTERSIGN_ISSUER"), OsString::from_vec(vec![0xff]))];
        let error = Config::load(None, environment.into_iter(), std::iter::empty())
            .unwrap_err()
            .to_string();
        assert!(error.contains("COUNTERSIGN_ISSUER") && error.contains("UTF-8"), "{error}");
    }

    #[test]
    fn without_any_choice_the_library_does_what_it_does_by_itself() {
        let parts = load("", &[], &[]).unwrap().serve().unwrap();
        // A server has its store for itself, and needs no name among others.
        let library = countersign::Settings {
            instance: Some(String::new()),
            ..countersign::Settings::default()
        };
        assert_eq!(format!("{:?}", parts.settings), format!("{library:?}"));
    }

    #[test]
    fn each_line_of_the_example_starts_by_itself() {
        let example = example();
        let lines: Vec<_> = example
            .lines()
            .filter_map(|line| line.strip_prefix("# "))
            .filter(|line| line.contains(" = "))
            .collect();
        assert_eq!(lines.len(), SETTINGS.len() - 1, "all but the secret");
        for line in lines {
            let started = load(line, &[], &[]).and_then(|config| config.serve().map(drop));
            assert!(started.is_ok(), "{line}: {started:?}");
        }
    }

    #[test]
    fn the_example_is_a_file_of_the_defaults() {
        let example: String = example()
            .lines()
            .map(|line| line.strip_prefix("# ").filter(|line| line.contains(" = ")).unwrap_or(""))
            .fold(String::new(), |text, line| text + line + "\n");
        let config = load(&example, &[], &[]).unwrap();
        for (setting, value) in config.values().filter(|(setting, _)| !setting.secret) {
            let default: Vec<_> =
                Some(setting.default).filter(|text| !text.is_empty()).into_iter().collect();
            assert_eq!(
                value.texts.iter().filter(|text| !text.is_empty()).collect::<Vec<_>>(),
                default,
                "{}",
                setting.name
            );
            assert!(matches!(value.source, Source::File(_)), "{}", setting.name);
        }
    }
}
