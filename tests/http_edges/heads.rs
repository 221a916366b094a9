//! Request lines, headers, and the headers that every answer has.

use std::collections::HashSet;

use countersign_e2e::{Request, TestServer};

use crate::{get, head, wire};

#[test]
fn there_is_exactly_one_host_in_the_letters_of_one() {
    let world = TestServer::start();
    for (name, lines) in [
        ("none", vec!["GET /healthz HTTP/1.1"]),
        ("two", vec!["GET /healthz HTTP/1.1", "Host: a.example", "Host: b.example"]),
        ("two, equal", vec!["GET /healthz HTTP/1.1", "Host: a.example", "Host: a.example"]),
        ("two in one header", vec!["GET /healthz HTTP/1.1", "Host: a.example, b.example"]),
        ("two in HTTP/1.0", vec!["GET /healthz HTTP/1.0", "Host: a.example", "Host: b.example"]),
        (
            "two, and an address in the target",
            vec!["GET http://a.example/healthz HTTP/1.1", "Host: a.example", "Host: b.example"],
        ),
        ("with a space", vec!["GET /healthz HTTP/1.1", "Host: a b"]),
        ("with a path", vec!["GET /healthz HTTP/1.1", "Host: a.example/b"]),
        ("with a user", vec!["GET /healthz HTTP/1.1", "Host: ann@a.example"]),
        ("beyond ASCII", vec!["GET /healthz HTTP/1.1", "Host: \u{e1}.example"]),
        ("none at a private endpoint", vec!["GET /accounts/profile HTTP/1.1"]),
        ("none where nothing is", vec!["GET /nothing HTTP/1.1"]),
    ] {
        let answer = wire(&world).send(head(&lines)).answer();
        assert_eq!(
            answer.problem_code().as_deref(),
            Some("bad_request"),
            "{name}: {}",
            answer.text()
        );
        answer.expect_problem(400, "bad_request");
    }
    wire(&world).send(head(&["GET /healthz HTTP/1.0"])).answer().expect(200);
    wire(&world).send(head(&["GET /healthz HTTP/1.0", "Host: a.example"])).answer().expect(200);
    for host in ["hOST:a.example", "Host: a.example:8000", "Host: [::1]:8000", "Host: a_b", "Host:"]
    {
        wire(&world).send(head(&["GET /healthz HTTP/1.1", host])).answer().expect(200);
    }
}

