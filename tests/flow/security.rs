//! `/account/security`, as a browser without scripts has it.

use std::time::Duration;

use countersign_e2e::{
    Authenticator, Browser, PASSWORD, Response, SoftKey, TestServer, Wire, input,
};
use serde_json::{Value, json};

const AT: &str = "/account/security";

fn world() -> TestServer {
    TestServer::builder().virtual_time().start()
}

/// Sends a form, and follows where it leads.
fn send(browser: &mut Browser, fields: &[(&str, &str)]) -> Response {
    let answer = post(browser, fields);
    match answer.header("location") {
        Some(to) => {
            let request = browser.bare("GET", to);
            browser.send(&request)
        }
        None => answer,
    }
}

fn post(browser: &mut Browser, fields: &[(&str, &str)]) -> Response {
    let encode = |text: &str| {
        let plain = |b: &u8| b.is_ascii_alphanumeric();
        let encoded = text
            .as_bytes()
            .iter()
            .map(|b| if plain(b) { char::from(*b).to_string() } else { format!("%{b:02X}") });
        encoded.collect::<String>()
    };
    let body: Vec<String> =
        fields.iter().map(|(name, value)| format!("{name}={}", encode(value))).collect();
    let kind = "application/x-www-form-urlencoded";
    let request = browser.bare("POST", AT).body(kind, body.join("&"));
    browser.send(&request)
}

fn log_in(world: &TestServer, name: &str) -> Browser {
    let mut browser = world.browser();
    let fields = [("do", "login"), ("name", name), ("password", PASSWORD)];
    says(&send(&mut browser, &fields), 200, "Second factors");
    browser
}

fn get(browser: &mut Browser) -> Response {
    let request = browser.bare("GET", AT);
    browser.send(&request)
}

#[track_caller]
fn says(page: &Response, status: u16, text: &str) {
    assert_eq!(page.status, status, "{}", page.text());
    assert!(page.text().contains(text), "no {text:?} in {}", page.text());
}

#[test]
fn who_logs_in_here_has_a_cookie_that_no_script_and_no_other_page_gets() {
    let world = world();
    world.user("alice");
    let mut browser = world.browser();
    says(&get(&mut browser), 200, "Log in to your account");
    let wrong = [("do", "login"), ("name", "alice"), ("password", "wrong")];
    says(&send(&mut browser, &wrong), 401, "No active user");
    let right = [("do", "login"), ("name", "alice"), ("password", PASSWORD)];
    let answer = post(&mut browser, &right);
    let cookie = answer.set_cookie("accountsession").unwrap().to_owned();
    for rule in ["HttpOnly", "SameSite=Strict", "Path=/account/security"] {
        assert!(cookie.contains(rule), "{cookie}");
    }
    let page = get(&mut browser);
    says(&page, 200, "alice@example.com");
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'none'"), "{policy}");
    assert!(policy.contains("script-src 'sha256-") && !policy.contains("unsafe"), "{policy}");
    assert_eq!(page.header("cache-control"), Some("no-store"));
    assert_eq!(page.text().matches("<script").count(), 1);
    says(&send(&mut browser, &[("do", "logout")]), 200, "Log in to your account");
    assert!(!browser.cookies.contains_key("accountsession"));
    assert_eq!(world.sql("SELECT count(*) FROM sessions WHERE revoked_at IS NULL").trim(), "0");
}

#[test]
fn the_cookie_of_the_page_is_of_use_there_alone_and_while_somebody_is_at_it() {
    let world = world();
    world.user("alice");
    let mut browser = log_in(&world, "alice");
    let kept = browser.cookies["accountsession"].clone();
    world
        .request("POST", "/accounts/refresh")
        .json(&json!({"refresh_token": kept}))
        .send()
        .expect_problem(401, "refresh_token_invalid");
    world.clock().advance(Duration::from_secs(29 * 60));
    // A neighbour's cookie in another encoding is no reason to log anybody out.
    let line = [b"greeting=Ol\xe1; accountsession=", kept.as_bytes()].concat();
    let request = world.request("GET", AT).header("Cookie", line);
    says(&browser.send(&request), 200, "alice@example.com");
    world.clock().advance(Duration::from_secs(29 * 60));
    says(&get(&mut browser), 200, "alice@example.com");
    // The browser would have thrown it away by now. A copy is no better.
    let kept = browser.cookies["accountsession"].clone();
    world.clock().advance(Duration::from_secs(31 * 60));
    browser.cookies.insert("accountsession".to_owned(), kept);
    says(&get(&mut browser), 200, "Log in to your account");
}

