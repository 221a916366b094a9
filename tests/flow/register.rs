//! `POST /accounts/register`.

use countersign_e2e::{Browser, Mailbox, Response, TestServer};
use serde_json::{Value, json};

const PASSPHRASE: &str = "tin kettle 14";

fn world(verification: &str) -> (TestServer, Mailbox) {
    world_with(verification, &[])
}

fn world_with(verification: &str, settings: &[(&str, &str)]) -> (TestServer, Mailbox) {
    let mailbox = Mailbox::new();
    let world = TestServer::builder()
        .set("mail_url", &mailbox.url())
        .set("registration", "open")
        .set("email_verification", verification);
    let set = |world: countersign_e2e::TestServerBuilder, &(name, value): &(&str, &str)| {
        world.set(name, value)
    };
    (settings.iter().fold(world, set).start(), mailbox)
}

/// What is the same of an answer for whomever it is: status, code, and the rest of it.
fn same(answer: &Response) -> (u16, String, (String, Vec<String>, Vec<String>)) {
    let cookies =
        answer.all("set-cookie").map(|cookie| cookie.split('=').next().unwrap().to_owned());
    let headers = answer.headers_but(&["date", "x-request-id", "set-cookie"]);
    let code = answer.problem_code().unwrap_or_default();
    (answer.status, code, (answer.text(), cookies.collect(), headers))
}

fn account(name: &str, email: &str) -> Value {
    json!({"username": name, "email": email, "password": PASSPHRASE})
}

fn register(browser: &mut Browser, body: &Value) -> Response {
    let request = browser.request("POST", "/accounts/register").json(body);
    browser.send(&request)
}

#[test]
fn nobody_registers_unless_the_setting_says_so() {
    let world = TestServer::start();
    let mut browser = world.browser();
    register(&mut browser, &account("alice", "alice@example.com")).expect_problem(404, "not_found");
}

#[test]
fn whoever_registers_is_logged_in_and_their_address_is_theirs_once_it_is_proved() {
    let (world, mailbox) = world("optional");
    let mut browser = world.browser();
    let body = account("alice", "alice@example.com");
    let made = register(&mut browser, &body).expect(201).json();
    assert_eq!((&made["user"]["username"], &made["user"]["email"]), (&json!("alice"), &json!("")));
    browser.get("/accounts/profile").expect(200);
    let token = mailbox.wait_for("alice@example.com", 1).token();
    let request = browser.request("POST", "/accounts/email/verify").json(&json!({"token": token}));
    browser.send(&request).expect(204);
    let user = browser.get("/accounts/profile").expect(200).json();
    assert_eq!(user["user"]["email"], "alice@example.com");
    assert_eq!(user["user"]["email_verified"], true);
    world.browser().login_with("alice@example.com", PASSPHRASE).expect(200);
}

#[test]
fn an_address_that_is_taken_is_told_to_its_owner_and_to_nobody_else() {
    for verification in ["required", "optional"] {
        let (world, mailbox) = world(verification);
        world.user("alice");
        let mut answers = Vec::new();
        for (name, email) in [("eve", "ALICE@example.com"), ("bob", "bob@example.com")] {
            let answer = register(&mut world.browser(), &account(name, email));
            let mut json = answer.json();
            for secret in ["access_token", "csrf_token", "user"] {
                json.as_object_mut().unwrap().remove(secret);
            }
            let cookies: Vec<String> = answer
                .all("set-cookie")
                .map(|cookie| cookie.split('=').next().unwrap().to_owned())
                .collect();
            let headers = answer.headers_but(&["date", "x-request-id", "set-cookie"]);
            let lengths = |header: &String| !header.starts_with("content-length");
            let headers: Vec<String> = headers.into_iter().filter(lengths).collect();
            answers.push((answer.status, json, cookies, headers));
        }
        assert_eq!(answers[0], answers[1], "{verification}");
        let owner = mailbox.wait_for("ALICE@example.com", 1);
        assert_eq!(owner.subject(), "You already have an account");
        let other = mailbox.wait_for("bob@example.com", 1);
        assert_eq!(other.subject(), "Confirm your e-mail address");
    }
}

#[test]
fn nobody_logs_in_before_a_required_address_is_proved_and_the_browser_goes_on_after_it() {
    let (world, mailbox) = world("required");
    let mut browser = world.browser();
    register(&mut browser, &account("alice", "alice@example.com")).expect(202);
    let login = |password: &str| world.browser().login_with("alice", password);
    login(PASSPHRASE).expect_problem(403, "email_not_verified");
    login("a wrong password").expect_problem(401, "invalid_credentials");
    let token = mailbox.wait_for("alice@example.com", 1).token();
    let request = browser.request("POST", "/accounts/email/verify").json(&json!({"token": token}));
    let session = browser.send(&request).expect(200).json();
    assert_eq!(session["user"]["username"], "alice");
    browser.get("/accounts/profile").expect(200);
    login(PASSPHRASE).expect(200);
}

