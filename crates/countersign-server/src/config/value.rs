//! How values are written.

use std::net::IpAddr;
use std::time::Duration;

use ipnet::{IpNet, Ipv4Net};
use url::form_urlencoded;

/// A network, or one address. An IPv4 network in the form of IPv6 is the IPv4 network that it
/// means: peers are looked for as what they are.
pub(crate) fn network(text: &str) -> Option<IpNet> {
    let address = || text.parse::<IpAddr>().map(IpNet::from);
    let network = text.parse().or_else(|_| address()).ok()?;
    let IpNet::V6(mapped) = network else { return Some(network) };
    let address = mapped.addr().to_ipv4_mapped().zip(mapped.prefix_len().checked_sub(96));
    let meant = address.and_then(|(address, length)| Ipv4Net::new(address, length).ok());
    Some(meant.map_or(network, IpNet::V4))
}

/// Reads a duration: `30s`, `5m`, `2h`, `7d`, or several parts, the larger first (`1h30m`).
///
/// # Errors
/// [`NotADuration`] for everything else.
pub(crate) fn duration(text: &str) -> Result<Duration, NotADuration> {
    let mut seconds = 0_u64;
    let mut rest = text.trim();
    let mut smallest = u64::MAX;
    if rest.is_empty() {
        return Err(NotADuration);
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or(NotADuration)?;
        let number: u64 = rest[..digits].parse().map_err(|_| NotADuration)?;
        let unit = match rest[digits..].chars().next() {
            Some('s') => 1,
            Some('m') => 60,
            Some('h') => 60 * 60,
            Some('d') => 24 * 60 * 60,
            _ => return Err(NotADuration),
        };
        if unit >= smallest {
            return Err(NotADuration);
        }
        smallest = unit;
        seconds = number
            .checked_mul(unit)
            .and_then(|part| seconds.checked_add(part))
            .ok_or(NotADuration)?;
        rest = &rest[digits + 1..];
    }
    Ok(Duration::from_secs(seconds))
}

/// A text that is no duration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("write a duration such as 30s, 5m, 2h or 7d")]
pub(crate) struct NotADuration;

/// A text without any password that a URL, or what was meant to be one, may have in it. Rather too
/// little is shown than too much: a password with a slash or an `@` in it is one too, whatever a
/// parser of URLs makes of it.
pub(crate) fn without_password(text: &str) -> String {
    if ["sqlite:", "file:"].iter().any(|place| text.starts_with(place)) {
        return text.to_owned();
    }
    let scheme = text.find("://").map_or(0, |at| at + "://".len());
    let rest = &text[scheme..];
    let shown = match (rest.find(':'), rest.rfind('@')) {
        (Some(colon), Some(at)) if colon < at => {
            format!("{}{}:…{}", &text[..scheme], &rest[..colon], &rest[at..])
        }
        _ => text.to_owned(),
    };
    without_password_in_query(&shown)
}

/// The same of the parameters of a URL, or of the words that PostgreSQL takes in its place.
fn without_password_in_query(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(equals) = rest.find('=') {
        let (before, value) = (&rest[..equals], &rest[equals + 1..]);
        let key = before.trim_end().rsplit(['?', '&', '#', ';', ' ', '/']).next().unwrap_or(before);
        shown.push_str(before);
        shown.push('=');
        rest = value;
        let is_secret = form_urlencoded::parse(key.as_bytes())
            .any(|(key, _)| SECRET_PARAMETERS.contains(&key.to_lowercase().as_str()));
        if is_secret {
            shown.push('…');
            rest = value.find('&').map_or("", |end| &value[end..]);
        }
    }
    shown + rest
}

/// Parameters of a URL whose values nobody is to see.
const SECRET_PARAMETERS: [&str; 6] =
    ["password", "sslpassword", "passfile", "passwd", "pass", "pwd"];

/// The keys of a file; those of a table have its name before them.
pub(super) fn flatten(table: toml::Table) -> Vec<(String, toml::Value)> {
    let mut flat = Vec::new();
    for (name, value) in table {
        match value {
            toml::Value::Table(inner) => flat.extend(
                flatten(inner).into_iter().map(|(rest, value)| (format!("{name}_{rest}"), value)),
            ),
            value => flat.push((name, value)),
        }
    }
    flat
}

