//! Programs that open every link of every mail: scanners, previews, browsers that fetch ahead.

use countersign_e2e::{Browser, Mailbox, PASSWORD, TestServer};
use serde_json::{Value, json};

const NEW: &str = "an entirely new passphrase";

/// Whose mails there are, and what the mails with a link are about.
const MAILS: [(&str, &str); 7] = [
    ("alice@example.com", "Choose a new password"),
    ("bob@example.com", "Your account will be deleted"),
    ("carol@example.com", "Confirm your e-mail address"),
    ("dave@example.com", "You are invited to localhost"),
    ("erin@example.com", "Your code: "),
    ("frank@example.com", "The e-mail address of your account is changing"),
    ("frank@example.org", "Confirm your new e-mail address"),
];

#[test]
fn whoever_opens_every_link_of_every_mail_changes_nothing_and_each_link_works_on() {
    let mailbox = Mailbox::new();
    let world = TestServer::builder()
        .set("mail_url", &mailbox.url())
        .set("registration", "open")
        .set("email_verification", "required")
        .set("login_code", "on")
        .start();
    for name in ["alice", "bob", "erin", "frank"] {
        world.user(name);
    }
    let mut erin = world.browser();
    let mut frank = world.logged_in("frank");
    let bob = world.logged_in("bob");
    let post = |browser: &mut Browser, path: &str, body: &Value| {
        let request = browser.request("POST", path).json(body);
        browser.send(&request)
    };
    post(&mut world.browser(), "/accounts/password/reset", &json!({"username": "alice"}))
        .expect(202);
    let body = json!({"password": PASSWORD});
    bob.request("DELETE", "/accounts/profile").json(&body).send().expect(204);
    let body = json!({"username": "carol", "email": "carol@example.com", "password": PASSWORD});
    post(&mut world.browser(), "/accounts/register", &body).expect(202);
    world.cli(&["user", "invite", "dave@example.com"]).ok();
    post(&mut erin, "/accounts/login/code", &json!({"email": "erin@example.com"})).expect(202);
    let body = json!({"email": "frank@example.org", "password": PASSWORD});
    post(&mut frank, "/accounts/email/change", &body).expect(202);
    let mails = MAILS.map(|(to, about)| {
        let found = || mailbox.to(to).into_iter().find(|mail| mail.subject().starts_with(about));
        countersign_e2e::eventually(&format!("{about:?} to {to}"), || found().is_some());
        found().unwrap()
    });

    let state = || {
        ["users", "one_time_tokens", "outbox", "sessions"].map(|table| {
            let but = if table == "outbox" { "id, kind, address" } else { "*" };
            world.sql(&format!("SELECT {but} FROM {table} ORDER BY id"))
        })
    };
    let (before, mut opened) = (state(), 0);
    for mail in &mails {
        for link in mail.whole.split("/account/").skip(1) {
            let end = link.find(|c: char| c.is_whitespace() || "\"<".contains(c)).unwrap();
            let path = format!("/account/{}", &link[..end]);
            for method in ["GET", "HEAD", "GET"] {
                // No page sends a program on to where something would happen.
                world.request(method, &path).send().expect(200);
                opened += 1;
            }
        }
    }
    assert!(opened >= 3 * MAILS.len(), "each mail has a link: {opened}");
    assert_eq!(state(), before);

    let [reset, _, verify, invitation, code, undo, change] = mails.map(|mail| {
        let has_token = mail.whole.contains("token=");
        if has_token { mail.token() } else { String::new() }
    });
    let mut anybody = world.browser();
    let body = json!({"token": reset, "new_password": NEW});
    post(&mut anybody, "/accounts/password/reset/confirm", &body).expect(204);
    let body = json!({"token": verify, "password": PASSWORD});
    post(&mut anybody, "/accounts/email/verify", &body).expect(204);
    let body = json!({"invitation": invitation, "password": NEW});
    post(&mut anybody, "/accounts/register", &body).expect(201);
    post(&mut erin, "/accounts/login/code/confirm", &json!({"token": code})).expect(200);
    post(&mut frank, "/accounts/email/change/confirm", &json!({"token": change})).expect(204);
    post(&mut anybody, "/accounts/undo", &json!({"token": undo})).expect(204);
    let body = json!({"username": "bob", "password": PASSWORD, "restore": true});
    world.request("POST", "/accounts/login").json(&body).send().expect(200);
}
