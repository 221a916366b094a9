//! `POST /accounts/email/verify` and `…/resend`, and the page `/account/verify`.

use countersign_e2e::{Browser, Mailbox, Response, TestServer};
use serde_json::{Value, json};

const PASSPHRASE: &str = "tin kettle 14";
const IS_CHANGING: &str = "The e-mail address of your account is changing";

fn world(verification: &str) -> (TestServer, Mailbox) {
    let mailbox = Mailbox::new();
    let world = TestServer::builder()
        .set("mail_url", &mailbox.url())
        .set("registration", "open")
        .set("email_verification", verification)
        .start();
    (world, mailbox)
}

fn registered(world: &TestServer, name: &str, email: &str) -> Browser {
    let mut browser = world.browser();
    let body = json!({"username": name, "email": email, "password": PASSPHRASE});
    let request = browser.request("POST", "/accounts/register").json(&body);
    let answer = browser.send(&request);
    assert!(matches!(answer.status, 201 | 202), "{answer:?}");
    browser
}

fn verify(world: &TestServer, body: &Value) -> Response {
    world.request("POST", "/accounts/email/verify").json(body).send()
}

#[test]
fn who_registered_with_somebody_elses_address_has_nothing_when_they_confirm_it() {
    for verification in ["optional", "required"] {
        let (world, mailbox) = world(verification);
        let thief = registered(&world, "alice", "alice@example.com");
        let token = mailbox.wait_for("alice@example.com", 1).token();
        // The owner of the mailbox confirms, in another browser.
        verify(&world, &json!({"token": token})).expect(204);
        world.browser().login_with("alice", PASSPHRASE).expect_problem(401, "invalid_credentials");
        if verification == "optional" {
            thief.get("/accounts/profile").expect_problem(401, "session_revoked");
        }
    }
}

#[test]
fn who_waited_has_no_factor_and_no_way_back_either() {
    let mailbox = Mailbox::new();
    let world = TestServer::builder()
        .set("mail_url", &mailbox.url())
        .set("registration", "open")
        .virtual_time()
        .start();
    let mut thief = registered(&world, "alice", "alice@example.com");
    let token = mailbox.wait_for("alice@example.com", 1).token();
    world.enrol(&mut thief);
    // An address of their own, and none again: the row is as it was when the link was made.
    let body = json!({"email": "thief@example.net", "password": PASSPHRASE});
    let request = thief.request("POST", "/accounts/email/change").json(&body);
    thief.send(&request).expect(202);
    let body = json!({"token": mailbox.wait_for("thief@example.net", 1).token()});
    let request = thief.bare("POST", "/accounts/email/change/confirm").json(&body);
    thief.send(&request).expect(204);
    let request = thief.request("PATCH", "/accounts/profile").json(&json!({"email": ""}));
    thief.send(&request).expect(200);
    let undo = mailbox.wait_with("thief@example.net", IS_CHANGING).token();
    verify(&world, &json!({"token": token})).expect(204);
    let undo = json!({"token": undo});
    let undone = world.request("POST", "/accounts/undo").json(&undo).send();
    undone.expect_problem(400, "link_invalid");
    let body = json!({"email": "alice@example.com"});
    world.request("POST", "/accounts/password/reset").json(&body).send().expect(202);
    let token = mailbox.wait_with("alice@example.com", "Choose a new password").token();
    let body = json!({"token": token, "new_password": "copper lantern 27"});
    world.request("POST", "/accounts/password/reset/confirm").json(&body).send().expect(204);
    // Nobody is asked for a factor.
    let owner = world.browser().login_with("alice", "copper lantern 27").expect(200).json();
    assert_eq!(owner["user"]["email"], "alice@example.com");
}

#[test]
fn guesses_at_the_password_of_a_registration_are_counted() {
    let (world, mailbox) = world("required");
    registered(&world, "alice", "alice@example.com");
    let token = mailbox.wait_for("alice@example.com", 1).token();
    let guess = || verify(&world, &json!({"token": token, "password": "another passphrase"}));
    for _ in 0..5 {
        guess().expect_problem(400, "validation_error");
    }
    guess().expect_problem(429, "throttled");
}

#[test]
fn who_knows_the_password_of_the_registration_keeps_it_in_another_browser_too() {
    let (world, mailbox) = world("required");
    registered(&world, "alice", "alice@example.com");
    let code = mailbox.wait_for("alice@example.com", 1).code();
    let body = json!({"email": "alice@example.com", "code": code, "password": PASSPHRASE});
    verify(&world, &body).expect(204);
    world.browser().login_with("alice", PASSPHRASE).expect(200);
}

