//! `POST /accounts/login/passkey/begin` and `…/finish`.

use std::time::Duration;

use countersign_e2e::{Browser, Mailbox, PASSWORD, SoftKey, TestServer, claims_of, eventually};
use serde_json::{Value, json};

/// Bends what a device says.
type Bend = fn(&mut SoftKey);
/// What the user whose browser this is does meanwhile, with the factor of this id.
type Act = fn(&TestServer, &mut Browser, &str);

fn world() -> TestServer {
    TestServer::builder().virtual_time().start()
}

/// A world in which Alice has a passkey.
fn with_passkey() -> (TestServer, SoftKey) {
    let world = world();
    world.user("alice");
    let (key, _) = world.passkey(&mut world.logged_in("alice"));
    (world, key)
}

#[test]
fn a_client_may_ask_for_many_passkeys_and_not_for_any_number() {
    let world = TestServer::builder().virtual_time().set("asks_per_address", "1").start();
    let browser = world.browser();
    for _ in 0..60 {
        browser.passkey_options();
    }
    let begin = || world.request("POST", "/accounts/login/passkey/begin").send();
    begin().expect_problem(429, "throttled");
    // Who has no account writes nothing.
    assert_eq!(world.sql("SELECT count(*) FROM passkey_challenges").trim(), "0");
    world.clock().advance(Duration::from_secs(60));
    begin().expect(200);
}

#[test]
fn a_passkey_logs_in_without_a_name_and_without_another_factor() {
    let (world, mut key) = with_passkey();
    let mut browser = world.browser();
    let options = browser.passkey_options();
    assert_eq!(options["rpId"], "localhost");
    assert_eq!(options["userVerification"], "required");
    assert_eq!(options["allowCredentials"], json!([]));
    let login = browser.finish_passkey(&key.sign(&options)).expect(200);
    assert_eq!(login.json()["user"]["username"], "alice");
    assert_eq!(claims_of(&browser.access_token)["amr"], json!(["hwk", "mfa"]));
    browser.get("/accounts/profile").expect(200);
    browser.refresh().expect(200);
    assert_eq!(claims_of(&browser.access_token)["amr"], json!(["hwk", "mfa"]));
    let factor = &browser.get("/accounts/factors").json()["factors"][0];
    assert!(factor["last_used_at"].is_string());
}

#[test]
fn a_synchronised_passkey_says_so_and_need_not_count() {
    let world = world();
    world.user("alice");
    let mut browser = world.logged_in("alice");
    let mut key = SoftKey::new(&world);
    (key.is_synchronised, key.count) = (true, None);
    let made = browser.register(&mut key, "in the cloud").expect(200).json();
    assert_eq!(made["factor"]["is_backed_up"], true);
    for _ in 0..2 {
        let mut browser = world.browser();
        browser.login_with_passkey(&mut key).expect(200);
        assert_eq!(claims_of(&browser.access_token)["amr"], json!(["swk", "mfa"]));
    }
}

#[test]
fn a_native_client_logs_in_with_its_tokens_in_the_body() {
    let (world, mut key) = with_passkey();
    let options = world.browser().passkey_options();
    let body = json!({"passkey": key.sign(&options), "transport": "body"});
    let finish = world.request("POST", "/accounts/login/passkey/finish").json(&body);
    let page = format!("http://localhost:{}", world.address().port());
    finish.clone().header("Origin", page).send().expect_problem(403, "csrf_failed");
    let login = finish.send().expect(200);
    assert!(login.json()["refresh_token"].is_string() && login.json()["device_token"].is_string());
}

#[test]
fn what_was_signed_is_good_once_and_for_five_minutes() {
    let (world, mut key) = with_passkey();
    let mut browser = world.browser();
    let signed = key.sign(&browser.passkey_options());
    browser.finish_passkey(&signed).expect(200);
    world.browser().finish_passkey(&signed).expect_problem(401, "factor_invalid");
    let late = key.sign(&browser.passkey_options());
    world.clock().advance(Duration::from_secs(300));
    browser.finish_passkey(&late).expect_problem(401, "factor_invalid");
    browser.login_with_passkey(&mut key).expect(200);
}

