//! A hashing queue that is full is a 503 at once, and costs nobody else anything: neither who is
//! logged in, nor who logs in from a known device.

use countersign_e2e::{PASSWORD, TestServer};
use serde_json::json;

use crate::all_at_once;

#[test]
fn logins_beyond_the_hashing_queue_are_told_to_come_back_while_everything_else_goes_on() {
    let settings = [
        ("hash_threads", "1"),
        ("hash_queue", "1"),
        ("hash_memory_kib", "65536"),
        ("hash_passes", "4"),
        ("throttle_account_attempts", "0"),
    ];
    let world = settings
        .iter()
        .fold(TestServer::builder(), |builder, (name, value)| builder.set(name, value))
        .start();
    world.user("alice");
    let mut browser = world.logged_in("alice");
    let login = world
        .request("POST", "/accounts/login")
        .json(&json!({"username": "alice", "password": PASSWORD}));
    let mut requests: Vec<_> = (0..24).map(|_| ("login", login.clone())).collect();
    requests.extend((0..24).map(|_| ("profile", browser.request("GET", "/accounts/profile"))));
    let answers = all_at_once(&requests);
    let refused =
        answers.iter().filter(|(name, answer)| *name == "login" && answer.status == 503).count();
    assert!((1..24).contains(&refused), "{refused} of 24 logins were refused");
    for (name, answer) in answers {
        match answer.status {
            200 => {}
            _ if name == "login" => {
                assert_eq!(answer.all("set-cookie").count(), 0);
                answer.expect_problem(503, "unavailable");
            }
            _ => panic!("{name}: {} {}", answer.status, answer.text()),
        }
    }
    browser.refresh().expect(200);
    login.send().expect(200);
}

#[test]
fn guesses_that_fill_the_queue_keep_no_known_device_out() {
    let settings = [
        ("hash_threads", "1"),
        ("hash_queue", "1"),
        ("hash_memory_kib", "65536"),
        ("hash_passes", "4"),
        ("throttle_account_attempts", "0"),
        ("throttle_address_attempts", "0"),
    ];
    let world = settings
        .iter()
        .fold(TestServer::builder(), |builder, (name, value)| builder.set(name, value))
        .start();
    world.user("alice");
    let mut native = world.native();
    native.login("alice").expect(200);
    let page = world.logged_in("alice");
    let change = json!({"old_password": "not this one", "new_password": "other kettle 15"});
    // Before the login, which ends the session that the browser had.
    let known = [
        ("password", page.request("POST", "/accounts/password").json(&change), 400),
        (
            "cookie",
            page.bare("POST", "/accounts/login")
                .json(&json!({"username": "alice", "password": PASSWORD})),
            200,
        ),
        (
            "body",
            world
                .request("POST", "/accounts/login")
                .json(&json!({"username": "alice", "password": PASSWORD, "transport": "body",
                    "device_token": native.device_token.unwrap()})),
            200,
        ),
    ];
    let guess = world
        .request("POST", "/accounts/login")
        .json(&json!({"username": "nobody", "password": "a guess"}));
    for (name, request, status) in known {
        let mut requests: Vec<_> = (0..24).map(|_| ("guess", guess.clone())).collect();
        requests.push((name, request));
        let answers = all_at_once(&requests);
        let refused = answers
            .iter()
            .filter(|(name, answer)| *name == "guess" && answer.status == 503)
            .count();
        assert!(refused > 0, "no guess was refused: the queue was not full");
        assert_eq!(
            answers.last().unwrap().1.status,
            status,
            "{name}: {}",
            answers.last().unwrap().1.text()
        );
    }
}
