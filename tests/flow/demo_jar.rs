//! `POST /demo/jar`: the demo's thief who has the whole cookie jar.

use countersign_e2e::TestServer;
use serde_json::{Value, json};

use super::device::{TICKET, bound_on, https};

#[test]
fn a_copied_jar_is_played_with_its_ticket_and_without() {
    let (_world, mut browser, ..) = bound_on(https("enforce").set("demo", "on"));
    let jar = |browser: &countersign_e2e::Browser| {
        let request =
            browser.bare("POST", "/demo/jar").header("X-CSRFTOKEN", &browser.csrf_token).send();
        let answer = request.expect(200);
        assert_eq!(answer.all("set-cookie").count(), 0, "nothing of it is kept");
        assert!(!answer.text().contains("eyJ"), "no token leaves the server");
        answer.json()["steps"].as_array().unwrap().clone()
    };
    let told = |steps: &[Value]| -> Vec<Value> {
        steps.iter().map(|step| json!([step["who"], step["status"], step["code"]])).collect()
    };
    let refused = json!(["curl", 401, "session_unproved"]);
    assert_eq!(told(&jar(&browser)), [json!(["curl", 200, null]), refused.clone()]);
    browser.refresh().expect(200);
    browser.cookies.remove(TICKET);
    assert_eq!(told(&jar(&browser)), [refused]);
}

#[test]
fn over_http_the_copy_is_as_good_as_the_original() {
    let world = TestServer::start();
    world.user("alice");
    let mut browser = world.logged_in("alice");
    let played = browser.bare("POST", "/demo/jar").header("X-CSRFTOKEN", &browser.csrf_token);
    let played = played.send().expect(200).json();
    assert_eq!(played["steps"].as_array().unwrap().len(), 1);
    assert_eq!(played["steps"][0]["status"], 200);
    browser.refresh().expect(200);
    // A page elsewhere plays nothing with it.
    let foreign = browser.bare("POST", "/demo/jar").header("Origin", "https://evil.example");
    foreign.send().expect_problem(403, "csrf_failed");
}
