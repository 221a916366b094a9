//! `POST /accounts/login/factor`: the second step of a login.

use std::time::Duration;

use countersign_e2e::{
    Authenticator, PASSWORD, TestServer, TestServerBuilder, claims_of, eventually,
};
use serde_json::{Value, json};

const WRONG: &str = "000000";

fn world() -> TestServer {
    TestServer::builder().virtual_time().start()
}

/// A code that the app shows neither now nor in the steps beside it.
fn wrong_code(world: &TestServer, app: &Authenticator) -> String {
    let now = world.clock().seconds();
    let near: Vec<String> = (0..5).map(|step| app.code(now + 30 * step - 60)).collect();
    let wrong = (0..10).map(|n| format!("{n:06}")).find(|code| !near.contains(code));
    wrong.unwrap_or_else(|| WRONG.to_owned())
}

#[test]
fn a_password_and_a_code_log_in_and_the_token_says_so() {
    let world = world();
    world.user("alice");
    let mut browser = world.logged_in("alice");
    let alice = world.enrol(&mut browser);

    let mut other = world.browser();
    let asked = other.login("alice").expect_problem(401, "second_factor_required");
    let body = asked.json();
    assert_eq!(body["factors"], json!(["totp", "recovery_code"]));
    assert!(body.get("access_token").is_none() && body.get("user").is_none());
    assert!(!other.cookies.contains_key("refreshtoken"), "no session has begun");
    let cookie = asked.set_cookie("pendingtoken").unwrap().to_owned();
    assert!(cookie.contains("HttpOnly") && cookie.contains("Max-Age=300"), "{cookie}");
    assert!(cookie.contains("Path=/accounts"), "{cookie}");

    let code = json!({"code": world.code_of(&alice)});
    let login = other.second_step(body["pending_token"].as_str().unwrap(), &code).expect(200);
    assert_eq!(login.json()["user"]["username"], "alice");
    assert!(!other.cookies.contains_key("pendingtoken"), "it has done its duty");
    let claims = claims_of(&other.access_token);
    assert_eq!(claims["amr"], json!(["pwd", "otp", "mfa"]));
    other.get("/accounts/profile").expect(200);
    other.refresh().expect(200);
    assert_eq!(claims_of(&other.access_token)["amr"], json!(["pwd", "otp", "mfa"]));
}

#[test]
fn a_native_client_goes_on_without_a_cookie_and_only_as_one() {
    let world = world();
    world.user("alice");
    let alice = world.enrol(&mut world.logged_in("alice"));
    let body = json!({"username": "alice", "password": PASSWORD, "transport": "body"});
    let asked = world.request("POST", "/accounts/login").json(&body).send();
    let asked = asked.expect_problem(401, "second_factor_required");
    assert!(asked.set_cookie("pendingtoken").is_none());
    let token = asked.text_at("pending_token");
    let body = json!({"pending_token": token, "code": world.code_of(&alice)});
    // A page that asks for the tokens in the body is refused, as at the first step.
    world
        .request("POST", "/accounts/login/factor")
        .header("Origin", format!("http://localhost:{}", world.address().port()))
        .json(&body)
        .send()
        .expect_problem(403, "csrf_failed");
    let login = world.request("POST", "/accounts/login/factor").json(&body).send().expect(200);
    assert!(login.json()["refresh_token"].is_string());
}

#[test]
fn the_pending_token_of_one_browser_is_nothing_in_another() {
    let world = world();
    world.user("alice");
    let alice = world.enrol(&mut world.logged_in("alice"));
    let (mut owner, mut thief) = (world.browser(), world.browser());
    let token = owner.first_step("alice");
    let code = json!({"code": world.code_of(&alice)});
    thief.second_step(&token, &code).expect_problem(401, "pending_token_invalid");
    // With a cookie of a login of its own neither.
    thief.first_step("alice");
    thief.second_step(&token, &code).expect_problem(401, "pending_token_invalid");
    owner.second_step(&token, &code).expect(200);
}

#[test]
fn a_pending_token_is_no_access_token_and_begins_one_session() {
    let world = world();
    world.user("alice");
    let alice = world.enrol(&mut world.logged_in("alice"));
    let mut browser = world.browser();
    let token = browser.first_step("alice");
    world.get("/accounts/profile").expect_problem(401, "not_authenticated");
    world
        .request("GET", "/accounts/profile")
        .bearer(&token)
        .send()
        .expect_problem(401, "token_invalid");
    let before = browser.cookies.clone();
    browser.second_step(&token, &json!({"code": world.code_of(&alice)})).expect(200);
    world.next_code();
    browser.cookies = before;
    browser
        .second_step(&token, &json!({"code": world.code_of(&alice)}))
        .expect_problem(401, "pending_token_invalid");
}

