//! Second factors where several nodes serve one database.

use countersign_e2e::{Browser, Cluster, TestServer};
use serde_json::json;

use super::node;

/// Two nodes that let everybody try, in virtual time.
fn world() -> [TestServer; 2] {
    let url = Cluster::shared().database();
    let unthrottled = || {
        node(&url)
            .virtual_time()
            .set("throttle_account_attempts", "0")
            .set("throttle_address_attempts", "0")
            .start()
    };
    [unthrottled(), unthrottled()]
}

fn next_code(nodes: &[TestServer; 2]) {
    nodes.iter().for_each(TestServer::next_code);
}

/// The same browser, before the other node.
fn at(node: &TestServer, browser: &Browser) -> Browser {
    let mut browser = browser.clone();
    browser.move_to(node.address());
    browser
}

#[test]
fn what_one_node_has_begun_another_finishes_and_nobody_does_again() {
    let nodes = world();
    let [one, other] = &nodes;
    one.user("alice");
    let mut owner = one.logged_in("alice");
    let alice = one.enrol(&mut owner);
    other.next_code();
    let (mut key, _) = one.passkey(&mut owner);
    let mut browser = one.browser();
    let token = browser.first_step("alice");
    let code = json!({"code": other.code_of(&alice)});
    at(other, &browser).second_step(&token, &code).expect(200);
    next_code(&nodes);
    let fresh = json!({"code": one.code_of(&alice)});
    browser.second_step(&token, &fresh).expect_problem(401, "pending_token_invalid");
    let token = browser.first_step("alice");
    browser.second_step(&token, &code).expect_problem(401, "factor_invalid");

    key.origin = format!("http://localhost:{}", other.address().port());
    let signed = key.sign(&one.browser().passkey_options());
    other.browser().finish_passkey(&signed).expect(200);
    for node in &nodes {
        node.browser().finish_passkey(&signed).expect_problem(401, "factor_invalid");
    }
}

#[test]
fn five_wrong_tries_end_a_login_wherever_they_are_made() {
    let nodes = world();
    nodes[0].user("alice");
    let alice = nodes[0].enrol(&mut nodes[0].logged_in("alice"));
    nodes[1].next_code();
    let now = nodes[0].clock().seconds();
    let right: Vec<_> = (0..5).map(|step| alice.app.code(now - 60 + 30 * step)).collect();
    let wrong = (0..10).map(|number| format!("{number:06}"));
    let wrong = wrong.into_iter().find(|code| !right.contains(code)).unwrap();
    let mut browser = nodes[0].browser();
    let token = browser.first_step("alice");
    let looked_at: usize = std::thread::scope(|scope| {
        let guesses: Vec<_> = (0..40)
            .map(|number| {
                let (mut browser, token) = (at(&nodes[number % 2], &browser), &token);
                let code = json!({"code": wrong});
                scope.spawn(move || browser.second_step(token, &code).json()["code"].clone())
            })
            .collect();
        let codes = guesses.into_iter().map(|guess| guess.join().unwrap());
        codes.filter(|code| code == "factor_invalid").count()
    });
    assert_eq!(looked_at, 5);
    let code = json!({"code": nodes[0].code_of(&alice)});
    browser.second_step(&token, &code).expect_problem(401, "pending_token_invalid");
}

#[test]
fn one_code_at_two_doors_of_two_nodes_at_once_lets_in_once() {
    let nodes = world();
    nodes[0].superuser("root");
    let root = nodes[0].enrol(&mut nodes[0].logged_in("root"));
    nodes[1].next_code();
    for _ in 0..4 {
        let code = nodes[0].code_of(&root);
        let mut desks = [nodes[0].desk(), nodes[1].desk()];
        desks.iter_mut().for_each(|desk| drop(desk.sign_in("root")));
        let mut browsers = [nodes[0].browser(), nodes[1].browser()];
        let tokens = browsers.each_mut().map(|browser| browser.first_step("root"));
        let entered: usize = std::thread::scope(|scope| {
            let at_desks = desks.iter_mut().map(|desk| {
                let code = &code;
                scope.spawn(move || {
                    desk.post("/admin/sign-in/factor", &[("code", code), ("next", "")]).status
                        == 303
                })
            });
            let at_desks: Vec<_> = at_desks.collect();
            let at_doors = browsers.iter_mut().zip(&tokens).map(|(browser, token)| {
                let code = json!({"code": code});
                scope.spawn(move || browser.second_step(token, &code).status == 200)
            });
            let at_doors: Vec<_> = at_doors.collect();
            let all = at_desks.into_iter().chain(at_doors);
            all.map(|tried| usize::from(tried.join().unwrap())).sum()
        });
        assert_eq!(entered, 1);
        next_code(&nodes);
    }
}