#[test]
fn where_an_address_must_be_proved_no_other_door_tells_whether_it_is_taken() {
    let (world, mailbox) = world_with("required", &[("login_code", "on")]);
    world.user("alice");
    let seen = [("eve", "ALICE@example.com"), ("bob", "bob@example.com")].map(|(name, email)| {
        let mut browser = world.browser();
        let mut said = vec![same(&register(&mut browser, &account(name, email)).expect(202))];
        let mut ask = |path: &str, body: &Value| {
            let request = browser.bare("POST", path).json(body);
            said.push(same(&browser.send(&request)));
        };
        let [login, other] = [name, email].map(|named| {
            let with = move |password: &str| json!({"username": named, "password": password});
            (with(PASSPHRASE), with("a wrong password"))
        });
        for body in [&login.0, &login.1, &other.0, &other.1] {
            ask("/accounts/login", body);
        }
        ask("/accounts/register", &account(name, "third@example.com"));
        ask("/accounts/password/reset", &json!({"username": name}));
        for path in ["/accounts/email/verify/resend", "/accounts/login/code"] {
            ask(path, &json!({"email": email}));
        }
        for path in ["/accounts/email/verify", "/accounts/login/code/confirm"] {
            ask(path, &json!({"email": email, "code": "1234 5678"}));
        }
        said
    });
    assert_eq!(seen[0], seen[1]);
    let codes: Vec<&str> = seen[0].iter().map(|(_, code, _)| code.as_str()).collect();
    let [not_yet, wrong, link] = ["email_not_verified", "invalid_credentials", "link_invalid"];
    let expected = ["", not_yet, wrong, wrong, wrong, "validation_error", "", "", "", link, link];
    assert_eq!(codes, expected);
    // The owner is told, and whoever waits has neither the address nor a session.
    mailbox.wait_with("ALICE@example.com", "You already have an account");
    let rows = world.sql("SELECT username, email FROM users WHERE username <> 'alice' ORDER BY 1");
    assert_eq!(rows.trim(), "bob|\neve|");
    assert_eq!(world.sql("SELECT count(*) FROM sessions").trim(), "0");
}

#[test]
fn the_link_of_a_mail_that_is_sent_again_outlives_no_registration() {
    let mailbox = Mailbox::new();
    let world = TestServer::builder()
        .set("mail_url", &mailbox.url())
        .set("registration", "open")
        .set("email_verification", "required")
        .virtual_time()
        .start();
    let mut browser = world.browser();
    register(&mut browser, &account("alice", "alice@example.com")).expect(202);
    let days = |days: u64| std::time::Duration::from_secs(days * 24 * 60 * 60);
    let resend = || {
        let body = json!({"email": "alice@example.com"});
        world.request("POST", "/accounts/email/verify/resend").json(&body).send().expect(202);
    };
    let ends = || {
        let longest = "SELECT (max(expires_at) - min(created_at)) / 86400000000
            FROM one_time_tokens WHERE user_id IS NOT NULL";
        world.sql(longest).trim().to_owned()
    };
    let two_days_later = || {
        world.all_mails_are_sent();
        world.clock().advance(days(2));
    };
    assert_eq!(ends(), "3");
    two_days_later();
    resend();
    assert_eq!(ends(), "5");
    two_days_later();
    resend();
    assert_eq!(ends(), "6", "the registration is over then");
    let token = mailbox.wait_for("alice@example.com", 3).token();
    let request = browser.request("POST", "/accounts/email/verify").json(&json!({"token": token}));
    browser.send(&request).expect(200);
    assert_eq!(world.sql("SELECT count(*) FROM registrations").trim(), "0");
}

#[test]
fn a_user_name_that_is_taken_is_said_and_so_is_everything_that_is_wrong() {
    let (world, _mailbox) = world("optional");
    world.user("alice");
    let refused = |body: Value| {
        let answer = register(&mut world.browser(), &body);
        answer.expect_problem(400, "validation_error").json()["errors"].clone()
    };
    let taken = refused(account("ALICE", "new@example.com"));
    assert!(taken["username"].is_array(), "{taken}");
    let missing = refused(json!({}));
    for field in ["username", "email", "password"] {
        assert_eq!(missing[field], json!(["This field is required."]), "{missing}");
    }
    let wrong = json!({"username": "a b", "email": "a@b@c", "password": "12345678"});
    let wrong = refused(wrong);
    for field in ["username", "email", "password"] {
        assert!(wrong[field].is_array(), "{wrong}");
    }
    for email in ["a@example.com, b@example.com", "a@example.com\r\nBcc: c@example.com", "@"] {
        assert!(refused(account("bob", email))["email"].is_array(), "{email}");
    }
}

#[test]
fn a_native_client_registers_with_its_tokens_in_the_body() {
    let (world, _mailbox) = world("optional");
    let mut body = account("alice", "alice@example.com");
    body["transport"] = "body".into();
    let made = world.request("POST", "/accounts/register").json(&body).send().expect(201);
    assert!(made.json()["refresh_token"].is_string());
    let from_a_page = world
        .request("POST", "/accounts/register")
        .header("sec-fetch-site", "same-origin")
        .json(&body)
        .send();
    from_a_page.expect_problem(403, "csrf_failed");
}