#[test]
fn a_code_is_good_once_and_its_neighbours_before_it_no_more() {
    let world = world();
    world.user("alice");
    let alice = world.enrol(&mut world.logged_in("alice"));
    world.next_code();
    let now = world.clock().seconds();
    let (this, last) = (alice.app.code(now), alice.app.code(now - 30));
    let mut browser = world.browser();
    let token = browser.first_step("alice");
    browser.second_step(&token, &json!({"code": this})).expect(200);
    let mut again = world.browser();
    let token = again.first_step("alice");
    for code in [this, last] {
        again.second_step(&token, &json!({"code": code})).expect_problem(401, "factor_invalid");
    }
    world.next_code();
    again.second_step(&token, &json!({"code": world.code_of(&alice)})).expect(200);
}

#[test]
fn five_wrong_tries_end_the_login_and_a_sixth_that_is_right_begins_nothing() {
    let world =
        TestServer::builder().virtual_time().set("throttle_account_attempts", "100").start();
    world.user("alice");
    let alice = world.enrol(&mut world.logged_in("alice"));
    let mut browser = world.browser();
    let token = browser.first_step("alice");
    let wrong = wrong_code(&world, &alice.app);
    for _ in 0..5 {
        browser.second_step(&token, &json!({"code": wrong})).expect_problem(401, "factor_invalid");
    }
    browser
        .second_step(&token, &json!({"code": world.code_of(&alice)}))
        .expect_problem(401, "pending_token_invalid");
    let token = browser.first_step("alice");
    browser.second_step(&token, &json!({"code": world.code_of(&alice)})).expect(200);
}

#[test]
fn wrong_codes_count_against_the_account_whatever_passwords_are_right_in_between() {
    let world = world();
    world.user("alice");
    let alice = world.enrol(&mut world.logged_in("alice"));
    let wrong = wrong_code(&world, &alice.app);
    let mut thief = world.browser();
    for _ in 0..5 {
        let token = thief.first_step("alice");
        thief.second_step(&token, &json!({"code": wrong})).expect_problem(401, "factor_invalid");
    }
    let token = thief.first_step("alice");
    thief.second_step(&token, &json!({"code": wrong})).expect_problem(429, "throttled");
}

#[test]
fn strangers_who_know_the_password_do_not_keep_the_owner_out_of_a_known_device() {
    let world = world();
    world.user("alice");
    let mut owner = world.logged_in("alice");
    let alice = world.enrol(&mut owner);
    let wrong = wrong_code(&world, &alice.app);
    let mut thief = world.browser();
    for _ in 0..5 {
        let token = thief.first_step("alice");
        thief.second_step(&token, &json!({"code": wrong})).expect_problem(401, "factor_invalid");
    }
    let token = thief.first_step("alice");
    thief.second_step(&token, &json!({"code": wrong})).expect_problem(429, "throttled");
    let token = owner.first_step("alice");
    owner.second_step(&token, &json!({"code": world.code_of(&alice)})).expect(200);
}

#[test]
fn a_login_that_waits_is_over_after_five_minutes_and_with_whatever_changes_the_account() {
    let world = world();
    world.user("root");
    for what in ["time", "password", "deactivated", "another factor", "logout everywhere"] {
        let name = what.replace(' ', "-");
        world.user(&name);
        let mut owner = world.logged_in(&name);
        let enrolled = world.enrol(&mut owner);
        let mut browser = world.browser();
        let token = browser.first_step(&name);
        match what {
            "time" => world.clock().advance(Duration::from_secs(300)),
            "password" => {
                let body = json!({"old_password": PASSWORD, "new_password": "a new passphrase 7"});
                owner.request("POST", "/accounts/password").json(&body).send().expect(204);
            }
            "deactivated" => drop(world.cli(&["user", "deactivate", &name]).ok()),
            "another factor" => drop(world.enrol(&mut owner)),
            _ => drop(owner.request("POST", "/accounts/logout-all").send().expect(204)),
        }
        let code = json!({"code": world.code_of(&enrolled)});
        let refused = browser.second_step(&token, &code);
        refused.expect_problem(401, "pending_token_invalid");
    }
}

#[test]
fn a_hundred_at_once_with_one_code_begin_one_session() {
    let world = unthrottled().start();
    world.user("alice");
    let alice = world.enrol(&mut world.logged_in("alice"));
    let before: i64 = sessions(&world);
    let code = world.code_of(&alice);
    let begun: usize = std::thread::scope(|scope| {
        let tries: Vec<_> = (0..100)
            .map(|_| {
                let (world, code) = (&world, code.clone());
                scope.spawn(move || {
                    let mut browser = world.browser();
                    let token = browser.first_step("alice");
                    browser.second_step(&token, &json!({"code": code})).status == 200
                })
            })
            .collect();
        tries.into_iter().map(|tried| usize::from(tried.join().unwrap())).sum()
    });
    assert_eq!((begun, sessions(&world)), (1, before + 1));
}