#[test]
fn a_link_from_another_site_takes_no_session_of_the_page_away() {
    let world = world();
    world.user("alice");
    let mut browser = log_in(&world, "alice");
    // A browser sends no cookie with it that is `SameSite=Strict`, and takes in what is answered.
    let link = || world.request("GET", AT).header("Sec-Fetch-Site", "cross-site");
    let page = browser.send(&link());
    says(&page, 200, "Log in to your account");
    assert_eq!(page.set_cookie("accountsession"), None);
    says(&get(&mut browser), 200, "alice@example.com");
    // One that is not good any more goes.
    let junk = link().header("Cookie", "accountsession=junk").send();
    assert!(junk.set_cookie("accountsession").is_some_and(|cookie| cookie.contains("Max-Age=0")));
}

#[test]
fn a_theft_that_is_found_by_a_look_at_the_page_is_recorded_where_it_was_found() {
    let mut world = world();
    world.user("alice");
    let mut browser = log_in(&world, "alice");
    let copied = browser.cookies["accountsession"].clone();
    for _ in 0..3 {
        world.clock().advance(Duration::from_secs(301));
        says(&get(&mut browser), 200, "alice@example.com");
    }
    let cookie = format!("Cookie: accountsession={copied}");
    let look = [&format!("GET {AT} HTTP/1.1"), "Host: localhost", &cookie, "\r\n"].join("\r\n");
    let mut elsewhere = Wire::from_address([127, 0, 0, 2], world.address()).send(look);
    says(&elsewhere.answer(), 200, "Log in to your account");
    world.stop();
    let found = "SELECT ip FROM audit_events WHERE kind = 'token_theft'";
    assert_eq!(world.sql(found).trim(), "127.0.0.2");
    assert!(!world.log().contains("where clients come from is not known"), "{}", world.log());
}

#[test]
fn no_page_of_an_account_says_that_clients_come_from_nowhere() {
    for path in ["/account/restore", "/auth/account/restore", "/auth/account/security"] {
        let mut world = TestServer::builder().set("public_url", "http://example.org/auth").start();
        world.get(path).expect(200);
        world.stop();
        assert!(!world.log().contains("where clients come from is not known"), "{path}");
    }
}

#[test]
fn over_https_no_other_host_plants_the_cookie_of_the_page() {
    let world = TestServer::builder()
        .set("public_url", "https://id.example.com")
        .set("trusted_proxies", "127.0.0.1")
        .start();
    world.user("alice");
    let form = format!("do=login&name=alice&password={}", PASSWORD.replace(' ', "+"));
    let answer = world
        .request("POST", AT)
        .header("Origin", "https://id.example.com")
        .body("application/x-www-form-urlencoded", form)
        .send();
    let cookie = answer.set_cookie("__Host-accountsession").unwrap();
    for rule in ["; Path=/;", "; Secure", "; HttpOnly", "; SameSite=Strict"] {
        assert!(cookie.contains(rule), "{cookie}");
    }
    assert!(!cookie.contains("Domain"), "{cookie}");
}

#[test]
fn an_app_is_added_asked_for_named_and_removed() {
    let world = world();
    world.user("alice");
    let mut browser = log_in(&world, "alice");
    let offered = send(&mut browser, &[("do", "totp"), ("name", "My <phone>")]);
    says(&offered, 200, "<svg ");
    let secret = offered.text();
    let secret = secret.split("class=\"code\">").nth(1).unwrap().split('<').next().unwrap();
    let app = Authenticator::typed(secret);
    // A slip is no reason to begin anew.
    let slip = send(&mut browser, &[("do", "totp-confirm"), ("code", "000000")]);
    says(&slip, 400, "not the code");
    says(&slip, 400, "Write the code that your app shows now.");
    let code = app.code(world.clock().seconds());
    let codes = send(&mut browser, &[("do", "totp-confirm"), ("code", &code)]);
    says(&codes, 200, "Your recovery codes");
    assert_eq!(codes.text().matches("<li>").count(), 10);
    // They can be saved without a script.
    let page = codes.text();
    let listed: Vec<&str> =
        page.split("<li>").skip(1).filter_map(|item| item.split('<').next()).collect();
    let file = page.split("download=\"recovery-codes.txt\" href=\"").nth(1).unwrap();
    let file = file.split('"').next().unwrap();
    let text = file.strip_prefix("data:text/plain;charset=utf-8,").unwrap().replace("%0A", "\n");
    assert_eq!(text.lines().collect::<Vec<_>>(), listed);
    let page = get(&mut browser);
    says(&page, 200, "My &#60;phone&#62;");
    let id = input(&page.text(), "id").unwrap();
    says(&send(&mut browser, &[("do", "name"), ("id", &id), ("name", "Mine")]), 200, "Mine");
    world.next_code();

    let mut other = world.browser();
    let fields = [("do", "login"), ("name", "alice"), ("password", PASSWORD)];
    let asked = send(&mut other, &fields);
    says(&asked, 401, "Code of your app, or a recovery code");
    let (token, kinds) = (input(&asked.text(), "token").unwrap(), "totp recovery_code");
    let wrong = [("do", "factor"), ("token", &token), ("kinds", kinds), ("code", "00 00 00")];
    says(&send(&mut other, &wrong), 401, "not valid");
    let code = app.code(world.clock().seconds());
    let right = [("do", "factor"), ("token", &token), ("kinds", kinds), ("code", &code)];
    says(&send(&mut other, &right), 200, "Mine");
    says(&send(&mut other, &[("do", "remove"), ("id", &id)]), 200, "You have none");
}

