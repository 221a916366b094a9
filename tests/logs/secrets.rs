//! No token, cookie, password or key is in the log, however much of it was asked for.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use countersign_e2e::{Cluster, Forge, PASSWORD, Response, TestServer, Wire, claims_of};
use serde_json::{Value, json};

use crate::whole_log;

#[test]
fn the_whole_flow_leaves_no_secret_in_the_log_at_any_level() {
    for format in ["json", "text"] {
        let settings = [
            ("log_level", "trace"),
            ("log_format", format),
            ("allow_origins", "https://app.example.com"),
            ("throttle_account_attempts", "0"),
        ];
        let mut world = settings
            .iter()
            .fold(TestServer::builder(), |builder, (name, value)| builder.set(name, value))
            .start();
        let mut seen = Seen::default();
        live(&world, &mut seen);
        misbehave(&world, &mut seen);
        operate(&world, &mut seen);
        let log = whole_log(&mut world);

        for witness in [
            "logged in",
            "login failed",
            "logged out",
            "the password was changed",
            "two parties held one session",
            "DEBUG",
            "answered",
        ] {
            assert!(
                log.contains(witness),
                "the {format} log does not speak of {witness:?}:\n{log}"
            );
        }
        assert!(seen.0.len() > 60, "{} secrets are too few to have seen everything", seen.0.len());
        for (secret, what) in seen.0 {
            assert!(!log.contains(&secret), "{what} is in the {format} log: {secret}");
        }
    }
}

#[test]
fn on_postgresql_no_filter_shows_what_a_statement_carries() {
    for level in [
        "trace",
        "debug",
        "info",
        "tokio_postgres=trace,info",
        "tokio_postgres::query=debug",
        "[request]=trace",
    ] {
        let cluster = Cluster::shared();
        let url = cluster.database();
        let settings = [
            ("database_url", url.as_str()),
            ("secret", SECRET),
            ("log_level", level),
            ("throttle_account_attempts", "0"),
        ];
        let mut world = settings
            .iter()
            .fold(TestServer::builder(), |builder, (name, value)| builder.set(name, value))
            .start();
        let mut seen = Seen::default();
        seen.note("the secret", SECRET);
        live(&world, &mut seen);
        world.browser().login_with("typed where the name goes", PASSWORD).expect(401);
        seen.note("what was typed as a name", "typed where the name goes");
        let encoded =
            cluster.sql(url.rsplit('/').next().expect("a name"), "SELECT password FROM users");
        seen.note("the encoded password", &encoded);
        seen.note("the password's digest", encoded.rsplit('$').next().expect("a digest"));
        let log = whole_log(&mut world);
        let is_witness = if level == "tokio_postgres::query=debug" {
            log.is_empty()
        } else {
            log.contains("logged in")
        };
        assert!(is_witness, "{level}:\n{log}");
        for (secret, what) in seen.0 {
            assert!(!log.contains(&secret), "{what} is in the log at {level}: {secret}");
        }
    }
}

#[test]
fn a_failed_login_leaves_nothing_of_what_was_typed() {
    let mut world = TestServer::builder()
        .set("log_level", "trace")
        .set("throttle_account_attempts", "2")
        .start();
    world.user("alice-of-wonderland");
    world.user("inactive-user");
    world.cli(&["user", "deactivate", "inactive-user"]).ok();
    // People type their password where the name goes.
    let typed = [
        "alice-of-wonderland",
        "ALICE-OF-WONDERLAND",
        "alice-of-wonderland@example.com",
        "hunter2-in-the-wrong-field",
        "inactive-user",
        "grüße-aus-dem-feld",
        "a\nb{\"x\":1}",
    ];
    for name in typed {
        for password in ["wrong-password-typed", PASSWORD] {
            if !name.to_lowercase().starts_with("alice") || password != PASSWORD {
                assert!(
                    [401, 429].contains(&world.browser().login_with(name, password).status),
                    "{name}"
                );
            }
        }
    }
    let form = "username=typed-into-a-form&password=wrong-password-typed";
    world
        .request("POST", "/accounts/login")
        .body("application/x-www-form-urlencoded", form)
        .send()
        .expect(401);
    world
        .request("POST", "/accounts/login")
        .json(&json!({"username": "x".repeat(300), "password": "wrong-password-typed"}))
        .send()
        .expect(400);
    world
        .request("POST", "/accounts/login")
        .body("application/json", "{\"username\": hunter2-in-the-wrong-field}")
        .send()
        .expect(400);
    let log = whole_log(&mut world);
    assert!(log.contains("login failed"));
    for name in typed.iter().copied().chain([
        "typed-into-a-form",
        "wrong-password-typed",
        "xxxxxxxxxx",
        "hunter2",
    ]) {
        let escaped = serde_json::to_string(name).expect("JSON");
        assert!(
            !log.contains(name) && !log.contains(escaped.trim_matches('"')),
            "{name:?} is in the log"
        );
    }
}