#[test]
fn a_wrong_password_of_the_registration_changes_nothing_and_the_link_works_on() {
    let (world, mailbox) = world("required");
    registered(&world, "alice", "alice@example.com");
    let token = mailbox.wait_for("alice@example.com", 1).token();
    let wrong = json!({"token": token, "password": "another passphrase"});
    let refused = verify(&world, &wrong).expect_problem(400, "validation_error").json();
    assert!(refused["errors"]["password"].is_array());
    let kind = "application/x-www-form-urlencoded";
    let body = format!("token={token}&password=wrong");
    let page = world.request("POST", "/account/verify").body(kind, body).send().expect(400);
    assert!(page.text().contains("This is not the password"));
    verify(&world, &json!({"token": token, "password": PASSPHRASE})).expect(204);
    world.browser().login_with("alice", PASSPHRASE).expect(200);
}

#[test]
fn the_mail_is_sent_again_to_who_waits_for_it_and_the_answer_tells_nobody() {
    let (world, mailbox) = world("required");
    world.user("bob");
    registered(&world, "alice", "alice@example.com");
    let first = mailbox.wait_for("alice@example.com", 1).token();
    let answers = ["alice@example.com", "bob@example.com", "nobody@example.com"].map(|email| {
        let body = json!({"email": email});
        let path = "/accounts/email/verify/resend";
        let answer = world.request("POST", path).json(&body).send().expect(202);
        (answer.headers_but(&["date", "x-request-id"]), answer.text())
    });
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    let second = mailbox.wait_for("alice@example.com", 2).token();
    let states = world.sql("SELECT state = 'void', count(*) FROM outbox GROUP BY 1 ORDER BY 1");
    assert_eq!(states.trim(), "0|2\n1|2", "neither bob nor nobody gets one");
    verify(&world, &json!({"token": first})).expect_problem(400, "link_invalid");
    verify(&world, &json!({"token": second, "password": PASSPHRASE})).expect(204);
}

#[test]
fn the_browser_that_registered_is_known_by_a_mail_that_was_sent_again() {
    for verification in ["optional", "required"] {
        let (world, mailbox) = world(verification);
        let mut browser = registered(&world, "alice", "Alice@example.com");
        mailbox.wait_for("Alice@example.com", 1);
        let asked = world
            .request("POST", "/accounts/email/verify/resend")
            .json(&json!({"email": "ALICE@example.com"}))
            .send();
        asked.expect(202);
        // To the address as it was registered, not as somebody typed it.
        let token = mailbox.wait_for("Alice@example.com", 2).token();
        let body = json!({"token": token});
        let request = browser.bare("POST", "/accounts/email/verify").json(&body);
        let proved = browser.send(&request);
        assert_eq!(proved.status, if verification == "optional" { 204 } else { 200 });
        let login = world.browser().login_with("alice", PASSPHRASE).expect(200).json();
        assert_eq!(login["user"]["email"], "Alice@example.com");
        assert_eq!(login["user"]["email_verified"], true);
    }
}

#[test]
fn who_registers_with_the_same_address_takes_no_code_away() {
    for (verification, mails) in [("optional", "5"), ("required", "5"), ("required", "1")] {
        let mailbox = Mailbox::new();
        let world = TestServer::builder()
            .set("mail_url", &mailbox.url())
            .set("registration", "open")
            .set("email_verification", verification)
            .set("mails_per_address", mails)
            .start();
        let mut browser = registered(&world, "alice", "alice@example.com");
        let code = mailbox.wait_for("alice@example.com", 1).code();
        registered(&world, "mallory", "alice@example.com");
        if mails == "5" {
            mailbox.wait_for("alice@example.com", 2);
        }
        let body = json!({"email": "alice@example.com", "code": code});
        let request = browser.bare("POST", "/accounts/email/verify").json(&body);
        let proved = browser.send(&request);
        assert_eq!(proved.status, if verification == "optional" { 204 } else { 200 });
        let login = world.browser().login_with("alice", PASSPHRASE).expect(200).json();
        assert_eq!(login["user"]["email"], "alice@example.com");
    }
}

#[test]
fn a_wrong_code_counts_for_all_who_claim_the_address() {
    let (world, mailbox) = world("required");
    registered(&world, "alice", "alice@example.com");
    let first = mailbox.wait_for("alice@example.com", 1).code();
    registered(&world, "bob", "alice@example.com");
    let second = mailbox.wait_for("alice@example.com", 2).code();
    let with = |code: &str| {
        let body = json!({"email": "alice@example.com", "code": code, "password": PASSPHRASE});
        verify(&world, &body)
    };
    let wrong = ["0000 0000", "0000 0001", "0000 0002"];
    let wrong = wrong.into_iter().find(|code| *code != first && *code != second);
    for _ in 0..5 {
        with(wrong.unwrap()).expect_problem(400, "link_invalid");
    }
    for code in [&first, &second] {
        with(code).expect_problem(400, "link_invalid");
    }
}