#[test]
fn a_passkey_is_registered_and_logs_in_with_what_the_script_puts_into_the_form() {
    let world = world();
    world.user("alice");
    let mut browser = log_in(&world, "alice");
    let mut key = SoftKey::new(&world);
    let asked = post(&mut browser, &[("do", "options"), ("for", "create")]).expect(200);
    let made = key.make(&asked.json()["options"]).to_string();
    let fields = [("do", "register"), ("passkey", made.as_str()), ("name", "A key")];
    says(&send(&mut browser, &fields), 200, "Your recovery codes");
    says(&get(&mut browser), 200, "A key");

    let mut other = world.browser();
    let asked = post(&mut other, &[("do", "options"), ("for", "get")]).expect(200);
    let signed = key.sign(&asked.json()["options"]).to_string();
    let fields = [("do", "login-passkey"), ("passkey", signed.as_str())];
    says(&send(&mut other, &fields), 200, "Second factors");
    says(&send(&mut world.browser(), &fields), 401, "This passkey was not accepted");
    let nothing = [("do", "login-passkey"), ("passkey", "")];
    says(&send(&mut world.browser(), &nothing), 401, "This passkey was not accepted");
}

#[test]
fn what_is_dangerous_asks_first_whether_it_is_you() {
    let world = world();
    world.user("alice");
    let mut browser = log_in(&world, "alice");
    world.clock().advance(Duration::from_secs(901));
    says(&send(&mut browser, &[("do", "totp")]), 401, "Is it you?");
    let wrong = [("do", "step-up"), ("password", "wrong")];
    says(&send(&mut browser, &wrong), 400, "not your password");
    let right = [("do", "step-up"), ("password", PASSWORD)];
    says(&send(&mut browser, &right), 200, "Now do it again");
    says(&send(&mut browser, &[("do", "totp")]), 200, "<svg ");
}

#[test]
fn who_has_an_app_is_asked_for_its_code_whether_it_is_them_and_not_for_the_password() {
    let world = world();
    world.user("alice");
    let alice = world.enrol(&mut world.logged_in("alice"));
    let mut browser = world.browser();
    let fields = [("do", "login"), ("name", "alice"), ("password", PASSWORD)];
    let asked = send(&mut browser, &fields);
    let (token, code) = (input(&asked.text(), "token").unwrap(), world.code_of(&alice));
    let second = [("do", "factor"), ("token", &token), ("code", &code)];
    says(&send(&mut browser, &second), 200, "Authenticator app");

    world.clock().advance(Duration::from_secs(901));
    let asked = send(&mut browser, &[("do", "codes")]);
    says(&asked, 401, "Is it you?");
    says(&asked, 401, "Code of your app, or a recovery code");
    assert!(!asked.text().contains("type=\"password\""), "{}", asked.text());
    let forged = [("do", "step-up"), ("password", PASSWORD)];
    send(&mut browser, &forged);
    says(&send(&mut browser, &[("do", "codes")]), 401, "Is it you?");
    says(&send(&mut browser, &[("do", "step-up"), ("code", "00 00 00")]), 400, "not valid");
    let code = world.code_of(&alice);
    says(&send(&mut browser, &[("do", "step-up"), ("code", &code)]), 200, "Now do it again");
    let codes = send(&mut browser, &[("do", "codes")]);
    says(&codes, 200, "Your recovery codes");
    let new = codes.text().split("<li>").nth(1).unwrap().split('<').next().unwrap().to_owned();

    // A recovery code is asked for in the same field.
    world.clock().advance(Duration::from_secs(901));
    says(&send(&mut browser, &[("do", "remove"), ("id", &alice.id)]), 401, "Is it you?");
    says(&send(&mut browser, &[("do", "step-up"), ("code", &new)]), 200, "Now do it again");
    says(&send(&mut browser, &[("do", "remove"), ("id", &alice.id)]), 200, "You have none");
}