/// A value of the file as texts.
pub(super) fn texts(value: &toml::Value, list: bool) -> Result<Vec<String>, &'static str> {
    let text = |value: &toml::Value| match value {
        toml::Value::String(text) => Ok(text.clone()),
        toml::Value::Integer(number) => Ok(number.to_string()),
        toml::Value::Boolean(switch) => Ok(if *switch { "on" } else { "off" }.to_owned()),
        _ => Err("write a text, a number, true or false"),
    };
    match value {
        toml::Value::Array(entries) if list => entries.iter().map(text).collect(),
        toml::Value::Array(_) => Err("one value is wanted, not a list"),
        _ if list => Err("a list is wanted: [\"…\", \"…\"]"),
        value => Ok(vec![text(value)?]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ipv4_network_in_the_form_of_ipv6_is_what_it_means() {
        for (text, meant) in [
            ("10.0.0.0/8", "10.0.0.0/8"),
            ("192.0.2.7", "192.0.2.7/32"),
            ("::ffff:127.0.0.1", "127.0.0.1/32"),
            ("::ffff:10.0.0.0/104", "10.0.0.0/8"),
            ("::ffff:0:0/96", "0.0.0.0/0"),
            ("::/0", "::/0"),
            ("2001:db8::1", "2001:db8::1/128"),
        ] {
            assert_eq!(network(text).unwrap().to_string(), meant, "{text}");
        }
        assert_eq!(network("::ffff:10.0.0.0/129"), None);
        assert_eq!(network("here"), None);
    }

    #[test]
    fn durations_are_read_as_they_are_spoken() {
        for (text, seconds) in [
            ("0s", 0),
            ("30s", 30),
            ("5m", 300),
            ("2h", 7_200),
            ("7d", 604_800),
            ("1h30m", 5_400),
            (" 1d ", 86_400),
        ] {
            assert_eq!(duration(text), Ok(Duration::from_secs(seconds)), "{text:?}");
        }
        for bad in [
            "",
            "5",
            "m",
            "5 m",
            "-5m",
            "5m5m",
            "5m1h",
            "5w",
            "1.5h",
            "5µ",
            "99999999999999999999d",
            "18446744073709551615d",
        ] {
            assert_eq!(duration(bad), Err(NotADuration), "{bad:?}");
        }
    }

    #[test]
    fn a_url_is_shown_without_its_password_and_everything_else_as_it_is() {
        for (text, shown) in [
            ("postgres://me:ab/cd+ef==@db/x", "postgres://me:…@db/x"),
            ("postgres://me:ab#cd@db/x", "postgres://me:…@db/x"),
            ("postgres://me:ab?cd@db/x", "postgres://me:…@db/x"),
            ("postgres://me:a@b/c@db/x", "postgres://me:…@db/x"),
            ("smtps://me:ab/cd@mail:465", "smtps://me:…@mail:465"),
            ("postgres:/me:hunter2@db/x", "postgres:…@db/x"),
            ("me:hunter2@db/x", "me:…@db/x"),
            ("sqlite:/home/me:you@work/x.sqlite3", "sqlite:/home/me:you@work/x.sqlite3"),
            ("postgres://db/x?user=me&password=hunter2", "postgres://db/x?user=me&password=…"),
            (
                "postgres://db/x?password=a:b@c=d&sslmode=require",
                "postgres://db/x?password=…&sslmode=require",
            ),
            (
                "postgres://me@db/x?sslpassword=hunter2&passfile=/run/x&a=b",
                "postgres://me@db/x?sslpassword=…&passfile=…&a=b",
            ),
            ("postgres://db/x?PassW%6Frd=hunter2", "postgres://db/x?PassW%6Frd=…"),
            ("host=db user=me password = 'hunter 2'", "host=db user=me password =…"),
            ("https://app.example.com/reset?t={token}", "https://app.example.com/reset?t={token}"),
            ("Example <noreply@example.com>", "Example <noreply@example.com>"),
            ("postgres://me:hunter2@db:5432/x?y=1", "postgres://me:…@db:5432/x?y=1"),
            ("postgres://me:hun:ter@2@db/x", "postgres://me:…@db/x"),
            ("postgres://me:hunter2@db", "postgres://me:…@db"),
            ("postgres://me@db/x", "postgres://me@db/x"),
            // Nobody can tell a port and a path from a password with a slash in it.
            ("https://auth.example.com:8443/a:b@c", "https://auth.example.com:…@c"),
            ("https://auth.example.com:8443/a", "https://auth.example.com:8443/a"),
            ("sqlite:/var/lib/x.sqlite3", "sqlite:/var/lib/x.sqlite3"),
            ("127.0.0.1:8000", "127.0.0.1:8000"),
        ] {
            assert_eq!(without_password(text), shown);
        }
    }
}