#[test]
fn of_many_who_show_one_signature_at_once_one_is_let_in() {
    let (world, mut key) = with_passkey();
    let signed = key.sign(&world.browser().passkey_options());
    let tries: Vec<_> = (0..20)
        .map(|_| {
            let (mut browser, signed) = (world.browser(), signed.clone());
            std::thread::spawn(move || browser.finish_passkey(&signed).status)
        })
        .collect();
    let answers: Vec<u16> = tries.into_iter().map(|one| one.join().unwrap()).collect();
    assert_eq!(answers.iter().filter(|status| **status == 200).count(), 1, "{answers:?}");
    assert!(answers.iter().all(|status| [200, 401].contains(status)), "{answers:?}");
}

#[test]
fn a_signature_for_another_page_or_domain_without_a_finger_or_of_another_key_is_refused() {
    let (world, mut key) = with_passkey();
    let bent: [(&str, Bend); 4] = [
        ("another page", |key| key.origin = "https://evil.example".to_owned()),
        ("another port", |key| key.origin = "http://localhost:1".to_owned()),
        ("another domain", |key| key.rp_id = Some("evil.example".to_owned())),
        ("without a finger", |key| key.verifies_user = false),
    ];
    let right = key.origin.clone();
    for (what, bend) in bent {
        bend(&mut key);
        let refused = world.browser().login_with_passkey(&mut key);
        assert_eq!((what, refused.problem_code().as_deref()), (what, Some("factor_invalid")));
        (key.origin, key.rp_id, key.verifies_user) = (right.clone(), None, true);
    }
    let options = world.browser().passkey_options();
    let signed = key.sign(&options);
    let forged = |at: &str, text: &str| {
        let mut forged = signed.clone();
        forged["response"][at] = json!(text);
        forged
    };
    for wrong in [
        forged("signature", "MEQCIAAA"),
        forged("userHandle", "AAAAAAAAAAAAAAAAAAAAAA"),
        forged("clientDataJSON", "e30"),
        SoftKey::new(&world).sign(&options),
        json!({"rawId": 7}),
        json!({}),
    ] {
        world.browser().finish_passkey(&wrong).expect_problem(401, "factor_invalid");
    }
    let mut nobodys = signed.clone();
    nobodys["response"].as_object_mut().unwrap().remove("userHandle");
    world.browser().finish_passkey(&nobodys).expect_problem(401, "factor_invalid");
    world.browser().finish_passkey(&signed).expect(200);
}

#[test]
fn a_count_that_goes_back_is_refused_and_told() {
    let mailbox = Mailbox::new();
    let world = TestServer::builder().virtual_time().set("mail_url", &mailbox.url()).start();
    world.user("alice");
    let (mut key, _) = world.passkey(&mut world.logged_in("alice"));
    key.count = Some(7);
    world.browser().login_with_passkey(&mut key).expect(200);
    key.count = Some(3);
    world.browser().login_with_passkey(&mut key).expect_problem(401, "factor_invalid");
    let mail = mailbox.wait_with("alice@example.com", "Somebody may have a copy of your passkey");
    assert!(mail.whole.contains("the passkey \"a key\""), "{}", mail.whole);
    eventually("it is in the audit log", || {
        let lines = "SELECT kind, user_id FROM audit_events WHERE kind = 'passkey_copied'";
        world.sql(lines).trim() == "passkey_copied|1"
    });
    // The right one goes on.
    key.count = Some(8);
    world.browser().login_with_passkey(&mut key).expect(200);
}

#[test]
fn what_was_signed_twice_is_told_to_nobody() {
    let mailbox = Mailbox::new();
    let world = TestServer::builder().virtual_time().set("mail_url", &mailbox.url()).start();
    world.user("alice");
    let mut alice = world.logged_in("alice");
    let (mut key, _) = world.passkey(&mut alice);
    key.count = Some(7);
    let signed = key.sign(&world.browser().passkey_options());
    world.browser().finish_passkey(&signed).expect(200);
    world.browser().finish_passkey(&signed).expect_problem(401, "factor_invalid");
    let signed = json!({"passkey": key.sign(&alice.passkey_options())});
    let request = alice.request("POST", "/accounts/step-up").json(&signed);
    alice.send(&request).expect(200);
    alice.send(&request).expect_problem(400, "validation_error");
    // A copy comes with a challenge of its own, and is the one that is told.
    key.count = Some(3);
    world.browser().login_with_passkey(&mut key).expect_problem(401, "factor_invalid");
    let copied = "Somebody may have a copy of your passkey";
    mailbox.wait_with("alice@example.com", copied);
    eventually("it is in the audit log", || {
        let lines = "SELECT count(*) FROM audit_events WHERE kind = 'passkey_copied'";
        world.sql(lines).trim() == "1"
    });
    let mails = mailbox.to("alice@example.com");
    assert_eq!(mails.iter().filter(|mail| mail.subject() == copied).count(), 1);
}

