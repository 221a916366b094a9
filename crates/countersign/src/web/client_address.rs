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
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_nearest_untrusted_address_is_the_client() {
        for (lines, client) in [
            (vec![], PROXY),
            (vec![xff("198.51.100.7")], "198.51.100.7"),
            (vec![xff("192.0.2.66, 198.51.100.7")], "198.51.100.7"),
            (vec![xff("192.0.2.66,198.51.100.7 , 10.9.9.9,10.0.0.2")], "198.51.100.7"),
            (
                vec![xff("192.0.2.66"), xff("198.51.100.7, 10.0.0.2"), xff("10.0.0.3")],
                "198.51.100.7",
            ),
            (vec![xff("198.51.100.7:4711")], "198.51.100.7"),
            (vec![xff("2001:db8::7")], "2001:db8::7"),
            (vec![xff("[2001:db8::7]")], "2001:db8::7"),
            (vec![xff("[2001:db8::7]:443")], "2001:db8::7"),
            (vec![xff("::ffff:198.51.100.7, ::ffff:10.0.0.2")], "198.51.100.7"),
            (vec![xff("10.0.0.3, 10.0.0.2")], "10.0.0.3"),
            (vec![xff("192.0.2.66, fd00::1")], "192.0.2.66"),
            (vec![forwarded("for=198.51.100.7")], "198.51.100.7"),
            (vec![forwarded("For=\"[2001:db8::7]:4711\"")], "2001:db8::7"),
            (
                vec![forwarded(
                    "for=192.0.2.66;proto=http, FOR=\"198.51.100.7:80\" ; \
                     by=203.0.113.1;host=\"a,b;c\\\"\",for=10.0.0.2",
                )],
                "198.51.100.7",
            ),
            (vec![forwarded("for=[2001:db8::7]:4711;proto=https")], "2001:db8::7"),
            (vec![forwarded("for=\"198.51.100.7:_hidden\"")], "198.51.100.7"),
            (
                vec![forwarded("proto=https;for=198.51.100.7"), forwarded("for=10.0.0.2")],
                "198.51.100.7",
            ),
            (vec![xff("198.51.100.7"), forwarded("for=198.51.100.7")], "198.51.100.7"),
        ] {
            assert_eq!(found(PROXY, &lines), client, "{lines:?}");
            assert_eq!(found("203.0.113.9", &lines), "203.0.113.9", "{lines:?} from a stranger");
        }
        assert_eq!(found("::ffff:10.0.0.1", &[xff("198.51.100.7")]), "198.51.100.7");
        assert_eq!(found("::ffff:203.0.113.9", &[]), "203.0.113.9");
    }

    #[test]
    fn what_cannot_be_read_ends_the_walk_at_the_proxy_that_reported_it() {
        for garbage in [
            "",
            "unknown",
            "_hidden",
            "198.51.100",
            "198.51.100.7:",
            "198.51.100.7:x",
            "198.51.100.7:+1",
            "198.51.100.7:99999",
            "[2001:db8::7",
            "[198.51.100.7]",
            "fe80::1%eth0",
            "é",
        ] {
            assert_eq!(
                found(PROXY, &[xff(&format!("192.0.2.66, {garbage}"))]),
                PROXY,
                "{garbage:?}"
            );
            assert_eq!(
                found(PROXY, &[xff(&format!("192.0.2.66, {garbage}, 10.0.0.2"))]),
                "10.0.0.2",
                "{garbage:?}"
            );
            assert_eq!(found(PROXY, &[xff("192.0.2.66"), xff(garbage)]), PROXY, "{garbage:?}");
            assert_eq!(
                found(PROXY, &[forwarded(&format!("for=192.0.2.66, for=\"{garbage}\""))]),
                PROXY,
                "{garbage:?}"
            );
        }
        for malformed in [
            "for",
            "for=",
            "proto=https",
            "for=198.51.100.7;for=192.0.2.66",
            "for=\"198.51.100.7",
            "for=\"198.51.100.7\"x",
            "for=198.51.100.7;",
            ",",
            "for=198.51.100.7 x",
        ] {
            assert_eq!(
                found(PROXY, &[forwarded(&format!("for=192.0.2.66, {malformed}"))]),
                PROXY,
                "{malformed:?}"
            );
        }
    }

    #[test]
    fn an_open_quotation_mark_does_not_swallow_what_the_proxy_adds() {
        for planted in ["for=192.0.2.66;x=\"", "for=192.0.2.66;x=\"\\", "for=\"192.0.2.66"] {
            for added in [
                "for=198.51.100.7",
                "for=\"[2001:db8::7]:1\"",
                "for=198.51.100.7;by=\"\"",
                "for=198.51.100.7;host=\"a\";by=\"b\"",
            ] {
                assert_eq!(
                    found(PROXY, &[forwarded(&format!("{planted}, {added}"))]),
                    PROXY,
                    "{planted} {added}"
                );
            }
        }
    }

    #[test]
    fn an_element_left_unfinished_does_not_swallow_what_the_proxy_adds() {
        for planted in [
            "for=192.0.2.66;",
            "for=192.0.2.66; ;",
            "for=192.0.2.66;x",
            "for=192.0.2.66;x y",
            "for=192.0.2.66;=",
            "for=192.0.2.66;\"x\"",
        ] {
            for added in
                ["for=198.51.100.7", "for=198.51.100.7;proto=https", "proto=https;for=198.51.100.7"]
            {
                assert_eq!(
                    found(PROXY, &[forwarded(&format!("{planted}, {added}"))]),
                    PROXY,
                    "{planted} {added}"
                );
            }
        }
    }

    #[test]
    fn two_headers_that_disagree_are_both_disbelieved() {
        assert_eq!(found(PROXY, &[xff("198.51.100.7"), forwarded("for=192.0.2.66")]), PROXY);
        assert_eq!(found(PROXY, &[xff("198.51.100.7"), forwarded("for=unknown")]), PROXY);
    }

    #[test]
    fn a_list_without_end_is_not_walked_to_its_end() {
        assert_eq!(
            found(PROXY, &[xff(&format!("192.0.2.66{}", ", 10.0.0.2".repeat(MAX_HOPS)))]),
            "10.0.0.2"
        );
        assert_eq!(
            found(PROXY, &[xff(&format!("192.0.2.66{}", ", 10.0.0.2".repeat(MAX_HOPS - 1)))]),
            "192.0.2.66"
        );
        assert_eq!(
            found(PROXY, &[forwarded(&format!("x={}, for=198.51.100.7", "x".repeat(60_000)))]),
            PROXY
        );
    }

    proptest! {
        // The texts that matter are rare among all that a client may plant.
        #![proptest_config(ProptestConfig::with_cases(20_000))]

        /// Whatever a client plants, in whichever header: through honest trusted proxies it is seen
        /// as itself, or as the proxy that it came through.
        #[test]
        fn a_client_cannot_choose_its_own_address(
            planted in prop::collection::vec((any::<bool>(), planted_text()), 0..4),
            client in untrusted(),
            proxies in prop::collection::vec(any::<u8>(), 1..4),
            (writes_forwarded, on_new_line, quotes) in any::<(bool, bool, bool)>(),
        ) {
            let mut headers = HeaderMap::new();
            for (is_forwarded, text) in planted {
                if let Ok(value) = HeaderValue::from_str(&text) {
                    headers.append(if is_forwarded { FORWARDED } else { X_FORWARDED_FOR }, value);
                }
            }
            let (name, mut before) = (if writes_forwarded { FORWARDED } else { X_FORWARDED_FOR }, client);
            for host in &proxies {
                add(&mut headers, &name, on_new_line, &written(before, writes_forwarded, quotes));
                before = IpAddr::from([10, 0, 0, *host]);
            }
            let seen = client_address(before, &headers, &trusted());
            let is_proxy = proxies.iter().any(|host| seen == IpAddr::from([10, 0, 0, *host]));
            prop_assert!(seen == client || is_proxy, "{client} was seen as {seen}: {headers:?}");
        }

        #[test]
        fn no_header_upsets_it(peer in any::<IpAddr>(), lines in prop::collection::vec((any::<bool>(), prop::collection::vec(any::<u8>(), 0..80)), 0..4)) {
            let mut headers = HeaderMap::new();
            for (is_forwarded, bytes) in lines {
                if let Ok(value) = HeaderValue::from_bytes(&bytes) {
                    headers.append(if is_forwarded { FORWARDED } else { X_FORWARDED_FOR }, value);
                }
            }
            let everyone = ["0.0.0.0/0".parse().unwrap(), "::/0".parse().unwrap()];
            client_address(peer, &headers, &everyone);
            prop_assert_eq!(client_address(peer, &headers, &[]), peer.to_canonical());
        }
    }

    fn planted_text() -> impl Strategy<Value = String> {
        let piece = prop::sample::select(vec![
            "192.0.2.66",
            "10.0.0.1",
            "for=192.0.2.66",
            "for=10.0.0.1",
            "for=\"[2001:db8::66]:1\"",
            "unknown",
            ",",
            ", ",
            ";",
            "=",
            "\"",
            "\\",
            "by=",
            "x=\"",
            "[",
            "]",
            ":1",
            " ",
        ]);
        prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
    }

    fn untrusted() -> impl Strategy<Value = IpAddr> {
        prop_oneof![
            (1..=254_u8).prop_map(|host| IpAddr::from([203, 0, 113, host])),
            (1..=9_u16).prop_map(|host| IpAddr::from([0x2001, 0xdb8, 1, 0, 0, 0, 0, host]))
        ]
    }

    /// What an honest proxy writes of the peer that it saw.
    fn written(peer: IpAddr, forwarded: bool, quotes: bool) -> String {
        match (forwarded, peer) {
            (false, _) => peer.to_string(),
            (true, IpAddr::V4(_)) if quotes => format!("for=\"{peer}:4711\";proto=https;by=\"_p\""),
            (true, IpAddr::V4(_)) => format!("for={peer};proto=https"),
            (true, IpAddr::V6(_)) => format!("for=\"[{peer}]:4711\";by=\"\""),
        }
    }

    fn add(headers: &mut HeaderMap, name: &HeaderName, on_new_line: bool, text: &str) {
        let last = headers.get_all(name).iter().next_back().cloned();
        match last {
            Some(last) if !on_new_line => {
                let joined = [last.as_bytes(), b", ", text.as_bytes()].concat();
                let mut lines: Vec<_> = headers.get_all(name).iter().cloned().collect();
                lines.pop();
                lines.push(HeaderValue::from_bytes(&joined).unwrap());
                headers.remove(name);
                for line in lines {
                    headers.append(name, line);
                }
            }
            _ => {
                headers.append(name, text.parse().unwrap());
            }
        }
    }

    fn found(peer: &str, lines: &[(HeaderName, HeaderValue)]) -> String {
        client_address(peer.parse().unwrap(), &lines.iter().cloned().collect(), &trusted())
            .to_string()
    }

    fn trusted() -> [IpNet; 2] {
        ["10.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()]
    }

    fn xff(text: &str) -> (HeaderName, HeaderValue) {
        (X_FORWARDED_FOR, HeaderValue::from_bytes(text.as_bytes()).unwrap())
    }

    fn forwarded(text: &str) -> (HeaderName, HeaderValue) {
        (FORWARDED, HeaderValue::from_bytes(text.as_bytes()).unwrap())
    }

    const PROXY: &str = "10.0.0.1";
}
