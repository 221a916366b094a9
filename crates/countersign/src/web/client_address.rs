//! The client's address behind proxies.
//!
//! Anyone can send `X-Forwarded-For` and `Forwarded`. What a trusted proxy adds at their right end
//! is true; what stands left of the first untrusted address is whatever that client liked to write.
//! So the headers are read from the right, only when the connection comes from a trusted proxy, and
//! only as far as trust reaches.
//!
//! ```
//! use axum::http::HeaderMap;
//! use countersign::web::client_address::client_address;
//!
//! let forged =
//!     HeaderMap::from_iter([("x-forwarded-for".parse().unwrap(), "127.0.0.1".parse().unwrap())]);
//! let stranger = "203.0.113.9".parse().unwrap();
//! assert_eq!(client_address(stranger, &forged, &[]), stranger);
//! ```

use std::net::{IpAddr, Ipv6Addr};

use axum::http::header::{FORWARDED, HeaderName};
use axum::http::{HeaderMap, HeaderValue};
use ipnet::IpNet;

/// The address of the client: the nearest one that is not a `trusted` proxy. IPv4 addresses in IPv6
/// clothes (`::ffff:192.0.2.1`) come out as IPv4.
///
/// `peer` is the other end of the connection. When it is not trusted, it is the client, and the
/// headers mean nothing. Otherwise `X-Forwarded-For` or `Forwarded` (RFC 7239) is walked from the
/// right, past trusted proxies. What cannot be read (`unknown`, an obfuscated name, garbage, more
/// than 64 proxies) ends the walk at the proxy that reported it. When all are trusted, the leftmost
/// is the client.
///
/// When both headers are there and disagree, one of them went past the proxy untouched, and nobody
/// can say which: the answer is the proxy's own address. Proxies should remove the header that they
/// do not write. A proxy that writes neither must not be trusted at all.
///
/// ```
/// use axum::http::HeaderMap;
/// use countersign::web::client_address::client_address;
///
/// let trusted = ["10.0.0.0/8".parse().unwrap()];
/// let mut headers = HeaderMap::new();
/// headers.insert("x-forwarded-for", "192.0.2.66, 198.51.100.7, 10.0.0.2".parse().unwrap());
///
/// let proxy = "10.0.0.1".parse().unwrap();
/// assert_eq!(client_address(proxy, &headers, &trusted).to_string(), "198.51.100.7");
///
/// let stranger = "203.0.113.9".parse().unwrap();
/// assert_eq!(client_address(stranger, &headers, &trusted), stranger);
/// ```
pub fn client_address(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    let peer = peer.to_canonical();
    if !is_trusted(peer, trusted) {
        return peer;
    }
    let by_x_forwarded_for =
        walk(peer, headers, &X_FORWARDED_FOR, trusted, hops_of_x_forwarded_for);
    let by_forwarded = walk(peer, headers, &FORWARDED, trusted, hops_of_forwarded);
    match (by_x_forwarded_for, by_forwarded) {
        (Some(one), Some(other)) if one != other => peer,
        (Some(address), _) | (None, Some(address)) => address,
        (None, None) => peer,
    }
}

/// Walks one header from the right; `None` when it is absent.
fn walk(
    peer: IpAddr,
    headers: &HeaderMap,
    name: &HeaderName,
    trusted: &[IpNet],
    hops_of: fn(&HeaderValue) -> Vec<Hop>,
) -> Option<IpAddr> {
    if !headers.contains_key(name) {
        return None;
    }
    let mut nearest = peer;
    // Several lines are one list, in their order (RFC 9110, 5.3).
    for hop in headers.get_all(name).iter().rev().flat_map(hops_of).take(MAX_HOPS) {
        let Some(address) = hop else { break };
        nearest = address;
        if !is_trusted(nearest, trusted) {
            break;
        }
    }
    Some(nearest)
}

fn is_trusted(address: IpAddr, trusted: &[IpNet]) -> bool {
    let mapped = match address {
        IpAddr::V4(v4) => IpAddr::V6(v4.to_ipv6_mapped()),
        IpAddr::V6(_) => address,
    };
    trusted.iter().any(|net| net.contains(&address) || net.contains(&mapped))
}

