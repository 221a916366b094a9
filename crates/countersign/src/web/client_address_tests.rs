use proptest::prelude::*;

use super::*;

#[test]
fn the_nearest_untrusted_address_is_the_client() {
    for (lines, client) in [
        (vec![], PROXY),
        (vec![xff("198.51.100.7")], "198.51.100.7"),
        (vec![xff("192.0.2.66, 198.51.100.7")], "198.51.100.7"),
        (vec![xff("192.0.2.66,198.51.100.7 , 10.9.9.9,10.0.0.2")], "198.51.100.7"),
        (vec![xff("192.0.2.66"), xff("198.51.100.7, 10.0.0.2"), xff("10.0.0.3")], "198.51.100.7"),
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
        assert_eq!(found(PROXY, &[xff(&format!("192.0.2.66, {garbage}"))]), PROXY, "{garbage:?}");
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
        let name = if writes_forwarded { FORWARDED } else { X_FORWARDED_FOR };
        let mut before = client;
        for host in &proxies {
            add(&mut headers, &name, on_new_line, &written(before, writes_forwarded, quotes));
            before = IpAddr::from([10, 0, 0, *host]);
        }
        let seen = client_address(before, &headers, &trusted());
        let is_proxy = proxies.iter().any(|host| seen == IpAddr::from([10, 0, 0, *host]));
        prop_assert!(seen == client || is_proxy, "{client} was seen as {seen}: {headers:?}");
    }

    #[test]
    fn no_header_upsets_it(
        peer in any::<IpAddr>(),
        lines in prop::collection::vec(
            (any::<bool>(), prop::collection::vec(any::<u8>(), 0..80)),
            0..4,
        ),
    ) {
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
    client_address(peer.parse().unwrap(), &lines.iter().cloned().collect(), &trusted()).to_string()
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

#[test]
fn a_chain_of_sixty_proxies_fits() {
    let address = "fd00:1111:2222:3333:4444:5555:6666:7777";
    let hops = vec![address; 60].join(", ");
    assert_eq!(found(PROXY, &[xff(&format!("198.51.100.7, {hops}"))]), "198.51.100.7");
    let hops = vec![format!("for=\"[{address}]\""); 60].join(", ");
    assert_eq!(found(PROXY, &[forwarded(&format!("for=198.51.100.7, {hops}"))]), "198.51.100.7");
}
