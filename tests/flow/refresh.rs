//! `POST /accounts/refresh`: the rotation protocol, seen from outside.

mod races;

use std::thread;
use std::time::Duration;

use countersign_e2e::{Browser, PASSWORD, TestServer, claims_of, eventually};
use serde_json::json;

const MINUTE: Duration = Duration::from_secs(60);

#[test]
fn a_refresh_gives_a_new_pair_and_keeps_the_csrf_token() {
    let world = TestServer::start();
    world.user("alice");
    let mut browser = world.logged_in("alice");
    let (csrf, first) = (browser.csrf_token.clone(), browser.refresh_token().to_owned());
    let response = browser.refresh().expect(200);
    assert_eq!(response.json()["csrf_token"], csrf);
    assert_eq!(response.header("cache-control"), Some("no-store"));
    assert_ne!(browser.refresh_token(), first);
    let (old, new) = (claims_of(&first), claims_of(browser.refresh_token()));
    assert_eq!((&new["gen"], &new["par"], &new["sid"]), (&json!(1), &old["jti"], &old["sid"]));
    browser.get("/accounts/profile").expect(200);
}

#[test]
fn an_answer_lost_for_days_does_not_log_out() {
    let world = TestServer::builder().virtual_time().start();
    world.user("alice");
    let mut browser = world.logged_in("alice");
    for _ in 0..5 {
        let before = browser.clone();
        browser.refresh().expect(200);
        browser = before;
        world.clock().advance(24 * 60 * MINUTE);
    }
    browser.refresh().expect(200);
    browser.get("/accounts/profile").expect(200);
}

#[test]
fn fifty_refreshes_at_once_with_one_cookie_leave_the_session_alive() {
    let world = TestServer::start();
    world.user("alice");
    let mut browser = world.logged_in("alice");
    browser.refresh().expect(200);
    let answers: Vec<Browser> = thread::scope(|scope| {
        let tabs: Vec<_> = (0..50)
            .map(|_| {
                let mut tab = browser.clone();
                scope.spawn(move || {
                    tab.refresh().expect(200);
                    tab
                })
            })
            .collect();
        tabs.into_iter().map(|tab| tab.join().unwrap()).collect()
    });
    // The jar keeps one of the answers; whichever it is, the session goes on.
    for mut tab in [answers[0].clone(), answers[25].clone(), answers[49].clone()] {
        tab.refresh().expect(200);
        tab.get("/accounts/profile").expect(200);
    }
}

#[test]
fn a_token_long_replaced_kills_the_session_and_its_access_token_at_once() {
    let world = TestServer::builder().virtual_time().start();
    world.user("alice");
    let mut browser = world.logged_in("alice");
    let stolen = browser.clone();
    for _ in 0..3 {
        world.clock().advance(5 * MINUTE);
        browser.refresh().expect(200);
    }
    world.clock().advance(MINUTE);
    let mut thief = stolen;
    thief.refresh().expect_problem(401, "refresh_token_reused");
    browser.get("/accounts/profile").expect_problem(401, "session_revoked");
    let told = browser.refresh().expect_problem(401, "session_revoked");
    assert_eq!(told.json()["reason"], "token_theft");
    let told = "SELECT kind, ip FROM audit_events WHERE kind IN ('token_theft', 'state_rollback')";
    assert_eq!(world.sql(told).trim(), "token_theft|127.0.0.1");
    eventually("the log tells of it", || world.log().contains("token_theft"));
    world.logged_in("alice").get("/accounts/profile").expect(200);
}

#[test]
fn a_late_request_or_answer_is_forgiven_within_the_window_as_often_as_the_credit_lasts() {
    let world = TestServer::builder().virtual_time().start();
    world.user("alice");
    let mut browser = world.logged_in("alice");
    let mut forgiven = 0;
    for _ in 0..10 {
        world.clock().advance(5 * MINUTE);
        let mut late = browser.clone();
        browser.refresh().expect(200);
        browser.refresh().expect(200);
        world.clock().advance(Duration::from_secs(20));
        let answer = late.refresh();
        if answer.status != 200 {
            answer.expect_problem(401, "refresh_token_reused");
            break;
        }
        forgiven += 1;
    }
    assert!((5..=9).contains(&forgiven), "{forgiven} races were forgiven");
}

