//! Letters from the site: invitations, links, an operator's word; and the outbox.

use countersign_e2e::{Desk, Mailbox, TestServer};

use crate::office::{furnish, operator};

#[test]
fn an_operator_invites_and_the_mail_has_the_link() {
    let mailbox = Mailbox::new();
    let (world, mut root) = furnish(TestServer::builder().set("mail_url", &mailbox.url()).start());
    let mut desk = operator(&world, &mut root, "hr", &["auth.add_user", "auth.view_user"]);
    desk.get("/admin/users/invite").says(200, "A link goes to the address");
    desk.post("/admin/users/invite", &[("email", "")]).says(400, "Give the address");
    desk.post("/admin/users/invite", &[("email", "nowhere")]).says(400, "name@example.com");
    let fields = [("email", "alice@example.com"), ("language", "de"), ("first_name", "Alice")];
    let answer = desk.post("/admin/users/invite", &fields);
    let id = world.sql("SELECT id FROM users WHERE email = 'alice@example.com'");
    answer.sends_to(&format!("/admin/users/{}/?said=invited", id.trim()));
    let link = mailbox.wait_for("alice@example.com", 1);
    assert!(link.subject().contains("eingeladen"), "{}", link.subject());
    let token = link.token();
    // Once more, and the first link is dead.
    desk.post("/admin/users/invite", &fields).expect(303);
    let second = mailbox.wait_for("alice@example.com", 2).token();
    let accept = |token: &str| {
        let body = format!("token={token}&password=tin+kettle+14&again=tin+kettle+14");
        let kind = "application/x-www-form-urlencoded";
        world.request("POST", "/account/invitation").body(kind, body).send()
    };
    accept(&token).expect(400);
    accept(&second).expect(200);
    world.browser().login_with("alice@example.com", "tin kettle 14").expect(200);
    desk.post("/admin/users/invite", &fields).says(400, "who has an account");
    let kinds = world.sql(
        "SELECT kind FROM audit_events WHERE user_id = (SELECT id FROM users WHERE email = \
         'alice@example.com') AND kind <> 'login' ORDER BY id",
    );
    let kinds: Vec<&str> = kinds.split_whitespace().collect();
    assert_eq!(kinds[..2], ["user_invited", "link_sent"]);
}

#[test]
fn where_no_mail_is_sent_the_link_is_shown_once() {
    let (world, mut root) = furnish(TestServer::builder().set("mail_url", "none").start());
    root.get("/admin/users/invite").says(200, "No mail is sent here");
    let shown = root.post("/admin/users/invite", &[("email", "alice@example.com")]);
    shown.says(200, "/account/invitation?token=");
    assert_eq!(world.sql("SELECT count(*) FROM outbox").trim(), "0");
    // An operator does not get into the account of somebody who may do more than they.
    let boss = world.sql("SELECT id FROM users WHERE email = 'alice@example.com'");
    let boss = boss.trim();
    world.sql(&format!("UPDATE users SET is_staff = 1 WHERE id = {boss}"));
    let mut desk = operator(&world, &mut root, "hr", &["auth.add_user", "auth.change_user"]);
    let refused = desk.post("/admin/users/invite", &[("email", "alice@example.com")]);
    assert_eq!(refused.status, 403, "{}", refused.text());
    assert!(!refused.text().contains("token="));
    let path = format!("/admin/users/{boss}/mail");
    for act in ["invitation", "reset", "verify", "mark"] {
        desk.post(&path, &[("act", act)]).says(403, "only a superuser");
    }
    root.post(&path, &[("act", "reset")]).says(409, "No mail is sent here");
}

