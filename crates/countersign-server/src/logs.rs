//! Logs: for people on a terminal, JSON lines elsewhere; always on standard error, never with a token, a cookie or a password.

use std::io::{self, IsTerminal};

use tracing_subscriber::EnvFilter;

use crate::config::{Config, ConfigError};

/// Begins to log as configured.
///
/// # Errors
/// A format or a filter that there is not.
pub(crate) fn start(config: &Config) -> Result<(), ConfigError> {
    let level = config.text("log_level").unwrap_or("info");
    let filter = EnvFilter::try_new(level).map_err(|error| config.wrong("log_level", level, error.to_string()))?;
    let json = match config.text("log_format").unwrap_or("auto") {
        "json" => true,
        "text" => false,
        "auto" => !io::stderr().is_terminal(),
        other => return Err(config.wrong("log_format", other, "choose text, json or auto".to_owned())),
    };
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    if json {
        builder.json().flatten_event(true).with_current_span(true).with_span_list(false).init();
    } else {
        builder.with_ansi(io::stderr().is_terminal()).with_target(false).init();
    }
    Ok(())
}