#[test]
fn a_row_that_went_back_in_time_heals_and_is_reported() {
    let world = TestServer::builder().virtual_time().start();
    world.user("alice");
    let mut browser = world.logged_in("alice");
    let columns = "generation, hex(current_jti), current_iat, current_since, race_credit";
    let row = world.sql(&format!("SELECT {columns} FROM sessions"));
    let old: Vec<&str> = row.trim().split('|').collect();
    for _ in 0..3 {
        world.clock().advance(5 * MINUTE);
        browser.refresh().expect(200);
    }
    world.sql(&format!(
        "UPDATE sessions SET generation = {}, current_jti = x'{}', current_iat = {}, current_since \
         = {}, race_credit = {}",
        old[0], old[1], old[2], old[3], old[4]
    ));
    world.clock().advance(5 * MINUTE);
    browser.refresh().expect(200);
    browser.refresh().expect(200);
    assert_eq!(
        world
            .sql("SELECT kind FROM audit_events WHERE kind IN ('token_theft', 'state_rollback')")
            .trim(),
        "state_rollback"
    );
}

#[test]
fn every_ending_has_its_own_code() {
    let world = TestServer::builder().virtual_time().start();
    world.user("alice");
    world.browser().refresh().expect_problem(401, "refresh_token_missing");

    let mut garbage = world.logged_in("alice");
    garbage.cookies.insert("refreshtoken".to_owned(), "not.a.token".to_owned());
    garbage.refresh().expect_problem(401, "refresh_token_invalid");

    let mut unknown = world.logged_in("alice");
    world.sql("DELETE FROM sessions");
    unknown.refresh().expect_problem(401, "session_expired");

    let mut idle = world.logged_in("alice");
    world.clock().advance(8 * 24 * 60 * MINUTE);
    idle.refresh().expect_problem(401, "refresh_token_expired");

    let mut busy = world.logged_in("alice");
    for _ in 0..5 {
        world.clock().advance(6 * 24 * 60 * MINUTE - Duration::from_secs(10));
        assert_eq!(busy.refresh().status, 200);
    }
    world.clock().advance(MINUTE);
    busy.refresh().expect_problem(401, "refresh_token_expired");

    let mut absolute = world.logged_in("alice");
    world.sql("UPDATE sessions SET expires_at = created_at + 1");
    absolute.refresh().expect_problem(401, "session_expired");
}

#[test]
fn a_refused_refresh_leaves_the_cookies_of_a_newer_login_alone() {
    let world = TestServer::start();
    world.user("alice");
    let mut browser = world.logged_in("alice");
    let mut late = browser.clone();
    browser.logout().expect(204);
    browser.login("alice").expect(200);
    let refused = late.refresh().expect_problem(401, "session_revoked");
    assert_eq!(refused.all("set-cookie").count(), 0);
}

#[test]
fn an_authorization_header_of_any_kind_does_not_block_a_refresh() {
    let world = TestServer::start();
    world.user("alice");
    for header in ["Bearer expired.or.forged", "Basic dXNlcjpwYXNz", "", "x"] {
        let mut browser = world.logged_in("alice");
        let request = browser
            .bare("POST", "/accounts/refresh")
            .header("X-CSRFTOKEN", &browser.csrf_token)
            .header("Authorization", header);
        browser.send(&request).expect(200);
    }
}

#[test]
fn a_session_that_refreshes_too_often_waits_and_lives_on() {
    let world = TestServer::builder().set("throttle_session_refreshes", "3").virtual_time().start();
    world.user("alice");
    let mut browser = world.logged_in("alice");
    for _ in 0..3 {
        browser.refresh().expect(200);
    }
    let refused = browser.refresh().expect_problem(429, "throttled");
    let wait: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    world.clock().advance(Duration::from_secs(wait));
    browser.refresh().expect(200);
}

#[test]
fn a_user_deactivated_in_a_database_shell_gets_no_more_tokens() {
    let world = TestServer::start();
    world.user("alice");
    let mut browser = world.logged_in("alice");
    world.sql("UPDATE users SET is_active = 0");
    eventually("the change is felt", || {
        browser.refresh().problem_code().as_deref() == Some("user_inactive")
    });
    browser.get("/accounts/profile").expect_problem(401, "user_inactive");
    world.sql("UPDATE users SET is_active = 1");
    eventually("the change is felt", || browser.refresh().status == 200);
}

#[test]
fn a_theft_is_told_once_and_ends_one_session() {
    let world = TestServer::builder().virtual_time().start();
    world.user("alice");
    let mut browser = world.logged_in("alice");
    let other = world.logged_in("alice");
    let thief = browser.clone();
    for _ in 0..3 {
        world.clock().advance(MINUTE);
        browser.refresh().expect(200);
    }
    world.clock().advance(MINUTE);
    let mut codes: Vec<String> = thread::scope(|scope| {
        let attempts: Vec<_> = (0..20)
            .map(|_| {
                let mut thief = thief.clone();
                scope.spawn(move || thief.refresh().problem_code().unwrap())
            })
            .collect();
        attempts.into_iter().map(|attempt| attempt.join().unwrap()).collect()
    });
    codes.sort_unstable();
    let expected: Vec<&str> =
        ["refresh_token_reused"].into_iter().chain(["session_revoked"; 19]).collect();
    assert_eq!(codes, expected);
    assert_eq!(
        world.sql("SELECT count(*) FROM audit_events WHERE kind = 'token_theft'").trim(),
        "1"
    );
    browser.get("/accounts/profile").expect_problem(401, "session_revoked");
    other.get("/accounts/profile").expect(200);
}

