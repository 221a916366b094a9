//! Links, codes and notices where there are two nodes: whichever was asked, the other goes on.

use std::time::Duration;

use countersign_e2e::{Browser, Cluster, Mailbox, PASSWORD, ReadMail, TestServer};
use serde_json::json;

use super::node;

const ALICE: &str = "alice@example.com";

fn two_nodes() -> ([TestServer; 2], Mailbox) {
    let (url, mailbox) = (Cluster::shared().database(), Mailbox::new());
    let start = || node(&url).set("mail_url", &mailbox.url()).set("login_code", "on").start();
    let nodes = [start(), start()];
    nodes[0].user("alice");
    (nodes, mailbox)
}

fn send(browser: &mut Browser, world: &TestServer, path: &str, body: &serde_json::Value) -> u16 {
    browser.move_to(world.address());
    let request = browser.request("POST", path).json(body);
    browser.send(&request).status
}

#[test]
fn what_one_node_sends_the_other_takes_once() {
    let ([here, there], mailbox) = two_nodes();
    let mut browser = here.browser();
    assert_eq!(send(&mut browser, &here, "/accounts/login/code", &json!({"email": ALICE})), 202);
    let body = json!({"token": mailbox.wait_for(ALICE, 1).token()});
    let done: usize = std::thread::scope(|scope| {
        let tries: Vec<_> = (0..50)
            .map(|n| {
                let (mut tab, body) = (browser.clone(), &body);
                let world = if n % 2 == 0 { &here } else { &there };
                let path = "/accounts/login/code/confirm";
                scope.spawn(move || usize::from(send(&mut tab, world, path, body) == 200))
            })
            .collect();
        tries.into_iter().map(|tried| tried.join().unwrap()).sum()
    });
    assert_eq!(done, 1);
}

#[test]
fn an_address_is_changed_and_taken_back_across_the_nodes() {
    let ([here, there], mailbox) = two_nodes();
    let mut thief = here.logged_in("alice");
    let body = json!({"email": "thief@example.net", "password": PASSWORD});
    assert_eq!(send(&mut thief, &here, "/accounts/email/change", &body), 202);
    let token = mailbox.wait_for("thief@example.net", 1).token();
    let body = json!({"token": token});
    assert_eq!(send(&mut thief, &there, "/accounts/email/change/confirm", &body), 204);
    let body = json!({"token": mailbox.wait_for(ALICE, 1).token()});
    assert_eq!(send(&mut here.browser(), &here, "/accounts/undo", &body), 204);
    countersign_e2e::eventually("the end of the session is felt on the other node", || {
        thief.get("/accounts/profile").status == 401
    });
}

#[test]
fn one_mailbox_gets_five_mails_an_hour_of_all_nodes() {
    let ([here, there], mailbox) = two_nodes();
    std::thread::scope(|scope| {
        for n in 0..12 {
            let world = if n % 2 == 0 { &here } else { &there };
            scope.spawn(move || {
                let body = json!({"email": ALICE});
                send(&mut world.browser(), world, "/accounts/password/reset", &body)
            });
        }
    });
    mailbox.wait_for(ALICE, 5);
    countersign_e2e::eventually("nothing waits", || {
        !here.cli(&["mail", "queue"]).ok().contains("waiting")
    });
    // The last link that was sent is good: none of those that were one too many has ended it.
    let tokens: Vec<String> = mailbox.to(ALICE).iter().map(ReadMail::token).collect();
    assert_eq!(tokens.len(), 5);
    let taken = tokens.iter().filter(|token| {
        let body = json!({"token": token, "new_password": "an entirely new passphrase"});
        send(&mut there.browser(), &there, "/accounts/password/reset/confirm", &body) == 204
    });
    assert_eq!(taken.count(), 1);
}

#[test]
fn a_theft_is_told_whichever_node_finds_it() {
    let (url, mailbox) = (Cluster::shared().database(), Mailbox::new());
    let start =
        || node(&url).set("mail_url", &mailbox.url()).set("race_window", "1s").virtual_time();
    let (here, there) = (start().start(), start().start());
    here.user("alice");
    let mut browser = here.logged_in("alice");
    let mut thief = browser.clone();
    for _ in 0..3 {
        here.clock().advance(Duration::from_secs(300));
        there.clock().advance(Duration::from_secs(300));
        browser.refresh().expect(200);
    }
    thief.move_to(there.address());
    thief.refresh().expect_problem(401, "refresh_token_reused");
    mailbox.wait_with(ALICE, "We ended a session: two parties held it");
}
