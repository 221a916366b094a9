//! Values that several commands take.

use clap::builder::{PossibleValuesParser, TypedValueParser};
use jiff::Timestamp;

/// A time with its zone. The parser's own words are for programmers.
pub(super) fn time(text: &str) -> Result<Timestamp, String> {
    text.parse().map_err(|_| "write a time with its zone, such as 2026-11-23T18:18:57Z".to_owned())
}

/// On or off, as settings have it.
pub(super) fn on_or_off() -> impl TypedValueParser<Value = bool> {
    PossibleValuesParser::new(["on", "off"]).map(|word| word == "on")
}