#[test]
fn the_password_is_changed_and_sessions_are_ended() {
    let world = world();
    world.user("alice");
    let app = world.logged_in("alice");
    let mut browser = log_in(&world, "alice");
    let mut change = |again: &str| {
        let old = [("do", "password"), ("old", PASSWORD)];
        send(&mut browser, &[old[0], old[1], ("new", "tin kettle 14"), ("again", again)])
    };
    says(&change("another"), 400, "The two passwords differ.");
    says(&change("tin kettle 14"), 200, "Your password is changed.");
    app.get("/accounts/profile").expect_problem(401, "session_revoked");

    let phone = world.browser().login_with("alice", "tin kettle 14").expect(200).json();
    let phone = phone["access_token"].as_str().unwrap().to_owned();
    let alive = |token: &str| world.request("GET", "/accounts/profile").bearer(token).send().status;
    let id = input(&get(&mut browser).text(), "id").unwrap();
    says(&send(&mut browser, &[("do", "end"), ("id", &id)]), 200, "It is logged out.");
    assert_eq!(alive(&phone), 401);
    let other: Value = world.browser().login_with("alice", "tin kettle 14").json();
    says(&send(&mut browser, &[("do", "end-others")]), 200, "It is logged out.");
    assert_eq!(alive(other["access_token"].as_str().unwrap()), 401);
}

#[test]
fn who_must_enrol_a_factor_may_do_it_here_and_nothing_else() {
    let world = TestServer::builder().virtual_time().set("second_factor", "required").start();
    world.user("alice");
    let mut browser = log_in(&world, "alice");
    let page = get(&mut browser);
    says(&page, 200, "This account must have a second factor.");
    assert!(!page.text().contains("New password"), "{}", page.text());
}

#[test]
fn a_form_of_another_site_does_nothing() {
    let world = world();
    world.user("alice");
    let browser = log_in(&world, "alice");
    let request = browser.bare("POST", AT).header("Origin", "https://evil.example");
    let answer = request.body("application/x-www-form-urlencoded", "do=end-others").send();
    assert_eq!(answer.status, 403, "{}", answer.text());
}

#[test]
fn a_cookie_of_nobody_is_taken_away_and_asks_for_a_login() {
    let world = world();
    let mut browser = world.browser();
    for nonsense in ["a.b.c", "x", "\"", &"a".repeat(3_000)] {
        browser.cookies.insert("accountsession".to_owned(), nonsense.to_owned());
        let answer = get(&mut browser);
        says(&answer, 200, "Log in to your account");
        assert!(!browser.cookies.contains_key("accountsession"), "{nonsense}");
    }
}

#[test]
fn the_page_speaks_german_to_who_reads_it() {
    let world = world();
    world.user("alice");
    let mut browser = world.browser();
    let ask = |browser: &mut Browser, fields: &[(&str, &str)]| {
        let kind = "application/x-www-form-urlencoded";
        let body: Vec<String> = fields
            .iter()
            .map(|(name, value)| format!("{name}={}", value.replace(' ', "+")))
            .collect();
        let request = match fields {
            [] => browser.bare("GET", AT),
            _ => browser.bare("POST", AT).body(kind, body.join("&")),
        };
        browser.send(&request.header("accept-language", "de"))
    };
    let first = ask(&mut browser, &[]);
    says(&first, 200, "Melden Sie sich bei Ihrem Konto an");
    assert!(first.text().contains("<html lang=\"de\">"));
    let login = [("do", "login"), ("name", "alice"), ("password", "wrong")];
    says(&ask(&mut browser, &login), 401, "kein aktives Konto mit diesem Namen");
    let login = [("do", "login"), ("name", "alice"), ("password", PASSWORD)];
    assert_eq!(ask(&mut browser, &login).status, 303);
    says(&ask(&mut browser, &[]), 200, "Sie sind angemeldet als alice@example.com.");
    says(&ask(&mut browser, &[("do", "totp")]), 200, "Lesen Sie das Bild mit Ihrer App");
    let wrong = [("do", "totp-confirm"), ("code", "000000")];
    says(&ask(&mut browser, &wrong), 400, "nicht der Code, den die App jetzt zeigt");
    let password = [("do", "password"), ("old", PASSWORD), ("new", "short"), ("again", "short")];
    says(&ask(&mut browser, &password), 400, "Zu kurz: Nehmen Sie 8 Zeichen");
}