#[test]
fn of_a_hundred_guesses_at_once_at_one_login_five_are_looked_at() {
    let world = unthrottled().start();
    world.user("alice");
    let alice = world.enrol(&mut world.logged_in("alice"));
    let mut browser = world.browser();
    let token = browser.first_step("alice");
    let wrong = wrong_code(&world, &alice.app);
    let looked_at: usize = std::thread::scope(|scope| {
        let guesses: Vec<_> = (0..100)
            .map(|_| {
                let (mut browser, token, wrong) = (browser.clone(), &token, &wrong);
                scope.spawn(move || {
                    let answer = browser.second_step(token, &json!({"code": wrong}));
                    let code = answer.json()["code"].clone();
                    assert!(
                        ["factor_invalid", "pending_token_invalid"]
                            .map(Value::from)
                            .contains(&code),
                        "{code}"
                    );
                    code == "factor_invalid"
                })
            })
            .collect();
        guesses.into_iter().map(|guess| usize::from(guess.join().unwrap())).sum()
    });
    assert!((1..=5).contains(&looked_at), "{looked_at}");
}

#[test]
fn what_was_used_or_tried_stays_so_when_the_server_is_killed() {
    let mut world = unthrottled().start();
    world.user("alice");
    let alice = world.enrol(&mut world.logged_in("alice"));
    let used = json!({"code": world.code_of(&alice)});
    let wrong = json!({"code": wrong_code(&world, &alice.app)});
    let (mut logs_in, mut guesses) = (world.browser(), world.browser());
    let (token, guessed) = (logs_in.first_step("alice"), guesses.first_step("alice"));
    let before = logs_in.cookies.clone();
    logs_in.second_step(&token, &used).expect(200);
    for _ in 0..5 {
        guesses.second_step(&guessed, &wrong).expect_problem(401, "factor_invalid");
    }
    world.kill();
    world.wake();
    for browser in [&mut logs_in, &mut guesses] {
        browser.move_to(world.address());
    }
    world.next_code();
    let fresh = json!({"code": world.code_of(&alice)});
    guesses.second_step(&guessed, &fresh).expect_problem(401, "pending_token_invalid");
    logs_in.get("/accounts/profile").expect(200);
    logs_in.cookies = before;
    logs_in.second_step(&token, &fresh).expect_problem(401, "pending_token_invalid");
    let token = logs_in.first_step("alice");
    logs_in.second_step(&token, &used).expect_problem(401, "factor_invalid");
    logs_in.second_step(&token, &fresh).expect(200);
}

fn unthrottled() -> TestServerBuilder {
    TestServer::builder()
        .virtual_time()
        .set("throttle_account_attempts", "0")
        .set("throttle_address_attempts", "0")
}

fn sessions(world: &TestServer) -> i64 {
    world.sql("SELECT count(*) FROM sessions").trim().parse().unwrap()
}

#[test]
fn a_recovery_code_stands_in_for_a_lost_app_once_and_the_answer_says_when_few_are_left() {
    let world = world();
    world.user("alice");
    let alice = world.enrol(&mut world.logged_in("alice"));
    assert_eq!(alice.codes.len(), 10);
    for (used, code) in alice.codes.iter().take(9).enumerate() {
        let mut browser = world.browser();
        let token = browser.first_step("alice");
        // As a person writes it.
        let code = json!({"recovery_code": code.to_uppercase().replace('-', " ")});
        let login = browser.second_step(&token, &code).expect(200).json();
        let left = 9 - used;
        let told = if left < 3 { json!(left) } else { Value::Null };
        assert_eq!(login["recovery_codes_left"], told, "{left} left");
        let token = browser.first_step("alice");
        browser.second_step(&token, &code).expect_problem(401, "factor_invalid");
    }
    eventually("each is in the audit log", || {
        let lines = "SELECT count(*) FROM audit_events WHERE kind = 'recovery_code_used'";
        world.sql(lines).trim() == "9"
    });
}

#[test]
fn a_wrong_password_is_answered_alike_with_a_factor_and_without() {
    let world = world();
    world.user("alice");
    world.user("bob");
    world.enrol(&mut world.logged_in("alice"));
    let answers = ["alice", "bob", "nobody"].map(|name| {
        let answer = world.browser().login_with(name, "wrong");
        let answer = answer.expect_problem(401, "invalid_credentials");
        (answer.headers_but(&["date", "x-request-id"]), answer.text())
    });
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
}