#[test]
fn a_mail_that_is_asked_for_again_is_for_the_claim_of_this_browser() {
    for verification in ["optional", "required"] {
        let (world, mailbox) = world(verification);
        let mut browser = registered(&world, "alice", "alice@example.com");
        mailbox.wait_for("alice@example.com", 1);
        registered(&world, "mallory", "alice@example.com");
        mailbox.wait_for("alice@example.com", 2);
        let again = json!({"email": "alice@example.com"});
        let request = browser.bare("POST", "/accounts/email/verify/resend").json(&again);
        browser.send(&request).expect(202);
        let token = mailbox.wait_for("alice@example.com", 3).token();
        let request = browser.bare("POST", "/accounts/email/verify").json(&json!({"token": token}));
        let proved = browser.send(&request);
        assert_eq!(proved.status, if verification == "optional" { 204 } else { 200 });
        let addresses = world.sql("SELECT username, email FROM users ORDER BY username");
        assert_eq!(addresses.trim(), "alice|alice@example.com\nmallory|");
    }
}

#[test]
fn who_registered_while_an_address_was_flooded_asks_for_the_mail_later() {
    let mailbox = Mailbox::new();
    let world = TestServer::builder()
        .set("mail_url", &mailbox.url())
        .set("registration", "open")
        .set("email_verification", "required")
        .set("mails_per_address", "1")
        .virtual_time()
        .start();
    registered(&world, "mallory", "alice@example.com");
    mailbox.wait_for("alice@example.com", 1);
    let mut browser = registered(&world, "alice", "alice@example.com");
    let again = json!({"email": "alice@example.com"});
    let request = browser.bare("POST", "/accounts/email/verify/resend").json(&again);
    browser.send(&request).expect(202);
    world.all_mails_are_sent();
    assert_eq!(mailbox.to("alice@example.com").len(), 1, "one an hour");
    world.clock().advance(std::time::Duration::from_secs(3_601));
    browser.send(&request).expect(202);
    let code = mailbox.wait_for("alice@example.com", 2).code();
    let body = json!({"email": "alice@example.com", "code": code});
    let request = browser.bare("POST", "/accounts/email/verify").json(&body);
    browser.send(&request).expect(200);
    let login = world.browser().login_with("alice", PASSPHRASE).expect(200).json();
    assert_eq!(login["user"]["email"], "alice@example.com");
}

#[test]
fn what_strangers_guess_does_not_keep_the_owner_from_proving_it_in_an_app() {
    let (world, mailbox) = world("optional");
    let body = json!({"username": "alice", "email": "alice@example.com", "password": PASSPHRASE,
        "transport": "body"});
    let app = world.request("POST", "/accounts/register").json(&body).send().expect(201).json();
    let token = mailbox.wait_for("alice@example.com", 1).token();
    for _ in 0..8 {
        world.browser().login_with("alice", "wrong");
    }
    let with = |device: &Value| {
        let body = json!({"token": token, "password": PASSPHRASE, "device_token": device});
        verify(&world, &body)
    };
    with(&json!("a forgery")).expect_problem(429, "throttled");
    with(&app["device_token"]).expect(204);
}

#[test]
fn a_mail_that_is_sent_again_brings_nothing_back_that_a_new_password_has_ended() {
    let (world, mailbox) = world("optional");
    let mut browser = registered(&world, "alice", "alice@example.com");
    mailbox.wait_for("alice@example.com", 1);
    let change = json!({"old_password": PASSPHRASE, "new_password": "an entirely new passphrase"});
    let request = browser.request("POST", "/accounts/password").json(&change);
    browser.send(&request).expect(204);
    let again = json!({"email": "alice@example.com"});
    let path = "/accounts/email/verify/resend";
    world.request("POST", path).json(&again).send().expect(202);
    let states = world.sql("SELECT state = 'void' FROM outbox ORDER BY created_at");
    assert_eq!(states.trim(), "0\n1");
}