/// What must not be in the log, and what it is.
#[derive(Default)]
struct Seen(BTreeMap<String, String>);

impl Seen {
    fn note(&mut self, what: &str, secret: &str) {
        assert!(secret.len() >= 8, "{what}: {secret:?} is too short to be looked for");
        self.0.insert(secret.to_owned(), what.to_owned());
        // A password in a form or a URL, a token in quotation marks.
        self.0.insert(secret.replace(' ', "+"), format!("{what}, in a form"));
        self.0.insert(secret.replace(' ', "%20"), format!("{what}, in a URL"));
        self.0.insert(STANDARD.encode(secret), format!("{what}, in base64"));
    }

    /// A token's header is no secret; its other parts are, and so is either end of its signature.
    fn token(&mut self, what: &str, token: &str) {
        self.note(what, token);
        let parts: Vec<&str> = token.split('.').collect();
        if let [_, payload, signature] = parts[..] {
            self.note(&format!("{what}'s payload"), payload);
            self.note(&format!("{what}'s signature"), signature);
            self.note(&format!("{what}'s signature's beginning"), &signature[..16]);
            self.note(&format!("{what}'s signature's end"), &signature[signature.len() - 16..]);
        }
        if what.contains("refresh") {
            for name in ["jti", "par"] {
                if let Some(id) = claims_of(token)[name].as_str() {
                    self.note(&format!("{what}'s {name}"), id);
                }
            }
        }
    }

    /// Takes note of everything secret in an answer.
    fn answer(&mut self, answer: &Response) {
        for cookie in answer.all("set-cookie") {
            let (name, rest) = cookie.split_once('=').expect("a cookie");
            match rest.split(';').next().expect("a value") {
                "" => {}
                value => self.token(&format!("the cookie {name}"), value),
            }
        }
        let json: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        let names = ["access_token", "refresh_token", "csrf_token", "device_token", "ticket"];
        for name in names {
            if let Some(token) = json[name].as_str() {
                self.token(name, token);
            }
        }
    }
}

/// Every flow, as honest clients go through it.
fn live(world: &TestServer, seen: &mut Seen) {
    seen.note("the password", PASSWORD);
    seen.note("the new password", NEW);
    world.user("alice");
    let mut browser = world.browser();
    seen.answer(&browser.login("alice").expect(200));
    let first = browser.clone();
    for _ in 0..3 {
        seen.answer(&browser.refresh().expect(200));
    }
    seen.answer(&browser.get("/accounts/csrf").expect(200));
    for path in [
        "/accounts/profile",
        "/accounts/sessions",
        "/accounts/verify",
        "/.well-known/jwks.json",
        "/.well-known/revocations",
    ] {
        assert!(browser.get(path).status < 300);
    }
    seen.answer(
        &browser
            .request("PATCH", "/accounts/profile")
            .json(&json!({"first_name": "Alice"}))
            .send()
            .expect(200),
    );
    let mut native = world.native();
    seen.answer(&native.login("alice").expect(200));
    seen.answer(&native.refresh().expect(200));
    let change = json!({"old_password": PASSWORD, "new_password": NEW});
    browser.request("POST", "/accounts/password").json(&change).send().expect(204);
    native.refresh().expect_problem(401, "session_revoked");
    let mut again = world.browser();
    seen.answer(&again.login_with("alice", NEW).expect(200));
    let form = format!("username=alice&password={}", NEW.replace(' ', "+"));
    seen.answer(
        &world
            .request("POST", "/accounts/login")
            .body("application/x-www-form-urlencoded", form)
            .send()
            .expect(200),
    );
    again.logout().expect(204);
    // A thief with a token two generations old, and one with a token that has ended.
    first.clone().refresh();
    seen.answer(&first.clone().refresh());
    let mut victim = world.browser();
    seen.answer(&victim.login_with("alice", NEW).expect(200));
    steal(world, &victim, seen);
    browser.request("POST", "/accounts/logout-all").send();
    browser.get("/accounts/profile");
}

/// Goes on refreshing with old tokens until the session is ended for it.
fn steal(world: &TestServer, victim: &countersign_e2e::Browser, seen: &mut Seen) {
    let (mut honest, mut thief) = (victim.clone(), victim.clone());
    for _ in 0..20 {
        for browser in [&mut honest, &mut thief] {
            let answer = browser.refresh();
            seen.answer(&answer);
            if answer.problem_code().as_deref() == Some("refresh_token_reused") {
                return;
            }
        }
    }
    panic!("the thief was not found:\n{}", world.log());
}

