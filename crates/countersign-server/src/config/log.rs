//! The settings of the log.

use tracing_subscriber::EnvFilter;

use super::{Config, ConfigError};

/// How to log.
#[derive(Debug)]
pub(crate) struct LogSettings {
    /// Which lines.
    pub(crate) filter: EnvFilter,
    /// How they look.
    pub(crate) format: LogFormat,
}

/// How lines of the log look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// For programs.
    Json,
    /// For people on a terminal, for programs elsewhere.
    Auto,
}

impl Config {
    /// How to log.
    ///
    /// # Errors
    /// A format or a filter that there is not.
    pub(crate) fn log(&self) -> Result<LogSettings, ConfigError> {
        let level = self.text("log_level").unwrap_or("info");
        let filter = EnvFilter::try_new(level)
            .map_err(|error| self.wrong("log_level", level, error.to_string()))?;
        let format = match self.text("log_format").unwrap_or("auto") {
            "json" => LogFormat::Json,
            "text" => LogFormat::Text,
            "auto" => LogFormat::Auto,
            other => {
                let reason = "choose text, json or auto".to_owned();
                return Err(self.wrong("log_format", other, reason));
            }
        };
        Ok(LogSettings { filter, format })
    }
}