#[test]
fn who_registered_and_waits_for_a_proof_is_shown_with_the_address() {
    let mailbox = Mailbox::new();
    let server = TestServer::builder()
        .set("mail_url", &mailbox.url())
        .set("registration", "open")
        .set("email_verification", "required");
    let (world, mut root) = furnish(server.start());
    world.user("alice");
    let waiting =
        [("bob", "bob@example.com"), ("eve", "alice@example.com")].map(|(name, email)| {
            let body = serde_json::json!({"username": name, "email": email,
            "password": "tin kettle 14"});
            world.request("POST", "/accounts/register").json(&body).send().expect(202);
            let id = world.sql(&format!("SELECT id FROM users WHERE username = '{name}'"));
            format!("/admin/users/{}/", id.trim())
        });
    let list = root.get("/admin/users/");
    list.says(200, "bob@example.com, to be proved");
    list.says(200, "alice@example.com, to be proved");
    let free = root.get(&waiting[0]);
    free.says(200, "Waits for a proof");
    assert!(!free.text().contains("It is the address of"));
    root.get(&waiting[1]).says(200, "It is the address of alice, who was told");
    let send =
        |root: &mut Desk, user: &str| root.post(&format!("{user}mail"), &[("act", "verify")]);
    send(&mut root, &waiting[0]).sends_to(&format!("{}?said=link-sent", waiting[0]));
    send(&mut root, &waiting[1]).says(409, "is that of alice");
    let token = mailbox.wait_for("bob@example.com", 2).token();
    let body = serde_json::json!({"token": token, "password": "tin kettle 14"});
    world.request("POST", "/accounts/email/verify").json(&body).send().expect(204);
    world.browser().login_with("bob@example.com", "tin kettle 14").expect(200);
    let shown = world.cli(&["user", "show", "eve"]).ok();
    assert!(shown.contains("to_be_proved") && shown.contains("alice@example.com"), "{shown}");
    let listed = world.cli(&["user", "list"]).ok();
    assert!(listed.contains("alice@example.com (to be proved)"), "{listed}");
    let said = world.cli(&["user", "resend", "eve"]).fails(1);
    assert!(said.contains("is that of alice"), "{said}");
}

#[test]
fn the_users_page_offers_what_can_be_done_and_says_who_waits_to_be_deleted() {
    let mailbox = Mailbox::new();
    let (world, mut root) = furnish(TestServer::builder().set("mail_url", &mailbox.url()).start());
    let id = world.user("alice");
    let (page, path) = (format!("/admin/users/{id}/"), format!("/admin/users/{id}/mail"));
    root.get(&page).says(200, "The address is proved.");
    world.sql(&format!("UPDATE users SET email_verified = 0 WHERE id = {id}"));
    root.get(&page).says(200, "Send a link that proves the address");
    root.post(&path, &[("act", "verify")]).sends_to(&format!("{page}?said=link-sent"));
    mailbox.wait_for("alice@example.com", 1);
    root.post(&path, &[("act", "reset")]).sends_to(&format!("{page}?said=link-sent"));
    assert_eq!(mailbox.wait_for("alice@example.com", 2).subject(), "Choose a new password");
    let mark =
        |root: &mut Desk, address: &str| root.post(&path, &[("act", "mark"), ("address", address)]);
    mark(&mut root, "victim@example.com").says(409, "The address is another by now");
    mark(&mut root, "alice@example.com").sends_to(&format!("{page}?said=verified"));
    root.post(&path, &[("act", "verify")]).says(409, "proved already");
    root.post(&path, &[("act", "invitation")]).says(409, "has an account already");
    root.post(&path, &[("act", "nonsense")]).says(400, "Choose what is to be sent");
    let alice = world.logged_in("alice");
    let body = serde_json::json!({"password": countersign_e2e::PASSWORD});
    alice.request("DELETE", "/accounts/profile").json(&body).send().expect(204);
    root.get(&page).says(200, "To be deleted");
    root.get("/admin/audit/?kind=deletion-asked").says(200, "Asked to be deleted");
}

