//! `GET /accounts/verify`: for proxies.

use countersign_e2e::TestServer;

#[test]
fn a_proxy_learns_whose_token_it_is() {
    let world = TestServer::start();
    let id = world.user_with("zoë@x+y", "zoe@example.com");
    world.sql("INSERT INTO groups (name) VALUES ('b,c'), ('a d')");
    world.sql("INSERT INTO user_groups SELECT users.id, groups.id FROM users, groups");
    let browser = world.logged_in("zoë@x+y");
    let answer = browser.get("/accounts/verify").expect(204);
    assert_eq!(answer.header("x-auth-user-id"), Some(id.to_string().as_str()));
    assert_eq!(answer.header("x-auth-username"), Some("zo%C3%AB@x+y"));
    assert_eq!(answer.header("x-auth-groups"), Some("a%20d,b%2Cc"));
}

#[test]
fn without_a_good_token_the_answer_is_401_and_names_nobody() {
    let world = TestServer::start();
    world.user("alice");
    let mut browser = world.logged_in("alice");
    let kept = browser.clone();
    browser.logout().expect(204);
    for (answer, code) in [
        (world.get("/accounts/verify"), "not_authenticated"),
        (kept.get("/accounts/verify"), "session_revoked"),
    ] {
        assert!(answer.header("x-auth-user-id").is_none());
        answer.expect_problem(401, code);
    }
}