/// Credentials where they do not belong.
fn misbehave(world: &TestServer, seen: &mut Seen) {
    let mut browser = world.browser();
    seen.answer(&browser.login_with("alice", NEW).expect(200));
    let token = browser.access_token.clone();
    let refresh = browser.refresh_token().to_owned();
    for wrong in ["a quite wrong password", "another wrong password"] {
        seen.note("a wrong password", wrong);
        world.browser().login_with("alice", wrong).expect(401);
        world.browser().login_with("nobody", wrong).expect(401);
        let change = json!({"old_password": wrong, "new_password": "never to be seen again"});
        browser.request("POST", "/accounts/password").json(&change).send().expect(400);
    }
    seen.note("a new password that did not come to be", "never to be seen again");
    let weak = json!({"old_password": NEW, "new_password": "qwertyuiop"});
    browser.request("POST", "/accounts/password").json(&weak).send().expect(400);
    seen.note("a weak password", "qwertyuiop");

    // In URLs, in the wrong headers, in bodies that cannot be read.
    for path in [
        format!("/accounts/profile?access_token={token}"),
        format!("/accounts/{token}"),
        format!("/{refresh}?x={token}"),
        format!("/accounts/sessions/{token}"),
    ] {
        browser.get(&path);
        browser.request("DELETE", &path).send();
        browser.request("POST", &path).json(&json!({"refresh_token": refresh})).send();
    }
    for header in [
        "X-CSRFTOKEN",
        "X-Request-Id",
        "User-Agent",
        "Origin",
        "Referer",
        "X-Forwarded-For",
        "Forwarded",
        "Host",
        "Sec-Fetch-Site",
        "Content-Type",
        "X-Api-Key",
    ] {
        for secret in [&token, &refresh] {
            world
                .request("POST", "/accounts/refresh")
                .header(header, secret)
                .header("Cookie", format!("refreshtoken={refresh}"))
                .send();
            world
                .request("POST", "/accounts/login")
                .header(header, secret)
                .json(&json!({"username": "alice", "password": "x"}))
                .send();
        }
    }
    for authorization in [
        token.clone(),
        format!("Token {token}"),
        format!("Bearer {token}x"),
        format!("Bearer {token} x"),
        format!("Bearer {refresh}"),
        format!("Basic {}", STANDARD.encode(format!("alice:{NEW}"))),
    ] {
        world
            .request("GET", "/accounts/profile")
            .header("Authorization", &authorization)
            .send()
            .expect(401);
        world
            .request("POST", "/accounts/logout")
            .header("Authorization", &authorization)
            .send()
            .expect(401);
    }
    for cookies in [
        format!("refreshtoken={refresh}x; refreshtoken={token}"),
        format!("refreshtoken={refresh}x"),
        format!("refreshtoken={token}"),
    ] {
        world.request("POST", "/accounts/refresh").header("Cookie", cookies).send().expect(401);
    }
    for body in [
        format!("{{\"username\":\"alice\",\"password\":\"{NEW}\""),
        format!("{{\"password\":\"{NEW}\",\"password\":\"{NEW}\"}}"),
        format!("\"{NEW}\""),
        format!("{{\"refresh_token\":\"{refresh}\""),
    ] {
        for path in ["/accounts/login", "/accounts/refresh"] {
            world.request("POST", path).body("application/json", body.clone()).send().expect(400);
            world.request("POST", path).body("text/plain", body.clone()).send().expect(415);
        }
    }
    world
        .request("POST", "/accounts/login")
        .json(&json!({"username": NEW, "password": [NEW]}))
        .send()
        .expect(400);
    world
        .request("POST", "/accounts/refresh")
        .json(&json!({"refresh_token": format!("{refresh}{refresh}{refresh}")}))
        .send();
    // What is no HTTP, with a token in it.
    for broken in [
        format!("GET /{token}\r\nCookie: refreshtoken={refresh}\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nAuthorization Bearer {token}\r\n\r\n"),
        format!("{refresh}\r\n\r\n"),
    ] {
        Wire::to(world.address()).send(broken).until_closed();
    }
}

/// The operator's part: keys, and what is at rest.
fn operate(world: &TestServer, seen: &mut Seen) {
    let forge = Forge::of(world);
    let private = world.cli(&["keys", "export", forge.kid(), "--private"]).ok();
    let body: String = private.lines().filter(|line| !line.contains("-----")).collect();
    seen.note("the private key", &body);
    world.cli(&["keys", "rotate"]).ok();
    let mut browser = world.browser();
    seen.answer(&browser.login_with("alice", NEW).expect(200));
    world.cli(&["session", "revoke", "--user", "alice"]).ok();

    let secret = std::fs::read_to_string(world.data_dir().join("secret")).expect("the secret");
    seen.note("the secret", secret.trim());
    for encoding in [&STANDARD, &URL_SAFE_NO_PAD] {
        if let Ok(bytes) = encoding.decode(secret.trim()) {
            seen.note(
                "the secret's bytes",
                &bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>(),
            );
        }
    }
    let encoded = world.sql("SELECT password FROM users WHERE username = 'alice'");
    seen.note("the password's encoding", encoded.trim());
    let digest = encoded.trim().rsplit('$').next().expect("a digest").to_owned();
    seen.note("the password's digest", &digest);
}

const SECRET: &str = "a secret of many nodes, of all of them";

const NEW: &str = "a phrase that nobody has guessed";
