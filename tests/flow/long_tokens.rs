//! What becomes of an access token that would be longer than anybody takes.

use countersign_e2e::{Browser, TestServer};

/// A world whose tokens list permissions, with alice, who has none yet.
fn world() -> (TestServer, i64) {
    let world = TestServer::builder().set("extra_claims", "groups,permissions").start();
    let alice = world.user("alice");
    world.sql(
        "WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 500)
         INSERT INTO permissions (app, codename) SELECT 'warehouse', 'change_stock_' || n FROM n",
    );
    world.sql("INSERT INTO groups (name) VALUES ('everything')");
    world.sql(
        "INSERT INTO group_permissions SELECT groups.id, permissions.id FROM groups, \
        permissions WHERE app = 'warehouse'",
    );
    (world, alice)
}

fn may_everything(world: &TestServer, user: i64) {
    world.sql(&format!("INSERT INTO user_groups SELECT {user}, id FROM groups"));
}

/// It says what is wrong, and whose turn it is.
fn expect_refusal(
    world: &TestServer,
    browser: &mut Browser,
    attempt: impl FnOnce(&mut Browser) -> countersign_e2e::Response,
) {
    let answer = attempt(browser).expect_problem(503, "unavailable");
    assert!(answer.text_at("detail").contains("8192"), "{}", answer.text());
    assert!(answer.header("retry-after").is_some());
    assert_eq!(answer.all("set-cookie").count(), 0);
    countersign_e2e::eventually("the log says so", || {
        let log = world.log();
        log.contains("an access token would be too long") && log.contains("permissions")
    });
}

#[test]
fn a_login_whose_token_nobody_would_take_is_refused_with_a_sentence_and_leaves_no_session() {
    let (world, alice) = world();
    may_everything(&world, alice);
    let mut browser = world.browser();
    expect_refusal(&world, &mut browser, |browser| browser.login("alice"));
    assert_eq!(world.sql("SELECT count(*) FROM sessions WHERE revoked_at IS NULL").trim(), "0");
}

#[test]
fn a_session_whose_user_was_given_too_much_goes_on_when_it_is_mended() {
    let (world, alice) = world();
    let mut browser = world.logged_in("alice");
    may_everything(&world, alice);
    // A database shell's change is felt within a second.
    countersign_e2e::eventually("alice may do everything", || {
        browser.get("/accounts/profile").json()["user"]["permissions"]
            .as_array()
            .is_some_and(|list| list.len() == 500)
    });
    expect_refusal(&world, &mut browser, Browser::refresh);
    world.sql("DELETE FROM user_groups");
    countersign_e2e::eventually("the session goes on", || browser.refresh().status == 200);
    browser.get("/accounts/profile").expect(200);
}
