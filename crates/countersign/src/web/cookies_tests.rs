use super::*;

fn cookies(public_url: &str, settings: &CookieSettings) -> Result<Cookies, CookieError> {
    Cookies::new(&public_url.parse().unwrap(), "/accounts", settings)
}

const HTTP: &str = "http://localhost:8000";
const HTTPS: &str = "https://id.example.com";

#[test]
fn over_https_the_refresh_cookie_is_bound_to_the_host() {
    let cookies = cookies(HTTPS, &CookieSettings::default()).unwrap();
    let hour = Duration::from_secs(3600);
    assert_eq!(
        cookies.set_refresh("a.b.c", hour),
        "__Host-refreshtoken=a.b.c; Path=/; Max-Age=3600; HttpOnly; SameSite=Lax; Secure"
    );
    assert_eq!(
        cookies.set_csrf("abc", hour),
        "csrftoken=abc; Path=/; Max-Age=3600; SameSite=Lax; Secure"
    );
    assert_eq!(
        cookies.set_device("d", hour),
        "devicetoken=d; Path=/accounts; Max-Age=3600; HttpOnly; SameSite=Lax; Secure"
    );
}

#[test]
fn combinations_that_browsers_refuse_are_refused_before_them() {
    let default = CookieSettings::default;
    let none = CookieSettings { same_site: SameSite::None, ..default() };
    assert_eq!(cookies(HTTP, &none).err(), Some(CookieError::NoneWithoutHttps));
    assert!(cookies(HTTPS, &none).is_ok());
    let host = Some("__Host-refreshtoken".to_owned());
    let named = CookieSettings { refresh: host.clone(), ..default() };
    assert!(matches!(cookies(HTTP, &named), Err(CookieError::PrefixWithoutHttps(_))));
    let domain = Some("example.com".to_owned());
    let both = CookieSettings { refresh: host, domain: domain.clone(), ..default() };
    assert!(matches!(cookies(HTTPS, &both), Err(CookieError::HostWithDomain(_))));
    assert!(cookies(HTTPS, &CookieSettings { domain, ..default() }).is_ok());
    for foreign in ["example.org", "com", "ample.com"] {
        let foreign = CookieSettings { domain: Some(foreign.to_owned()), ..default() };
        assert!(matches!(cookies(HTTPS, &foreign), Err(CookieError::ForeignDomain { .. })));
    }
    assert!(matches!(
        cookies(HTTP, &CookieSettings { csrf: "a b".to_owned(), ..default() }),
        Err(CookieError::Name(_))
    ));
    assert_eq!(
        cookies(HTTP, &CookieSettings { csrf: "refreshtoken".to_owned(), ..default() }).err(),
        Some(CookieError::SameName)
    );
}

#[test]
fn partitioned_cookies_are_so_in_every_form_and_stand_with_https_and_none_alone() {
    let default = CookieSettings::default;
    let parted = |same_site| CookieSettings { same_site, partitioned: true, ..default() };
    for same_site in [SameSite::Lax, SameSite::Strict] {
        let refused = cookies(HTTPS, &parted(same_site)).err();
        assert_eq!(refused, Some(CookieError::PartitionedWithoutNone));
    }
    assert_eq!(cookies(HTTP, &parted(SameSite::None)).err(), Some(CookieError::NoneWithoutHttps));

    let hour = Duration::from_secs(3600);
    let cookies = cookies(HTTPS, &parted(SameSite::None)).unwrap();
    for line in [
        cookies.set_refresh("a", hour),
        cookies.set_csrf("a", hour),
        cookies.set_device("a", hour),
        cookies.set_sign_in("a", hour),
        cookies.set_pending("a"),
        cookies.clear_pending(),
        cookies.set_ticket("a", hour),
        cookies.clear_ticket(),
    ] {
        let line = line.to_str().unwrap();
        assert!(line.ends_with("; SameSite=None; Secure; Partitioned"), "{line}");
    }
    assert!(cookies.ticket_attributes().ends_with("; Partitioned"));
}

#[test]
fn what_another_jar_has_of_before_the_setting_was_changed_is_removed_too() {
    let domain = Some("example.com".to_owned());
    for partitioned in [false, true] {
        let settings = CookieSettings {
            same_site: SameSite::None,
            partitioned,
            domain: domain.clone(),
            ..CookieSettings::default()
        };
        let forms = cookies(HTTPS, &settings).unwrap().clear();
        let forms: Vec<&str> = forms.iter().map(|line| line.to_str().unwrap()).collect();
        for jar in ["", "; Partitioned"] {
            for line in [
                format!("refreshtoken=; Path=/; Max-Age=0; HttpOnly; SameSite=None; Secure{jar}"),
                format!("csrftoken=; Path=/; Max-Age=0; SameSite=None; Secure{jar}"),
            ] {
                assert!(forms.contains(&&*format!("{line}; Domain=example.com")), "{line}");
            }
        }
        let first = forms[0].contains("; Partitioned");
        assert_eq!(first, partitioned, "those of these settings first: {forms:#?}");
        assert!(forms.iter().map(|line| line.len()).sum::<usize>() < 3_072, "room in a head");
    }
}

