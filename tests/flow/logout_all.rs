//! `POST /accounts/logout-all`.

use countersign_e2e::TestServer;
use serde_json::json;

#[test]
fn all_of_a_users_sessions_end_and_nobody_elses() {
    let world = TestServer::start();
    world.user("alice");
    world.user("bob");
    let (mut here, mut there, bob) =
        (world.logged_in("alice"), world.logged_in("alice"), world.logged_in("bob"));
    let mut native = world.native();
    native.login("alice").expect(200);
    let answer = here.request("POST", "/accounts/logout-all").send().expect(204);
    assert!(answer.set_cookie("refreshtoken").unwrap().contains("Max-Age=0"));
    for browser in [&mut here, &mut there] {
        browser.get("/accounts/profile").expect_problem(401, "session_revoked");
        assert_eq!(
            browser.refresh().expect_problem(401, "session_revoked").json()["reason"],
            "logout_all"
        );
    }
    native.request("GET", "/accounts/profile").send().expect_problem(401, "session_revoked");
    bob.get("/accounts/profile").expect(200);
}

#[test]
fn the_session_that_asks_may_be_kept() {
    let world = TestServer::start();
    world.user("alice");
    let (mut here, there) = (world.logged_in("alice"), world.logged_in("alice"));
    let request = here.request("POST", "/accounts/logout-all").json(&json!({"keep_current": true}));
    let answer = here.send(&request).expect(204);
    assert_eq!(answer.all("set-cookie").count(), 0);
    there.get("/accounts/profile").expect_problem(401, "session_revoked");
    here.get("/accounts/profile").expect(200);
    here.refresh().expect(200);
    let request =
        here.request("POST", "/accounts/logout-all").json(&json!({"keep_current": "yes"}));
    here.send(&request).expect_problem(400, "validation_error");
}