#[test]
fn a_registration_names_its_device_as_a_login_does() {
    let (world, _mailbox) = world("optional");
    let mut browser = world.browser();
    let mut body = account("alice", "alice@example.com");
    for wrong in [json!(""), json!("two\nlines"), json!(7)] {
        body["device_name"] = wrong;
        let refused = register(&mut browser, &body).expect_problem(400, "validation_error").json();
        assert!(refused["errors"]["device_name"].is_array(), "{refused}");
    }
    body["device_name"] = " Ada's phone ".into();
    register(&mut browser, &body).expect(201);
    let listed = browser.get("/accounts/sessions").expect(200).json();
    assert_eq!(listed["sessions"][0]["device_name"], "Ada's phone");
}

#[test]
fn a_registration_ends_the_session_that_the_browser_had() {
    let (world, _mailbox) = world("optional");
    let mut browser = world.browser();
    register(&mut browser, &account("alice", "alice@example.com")).expect(201);
    let mut elsewhere = world.browser().clone();
    elsewhere.login_with("alice", PASSPHRASE).expect(200);
    let mut late = browser.clone();
    register(&mut browser, &account("alice", "bob@example.com")).expect(400);
    late.get("/accounts/profile").expect(200);
    register(&mut browser, &account("bob", "bob@example.com")).expect(201);
    late.get("/accounts/profile").expect_problem(401, "session_revoked");
    assert_eq!(late.refresh().expect_problem(401, "session_revoked").json()["reason"], "replaced");
    browser.refresh().expect(200);
    elsewhere.refresh().expect(200);
}

#[test]
fn a_language_that_a_folder_adds_is_spoken_to_who_registers() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("fr")).unwrap();
    let text = "Confirmez votre adresse\n\nConfirmer:\n{{ link }}\n";
    std::fs::write(folder.path().join("fr/verify.txt"), text).unwrap();
    let place = folder.path().to_str().unwrap();
    let (world, mailbox) = world_with("required", &[("mail_templates", place)]);
    for (name, accepts, locale) in [
        ("ann", "fr-FR,fr;q=0.9,de;q=0.3", "fr"),
        ("bob", "de; q=0.9, fr; q=0.1", "de"),
        ("cat", "es", "en"),
    ] {
        let (browser, email) = (world.browser(), format!("{name}@example.com"));
        let asked = browser.request("POST", "/accounts/register").json(&account(name, &email));
        asked.header("Accept-Language", accepts).send().expect(202);
        let mail = mailbox.wait_for(&email, 1).whole;
        assert!(mail.contains(&format!("Content-Language: {locale}\r\n")), "{mail}");
        let of = format!("SELECT locale FROM users WHERE username = '{name}'");
        assert_eq!(world.sql(&of).trim(), locale);
    }
}

#[test]
fn a_page_of_another_site_registers_nobody() {
    let (world, _mailbox) = world("optional");
    let answer = world
        .request("POST", "/accounts/register")
        .header("origin", "https://evil.example")
        .json(&account("alice", "alice@example.com"))
        .send();
    answer.expect_problem(403, "csrf_failed");
    assert_eq!(world.sql("SELECT count(*) FROM users").trim(), "0");
}

#[test]
fn forty_registrations_of_one_name_at_once_make_one_user() {
    let mailbox = Mailbox::new();
    let world = TestServer::builder()
        .set("mail_url", &mailbox.url())
        .set("registration", "open")
        .set("asks_per_address", "0")
        .set("hash_queue", "1000")
        .start();
    let made: usize = std::thread::scope(|scope| {
        let tries: Vec<_> = (0..40)
            .map(|n| {
                let (world, email) = (&world, format!("a{n}@example.com"));
                scope.spawn(move || {
                    register(&mut world.browser(), &account("alice", &email)).status == 201
                })
            })
            .collect();
        tries.into_iter().map(|tried| usize::from(tried.join().unwrap())).sum()
    });
    assert_eq!((made, world.sql("SELECT count(*) FROM users").trim()), (1, "1"));
}

#[test]
fn a_user_name_tells_nothing_of_addresses() {
    for verification in ["required", "optional"] {
        let (world, _mailbox) = world(verification);
        world.user("alice");
        let names = [
            "alice@example.com",
            "ALICE@example.com",
            "alice\u{ff20}example.com",
            "bob@example.com",
        ];
        let answers = names.map(|name| {
            let body = account(name, "eve@example.com");
            let refused = register(&mut world.browser(), &body);
            refused.expect_problem(400, "validation_error").text()
        });
        assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
        let mut eve = world.browser();
        let made = register(&mut eve, &account("eve", "eve@example.com"));
        if made.status == 202 {
            continue;
        }
        let answers = names.map(|name| {
            let change = eve.request("PATCH", "/accounts/profile").json(&json!({"username": name}));
            change.send().expect_problem(400, "validation_error").text()
        });
        assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
        let answers = ["alice@example.com", "bob@example.com"].map(|email| {
            let change = eve.request("PATCH", "/accounts/profile").json(&json!({"email": email}));
            change.send().expect_problem(400, "validation_error").text()
        });
        assert_eq!(answers[0], answers[1]);
    }
}