#[test]
fn the_outbox_shows_what_waits_and_failed_and_lets_go_of_it() {
    let (world, mut root) = furnish(TestServer::builder().set("mail_url", "none").start());
    world.sql(
        "INSERT INTO outbox (id, state, address, sealed, created_at, due_at, tries, error)
         SELECT 1, 'waiting', 'alice@example.com', x'00', 1000000, 4000000000000000, 3, 'busy'
         UNION ALL SELECT 2, 'failed', 'bob@example.com', x'', 2000000, 2000000, 1, '<b>no such</b>'
         UNION ALL SELECT 3, 'sent', 'carol@example.com', x'', 3000000, 3000000, 1, ''",
    );
    let page = root.get("/admin/outbox/").expect(200).text();
    for text in
        ["1 wait, 1 failed", "No mail is sent here", "alice@example.com", "&#60;b&#62;no such"]
    {
        assert!(page.contains(text), "no {text:?} in {page}");
    }
    root.get("/admin/outbox/?state=failed").says(200, "bob@example.com");
    assert!(!root.get("/admin/outbox/?state=failed").text().contains("alice@"));
    root.get("/admin/outbox/?state=lost").expect(400);
    root.get("/admin/outbox/?at=nonsense").says(400, "none that a page named");
    root.get("/admin/outbox/").expect(200);
    root.post("/admin/outbox/act", &[("retry", "1")]).sends_to("/admin/outbox/?said=mail-retried");
    assert_ne!(world.sql("SELECT due_at FROM outbox WHERE id = 1").trim(), "4000000000000000");
    root.post("/admin/outbox/act", &[("retry", "2")]).expect(404);
    root.post("/admin/outbox/act", &[("forget", "3")]).expect(404);
    root.post("/admin/outbox/act", &[("forget", "x")]).expect(400);
    root.post("/admin/outbox/act", &[("forget", "1"), ("retry", "1")]).expect(400);
    for id in ["1", "2"] {
        root.post("/admin/outbox/act", &[("forget", id)])
            .sends_to("/admin/outbox/?said=mail-forgotten");
    }
    assert_eq!(world.sql("SELECT count(*) FROM outbox").trim(), "1");
    root.get("/admin/audit/?kind=mail-forgotten").says(200, "Took a mail out of the outbox");
    let mut desk = operator(&world, &mut root, "reader", &["countersign.view_outbox"]);
    let page = desk.get("/admin/outbox/").expect(200).text();
    assert!(!page.contains("action=\"/admin/outbox/act\"") || !page.contains("name=\"forget\""));
    desk.post("/admin/outbox/act", &[("forget", "3")]).says(403, "countersign.change_outbox");
}

#[test]
fn the_outbox_is_walked_to_its_end() {
    let (world, mut root) = furnish(TestServer::builder().set("mail_url", "none").start());
    world.sql(
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 230)
         INSERT INTO outbox (id, state, address, sealed, created_at, due_at)
         SELECT i, 'waiting', 'a' || i || '@example.com', x'00', 1000 + i / 3, 4000000000000000
         FROM n",
    );
    let (mut path, mut seen) = ("/admin/outbox/".to_owned(), std::collections::BTreeSet::new());
    for _ in 0..3 {
        let page = root.get(&path).expect(200).text();
        for row in page.split("name=\"forget\" value=\"").skip(1) {
            assert!(seen.insert(row.split('"').next().unwrap().to_owned()));
        }
        let Some((before, _)) = page.split_once("\" rel=\"next\"") else { break };
        let next = before.rsplit_once("href=\"").unwrap().1;
        path = next.replace("&#38;", "&").replace("&amp;", "&");
    }
    assert_eq!(seen.len(), 230);
}

#[test]
fn an_address_that_an_operator_takes_away_is_told_without_a_way_back() {
    let mailbox = Mailbox::new();
    let (world, mut root) = furnish(TestServer::builder().set("mail_url", &mailbox.url()).start());
    let id = world.user("alice");
    let page = format!("/admin/users/{id}/");
    let save = |root: &mut Desk, email: &str| {
        let seen = countersign_e2e::input(&root.get(&page).text(), "seen").unwrap();
        let name = ("username", "alice");
        let fields = [name, ("email", email), ("seen", &seen), ("is_active", "on")];
        root.post(&page, &fields).expect(303);
    };
    save(&mut root, "alice@example.org");
    let mail = mailbox.wait_for("alice@example.com", 1);
    assert_eq!(mail.subject(), "The e-mail address of your account is changing");
    assert!(mail.whole.contains("those who run localhost"), "{}", mail.whole);
    assert!(!mail.whole.contains("token=") && !mail.whole.contains("alice@example.org"));
    // The new one was not proved: nobody is told.
    save(&mut root, "");
    save(&mut root, "alice@example.net");
    assert_eq!(world.sql("SELECT count(*) FROM outbox").trim(), "1");
}
