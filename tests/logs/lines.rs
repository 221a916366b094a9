//! The form of the log.

use countersign_e2e::TestServer;
use serde_json::Value;

use crate::whole_log;

/// A few requests of each kind.
fn live(world: &TestServer) {
    world.user("alice");
    let mut browser = world.logged_in("alice");
    browser.get("/accounts/profile").expect(200);
    browser.refresh().expect(200);
    world.browser().login_with("alice", "wrong").expect(401);
    world.get("/nothing").expect(404);
    browser.logout().expect(204);
}

#[test]
fn in_json_each_line_is_an_object_with_time_level_and_message() {
    for (format, level) in [("json", "trace"), ("auto", "trace"), ("json", "info")] {
        let mut world =
            TestServer::builder().set("log_format", format).set("log_level", level).start();
        live(&world);
        let log = whole_log(&mut world);
        assert!(log.lines().count() >= 4, "{log}");
        for line in log.lines() {
            let json: Value = serde_json::from_str(line)
                .unwrap_or_else(|error| panic!("{format}, {level}: {error}: {line}"));
            for name in ["timestamp", "level", "message"] {
                assert!(
                    json[name].as_str().is_some_and(|text| !text.is_empty()),
                    "{name} in {line}"
                );
            }
        }
    }
}

#[test]
fn in_text_each_line_is_for_people_and_has_no_colours_outside_a_terminal() {
    let mut world =
        TestServer::builder().set("log_format", "text").set("log_level", "debug").start();
    live(&world);
    let log = whole_log(&mut world);
    assert!(log.contains("logged in"));
    for line in log.lines() {
        assert!(serde_json::from_str::<Value>(line).is_err() && !line.contains('\u{1b}'), "{line}");
        assert!(
            ["ERROR", "WARN", "INFO", "DEBUG"].iter().any(|level| line.contains(level)),
            "{line}"
        );
    }
}

#[test]
fn the_level_decides_how_much_is_said() {
    let count = |level: &str| {
        let mut world = TestServer::builder().set("log_level", level).start();
        live(&world);
        whole_log(&mut world).lines().count()
    };
    assert_eq!(count("error"), 0);
    let (info, debug) = (count("info"), count("debug"));
    assert!(0 < info && info < debug, "{info}, {debug}");
    assert!(count("countersign=debug,countersign_server=error,info") > 0);
}

#[test]
fn an_answers_request_id_leads_to_its_lines() {
    let mut world = TestServer::builder().set("trusted_proxies", "127.0.0.1").start();
    world.user("alice");
    let login = world.browser().login("alice").expect(200);
    let id = login.header("x-request-id").expect("an id").to_owned();
    let failed = world
        .request("POST", "/accounts/login")
        .header("X-Request-Id", "proxy-77")
        .json(&serde_json::json!({"username": "x", "password": "y"}));
    failed.send().expect(401);
    let log = whole_log(&mut world);
    for (id, message) in [(id.as_str(), "logged in"), ("proxy-77", "login failed")] {
        assert!(
            log.lines().any(|line| line.contains(id) && line.contains(message)),
            "{message} under {id} in\n{log}"
        );
    }
}

#[test]
fn a_request_id_stands_in_its_line_as_it_stands_in_the_answer() {
    let mut world = TestServer::builder().set("log_level", "debug").start();
    let id = world
        .get("/accounts/profile")
        .expect(401)
        .header("x-request-id")
        .expect("an id")
        .to_owned();
    let log = whole_log(&mut world);
    let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    assert!(
        lines
            .into_iter()
            .any(|line| line["message"] == "answered" && line["request_id"] == id.as_str()),
        "{id} in\n{log}"
    );
}

#[test]
fn a_login_and_its_end_can_be_read_from_the_log_by_user_and_session() {
    let mut world = TestServer::start();
    let id = world.user("alice");
    let mut browser = world.logged_in("alice");
    let session = countersign_e2e::claims_of(&browser.access_token)["sid"]
        .as_str()
        .expect("an id")
        .to_owned();
    browser.logout().expect(204);
    let log = whole_log(&mut world);
    let lines: Vec<Value> =
        log.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let find = |message: &str| {
        lines
            .iter()
            .find(|line| line["message"] == message)
            .unwrap_or_else(|| panic!("no {message:?} in\n{log}"))
    };
    let login = find("logged in");
    assert_eq!(
        (&login["user"], &login["session"], &login["ip"]),
        (&id.to_string().into(), &session.clone().into(), &"127.0.0.1".into())
    );
    assert_eq!(find("logged out")["session"], session);
}

#[test]
fn a_format_or_level_that_there_is_not_stops_the_start_with_its_name() {
    for (name, value) in [
        ("log_format", "xml"),
        ("log_format", "JSON lines"),
        ("log_level", "countersign=loud"),
        ("log_level", "info=debug=trace"),
    ] {
        let mut world = TestServer::builder().set(name, value).asleep();
        let said = world.try_wake(&[]).expect_err("it does not start");
        assert!(said.contains(name), "{name} = {value}: {said}");
    }
}

#[test]
fn a_start_says_that_nobody_can_register_where_no_mail_is_sent() {
    for (verification, is_told) in [("optional", true), ("none", false)] {
        let mut world = TestServer::builder()
            .set("registration", "open")
            .set("mail_url", "none")
            .set("email_verification", verification)
            .start();
        let log = whole_log(&mut world);
        assert_eq!(log.contains("nobody can register"), is_told, "{log}");
    }
}
