//! The demo page at `/`: where it is, what it may do, and the theft that the server plays for it.

use countersign_e2e::{PASSWORD, Request, TestServer, Wire, eventually};
use serde_json::{Value, json};

#[test]
fn the_demo_is_there_by_itself_on_a_developers_machine_and_nowhere_else() {
    for (public_url, demo, there) in [
        (None, None, true),
        (Some("http://localhost:3000"), None, true),
        (Some("http://127.0.0.1:8000"), None, true),
        (Some("http://[::1]:8000"), None, true),
        (Some("https://localhost"), None, true),
        (None, Some("off"), false),
        (Some("https://auth.example.com"), None, false),
        (Some("http://localhost.example.com"), None, false),
        (Some("http://app.localhost"), None, false),
        (Some("http://192.168.0.7:8000"), None, false),
        (Some("https://auth.example.com"), Some("on"), true),
        (Some("https://auth.example.com"), Some("auto"), false),
    ] {
        let mut builder = TestServer::builder();
        for (name, value) in [("public_url", public_url), ("demo", demo)] {
            if let Some(value) = value {
                builder = builder.set(name, value);
            }
        }
        let world = builder.start();
        for (method, path) in [
            ("GET", "/"),
            ("HEAD", "/"),
            ("GET", "/demo/demo.js"),
            ("GET", "/demo/client/index.js"),
            ("POST", "/demo/theft"),
            ("POST", "/demo/jar"),
        ] {
            let answer = world.request(method, path).send();
            let found = answer.status != 404;
            assert_eq!(
                found, there,
                "{method} {path} at {public_url:?} with demo = {demo:?}: {}",
                answer.status
            );
        }
        if !there {
            world.get("/").expect_problem(404, "not_found");
        }
    }
}

#[test]
fn a_demo_that_is_neither_on_nor_off_stops_the_start() {
    let log = TestServer::builder().set("demo", "perhaps").asleep().try_wake(&[]).unwrap_err();
    assert!(log.contains("choose on, off or auto"), "{log}");
}