#[test]
fn what_is_no_http_is_a_bare_400_and_the_end_of_the_connection() {
    let world = TestServer::start();
    for bytes in [
        "\u{16}\u{3}\u{1}\u{2}\0\u{1}\0\u{1}\u{fc}\u{3}\u{3}",
        "hello\r\n\r\n",
        "GET\r\n\r\n",
        "GET /healthz\r\n\r\n",
        "GET  /healthz HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /health z HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /healthz HTTP/1.2x\r\nHost: a\r\n\r\n",
        "GET /healthz HTTP/3.0\r\nHost: a\r\n\r\n",
        "GET /healthz http/1.1\r\nHost: a\r\n\r\n",
        "GET /health\0z HTTP/1.1\r\nHost: a\r\n\r\n",
        "G\0T /healthz HTTP/1.1\r\nHost: a\r\n\r\n",
        "G@T /healthz HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /healthz HTTP/1.1\r\nHost : a\r\n\r\n",
        "GET /healthz HTTP/1.1\r\n Host: a\r\n\r\n",
        "GET /healthz HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n",
        "GET /healthz HTTP/1.1\r\nHost: a\r\n: no name\r\n\r\n",
        "GET /healthz HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n",
        "GET /healthz HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n",
        "GET /healthz HTTP/1.1\r\nHost: a\r\nX: a\r\n folded\r\n\r\n",
        "GET /healthz HTTP/1.1\r\nHost: a\r\nX\u{e9}: a\r\n\r\n",
    ] {
        let mut wire = wire(&world).send(bytes);
        let answer = wire.try_answer().unwrap_or_else(|error| panic!("{bytes:?}: {error}"));
        assert_eq!((answer.status, answer.body.len()), (400, 0), "{bytes:?}");
        assert!(wire.until_closed().is_empty(), "{bytes:?}");
    }
    // Who begins with HTTP/2 would not understand an answer in HTTP/1.
    assert!(wire(&world).send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").until_closed().is_empty());
    world.get("/healthz").expect(200);
}

#[test]
fn a_head_of_too_many_headers_or_bytes_is_a_431() {
    let world = TestServer::start();
    let with_headers = |count: usize| {
        (2..count).fold(world.request("GET", "/healthz"), |request, n| {
            request.header(&format!("X-{n}"), "x")
        })
    };
    // `Host` and `Connection` are two.
    with_headers(100).send().expect(200);
    for count in [101, 200] {
        let answer = with_headers(count).send();
        assert_eq!((answer.status, answer.body.len()), (431, 0), "{count} headers");
    }
    world.request("GET", "/healthz").header("X", "x".repeat(60_000)).send().expect(200);
    let mut long = wire(&world)
        .send(format!("GET /healthz HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "x".repeat(200_000)));
    assert_eq!(long.answer().status, 431);
    let endless = wire(&world)
        .send(format!("GET /healthz HTTP/1.1\r\nHost: a\r\nX: {}", "x".repeat(200_000)))
        .answer();
    assert_eq!(endless.status, 431);
    let target = world.get(&format!("/{}", "a".repeat(70_000)));
    assert_eq!(target.status, 414);
    world.get("/healthz").expect(200);
}

#[test]
fn a_target_with_an_address_is_taken_by_its_path() {
    // Without the demo there is nothing at `/`, which is the path of an address without one.
    let world = TestServer::builder().set("demo", "off").start();
    world.user("alice");
    let browser = world.logged_in("alice");
    for target in [
        "http://localhost/accounts/profile",
        "https://id.example.com/accounts/profile",
        "http://evil.example:81/accounts/profile?x=y",
    ] {
        world.request("GET", target).send().expect_problem(401, "not_authenticated");
        world.request("GET", target).bearer(&browser.access_token).send().expect(200);
    }
    world.request("GET", "http://localhost").send().expect_problem(404, "not_found");
    for (method, target) in [("CONNECT", "localhost:80"), ("OPTIONS", "*")] {
        let answer = world.request(method, target).send();
        assert!((400..500).contains(&answer.status), "{method} {target}: {}", answer.status);
    }
    for target in ["healthz", "localhost:80", "http://", "http:///healthz", "?x", "\\healthz"] {
        let answer = world.request("GET", target).send();
        assert!(
            [400, 404].contains(&answer.status),
            "{target}: {} {}",
            answer.status,
            answer.text()
        );
    }
}

#[test]
fn a_path_has_one_spelling() {
    let world = TestServer::start();
    world.user("alice");
    let browser = world.logged_in("alice");
    for path in [
        "/accounts/%70rofile",
        "/accounts%2Fprofile",
        "/%61ccounts/profile",
        "//accounts/profile",
        "/accounts//profile",
        "///accounts/profile",
        "/accounts/profile/.",
        "/accounts/./profile",
        "/./accounts/profile",
        "/accounts/x/../profile",
        "/../accounts/profile",
        "/accounts/%2e/profile",
        "/accounts/x/%2e%2e/profile",
        "/accounts/profile%3f",
        "/accounts/profile%00",
        "/accounts/profile;a=b",
        "/accounts\\profile",
        "/ACCOUNTS/profile",
        "//localhost/accounts/profile",
    ] {
        let answer = browser.get(path);
        assert_eq!(
            answer.problem_code().as_deref(),
            Some("not_found"),
            "{path}: {} {}",
            answer.status,
            answer.text()
        );
        answer.expect_problem(404, "not_found");
    }
    for path in [
        "/accounts/profile",
        "/accounts/profile?",
        "/accounts/profile?/../x",
        "/accounts/profile?a=/accounts/login",
    ] {
        assert_eq!(browser.get(path).status, 200, "{path}");
    }
}

#[test]
fn head_is_get_without_its_body() {
    let world = TestServer::start();
    world.user("alice");
    let browser = world.logged_in("alice");
    for path in [
        "/accounts/csrf",
        "/accounts/profile",
        "/accounts/sessions",
        "/accounts/verify",
        "/.well-known/jwks.json",
        "/healthz",
        "/readyz",
        "/openapi.json",
        "/docs",
    ] {
        let request = |method| browser.bare(method, path).bearer(&browser.access_token);
        let of_get = request("GET").send();
        let mut of_head = wire(&world).send(request("HEAD").to_bytes());
        let answer = of_head.answer_to_head();
        assert_eq!(answer.status, of_get.status, "{path}");
        for name in [
            "content-type",
            "content-length",
            "cache-control",
            "etag",
            "set-cookie",
            "x-auth-user-id",
        ] {
            let cut = |value: &str| value.split("Max-Age").next().map(str::to_owned);
            assert_eq!(
                answer.header(name).and_then(cut),
                of_get.header(name).and_then(cut),
                "{path}: {name}"
            );
        }
        assert!(of_head.until_closed().is_empty(), "{path}: a body");
    }
}

#[test]
fn a_request_id_is_taken_from_trusted_proxies_only_and_only_if_it_is_one() {
    let id_of = |request: Request| request.send().header("x-request-id").expect("an id").to_owned();
    let is_ours = |id: &str| id.len() == 16 && id.bytes().all(|b| b.is_ascii_hexdigit());
    for (trusted, kept) in [
        ("127.0.0.1", true),
        ("127.0.0.0/8,10.0.0.0/8", true),
        ("10.0.0.0/8", false),
        ("::1", false),
    ] {
        let world = TestServer::builder().set("trusted_proxies", trusted).start();
        for path in ["/healthz", "/accounts/profile", "/nothing"] {
            let id = id_of(world.request("GET", path).header("X-Request-Id", "proxy-7f.A_9"));
            assert_eq!(id == "proxy-7f.A_9", kept, "{path} behind {trusted}: {id}");
            assert!(kept || is_ours(&id), "{id}");
        }
        for bad in
            ["", "a b", "a\tb", "a;b", "a\"b", "<script>", "é", "a/b", "a%0a", &"a".repeat(65)]
        {
            let id = id_of(world.request("GET", "/healthz").header("X-Request-Id", bad));
            assert!(is_ours(&id), "{bad:?} gave {id:?}");
        }
        let longest = "a".repeat(64);
        assert_eq!(
            id_of(world.request("GET", "/healthz").header("X-Request-Id", &longest)) == longest,
            kept
        );
        let ids: HashSet<String> =
            (0..100).map(|_| id_of(world.request("GET", "/healthz"))).collect();
        assert_eq!(ids.len(), 100);
    }
    let world = TestServer::start();
    assert!(
        is_ours(&id_of(world.request("GET", "/healthz").header("X-Request-Id", "proxy-1"))),
        "nobody is trusted unless named"
    );
}

#[test]
fn every_answer_says_what_browsers_must_not_do() {
    for (public_url, hsts) in [
        ("http://localhost:8000", false),
        ("https://id.example.com", true),
        ("http://id.example.com", false),
    ] {
        let world = TestServer::builder().set("public_url", public_url).start();
        world.user("alice");
        for answer in [
            world.get("/healthz").expect(200),
            world.get("/docs").expect(200),
            world.get("/.well-known/jwks.json").expect(200),
            world.browser().login("alice").expect(200),
            world.get("/accounts/profile").expect(401),
            world.get("/nothing").expect(404),
            world.request("PUT", "/accounts/login").send().expect(405),
            world
                .request("POST", "/accounts/login")
                .raw_body("x".repeat(70_000))
                .send()
                .expect(413),
            world.request("GET", "/healthz").header("Host", "second").send().expect(400),
            world.request("POST", "/accounts/logout").send().expect(204),
        ] {
            assert_eq!(
                answer.all("x-content-type-options").collect::<Vec<_>>(),
                ["nosniff"],
                "{answer:?}"
            );
            let policies: Vec<_> = answer.all("content-security-policy").collect();
            assert!(
                policies.len() == 1 && policies[0].contains("frame-ancestors 'none'"),
                "{answer:?}"
            );
            assert_eq!(answer.all("referrer-policy").count(), 1, "{answer:?}");
            assert_eq!(answer.all("x-request-id").count(), 1, "{answer:?}");
            let strict = answer.header("strict-transport-security");
            assert_eq!(strict.is_some(), hsts, "{public_url}: {answer:?}");
            assert!(
                !hsts
                    || strict.is_some_and(
                        |value| value.starts_with("max-age=") && !value.contains("max-age=0")
                    ),
                "{strict:?}"
            );
            assert!(answer.header("server").is_none() && answer.header("x-powered-by").is_none());
        }
    }
}

#[test]
fn no_answer_is_compressed_whatever_the_client_would_take() {
    let world = TestServer::start();
    world.user("alice");
    for path in ["/.well-known/jwks.json", "/openapi.json", "/docs"] {
        let plain = world.get(path).expect(200);
        let answer = world
            .request("GET", path)
            .header("Accept-Encoding", "gzip, br, deflate, zstd")
            .header("Accept", "text/html")
            .send()
            .expect(200);
        assert_eq!(
            (answer.header("content-encoding"), &answer.body),
            (None, &plain.body),
            "{path}"
        );
    }
    let login = world
        .request("POST", "/accounts/login")
        .header("Accept-Encoding", "gzip")
        .header("Accept", "application/xml");
    let login = login
        .json(&serde_json::json!({"username": "alice", "password": countersign_e2e::PASSWORD}))
        .send()
        .expect(200);
    let told = login.header("content-encoding");
    assert_eq!(told, Some("identity"), "a proxy compresses no token either");
    assert_eq!(login.header("content-type"), Some("application/json"));
}

#[test]
fn an_expectation_to_continue_is_met_before_a_body_and_not_before_a_refusal() {
    let world = TestServer::start();
    world.user("alice");
    let body = format!(r#"{{"username":"alice","password":"{}"}}"#, countersign_e2e::PASSWORD);
    let length = format!("Content-Length: {}", body.len());
    let lines = [
        "POST /accounts/login HTTP/1.1",
        "Host: a",
        "Content-Type: application/json",
        "Expect: 100-continue",
        &length,
    ];
    let mut login = wire(&world).send(head(&lines));
    assert_eq!(login.answer().status, 100);
    login.push(body);
    login.answer().expect(200);

    let lines = [
        "POST /accounts/password HTTP/1.1",
        "Host: a",
        "Content-Type: application/json",
        "Expect: 100-continue",
        &length,
    ];
    wire(&world).send(head(&lines)).answer().expect_problem(401, "not_authenticated");
    wire(&world).send(get("/healthz")).answer().expect(200);
}