#[test]
fn an_address_that_is_only_alike_gets_no_mail_of_another() {
    let (world, mailbox) = world("required");
    registered(&world, "alice", "stra\u{df}e@example.com");
    let again = json!({"email": "strasse@example.com"});
    let path = "/accounts/email/verify/resend";
    world.request("POST", path).json(&again).send().expect(202);
    mailbox.wait_for("stra\u{df}e@example.com", 2);
    assert_eq!(world.sql("SELECT count(*) FROM outbox").trim(), "2", "both were to the one");
}

#[test]
fn a_token_that_proves_an_address_sets_no_password() {
    let (world, mailbox) = world("optional");
    registered(&world, "alice", "alice@example.com");
    let token = mailbox.wait_for("alice@example.com", 1).token();
    let body = json!({"token": token, "new_password": "an entirely new passphrase"});
    world
        .request("POST", "/accounts/password/reset/confirm")
        .json(&body)
        .send()
        .expect_problem(400, "link_invalid");
    verify(&world, &json!({"token": token, "password": PASSPHRASE})).expect(204);
}

#[test]
fn what_is_no_token_is_refused_with_a_sentence() {
    let (world, _mailbox) = world("optional");
    for token in ["", "nonsense", "AAAAAAAAAAc.AAAAAAAAAAAAAAAAAAAAAA", "é.é"] {
        verify(&world, &json!({"token": token})).expect_problem(400, "link_invalid");
    }
    let nothing = verify(&world, &json!({})).expect_problem(400, "validation_error").json();
    assert!(nothing["errors"]["token"].is_array());
    let half = json!({"email": "alice@example.com"});
    let half = verify(&world, &half).expect_problem(400, "validation_error").json();
    assert!(half["errors"]["code"].is_array());
}

#[test]
fn the_page_of_the_link_proves_the_address_when_its_form_is_sent() {
    let (world, mailbox) = world("required");
    registered(&world, "alice", "alice@example.com");
    let token = mailbox.wait_for("alice@example.com", 1).token();
    for _ in 0..3 {
        world.get(&format!("/account/verify?token={token}")).expect(200);
    }
    let kind = "application/x-www-form-urlencoded";
    let body = format!("token={token}&password={}", PASSPHRASE.replace(' ', "+"));
    let done = world.request("POST", "/account/verify").body(kind, body).send().expect(200);
    assert!(done.text().contains("Your address is confirmed"));
    world.browser().login_with("alice", PASSPHRASE).expect(200);
}

#[test]
fn the_page_knows_the_browser_that_registered() {
    const KIND: &str = "application/x-www-form-urlencoded";
    const ASKS: &str = "The password of your registration";
    for verification in ["optional", "required"] {
        let (world, mailbox) = world(verification);
        let mut browser = registered(&world, "alice", "alice@example.com");
        // A browser that registered as somebody else is another one.
        let other = registered(&world, "bob", "bob@example.com");
        let token = mailbox.wait_for("alice@example.com", 1).token();
        let page = format!("/account/verify?token={token}");
        assert!(!browser.bare("GET", &page).send().expect(200).text().contains(ASKS));
        assert!(other.bare("GET", &page).send().expect(200).text().contains(ASKS));
        assert!(world.get(&page).expect(200).text().contains(ASKS));
        let form = browser.bare("POST", "/account/verify").body(KIND, format!("token={token}"));
        let done = browser.send(&form).expect(200).text();
        assert!(done.contains("Your address is confirmed"), "{done}");
        assert!(done.contains("You may go on in the app.") && !done.contains("Log in"), "{done}");
        // The session of the registration goes on, or the one begins that waited for this.
        browser.csrf_token = browser.cookies["csrftoken"].clone();
        browser.refresh().expect(200);
        let user = browser.get("/accounts/profile").expect(200).json()["user"].clone();
        assert_eq!(user["email"], "alice@example.com", "{verification}");
        world.browser().login_with("alice", PASSPHRASE).expect(200);
        // A used link, in either browser, says so.
        let again = browser.bare("POST", "/account/verify").body(KIND, format!("token={token}"));
        assert!(again.send().expect(400).text().contains("This link does not work"));
        browser.bare("GET", &page).send().expect(200);
    }
}

#[test]
fn the_page_asks_another_browser_and_without_the_password_it_is_chosen_anew() {
    let (world, mailbox) = world("optional");
    let thief = registered(&world, "alice", "alice@example.com");
    // The owner has a cookie of the same name, of a registration of their own.
    let owner = registered(&world, "bob", "bob@example.com");
    let token = mailbox.wait_for("alice@example.com", 1).token();
    let kind = "application/x-www-form-urlencoded";
    let form = owner.bare("POST", "/account/verify").body(kind, format!("token={token}"));
    let done = form.send().expect(200);
    assert!(done.text().contains("Choose a new password"));
    assert_eq!(done.all("set-cookie").count(), 0);
    thief.get("/accounts/profile").expect_problem(401, "session_revoked");
    world.browser().login_with("alice", PASSPHRASE).expect_problem(401, "invalid_credentials");
}