#[test]
fn the_page_may_load_its_own_files_and_nothing_else() {
    let world = TestServer::start();
    let page = world.get("/").expect(200);
    assert_eq!(
        page.header("content-security-policy"),
        Some(
            "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src \
             'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        )
    );
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    assert_eq!(page.header("cache-control"), Some("no-store"));
    assert_eq!(page.header("x-content-type-options"), Some("nosniff"));
    let html = page.text();
    for never in ["<style", " style=", " onclick=", " onsubmit=", "javascript:"] {
        assert!(!html.contains(never), "{never}");
    }
    let mut wanted: Vec<String> =
        ["src=\"", "href=\"/demo"].iter().flat_map(|mark| after(&html, mark)).collect();
    wanted.sort();
    wanted.dedup();
    assert!(
        wanted.iter().any(|path| path.ends_with(".js"))
            && wanted.iter().any(|path| path.ends_with(".css")),
        "{wanted:?}"
    );
    // The modules name the others that they need.
    let mut seen = 0;
    while let Some(path) = wanted.get(seen).cloned() {
        seen += 1;
        let file = world.get(&path).expect(200);
        let kind = file.header("content-type").unwrap().to_owned();
        let is_right = match path.rsplit('.').next() {
            Some("js") => kind == "text/javascript; charset=utf-8",
            Some("md") => kind == "text/plain; charset=utf-8",
            Some("css") => kind == "text/css; charset=utf-8",
            _ if path == "/demo/mail" => kind == "text/html; charset=utf-8",
            _ => kind == "image/svg+xml",
        };
        assert!(is_right, "{path}: {kind}");
        let folder = &path[..path.rfind('/').unwrap()];
        for module in after(&file.text(), " from '") {
            let module = format!("{folder}/{}", module.trim_start_matches("./"));
            if !wanted.contains(&module) {
                wanted.push(module);
            }
        }
    }
    assert!(wanted.contains(&"/demo/client/turns.js".to_owned()), "{wanted:?}");
}

#[test]
fn the_page_says_how_to_make_the_first_user_until_there_is_one() {
    let world = TestServer::start();
    let html = world.get("/").expect(200).text();
    assert!(html.contains("There is no user yet") && html.contains("countersign createsuperuser"));
    world.user("alice");
    assert!(!world.get("/").expect(200).text().contains("There is no user yet"));
}

#[test]
fn the_page_leads_to_what_there_is_besides() {
    let leads = |world: &TestServer| -> Vec<String> {
        let html = world.get("/").expect(200).text();
        let nav = html.split_once("<nav").unwrap().1.split_once("</nav>").unwrap().0.to_owned();
        after(&nav, "href=\"")
    };
    let world = TestServer::start();
    let (readme, client) = ("/demo/README.md", "/demo/client/client.js");
    assert_eq!(leads(&world), ["/docs", "/admin/", "/demo/mail", readme, client]);
    for path in leads(&world) {
        let status = world.get(&path).status;
        assert!([200, 303].contains(&status), "{path}: {status}");
    }
    let world = TestServer::builder()
        .set("docs", "off")
        .set("admin", "off")
        .set("mail_url", "none")
        .start();
    assert_eq!(leads(&world), [readme, client]);
    assert!(!world.get("/").expect(200).text().contains("admin site"));
}

#[test]
fn the_page_knows_the_password_with_which_the_readmes_tour_ends() {
    let world = TestServer::start();
    let readme = world.get("/demo/README.md").expect(200).text();
    let ends_with = after(&readme, r#""new_password": ""#);
    let [password] = &ends_with[..] else {
        panic!("the tour changes the password once: {ends_with:?}")
    };
    let made = &after(&readme, r#""username": ""#)[0];
    world.user(made);
    let html = world.get("/").expect(200).text();
    assert!(
        html.contains(&format!("<code>{made}</code>"))
            && html.contains(&format!("<code>{password}</code>")),
        "{html}"
    );
}

#[test]
fn the_mailbox_shows_what_was_printed_with_links_and_runs_nothing_of_it() {
    let world = TestServer::builder().set("registration", "open").start();
    assert!(world.get("/demo/mail").expect(200).text().contains("No mail has come"));
    let body = json!({"username": "alice", "email": "alice@example.com", "password": PASSWORD});
    world.request("POST", "/accounts/register").json(&body).send().expect(201);
    let mails = || world.get("/demo/mail.json").expect(200).json()["mails"].clone();
    eventually("the mail is there", || !mails().as_array().unwrap().is_empty());
    let mail = mails()[0].clone();
    assert_eq!(
        (&mail["to"], &mail["subject"]),
        (&json!("alice@example.com"), &json!("Confirm your e-mail address"))
    );
    let text = mail["text"].as_str().unwrap();
    let link = text.lines().find(|line| line.starts_with("http://")).unwrap();
    eventually("what is shown is printed", || world.printed().concat().contains(link));

    let list = world.get("/demo/mail").expect(200);
    assert_eq!(list.header("cache-control"), Some("no-store"));
    assert!(list.text().contains(&format!("<a href=\"{link}\">")), "{}", list.text());
    let whole = world.get(&format!("/demo/mail/{}", mail["id"])).expect(200);
    assert_eq!(whole.text(), mail["html"].as_str().unwrap());
    let policy = whole.header("content-security-policy").unwrap();
    for word in ["default-src 'none'", "sandbox allow-popups", "form-action 'none'"] {
        assert!(policy.contains(word), "{policy}");
    }
    assert!(!policy.contains("allow-scripts"), "{policy}");
    for nobodys in ["9999", "x", "%ff"] {
        world.get(&format!("/demo/mail/{nobodys}")).expect_problem(404, "not_found");
    }
    world.request("POST", "/demo/mail").send().expect_problem(405, "method_not_allowed");
}

#[test]
fn the_mailbox_opens_on_the_machine_itself_and_to_nobody_else() {
    let world = TestServer::start();
    let ask = |host: &str, path: &str| {
        let bytes = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        Wire::to(world.address()).send(bytes).answer()
    };
    for path in ["/demo/mail", "/demo/mail.json", "/demo/mail/1"] {
        // A name that leads here, in a browser on this machine.
        for host in ["evil.example:8000", "localhost.evil.example", "x.localhost.evil.example"] {
            ask(host, path).expect_problem(403, "permission_denied");
        }
        ask("localhost@evil.example", path).expect_problem(400, "bad_request");
        for proxied in ["Forwarded", "Via", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-IP"] {
            world
                .request("GET", path)
                .header(proxied, "127.0.0.1")
                .send()
                .expect_problem(403, "permission_denied");
        }
    }
    for host in ["localhost", "localhost:8000", "127.0.0.1:1", "[::1]:8000"] {
        ask(host, "/demo/mail").expect(200);
    }
}

#[test]
fn where_mail_is_sent_or_the_demo_is_not_there_is_no_mailbox() {
    for (name, value) in [
        ("mail_url", "none"),
        ("mail_url", "smtps://mail.example.com"),
        ("demo", "off"),
        ("public_url", "https://auth.example.com"),
    ] {
        let mut builder = TestServer::builder().set(name, value);
        if name == "public_url" {
            builder = builder.set("demo", "on").set("mail_url", "console:");
        }
        let world = builder.start();
        for path in ["/demo/mail", "/demo/mail.json", "/demo/mail/1"] {
            world.get(path).expect_problem(404, "not_found");
        }
    }
}

#[test]
fn the_page_offers_what_the_server_does() {
    let forms = |settings: &[(&str, &str)]| {
        let builder = TestServer::builder();
        let builder = settings.iter().fold(builder, |builder, (name, to)| builder.set(name, to));
        let html = builder.start().get("/").expect(200).text();
        ["sign-up", "prove", "forgot", "choose", "change", "by-code"]
            .map(|id| html.contains(&format!("id=\"{id}\"")))
    };
    assert_eq!(forms(&[]), [false, false, true, true, true, false]);
    assert_eq!(forms(&[("registration", "open"), ("login_code", "on")]), [true; 6]);
    assert_eq!(forms(&[("mail_url", "none")]), [false; 6]);
}

#[test]
fn the_page_knows_where_the_server_is() {
    let world = TestServer::builder()
        .set("base_path", "/api/auth")
        .set("session_idle", "2h")
        .set("public_url", "http://localhost:8123")
        .start();
    let html = world.get("/").expect(200).text();
    assert!(
        html.contains(
            r#"data-origin="http://localhost:8123" data-base="/api/auth" data-idle="7200""#
        ),
        "{html}"
    );
    world.user("alice");
    let steps = story(&play(&world, "alice", PASSWORD));
    assert_eq!(steps.last().unwrap()["path"], "/api/auth/refresh");
}

#[test]
fn the_theft_is_found_out_and_ends_the_session_for_both_and_no_token_leaves_the_server() {
    let world = TestServer::start();
    world.user("alice");
    let mut own = world.logged_in("alice");
    let answer = play(&world, "alice", PASSWORD);
    assert_eq!(answer.all("set-cookie").count(), 0);
    assert!(!answer.text().contains("eyJ"), "a token: {}", answer.text());
    let steps = story(&answer);
    let thief: Vec<&Value> = steps.iter().filter(|step| step["who"] == "thief").collect();
    let statuses: Vec<i64> = thief.iter().map(|step| step["status"].as_i64().unwrap()).collect();
    assert_eq!(statuses, [200, 200, 200, 200, 200, 200, 401]);
    assert_eq!(thief[6]["code"], "refresh_token_reused");
    let [.., access, refresh] = &steps[..] else { panic!("{steps:?}") };
    assert_eq!(
        (&access["path"], &access["code"]),
        (&json!("/accounts/profile"), &json!("session_revoked"))
    );
    assert_eq!(
        (&refresh["code"], &refresh["reason"]),
        (&json!("session_revoked"), &json!("token_theft"))
    );
    // The visitor's own session is none of those.
    own.get("/accounts/profile").expect(200);
    own.refresh().expect(200);
    let sessions = own.get("/accounts/sessions").expect(200).json();
    assert_eq!(sessions["sessions"].as_array().unwrap().len(), 1);
}

#[test]
fn the_theft_is_no_way_around_anything() {
    let world = TestServer::builder().set("throttle_account_attempts", "3").start();
    world.user("alice");
    // A foreign page is refused before its body is read.
    for (name, value) in
        [("Origin", "https://evil.example"), ("Origin", "null"), ("Sec-Fetch-Site", "cross-site")]
    {
        theft(&world)
            .header(name, value)
            .body("text/plain", "x")
            .send()
            .expect_problem(403, "csrf_failed");
    }
    // The login's rules hold, and its answers come through as they are.
    theft(&world).send().expect_problem(415, "unsupported_media_type");
    theft(&world).json(&json!({})).send().expect_problem(400, "validation_error");
    theft(&world)
        .json(&json!({"username": "alice", "password": PASSWORD}))
        .send()
        .expect_problem(400, "validation_error");
    assert_eq!(
        world.sql("SELECT count(*) FROM sessions WHERE revoked_at IS NULL").trim(),
        "0",
        "a session was left behind"
    );
    theft(&world)
        .body("application/json", vec![b' '; 70_000])
        .send()
        .expect_problem(413, "payload_too_large");
    for _ in 0..3 {
        play(&world, "alice", "wrong").expect_problem(401, "invalid_credentials");
    }
    play(&world, "alice", "wrong").expect_problem(429, "throttled");
    world.request("GET", "/demo/theft").send().expect_problem(405, "method_not_allowed");
}

fn theft(world: &TestServer) -> Request {
    world.request("POST", "/demo/theft")
}

fn play(world: &TestServer, username: &str, password: &str) -> countersign_e2e::Response {
    theft(world)
        .json(&json!({"username": username, "password": password, "transport": "body"}))
        .send()
}

fn story(answer: &countersign_e2e::Response) -> Vec<Value> {
    answer.clone().expect(200).json()["steps"].as_array().unwrap().clone()
}

/// What stands behind each mark, up to the next quotation mark; a mark that is the beginning of a
/// path is part of it.
fn after(text: &str, mark: &str) -> Vec<String> {
    let begin = mark.find('/').map_or("", |at| &mark[at..]);
    text.split(mark)
        .skip(1)
        .map(|rest| format!("{begin}{}", rest.split(['"', '\'']).next().unwrap_or_default()))
        .collect()
}
