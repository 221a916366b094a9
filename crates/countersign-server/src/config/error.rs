//! Why there is no configuration.

use std::path::PathBuf;

use super::Source;
use super::table::{SETTINGS, Setting};

/// Why there is no configuration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ConfigError {
    /// A key that no setting has.
    #[error("there is no setting {given}{}", did_you_mean(.nearest.as_deref()))]
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

/// The error for a name that no setting has, spelled as `spelling` spells them.
pub(super) fn unknown(given: &str, spelling: impl Fn(&Setting) -> String) -> ConfigError {
    let likeness = |candidate: &String| {
        strsim::jaro_winkler(&given.to_ascii_lowercase(), &candidate.to_ascii_lowercase())
    };
    let nearest = SETTINGS.iter().map(spelling).max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
    ConfigError::Unknown {
        given: given.to_owned(),
        nearest: nearest.filter(|name| likeness(name) > 0.8),
    }
}

fn did_you_mean(nearest: Option<&str>) -> String {
    nearest.map(|name| format!("; did you mean {name}?")).unwrap_or_default()
}