#[test]
fn a_proof_that_begins_a_session_ends_the_one_that_the_browser_had() {
    let (world, mailbox) = world("required");
    world.user("bob");
    let mut browser = registered(&world, "alice", "alice@example.com");
    let token = mailbox.wait_for("alice@example.com", 1).token();
    browser.login("bob").expect(200);
    let mut late = browser.clone();
    let request = browser.request("POST", "/accounts/email/verify").json(&json!({"token": token}));
    assert_eq!(browser.send(&request).expect(200).json()["user"]["username"], "alice");
    assert_eq!(late.refresh().expect_problem(401, "session_revoked").json()["reason"], "replaced");
    browser.refresh().expect(200);
}

#[test]
fn an_address_that_is_written_anew_is_not_proved() {
    let world = TestServer::start();
    world.user("alice");
    let browser = world.logged_in("alice");
    let user = |answer: Response| answer.expect(200).json()["user"].clone();
    assert_eq!(user(browser.get("/accounts/profile"))["email_verified"], true);
    let change = browser.request("PATCH", "/accounts/profile");
    let changed = user(change.json(&json!({"email": "other@example.com"})).send());
    assert_eq!(changed["email_verified"], false);
}

#[test]
fn of_fifty_confirmations_of_one_link_at_once_one_is_in() {
    let (world, mailbox) = world("required");
    let browser = registered(&world, "alice", "alice@example.com");
    let body = json!({"token": mailbox.wait_for("alice@example.com", 1).token()});
    let done: usize = std::thread::scope(|scope| {
        let tries: Vec<_> = (0..50)
            .map(|_| {
                let (mut tab, body) = (browser.clone(), &body);
                scope.spawn(move || {
                    let request = tab.bare("POST", "/accounts/email/verify").json(body);
                    usize::from(tab.send(&request).status == 200)
                })
            })
            .collect();
        tries.into_iter().map(|tried| tried.join().unwrap()).sum()
    });
    assert_eq!((done, world.sql("SELECT count(*) FROM sessions").trim()), (1, "1"));
}

#[test]
fn a_new_password_for_an_address_that_nobody_proved_begins_no_session() {
    let (world, mailbox) = world("required");
    // Somebody else's address stands in a row, as operators and imports write it, and its owner
    // asks for a new password.
    let mut eve = registered(&world, "eve", "eve@example.com");
    world.sql("UPDATE users SET email = 'victim@example.com' WHERE username = 'eve'");
    let asked = json!({"email": "victim@example.com"});
    world.request("POST", "/accounts/password/reset").json(&asked).send().expect(202);
    let mail = mailbox.wait_with("victim@example.com", "Choose a new password");
    let body = json!({"token": mail.token(), "new_password": "an entirely new passphrase"});
    // Even in the browser that registered.
    let request = eve.bare("POST", "/accounts/password/reset/confirm").json(&body);
    let done = eve.send(&request).expect(204);
    assert_eq!((done.all("set-cookie").count(), done.text().as_str()), (0, ""));
    assert_eq!(world.sql("SELECT count(*) FROM sessions").trim(), "0");
    eve.login_with("eve", PASSPHRASE).expect_problem(401, "invalid_credentials");
    let proved = world.browser().login_with("victim@example.com", "an entirely new passphrase");
    assert_eq!(proved.expect(200).json()["user"]["email_verified"], true);
}

#[test]
fn a_login_that_renews_the_hash_ends_no_link_that_was_mailed_before() {
    let mailbox = Mailbox::new();
    let world = TestServer::builder().set("mail_url", &mailbox.url()).start();
    world.user("alice");
    world.sql(
        "UPDATE users SET email_verified = 0,
             password = 'pbkdf2_sha256$1000$salt$nNr3AKmYFOXvzxzP+2VlPwJFPcGKllppLaQIvsodtc4='",
    );
    world.cli(&["user", "resend", "alice"]).ok();
    let token = mailbox.wait_for("alice@example.com", 1).token();
    let alice = world.logged_in("alice");
    assert!(world.sql("SELECT password FROM users").starts_with("argon2$"));
    let body = json!({"token": token});
    alice.request("POST", "/accounts/email/verify").json(&body).send().expect(204);
    assert_eq!(world.sql("SELECT email_verified FROM users").trim(), "1");
}
