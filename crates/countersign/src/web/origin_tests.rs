use super::*;

#[test]
fn entries_are_normalised_to_what_browsers_send() {
    for (entry, normal) in [
        ("https://app.example.com", "https://app.example.com"),
        (" https://app.example.com/ ", "https://app.example.com"),
        ("HTTPS://App.Example.COM:443", "https://app.example.com"),
        ("http://localhost:5173", "http://localhost:5173"),
        ("http://localhost:80", "http://localhost"),
        ("https://localhost:80", "https://localhost:80"),
        ("http://127.0.0.1:3000", "http://127.0.0.1:3000"),
        ("http://[0:0::1]:3000", "http://[::1]:3000"),
        ("https://bücher.example", "https://xn--bcher-kva.example"),
        ("capacitor://localhost", "capacitor://localhost"),
        ("app://-", "app://-"),
        ("Tauri://LocalHost/", "tauri://localhost"),
        (
            "chrome-extension://abcdefghijklmnopabcdefghijklmnop",
            "chrome-extension://abcdefghijklmnopabcdefghijklmnop",
        ),
    ] {
        assert_eq!(
            entry.parse::<Origin>().map(|origin| origin.to_string()),
            Ok(normal.to_owned()),
            "{entry:?}"
        );
        assert!(Origins::parse([entry]).is_ok_and(|origins| origins.allows(normal)), "{entry:?}");
    }
}

#[test]
fn a_wrong_entry_is_told_what_to_write() {
    for (entry, sentence) in [
        ("app.example.com", "has no scheme: write `https://app.example.com`"),
        ("//app.example.com", "has no scheme: write `https://app.example.com`"),
        ("localhost:5173", "has no scheme: write `https://localhost:5173`"),
        ("", "has no host"),
        ("https://", "has no host"),
        ("https:///path", "has no host"),
        ("https://app.example.com/login", "write `https://app.example.com`"),
        ("https://app.example.com?x", "write `https://app.example.com`"),
        ("https://app.example.com\\x", "write `https://app.example.com`"),
        ("https://user:pass@example.com", "has a user name or password"),
        ("*", "every page of the world"),
        ("null", "cannot be allowed"),
        ("https://app.*.com", "wildcard in the wrong place"),
        ("https://*app.example.com", "wildcard in the wrong place"),
        ("https://*", "wildcard in the wrong place"),
        ("http://localhost:*", "wildcard in the wrong place"),
        ("https://*.*.example.com", "wildcard in the wrong place"),
        ("*://app.example.com", "wildcard in the wrong place"),
        ("https://*.com", "open to too much"),
        ("https://*.127.0.0.1", "open to too much"),
        ("app://*.example.com", "open to too much"),
        ("wss://app.example.com", "for web sockets too"),
        ("file:///index.html", "has no host"),
        ("file://host", "pages do not have"),
        ("1a://host", "pages do not have"),
        ("https://exa mple.com", "white space"),
        ("https://example.com:99999", "invalid port number"),
        ("https://[::1", "invalid IPv6"),
        ("app://lo%63alhost", "letters, digits"),
        ("app://", "has no host"),
    ] {
        let error = entry.parse::<OriginPattern>().map_err(|error| error.to_string());
        assert!(
            error.as_ref().is_err_and(|error| error.contains(sentence)),
            "{entry:?}: {error:?}"
        );
    }
    assert!(
        "h".repeat(100_000).parse::<Origin>().is_err_and(|error| error.to_string().len() < 200_000)
    );
}

#[test]
fn look_alikes_are_refused() {
    let origins = Origins::parse([
        "https://app.example.com",
        "https://*.example.org",
        "http://*.localhost:5173",
    ])
    .unwrap();
    for good in [
        "https://app.example.com",
        "https://a.example.org",
        "https://a-1.b_2.example.org",
        "http://tenant.localhost:5173",
    ] {
        assert!(origins.allows(good), "{good}");
    }
    for bad in [
        "",
        "null",
        "*",
        "http://app.example.com",
        "https://app.example.com:8443",
        "https://app.example.com.",
        "https://app.example.com/",
        "https://app.example.com.evil.example",
        "https://app.example.com@evil.example",
        "https://xapp.example.com",
        "https://app-example.com",
        "https://аpp.example.com",
        "HTTPS://APP.EXAMPLE.COM",
        " https://app.example.com",
        "https://app.example.com https://evil.example",
        "https://app.example.com, https://evil.example",
        "https://example.org",
        "https://.example.org",
        "https://a..example.org",
        "https://evilexample.org",
        "https://evil.example#.example.org",
        "https://evil.example/.example.org",
        "https://evil.example:1.example.org",
        "https://u@evil.example.org",
        "https://a.example.org:444",
        "https://a.example.org.evil.example",
        "https://A.example.org",
        "http://a.example.org",
        "http://tenant.localhost",
        "http://localhost:5173",
    ] {
        assert!(!origins.allows(bad), "{bad}");
    }
    assert!(!origins.allows(&format!("https://{}.example.org", "a.".repeat(5_000))));
    assert!(Origins::default().is_empty() && !Origins::default().allows("https://app.example.com"));
}

#[test]
fn the_origin_of_a_url_leaves_its_path_behind() {
    let url = Url::parse("https://API.example.com:443/auth?x").unwrap();
    assert_eq!(
        Origin::of(&url).map(|origin| origin.to_string()),
        Ok("https://api.example.com".to_owned())
    );
    assert!(Origin::of(&Url::parse("mailto:a@example.com").unwrap()).is_err());
}

#[test]
fn a_list_with_an_entry_of_either_kind_is_not_empty() {
    assert!(Origins::default().is_empty());
    assert!(!Origins::parse(["https://app.example.com"]).unwrap().is_empty());
    assert!(!Origins::parse(["https://*.example.com"]).unwrap().is_empty());
}