/// Without a clock: where the tables of factors are gone, whoever looks into them answers 503.
#[test]
fn before_the_password_is_proved_nobody_looks_whether_there_is_a_factor() {
    let world = world();
    world.user("alice");
    world.user("bob");
    world.enrol(&mut world.logged_in("alice"));
    for table in ["factors", "factor_owners", "recovery_codes", "pending_logins"] {
        world.sql(&format!("ALTER TABLE {table} RENAME TO {table}_away"));
    }
    let answers = ["alice", "bob", "nobody"].map(|name| {
        let answer = world.browser().login_with(name, "wrong");
        let answer = answer.expect_problem(401, "invalid_credentials");
        (answer.headers_but(&["date", "x-request-id"]), answer.text())
    });
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    for name in ["alice", "bob"] {
        let answer = world.browser().login(name);
        assert!(answer.status >= 500, "with the right one somebody looks: {}", answer.status);
    }
}

#[test]
fn a_remembered_device_is_not_asked_until_something_ends_that() {
    let world = world();
    world.user("alice");
    let alice = world.enrol(&mut world.logged_in("alice"));
    let remembered = || {
        let mut browser = world.browser();
        let token = browser.first_step("alice");
        let body = json!({"code": world.code_of(&alice), "remember_device": true});
        browser.second_step(&token, &body).expect(200);
        world.next_code();
        browser.login("alice").expect(200);
        assert_eq!(claims_of(&browser.access_token)["amr"], json!(["pwd"]));
        browser
    };
    // It stays so from login to login, until its day comes.
    let mut browser = remembered();
    world.clock().advance(Duration::from_secs(29 * 86_400));
    browser.login("alice").expect(200);
    world.clock().advance(Duration::from_secs(86_400));
    browser.first_step("alice");

    let mut browser = remembered();
    browser.request("POST", "/accounts/logout-all").send().expect(204);
    browser.first_step("alice");

    let mut browser = remembered();
    let code = json!({"code": world.code_of(&alice)});
    browser.send(&browser.request("POST", "/accounts/step-up").json(&code)).expect(200);
    world.next_code();
    world.enrol(&mut browser);
    browser.first_step("alice");
    // Nobody else's device is.
    world.browser().first_step("alice");
}

#[test]
fn devices_of_staff_are_not_remembered() {
    let world = world();
    world.superuser("root");
    let root = world.enrol(&mut world.logged_in("root"));
    let mut browser = world.browser();
    let token = browser.first_step("root");
    let body = json!({"code": world.code_of(&root), "remember_device": true});
    browser.second_step(&token, &body).expect(200);
    browser.first_step("root");
}

#[test]
fn who_must_have_a_second_factor_and_has_none_may_enrol_and_do_nothing_else() {
    let world = TestServer::builder().virtual_time().set("second_factor", "required").start();
    world.user("alice");
    let mut browser = world.browser();
    browser.login("alice").expect(200);
    assert_eq!(claims_of(&browser.access_token)["scope"], "enrol");
    for path in ["/accounts/profile", "/accounts/sessions", "/accounts/verify"] {
        browser.get(path).expect_problem(403, "enrolment_required");
    }
    let body = json!({"old_password": PASSWORD, "new_password": "a new passphrase 7"});
    browser
        .request("POST", "/accounts/password")
        .json(&body)
        .send()
        .expect_problem(403, "enrolment_required");
    browser.refresh().expect(200);
    browser.get("/accounts/profile").expect_problem(403, "enrolment_required");
    let factors = browser.get("/accounts/factors").expect(200).json();
    assert_eq!(factors["required"], true);

    let alice = world.enrol(&mut browser);
    browser.get("/accounts/profile").expect(200);
    browser.refresh().expect(200);
    let claims = claims_of(&browser.access_token);
    assert_eq!((&claims["amr"], claims.get("scope")), (&json!(["pwd", "otp", "mfa"]), None));
    let token = browser.first_step("alice");
    browser.second_step(&token, &json!({"code": world.code_of(&alice)})).expect(200);
}

#[test]
fn what_is_said_besides_one_factor_is_refused() {
    let world = world();
    world.user("alice");
    let alice = world.enrol(&mut world.logged_in("alice"));
    let mut browser = world.browser();
    let token = browser.first_step("alice");
    browser.second_step(&token, &json!({})).expect_problem(400, "validation_error");
    let both = json!({"code": world.code_of(&alice), "recovery_code": alice.codes[0]});
    browser.second_step(&token, &both).expect_problem(400, "validation_error");
    for code in ["", "12345", "abcdef", "1234567"] {
        browser.second_step(&token, &json!({"code": code})).expect_problem(401, "factor_invalid");
    }
    for token in ["", "a.b.c", &token[1..]] {
        let refused = browser.second_step(token, &json!({"code": world.code_of(&alice)}));
        assert!([400, 401].contains(&refused.status), "{token}");
    }
    browser.second_step(&token, &json!({"code": world.code_of(&alice)})).expect(200);
}