#[test]
fn every_way_to_end_a_session_has_its_reason_and_leaves_the_cookies_alone() {
    type End = fn(&TestServer, &Browser);
    let ways: [(&str, End); 8] = [
        ("logout", |_, own| {
            own.request("POST", "/accounts/logout").send().expect(204);
        }),
        ("logout", |world, own| {
            let id = claims_of(&own.access_token)["sid"].as_str().unwrap().to_owned();
            world
                .logged_in("alice")
                .request("DELETE", &format!("/accounts/sessions/{id}"))
                .send()
                .expect(204);
        }),
        ("logout_all", |world, _| {
            world.logged_in("alice").request("POST", "/accounts/logout-all").send().expect(204);
        }),
        ("password_changed", |world, _| {
            let change =
                json!({"old_password": PASSWORD, "new_password": "an entirely new passphrase"});
            world
                .logged_in("alice")
                .request("POST", "/accounts/password")
                .json(&change)
                .send()
                .expect(204);
        }),
        ("password_changed", |world, _| {
            let mut change = world.command(&["changepassword", "alice", "--noinput"]);
            assert!(
                change
                    .env("COUNTERSIGN_PASSWORD", "an entirely new passphrase")
                    .output()
                    .unwrap()
                    .status
                    .success()
            );
        }),
        ("admin", |world, _| {
            world.cli(&["session", "revoke", "--user", "alice"]).ok();
        }),
        ("user_inactive", |world, _| {
            world.cli(&["user", "deactivate", "alice"]).ok();
        }),
        ("user_inactive", |world, _| {
            world.cli(&["user", "delete", "alice", "--noinput"]).ok();
        }),
    ];
    for (row, (reason, end)) in ways.into_iter().enumerate() {
        let world = TestServer::start();
        world.user("alice");
        let mut browser = world.logged_in("alice");
        end(&world, &browser.clone());
        let refused = browser.refresh();
        assert_eq!(refused.all("set-cookie").count(), 0, "row {row}, {reason}");
        assert_eq!(
            refused.problem_code().as_deref(),
            Some("session_revoked"),
            "row {row}, {reason}: {}",
            refused.text()
        );
        assert_eq!(refused.json()["reason"], reason, "row {row}");
        eventually(&format!("the access token is dead too (row {row}, {reason})"), || {
            browser.get("/accounts/profile").status == 401
        });
    }
}

#[test]
fn no_refresh_token_outlives_its_session() {
    let world = TestServer::builder()
        .set("session_idle", "7d")
        .set("session_absolute", "10d")
        .virtual_time()
        .start();
    world.user("alice");
    let mut browser = world.logged_in("alice");
    let end = claims_of(browser.refresh_token())["iat"].as_u64().unwrap() + 10 * 24 * 3600;
    let max_age_of = |cookie: &str| -> u64 {
        let (_, rest) = cookie.split_once("Max-Age=").unwrap();
        rest.split(';').next().unwrap().parse().unwrap()
    };
    for day in 0..3 {
        let answer = browser.refresh().expect(200);
        let claims = claims_of(browser.refresh_token());
        let (issued, expires) = (claims["iat"].as_u64().unwrap(), claims["exp"].as_u64().unwrap());
        assert_eq!(expires, end.min(issued + 7 * 24 * 3600), "at turn {day}");
        for name in ["refreshtoken", "csrftoken"] {
            assert_eq!(
                max_age_of(answer.set_cookie(name).unwrap()),
                expires - issued,
                "{name} at turn {day}"
            );
        }
        world.clock().advance(3 * 24 * 60 * MINUTE);
    }
    world.clock().advance(24 * 60 * MINUTE);
    browser.refresh().expect_problem(401, "refresh_token_expired");
}

#[test]
fn one_sessions_hurry_does_not_slow_another() {
    let world = TestServer::builder().set("throttle_session_refreshes", "3").start();
    world.user("alice");
    let (mut hurried, mut calm) = (world.logged_in("alice"), world.logged_in("alice"));
    for _ in 0..3 {
        hurried.refresh().expect(200);
    }
    let refused = hurried.refresh().expect_problem(429, "throttled");
    assert_eq!(refused.all("set-cookie").count(), 0);
    calm.refresh().expect(200);
    hurried.get("/accounts/profile").expect(200);
}
