//! Which environment variables with our prefix are settings.

/// Whether a variable, named without the prefix, is meant for a setting.
pub(super) fn is_ours(name: &str, text: &str) -> bool {
    !NOT_SETTINGS.contains(&name) && !is_service_link(name, text)
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

/// Variables with our prefix that are no settings: `--config`'s, and passwords for the command
/// line.
const NOT_SETTINGS: [&str; 5] =
    ["CONFIG", "MOVE_FROM", "MOVE_TO", "PASSWORD", "SUPERUSER_PASSWORD"];
