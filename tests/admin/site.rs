//! The site as a whole: where it is, who may embed or script it, and what it costs.

use std::time::Duration;

use countersign_e2e::{TestServer, eventually};

use crate::office::{furnish, group, office};

#[test]
fn every_answer_forbids_scripts_frames_and_caches() {
    let (world, mut root) = office();
    world.user("alice");
    group(&mut root, "team", &[]);
    for path in [
        "/admin/",
        "/admin/users/",
        "/admin/users/add",
        "/admin/users/2/",
        "/admin/users/2/access",
        "/admin/users/2/password",
        "/admin/groups/",
        "/admin/groups/1/",
        "/admin/permissions/",
        "/admin/sessions/",
        "/admin/audit/",
        "/admin/keys/",
        "/admin/users/invite",
        "/admin/outbox/",
        "/admin/hooks/",
        "/admin/nothing",
        "/admin/sign-out",
    ] {
        let page = root.get(path);
        let header = |name: &str| page.header(name).unwrap_or_default().to_owned();
        let policy = header("content-security-policy");
        assert!(
            policy.starts_with(
                "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; \
                 base-uri 'none'; frame-ancestors 'none'"
            ),
            "{path}: {policy}"
        );
        assert!(!policy.contains("script") && !policy.contains("unsafe"), "{path}: {policy}");
        assert_eq!(
            (header("cache-control"), header("x-content-type-options")),
            ("no-store".to_owned(), "nosniff".to_owned()),
            "{path}"
        );
        assert!(page.body.len() <= 50 * 1024, "{path}: {} bytes", page.body.len());
        for bad in ["<script", " style=", "javascript:"] {
            assert!(!page.text().contains(bad), "{bad} on {path}");
        }
    }
    for (path, kind) in
        [("/admin/style.css", "text/css; charset=utf-8"), ("/admin/icon.svg", "image/svg+xml")]
    {
        let asset = world.get(path).expect(200);
        assert_eq!(asset.header("content-type"), Some(kind));
        let tag = asset.header("etag").unwrap().to_owned();
        world.request("GET", path).header("If-None-Match", tag).send().expect(304);
    }
    assert_eq!(world.get("/admin").header("location"), Some("/admin/"));
}

#[test]
fn no_other_origin_is_let_in_whatever_the_endpoints_allow() {
    let world = TestServer::builder().set("allow_origins", "https://app.example.com").start();
    let (world, root) = furnish(world);
    for origin in ["https://app.example.com", "https://evil.example"] {
        for (method, path) in [
            ("GET", "/admin/"),
            ("GET", "/admin/style.css"),
            ("OPTIONS", "/admin/users/"),
            ("POST", "/admin/sign-in"),
        ] {
            let request = root
                .browser
                .bare(method, path)
                .header("Origin", origin)
                .header("Access-Control-Request-Method", "POST");
            let answer = request.send();
            assert!(
                answer.headers.iter().all(|(name, _)| !name.starts_with("access-control-")),
                "{method} {path}: {:?}",
                answer.headers
            );
        }
    }
    // Where the endpoints are, it is as before.
    let preflight = world
        .request("OPTIONS", "/accounts/login")
        .header("Origin", "https://app.example.com")
        .header("Access-Control-Request-Method", "POST")
        .send();
    assert_eq!(preflight.header("access-control-allow-origin"), Some("https://app.example.com"));
}

#[test]
fn it_can_be_switched_off_and_its_settings_have_bounds() {
    let world = TestServer::builder().set("admin", "off").start();
    for path in ["/admin", "/admin/", "/admin/sign-in", "/admin/style.css"] {
        world.get(path).expect_problem(404, "not_found");
    }
    assert!(world.printed().is_empty());
    world.user("alice");
    world.logged_in("alice");
    eventually("the audit log goes on", || {
        world.sql("SELECT count(*) FROM audit_events WHERE kind = 'login'").trim() == "1"
    });
    for (name, value, problem) in [
        ("admin", "perhaps", "on or off"),
        ("admin_idle", "30s", "1 minute"),
        ("admin_absolute", "10m", "admin_idle"),
        ("audit_keep", "1h", "1 day"),
        ("base_path", "/admin", "admin site"),
        ("base_path", "/admin/api", "admin site"),
    ] {
        let mut world = TestServer::builder().set(name, value).asleep();
        let log = world.try_wake(&[]).unwrap_err();
        assert!(log.contains(problem), "{name}={value}: {log}");
    }
    TestServer::builder()
        .set("admin", "off")
        .set("base_path", "/admin")
        .start()
        .get("/admin/csrf")
        .expect_problem(401, "refresh_token_missing");
}

