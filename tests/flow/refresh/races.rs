//! Late requests, races and thieves.

use std::time::Duration;

use countersign_e2e::{Cluster, TestServer, claims_of};
use serde_json::json;

use super::MINUTE;

#[test]
fn an_answer_that_came_late_and_lay_in_the_jar_for_an_hour_is_forgiven() {
    // Two tabs refresh within a quarter of a minute; the slower answer overwrites the newer cookie,
    // and is next sent an hour later.
    for (between_mints, code) in [(15, None), (40, Some("refresh_token_reused"))] {
        let world = TestServer::builder().virtual_time().start();
        world.user("alice");
        let mut browser = world.logged_in("alice");
        let late = {
            let mut other_tab = browser.clone();
            other_tab.refresh().expect(200);
            other_tab
        };
        // The faster tab goes on meanwhile, past the window in the second row.
        for _ in 0..2 {
            browser.refresh().expect(200);
            world.clock().advance(Duration::from_secs(between_mints));
            browser.refresh().expect(200);
        }
        world.clock().advance(60 * MINUTE);
        let answer = late.clone().refresh();
        assert_eq!(
            answer.problem_code().as_deref(),
            code,
            "minted {between_mints} s apart: {}",
            answer.text()
        );
    }
}

#[test]
fn a_request_is_late_for_as_long_as_the_window_says() {
    for (window, late_by, code) in [
        ("30s", 20, None),
        ("30s", 29, None),
        ("30s", 40, Some("refresh_token_reused")),
        ("2m", 100, None),
        ("2m", 140, Some("refresh_token_reused")),
        ("1s", 10, Some("refresh_token_reused")),
    ] {
        let world = TestServer::builder().set("race_window", window).virtual_time().start();
        world.user("alice");
        let mut browser = world.logged_in("alice");
        world.clock().advance(5 * MINUTE);
        let mut late = browser.clone();
        browser.refresh().expect(200);
        // Minted long before it was used, so that only the time of the step past it can forgive;
        // and there is no credit for a browser that died.
        world.clock().advance(5 * MINUTE);
        browser.refresh().expect(200);
        world.sql("UPDATE sessions SET race_credit = 5");
        world.clock().advance(Duration::from_secs(late_by));
        let answer = late.refresh();
        assert_eq!(
            answer.problem_code().as_deref(),
            code,
            "{late_by} s late in a window of {window}: {}",
            answer.text()
        );
    }
}

#[test]
fn after_a_race_both_tabs_are_together_again() {
    let world = TestServer::builder().virtual_time().start();
    world.user("alice");
    let mut browser = world.logged_in("alice");
    let mut late = browser.clone();
    world.clock().advance(5 * MINUTE);
    browser.refresh().expect(200);
    let current = claims_of(browser.refresh_token());
    browser.refresh().expect(200);
    late.refresh().expect(200);
    let (fast, slow) = (claims_of(browser.refresh_token()), claims_of(late.refresh_token()));
    assert_eq!((&slow["par"], &slow["gen"]), (&current["jti"], &json!(2)));
    assert_eq!((&fast["par"], &fast["gen"]), (&slow["par"], &slow["gen"]));
}

#[test]
fn a_row_of_late_tabs_is_one_race() {
    let world = TestServer::builder().virtual_time().start();
    world.user("alice");
    let mut browser = world.logged_in("alice");
    let tabs = vec![browser.clone(); 20];
    world.clock().advance(5 * MINUTE);
    browser.refresh().expect(200);
    browser.refresh().expect(200);
    let before = world.sql("SELECT race_credit FROM sessions").trim().parse::<i64>().unwrap();
    for mut tab in tabs {
        tab.refresh().expect(200);
    }
    let after = world.sql("SELECT race_credit FROM sessions").trim().parse::<i64>().unwrap();
    assert_eq!(before - after, 5);
}

#[test]
fn a_thief_who_keeps_in_step_with_the_victim_is_found_by_the_eighth_generation() {
    let world = TestServer::builder().virtual_time().start();
    world.user("alice");
    let mut victim = world.logged_in("alice");
    let mut thief = victim.clone();
    let mut generations = 0;
    while victim.refresh().status == 200 && thief.refresh().status == 200 {
        generations += 1;
        assert!(generations <= 8, "the thief is still in after {generations} generations");
        world.clock().advance(5 * MINUTE);
    }
    assert_eq!(
        victim.refresh().expect_problem(401, "session_revoked").json()["reason"],
        "token_theft"
    );
    assert_eq!(
        thief.refresh().expect_problem(401, "session_revoked").json()["reason"],
        "token_theft"
    );
}

#[test]
fn a_thief_busier_than_the_victim_is_found_within_eight_refreshes() {
    on_both_stores(|world| {
        let mut victim = world.logged_in("alice");
        let mut thief = victim.clone();
        let (mut by_victim, mut by_thief) = (0, 0);
        let found = 'found: loop {
            for _ in 0..15 {
                world.clock().advance(Duration::from_secs(20));
                if thief.refresh().status != 200 {
                    break 'found "thief";
                }
                by_thief += 1;
            }
            if victim.refresh().status != 200 {
                break "victim";
            }
            by_victim += 1;
            assert!(by_victim < 8, "{by_victim} and {by_thief} refreshes: nobody has noticed");
        };
        assert!(by_thief >= 15, "found by {found} after {by_thief}");
        for mut party in [victim, thief] {
            assert_eq!(
                party.refresh().expect_problem(401, "session_revoked").json()["reason"],
                "token_theft"
            );
        }
    });
}

#[test]
fn a_browser_that_died_within_half_a_minute_of_two_page_loads_is_no_thief() {
    on_both_stores(|world| {
        let mut browser = world.logged_in("alice");
        for _ in 0..3 {
            world.clock().advance(5 * MINUTE);
            browser.refresh().expect(200);
        }
        world.clock().advance(5 * MINUTE);
        let on_the_disk = browser.clone();
        for _ in 0..2 {
            browser.refresh().expect(200);
            world.clock().advance(Duration::from_secs(12));
        }
        // Started again, an hour later, with the cookies of before.
        world.clock().advance(60 * MINUTE);
        let mut again = on_the_disk;
        for _ in 0..5 {
            again.refresh().expect(200);
            again.get("/accounts/profile").expect(200);
            world.clock().advance(5 * MINUTE);
        }
    });
}

#[test]
fn races_are_counted_and_from_the_second_in_a_row_the_audit_log_tells_of_them() {
    let world = TestServer::builder().virtual_time().start();
    world.user("alice");
    let mut browser = world.logged_in("alice");
    let told = "SELECT kind, ip, detail FROM audit_events WHERE kind LIKE 'race%'";
    for (race, lines) in [(1, ""), (2, "race_repeated|127.0.0.1|price 5, credit left 17 of 25")] {
        world.clock().advance(5 * MINUTE);
        browser.refresh().expect(200);
        let late = browser.clone();
        world.clock().advance(5 * MINUTE);
        browser.refresh().expect(200);
        browser.refresh().expect(200);
        for _ in 0..3 {
            late.clone().refresh().expect(200);
        }
        assert_eq!(world.sql(told).trim(), lines, "after race {race}");
    }
}

/// The same on SQLite and on PostgreSQL, with a user alice, and a clock that is told what time it
/// is.
fn on_both_stores(promise: impl Fn(&TestServer)) {
    for url in [None, Some(Cluster::shared().database())] {
        let world = TestServer::builder().virtual_time();
        let world = url.iter().fold(world, |world, url| world.set("database_url", url)).start();
        world.user("alice");
        promise(&world);
    }
}