#[test]
fn two_passkeys_log_in_until_one_is_removed() {
    let (world, mut first) = with_passkey();
    let mut browser = world.browser();
    browser.login_with_passkey(&mut first).expect(200);
    let (mut second, made) = world.passkey(&mut browser);
    world.browser().login_with_passkey(&mut second).expect(200);
    let under_way = second.sign(&world.browser().passkey_options());
    let path = format!("/accounts/factors/{}", made["factor"]["id"].as_str().unwrap());
    browser.request("DELETE", &path).send().expect(204);
    world.browser().finish_passkey(&under_way).expect_problem(401, "factor_invalid");
    world.browser().login_with_passkey(&mut second).expect_problem(401, "factor_invalid");
    world.browser().login_with_passkey(&mut first).expect(200);
}

#[test]
fn a_user_who_is_not_active_is_not_let_in_by_a_passkey() {
    let (world, mut key) = with_passkey();
    let under_way = key.sign(&world.browser().passkey_options());
    world.cli(&["user", "deactivate", "alice"]).ok();
    world.browser().finish_passkey(&under_way).expect_problem(401, "factor_invalid");
    world.cli(&["user", "activate", "alice"]).ok();
    world.browser().finish_passkey(&under_way).expect(200);
}

#[test]
fn who_asked_to_be_deleted_is_asked_first() {
    let (world, mut key) = with_passkey();
    let mut browser = world.browser();
    browser.login_with_passkey(&mut key).expect(200);
    let body = json!({"password": PASSWORD});
    browser.request("DELETE", "/accounts/profile").json(&body).send();
    let options = world.browser().passkey_options();
    let signed = key.sign(&options);
    let mut back = world.browser();
    back.finish_passkey(&signed).expect_problem(403, "deletion_planned");
    let request = back.bare("POST", "/accounts/login/passkey/finish");
    let body = json!({"passkey": signed, "restore": true});
    back.send(&request.json(&body)).expect(200);
}

#[test]
fn a_page_of_a_foreign_origin_logs_nobody_in() {
    let (world, mut key) = with_passkey();
    let signed = key.sign(&world.browser().passkey_options());
    for (path, body) in [("begin", json!({})), ("finish", json!({"passkey": signed}))] {
        world
            .request("POST", &format!("/accounts/login/passkey/{path}"))
            .header("Origin", "https://evil.example")
            .json(&body)
            .send()
            .expect_problem(403, "csrf_failed");
    }
}

#[test]
fn front_ends_below_the_domain_and_related_sites_may_use_the_passkeys() {
    let world = TestServer::builder()
        .virtual_time()
        .set("public_url", "https://id.example.com")
        .set("passkey_rp_id", "example.com")
        .set("allow_origins", "https://app.example.com,https://other.example")
        .set("passkey_origins", "https://shop.example,android:apk-key-hash:AAAA")
        .start();
    let listed = world.get("/.well-known/webauthn").expect(200);
    assert_eq!(listed.header("content-type"), Some("application/json"));
    assert_eq!(listed.json(), json!({"origins": ["https://shop.example"]}));
    world.user("alice");
    let mut phone = world.native();
    phone.login("alice").expect(200);
    let mut key = SoftKey::new(&world);
    let register = |key: &mut SoftKey| {
        let begun = phone.request("POST", "/accounts/passkeys/register/begin").send().expect(200);
        let options = begun.json()["options"].clone();
        assert_eq!(options["rp"]["id"], "example.com");
        let body = json!({"passkey": key.make(&options)});
        phone.request("POST", "/accounts/passkeys/register/finish").json(&body).send()
    };
    key.origin = "https://id.example.com".to_owned();
    register(&mut key).expect(200);
    let mut login = |origin: &str| {
        key.origin = origin.to_owned();
        let begun = world.request("POST", "/accounts/login/passkey/begin").send().expect(200);
        let passkey = key.sign(&begun.json()["options"]);
        let body = json!({"passkey": passkey, "transport": "body"});
        world.request("POST", "/accounts/login/passkey/finish").json(&body).send()
    };
    for origin in [
        "https://id.example.com",
        "https://app.example.com",
        "https://shop.example",
        "android:apk-key-hash:AAAA",
    ] {
        login(origin).expect(200);
    }
    for origin in ["https://other.example", "https://evil.example.com", "android:apk-key-hash:B"] {
        login(origin).expect_problem(401, "factor_invalid");
    }
}