#[test]
fn the_dashboard_counts_what_happened_and_says_what_to_change() {
    let (world, mut root) = furnish(TestServer::start());
    world.user("alice");
    let mut browser = world.logged_in("alice");
    world.browser().login_with("alice", "wrong").expect(401);
    for _ in 0..3 {
        browser.refresh().expect(200);
    }
    eventually("the counts are there", || {
        let page = root.get("/admin/").expect(200).text();
        let total = |title: &str| {
            page.split_once(&format!(">{title}</a> <span>"))
                .and_then(|(_, rest)| rest.split('<').next().map(str::to_owned))
        };
        total("Sign-ins") == Some("1".to_owned())
            && total("Failed sign-ins") == Some("1".to_owned())
            && total("Refreshes") == Some("3".to_owned())
    });
    for span in ["day", "week", "month"] {
        let page = root.get(&format!("/admin/?span={span}")).expect(200).text();
        assert_eq!(page.matches("<svg").count(), 5);
        assert!(page.contains("aria-label=\"Refreshes: 3\""), "{page}");
    }
    // The tests hash cheaply, and that is no way to run it.
    root.get("/admin/").says(200, "stolen hashes are cheaper to guess");
    let page = root.get("/admin/").text();
    for fact in [
        "2 users",
        "signing, EdDSA",
        "Database",
        "0 of 256 on this node",
        env!("CARGO_PKG_VERSION"),
    ] {
        assert!(page.contains(fact), "no {fact:?} in {page}");
    }
}

#[test]
fn lists_go_on_over_many_pages_in_any_order_and_find_by_parts() {
    let (world, mut root) = furnish(TestServer::start());
    world.sql(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 180) \
         INSERT INTO users (username, username_folded, email, first_name, password, is_active, \
         is_staff, is_superuser, date_joined) \
         SELECT printf('user%03d', i), printf('user%03d', i), \
         printf('u%03d@example.com', 999 - i), 'F' || (i % 7), '!', 1, 0, 0, \
         (SELECT date_joined FROM users) FROM n",
    );
    for order in
        ["", "o=email", "o=first", "o=last&d=1", "o=joined", "o=login&d=1", "o=username&d=1"]
    {
        let mut path = format!("/admin/users/?{order}");
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..5 {
            let page = root.get(&path).expect(200).text();
            for row in page.split("<th scope=\"row\"><a href=\"/admin/users/").skip(1) {
                assert!(seen.insert(row.split('/').next().unwrap().to_owned()), "twice in {order}");
            }
            let Some((before, _)) = page.split_once("\" rel=\"next\"") else { break };
            path = format!(
                "/admin/users/{}",
                before
                    .rsplit_once("href=\"")
                    .unwrap()
                    .1
                    .replace("&#38;", "&")
                    .replace("&amp;", "&")
            );
        }
        assert_eq!(seen.len(), 181, "{order}");
    }
    root.get("/admin/users/?q=USER01").says(200, "10 users");
    root.get("/admin/users/?q=998%40").says(200, "1 user");
    root.get("/admin/users/?superuser=yes").says(200, "1 user");
    root.get("/admin/users/?q=zzz").says(200, "No user is like that");
}

#[test]
fn a_form_that_comes_too_slowly_is_given_up() {
    use std::io::{Read, Write};
    let world = TestServer::builder().set("body_timeout", "1s").start();
    let (world, root) = furnish(world);
    let cookies = root.browser.cookie_header().unwrap();
    let mut stream = std::net::TcpStream::connect(world.address()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let head = format!(
        "POST /admin/users/add HTTP/1.1\r\nHost: {0}\r\nOrigin: http://{0}\r\nCookie: \
         {cookies}\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: \
         100\r\nConnection: close\r\n\r\ncsrf=",
        world.address()
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(
        answer.starts_with("HTTP/1.1 408 ") && answer.contains("did not arrive in time"),
        "{answer}"
    );
}
