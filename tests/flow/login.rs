//! `POST /accounts/login`.

use std::time::Duration;

use countersign_e2e::World;

#[test]
fn a_login_gives_tokens_and_the_user_and_sets_three_cookies() {
    let world = World::start();
    let id = world.user("alice");
    let response = world.browser().login("alice").expect(200);
    let json = response.json();
    assert_eq!(json["token_type"], "Bearer");
    assert_eq!(json["expires_in"], 300);
    assert_eq!(json["user"]["id"], id);
    assert_eq!(json["csrf_token"], response.cookie("csrftoken").unwrap());
    assert!(json.get("refresh_token").is_none());
    let refresh = response.set_cookie("refreshtoken").unwrap();
    assert!(refresh.contains("; HttpOnly") && refresh.contains("; SameSite=Lax") && refresh.contains("; Path=/;"), "{refresh}");
    assert!(!response.set_cookie("csrftoken").unwrap().contains("HttpOnly"));
    assert_eq!(response.header("cache-control"), Some("no-store"));
}

#[test]
fn an_access_token_dies_after_five_minutes() {
    let world = World::builder().virtual_time().start();
    world.user("alice");
    let mut browser = world.logged_in("alice");
    world.clock().advance(Duration::from_secs(290));
    browser.get("/accounts/profile").expect(200);
    world.clock().advance(Duration::from_secs(20));
    browser.get("/accounts/profile").expect_problem(401, "token_expired");
    browser.refresh().expect(200);
    browser.get("/accounts/profile").expect(200);
}