#[test]
fn refresh_cookies_are_found_wherever_they_stand_whatever_stands_beside_them() {
    let cookies = cookies(HTTP, &CookieSettings::default()).unwrap();
    let headers = |lines: &[&'static [u8]]| {
        lines
            .iter()
            .map(|line| (COOKIE, HeaderValue::from_bytes(line).unwrap()))
            .collect::<HeaderMap>()
    };
    let no_text: &[u8] = b"refreshtoken=\xff";
    for (lines, found) in [
        (&[b"a=b; refreshtoken=x; c".as_slice()] as &[&'static [u8]], &["x"] as &[&str]),
        (&[b"refreshtoken=\"x\""], &["x"]),
        (&[b"refreshtoken="], &[]),
        (&[b"xrefreshtoken=x; refreshtoken =x; refreshtoken"], &[]),
        (&[b"refreshtoken=x; refreshtoken=x"], &["x"]),
        (&[b"refreshtoken=x", b"refreshtoken=y"], &["x", "y"]),
        (&["greeting=Olá; refreshtoken=x".as_bytes()], &["x"]),
        (&[b"greeting=Ol\xe1; refreshtoken=x; \xff\xfe=\x80"], &["x"]),
        (&[no_text], &["\u{fffd}"]),
    ] {
        assert_eq!(cookies.refresh_of(&headers(lines)), found, "{lines:?}");
    }
}

#[test]
fn every_form_is_removed_that_other_settings_or_an_installation_above_may_have_left() {
    let cleared = |url: &str, settings: &CookieSettings| {
        cookies(url, settings)
            .unwrap()
            .clear()
            .iter()
            .map(|line| line.to_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    let plain = cleared(HTTP, &CookieSettings::default());
    assert_eq!(plain.len(), 4, "{plain:?}");
    assert!(
        plain.contains(
            &"refreshtoken=; Path=/accounts; Max-Age=0; HttpOnly; SameSite=Lax".to_owned()
        )
    );
    let domain =
        CookieSettings { domain: Some("example.com".to_owned()), ..CookieSettings::default() };
    for settings in [CookieSettings::default(), domain] {
        let forms = cleared(HTTPS, &settings);
        for form in [
            "__Host-refreshtoken=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax; Secure",
            "refreshtoken=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax; Secure",
            "refreshtoken=; Path=/accounts; Max-Age=0; HttpOnly; SameSite=Lax; Secure; \
             Domain=id.example.com",
            "refreshtoken=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax; Secure; \
             Domain=example.com",
            "csrftoken=; Path=/; Max-Age=0; SameSite=Lax; Secure; Domain=example.com",
        ] {
            assert!(forms.iter().any(|line| line == form), "{form} is not in {forms:#?}");
        }
        assert!(forms.iter().all(|line| !line.ends_with("Domain=com")));
        assert!(
            forms.iter().map(String::len).sum::<usize>() < 2048,
            "a proxy has room for so much of a head"
        );
    }
    assert_eq!(
        cleared("http://127.0.0.1:8000", &CookieSettings::default()).len(),
        4,
        "an address has no parents"
    );
}

#[test]
fn a_server_with_a_name_of_its_own_leaves_the_cookie_of_its_neighbour() {
    for (url, refresh) in [(HTTP, "b"), (HTTPS, "b"), (HTTPS, "__Host-b")] {
        let settings = CookieSettings {
            refresh: Some(refresh.to_owned()),
            csrf: "csrf-b".to_owned(),
            ..CookieSettings::default()
        };
        let forms = cookies(url, &settings).unwrap().clear();
        let forms: Vec<&str> = forms.iter().map(|line| line.to_str().unwrap()).collect();
        assert!(forms[0].starts_with(&format!("{refresh}=;")), "{forms:#?}");
        for usual in ["refreshtoken=", "__Host-refreshtoken=", "csrftoken=", "__Host-device="] {
            assert!(forms.iter().all(|line| !line.starts_with(usual)), "{usual}: {forms:#?}");
        }
    }
}

#[test]
fn the_cookie_of_who_asked_for_a_mail_is_bound_to_the_host_whatever_domain_the_others_have() {
    let shared = CookieSettings { domain: Some("example.com".to_owned()), ..Default::default() };
    let on_https = cookies("https://auth.example.com", &shared).unwrap();
    assert_eq!(
        on_https.set_sign_in("abc", Duration::from_secs(60)),
        "__Host-signintoken=abc; Path=/; Max-Age=60; HttpOnly; SameSite=Lax; Secure"
    );
    let planted = HeaderMap::from_iter([(COOKIE, HeaderValue::from_static("signintoken=abc"))]);
    assert_eq!(on_https.sign_in_of(&planted), None);
    for name in ["signintoken", "__Host-signintoken"] {
        let taken = CookieSettings { csrf: name.to_owned(), ..Default::default() };
        let refused = cookies("https://auth.example.com", &taken).unwrap_err();
        assert_eq!(refused, CookieError::SameName, "{name}");
    }
}

fn sent(line: &str) -> HeaderMap {
    HeaderMap::from_iter([(COOKIE, HeaderValue::from_str(line).unwrap())])
}

#[test]
fn each_cookie_is_found_by_its_own_name() {
    let plain = cookies(HTTP, &CookieSettings::default()).unwrap();
    assert_eq!((plain.refresh_name(), plain.csrf_name()), ("refreshtoken", "csrftoken"));
    let bound = cookies(HTTPS, &CookieSettings::default()).unwrap();
    assert_eq!(bound.refresh_name(), "__Host-refreshtoken");
    let headers = sent("signintoken=s; pendingtoken=p; devicetoken=d; devicetoken=e; csrftoken=c");
    assert_eq!(plain.sign_in_of(&headers), Some("s"));
    assert_eq!(plain.pending_of(&headers), Some("p"));
    assert_eq!(plain.device_of(&headers), Some("d"));
    assert_eq!(plain.devices_of(&headers).collect::<Vec<_>>(), ["d", "e"]);
    let none = sent("theme=dark");
    assert_eq!((plain.sign_in_of(&none), plain.pending_of(&none)), (None, None));
    assert_eq!(plain.device_of(&none), None);
}

#[test]
fn of_many_refresh_cookies_the_first_32_are_tried() {
    let planted: Vec<String> = (0..40).map(|number| format!("refreshtoken=t{number}")).collect();
    let plain = cookies(HTTP, &CookieSettings::default()).unwrap();
    assert_eq!(plain.refresh_of(&sent(&planted.join("; "))).len(), 32);
}

#[test]
fn a_value_of_same_site_is_read_in_any_case() {
    for one in [SameSite::Lax, SameSite::Strict, SameSite::None] {
        assert_eq!(one.to_string().to_lowercase().parse(), Ok(one));
    }
    assert_eq!("loose".parse::<SameSite>(), Err(UnknownSameSite));
}

#[test]
fn the_ticket_is_named_after_a_refresh_cookie_that_has_another_name() {
    let named = |refresh: Option<&str>, domain: Option<&str>| {
        let own = |text: &str| text.to_owned();
        let settings = CookieSettings {
            refresh: refresh.map(own),
            domain: domain.map(own),
            ..CookieSettings::default()
        };
        let cookies = cookies(HTTPS, &settings).unwrap();
        let line = cookies.set_ticket("abc", Duration::from_secs(300));
        let (name, rest) = line.to_str().unwrap().split_once('=').unwrap();
        assert_eq!(rest, "abc; Max-Age=300; Path=/; HttpOnly; SameSite=Lax; Secure");
        assert!(cookies.clear().contains(&cookies.clear_ticket()));
        let sent = HeaderValue::try_from(format!("{name}=abc")).unwrap();
        let headers = HeaderMap::from_iter([(COOKIE, sent)]);
        assert_eq!(cookies.tickets_of(&headers).collect::<Vec<_>>(), ["abc"]);
        name.to_owned()
    };
    for default in [None, Some("__Host-refreshtoken")] {
        assert_eq!(named(default, None), "__Host-device");
    }
    assert_eq!(named(None, Some("example.com")), "__Host-device");
    for other in ["__Host-b", "__Secure-b", "b"] {
        assert_eq!(named(Some(other), None), "__Host-b-device");
    }
    assert_eq!(named(Some("refreshtoken"), None), "__Host-refreshtoken-device");
    let csrf = CookieSettings {
        refresh: Some("__Host-b".to_owned()),
        csrf: "__Host-b-device".to_owned(),
        ..CookieSettings::default()
    };
    assert_eq!(cookies(HTTPS, &csrf).err(), Some(CookieError::SameName));
}