/// The address that a proxy saw; `None` where it would not or could not say, or where the text is
/// no address.
type Hop = Option<IpAddr>;

/// The hops of one line, from the right.
fn hops_of_x_forwarded_for(line: &HeaderValue) -> Vec<Hop> {
    let nodes = line.as_bytes().rsplit(|&byte| byte == b',').take(MAX_HOPS);
    nodes.map(|node| str::from_utf8(node).ok().and_then(|node| address_of(node.trim()))).collect()
}

/// The hops of one line, from the right. The line is read as a whole, because a quotation mark that
/// a client left open would turn the proxies' own words into text: then nothing of it can be
/// believed.
fn hops_of_forwarded(line: &HeaderValue) -> Vec<Hop> {
    let elements = line
        .to_str()
        .ok()
        .filter(|line| line.len() <= MAX_FORWARDED_BYTES)
        .and_then(split_forwarded);
    let Some(elements) = elements else { return vec![None] };
    elements.into_iter().rev().take(MAX_HOPS).collect()
}

/// The `for` of each element of a `Forwarded` line; `None` when the line is malformed.
fn split_forwarded(line: &str) -> Option<Vec<Hop>> {
    let mut elements = Vec::new();
    let (mut node, mut rest) = (None, line);
    loop {
        let (name, after) = rest.split_once('=')?;
        let (name, (value, after)) = (name.trim(), forwarded_value(after)?);
        // A name with a comma in it would hide where the proxy's own element begins.
        if name.is_empty() || !name.bytes().all(is_token_byte) {
            return None;
        }
        if name.eq_ignore_ascii_case("for") && node.replace(value).is_some() {
            return None;
        }
        let after = after.trim_start();
        let mut chars = after.chars();
        match chars.next() {
            Some(';') => {}
            Some(',') => elements.push(node.take().as_deref().and_then(address_of)),
            None => {
                elements.push(node.as_deref().and_then(address_of));
                return Some(elements);
            }
            Some(_) => return None,
        }
        rest = chars.as_str();
    }
}

/// The letters of a token (RFC 9110, 5.6.2).
fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// A token or a quoted string (RFC 7239, section 4), and what follows it. Brackets and colons are
/// taken without quotation marks too: many proxies leave them out.
fn forwarded_value(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([',', ';', '"', '=', ' ', '\t']).unwrap_or(text.len());
        return Some((text[..end].to_owned(), &text[end..]));
    };
    let mut value = String::new();
    let mut chars = quoted.chars();
    loop {
        match chars.next()? {
            '"' => return Some((value, chars.as_str())),
            '\\' => value.push(chars.next()?),
            plain => value.push(plain),
        }
    }
}

/// Reads `192.0.2.1`, `2001:db8::1`, `[2001:db8::1]`, and the first and the last with a port.
fn address_of(node: &str) -> Hop {
    if let Some(bracketed) = node.strip_prefix('[') {
        let (address, port) = bracketed.split_once(']')?;
        let address: Ipv6Addr = address.parse().ok()?;
        return is_port(port).then(|| IpAddr::V6(address).to_canonical());
    }
    if let Ok(address) = node.parse::<IpAddr>() {
        return Some(address.to_canonical());
    }
    let colon = node.find(':')?;
    let address = IpAddr::V4(node[..colon].parse().ok()?);
    is_port(&node[colon..]).then_some(address)
}

/// Nothing, or a colon and a port, which may be obfuscated (RFC 7239, 6.2).
fn is_port(text: &str) -> bool {
    match text.strip_prefix(':') {
        None => text.is_empty(),
        Some(hidden) if hidden.starts_with('_') => hidden[1..]
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-')),
        Some(port) => port.parse::<u16>().is_ok() && port.bytes().all(|b| b.is_ascii_digit()),
    }
}

/// More proxies than anyone stands behind.
const MAX_HOPS: usize = 64;

/// Room for [`MAX_HOPS`] elements of a usual length.
const MAX_FORWARDED_BYTES: usize = 8 * 1024;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

#[cfg(test)]
#[path = "client_address_tests.rs"]
mod tests;