#[test]
fn a_domain_that_is_not_above_the_public_url_is_refused() {
    let mut world = TestServer::builder()
        .set("public_url", "https://id.example.com")
        .set("passkey_rp_id", "ample.com")
        .asleep();
    let log = world.try_wake(&[]).unwrap_err();
    assert!(log.contains("passkey_rp_id"), "{log}");
}

#[test]
fn a_password_that_waits_for_a_passkey_is_over_with_whatever_changes_the_account() {
    let acts: [(&str, Act); 3] = [
        ("another factor", |world, alice, _| {
            world.passkey(alice);
        }),
        ("the passkey removed", |_, alice, id| {
            alice.request("DELETE", &format!("/accounts/factors/{id}")).send().expect(204);
        }),
        ("another password", |_, alice, _| {
            let body = json!({"old_password": PASSWORD, "new_password": "tin kettle 14"});
            alice.request("POST", "/accounts/password").json(&body).send().expect(204);
        }),
    ];
    for (what, act) in acts {
        let world = world();
        world.user("alice");
        let mut alice = world.logged_in("alice");
        let (mut key, made) = world.passkey(&mut alice);
        let mut other = world.browser();
        let token = other.first_step("alice");
        let factor = json!({"passkey": key.sign(&other.passkey_options())});
        act(&world, &mut alice, made["factor"]["id"].as_str().unwrap());
        let answer = other.second_step(&token, &factor);
        assert_eq!((what, answer.problem_code().as_deref()), (what, Some("pending_token_invalid")));
    }
}

#[test]
fn five_wrong_passkeys_end_a_login_that_waits() {
    let (world, mut key) = with_passkey();
    let mut browser = world.browser();
    let token = browser.first_step("alice");
    let wrong = json!({"passkey": SoftKey::new(&world).sign(&browser.passkey_options())});
    for _ in 0..5 {
        let answer = browser.second_step(&token, &wrong);
        assert!(
            [Some("factor_invalid"), Some("throttled")].contains(&answer.problem_code().as_deref())
        );
    }
    let right = json!({"passkey": key.sign(&browser.passkey_options())});
    let answer = browser.second_step(&token, &right).problem_code();
    assert!([Some("pending_token_invalid"), Some("throttled")].contains(&answer.as_deref()));
    // At the first step nothing of that counts: it is no guess.
    world.browser().login_with_passkey(&mut key).expect(200);
}

#[test]
fn who_goes_on_from_a_password_is_asked_for_their_own_passkeys() {
    let (world, mut key) = with_passkey();
    let mut browser = world.browser();
    let asked = browser.login("alice").expect_problem(401, "second_factor_required");
    assert_eq!(asked.json()["factors"], json!(["passkey", "recovery_code"]));
    let token = asked.text_at("pending_token");
    let begin = |browser: &Browser, token: &str| {
        let request = browser.bare("POST", "/accounts/login/passkey/begin");
        request.json(&json!({"pending_token": token})).send()
    };
    let options: Value = begin(&browser, &token).expect(200).json()["options"].clone();
    let allowed = options["allowCredentials"].as_array().unwrap();
    assert_eq!(allowed.len(), 1);
    begin(&world.browser(), &token).expect_problem(401, "pending_token_invalid");
    begin(&browser, "a.b.c").expect_problem(401, "pending_token_invalid");
    let factor = json!({"passkey": key.sign(&options)});
    browser.second_step(&token, &factor).expect(200);
    assert_eq!(claims_of(&browser.access_token)["amr"], json!(["pwd", "hwk", "mfa"]));
}
