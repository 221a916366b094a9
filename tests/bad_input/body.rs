//! Fields of bodies that are missing, wrong, too long or unknown, at every endpoint that reads a
//! body.

use countersign_e2e::{Native, Request, Response, TestServer};
use serde_json::{Value, json};

use crate::{Access, Body, ENDPOINTS, Endpoint, assert_unharmed, world};

#[test]
fn a_body_that_is_not_there_is_missed_where_there_must_be_one() {
    let world = world();
    for endpoint in taking_bodies() {
        for (name, content_type, form) in [
            ("nothing at all", None, false),
            ("a type and no body", Some("application/json"), false),
            ("an empty form", Some("application/x-www-form-urlencoded"), true),
        ] {
            let client = fresh(&world);
            let request =
                credentials(&client, endpoint, world.request(endpoint.method, endpoint.path));
            let request = content_type
                .into_iter()
                .fold(request, |request, content_type| request.body(content_type, ""));
            let (status, code) = match (endpoint.body, content_type) {
                (Body::Required(_), None) => (415, Some("unsupported_media_type")),
                // A form without fields is a form; JSON without a value is no JSON.
                (Body::Required(_), Some(_)) if !form => (400, Some("parse_error")),
                _ => empty_object(endpoint),
            };
            let mut wrong = Vec::new();
            note(&mut wrong, endpoint, name, &request.send(), status, code);
            assert!(wrong.is_empty(), "{wrong:?}");
        }
    }
    assert_unharmed(world);
}

#[test]
fn a_known_field_of_the_wrong_type_or_length_is_told_by_its_name() {
    let world = world();
    let mut wrong = Vec::new();
    for (endpoint, good, name, longest) in fields() {
        let client = fresh(&world);
        let values = wrong_values(longest);
        for (what, value) in values {
            // Which is what it is to be.
            if (name, what) == ("passkey", "an object") {
                continue;
            }
            let mut body = good.clone();
            body[name] = value;
            let answer =
                credentials(&client, endpoint, world.request(endpoint.method, endpoint.path))
                    .json(&body)
                    .send();
            let message = serde_json::from_slice::<Value>(&answer.body)
                .map(|json| json["errors"][name][0].is_string());
            if (answer.status, answer.problem_code().as_deref(), message.ok())
                == (400, Some("validation_error"), Some(true))
            {
                answer.expect_problem(400, "validation_error");
            } else {
                wrong.push(format!(
                    "{}: {name}: {what}: {} {}",
                    endpoint.name(),
                    answer.status,
                    answer.text()
                ));
            }
        }
        client.request("GET", "/accounts/profile").send().expect(200);
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_unharmed(world);
}

#[test]
fn a_field_of_the_greatest_length_is_read() {
    let world = world();
    let client = fresh(&world);
    let change = |name: &str, text: String| {
        client.request("PATCH", "/accounts/profile").json(&json!({name: text})).send()
    };
    // Counted in characters, whatever their size.
    for (name, text) in [
        ("first_name", "é".repeat(150)),
        ("last_name", "🔑".repeat(150)),
        ("username", "a".repeat(150)),
    ] {
        assert_eq!(change(name, text.clone()).expect(200).json()["user"][name], text, "{name}");
    }
    change("username", "alice".to_owned()).expect(200);
    let login = |password: String| {
        world
            .request("POST", "/accounts/login")
            .json(&json!({"username": "alice", "password": password}))
            .send()
    };
    // Counted in bytes: the limit is there for the hash.
    login("a".repeat(1024)).expect_problem(401, "invalid_credentials");
    login("é".repeat(512)).expect_problem(401, "invalid_credentials");
    login("é".repeat(513)).expect_problem(400, "validation_error");
    assert_unharmed(world);
}

#[test]
fn a_missing_field_is_told_by_its_name_with_all_that_are_missing() {
    let world = world();
    for (endpoint, names) in [
        ("/accounts/login", ["username", "password"]),
        ("/accounts/password", ["old_password", "new_password"]),
    ] {
        let endpoint = at("POST", endpoint);
        let client = fresh(&world);
        let post = |body: Value| {
            credentials(&client, endpoint, world.request("POST", endpoint.path)).json(&body).send()
        };
        let errors =
            post(json!({})).expect_problem(400, "validation_error").json()["errors"].clone();
        assert_eq!(
            errors.as_object().map(serde_json::Map::len),
            Some(2),
            "{}: {errors}",
            endpoint.path
        );
        for (given, missing) in [(names[0], names[1]), (names[1], names[0])] {
            let answer = post(json!({given: "a perfectly good one"}))
                .expect_problem(400, "validation_error")
                .json();
            assert!(
                answer["errors"][missing][0].is_string() && answer["errors"].get(given).is_none(),
                "{}: {answer}",
                endpoint.path
            );
            let blank = post(json!({given: "a perfectly good one", missing: ""}))
                .expect_problem(400, "validation_error")
                .json();
            assert!(blank["errors"][missing][0].is_string(), "{}: {blank}", endpoint.path);
        }
    }
    assert_unharmed(world);
}

#[test]
fn unknown_fields_are_ignored_however_odd() {
    let world = world();
    for endpoint in taking_bodies() {
        let (Body::Optional(good) | Body::Required(good)) = endpoint.body else {
            unreachable!("chosen for its body")
        };
        let good: Value = serde_json::from_str(good).expect("JSON");
        let mut odd = good.clone();
        for (name, value) in [
            ("", json!(1)),
            ("x", json!({"y": [null, {"z": 1.5e300}]})),
            ("is_staff", json!(true)),
            ("__proto__", json!({})),
            ("$ne", json!("\u{0}")),
            ("id", json!(0)),
        ] {
            odd[name] = value;
        }
        let send = |body: &Value| {
            let client = fresh(&world);
            let answer =
                credentials(&client, endpoint, world.request(endpoint.method, endpoint.path))
                    .json(body)
                    .send();
            (answer.status, answer.problem_code())
        };
        assert_eq!(send(&odd), send(&good), "{}", endpoint.name());
    }
    let client = fresh(&world);
    let profile = client.request("GET", "/accounts/profile").send().json();
    assert_eq!(
        (&profile["user"]["is_staff"], &profile["user"]["first_name"]),
        (&json!(false), &json!("A"))
    );
    assert_unharmed(world);
}

pub(crate) fn taking_bodies() -> impl Iterator<Item = &'static Endpoint> {
    ENDPOINTS.iter().filter(|endpoint| endpoint.body != Body::None)
}

fn at(method: &str, path: &str) -> &'static Endpoint {
    ENDPOINTS
        .iter()
        .find(|endpoint| endpoint.method == method && endpoint.path == path)
        .expect("an endpoint")
}

/// A native client with a session of its own: its requests need nothing but the token.
pub(crate) fn fresh(world: &TestServer) -> Native {
    let mut client = world.native();
    client.login("alice").expect(200);
    client
}

pub(crate) fn credentials(client: &Native, endpoint: &Endpoint, request: Request) -> Request {
    match endpoint.access {
        Access::Bearer => request.bearer(&client.access_token),
        Access::Public | Access::Any => request,
    }
}

/// What an endpoint answers to a body without a field that it knows.
pub(crate) fn empty_object(endpoint: &Endpoint) -> (u16, Option<&'static str>) {
    match (endpoint.method, endpoint.path) {
        (_, "/accounts/refresh") => (401, Some("refresh_token_missing")),
        ("PATCH", "/accounts/profile") => (200, None),
        (_, "/accounts/factors/totp") => (201, None),
        (_, "/accounts/login/passkey/begin" | "/accounts/tickets") => (200, None),
        (_, "/accounts/logout" | "/accounts/logout-all") => (204, None),
        _ => (400, Some("validation_error")),
    }
}

pub(crate) fn note(
    wrong: &mut Vec<String>,
    endpoint: &Endpoint,
    what: &str,
    answer: &Response,
    status: u16,
    code: Option<&str>,
) {
    if (answer.status, answer.problem_code().as_deref()) == (status, code) {
        if let Some(code) = code {
            answer.clone().expect_problem(status, code);
        }
    } else {
        wrong.push(format!(
            "{}: {what}: {} {} instead of {status} {code:?}",
            endpoint.name(),
            answer.status,
            answer.text()
        ));
    }
}

type Field = (&'static Endpoint, Value, &'static str, Option<usize>);

/// Every known field: where it is, what stands beside it, and how many characters it may have; a
/// field without such a number is a yes or a no, or a `passkey`, which is an object.
fn fields() -> Vec<Field> {
    let login = json!({"username": "alice", "password": "x"});
    let factor = json!({"pending_token": "a.b.c"});
    let passkey = json!({"passkey": {"id": "AQID"}});
    let token = json!({"token": "AAAAAAAAAAc.AAAAAAAAAAAAAAAAAAAAAA"});
    let confirm = json!({"token": token["token"], "new_password": "a perfectly good one"});
    let register =
        json!({"username": "bob", "email": "b@example.com", "password": "tin kettle 14"});
    let change = json!({"email": "b@example.org", "password": "x"});
    let password = json!({"old_password": "x", "new_password": "a perfectly good one"});
    vec![
        (at("POST", "/accounts/login"), login.clone(), "username", Some(254)),
        (at("POST", "/accounts/login"), login.clone(), "password", Some(1024)),
        (at("POST", "/accounts/login"), login.clone(), "transport", Some(16)),
        (at("POST", "/accounts/login"), login.clone(), "device_token", Some(256)),
        (at("POST", "/accounts/login/factor"), json!({"code": "1"}), "pending_token", Some(2048)),
        (at("POST", "/accounts/login/factor"), factor.clone(), "code", Some(32)),
        (at("POST", "/accounts/login/factor"), factor.clone(), "recovery_code", Some(64)),
        (at("POST", "/accounts/login/factor"), factor.clone(), "passkey", None),
        (at("POST", "/accounts/login/factor"), factor, "remember_device", None),
        (at("POST", "/accounts/login/passkey/begin"), json!({}), "pending_token", Some(2048)),
        (at("POST", "/accounts/login/passkey/finish"), json!({}), "passkey", None),
        (at("POST", "/accounts/login/passkey/finish"), passkey.clone(), "transport", Some(16)),
        (at("POST", "/accounts/login/passkey/finish"), passkey.clone(), "device_token", Some(256)),
        (at("POST", "/accounts/login/passkey/finish"), passkey.clone(), "device_name", Some(100)),
        (at("POST", "/accounts/login/passkey/finish"), passkey.clone(), "restore", None),
        (at("POST", "/accounts/login/passkey/finish"), passkey.clone(), "remember", None),
        (at("POST", "/accounts/passkeys/register/finish"), json!({}), "passkey", None),
        (at("POST", "/accounts/passkeys/register/finish"), passkey, "name", Some(100)),
        (at("POST", "/accounts/step-up"), json!({}), "passkey", None),
        (at("POST", "/accounts/step-up"), json!({}), "password", Some(1024)),
        (at("POST", "/accounts/step-up"), json!({}), "code", Some(32)),
        (at("POST", "/accounts/step-up"), json!({}), "recovery_code", Some(64)),
        (at("POST", "/accounts/step-up"), json!({}), "device_token", Some(256)),
        (at("POST", "/accounts/factors/totp"), json!({}), "name", Some(100)),
        (at("POST", "/accounts/factors/totp/confirm"), json!({}), "code", Some(32)),
        (at("PATCH", "/accounts/factors/0000000000000001"), json!({}), "name", Some(100)),
        (at("POST", "/accounts/refresh"), json!({}), "refresh_token", Some(1024)),
        (at("POST", "/accounts/logout"), json!({}), "refresh_token", Some(1024)),
        (at("POST", "/accounts/tickets"), json!({}), "for", Some(200)),
        (at("POST", "/accounts/logout-all"), json!({}), "keep_current", None),
        (at("PATCH", "/accounts/profile"), json!({}), "username", Some(150)),
        (at("PATCH", "/accounts/profile"), json!({}), "email", Some(254)),
        (at("PATCH", "/accounts/profile"), json!({}), "first_name", Some(150)),
        (at("PATCH", "/accounts/profile"), json!({}), "last_name", Some(150)),
        (at("POST", "/accounts/login"), login.clone(), "device_name", Some(100)),
        (at("PATCH", "/accounts/sessions/0000000000000001"), json!({}), "device_name", Some(100)),
        (at("POST", "/accounts/login"), login.clone(), "restore", None),
        (at("POST", "/accounts/login"), login.clone(), "remember", None),
        (at("DELETE", "/accounts/profile"), json!({}), "password", Some(1024)),
        (at("DELETE", "/accounts/profile"), json!({"password": "x"}), "device_token", Some(256)),
        (at("POST", "/accounts/password"), password.clone(), "old_password", Some(1024)),
        (at("POST", "/accounts/password"), password.clone(), "new_password", Some(1024)),
        (at("POST", "/accounts/password"), password, "device_token", Some(256)),
        (at("POST", "/accounts/password/reset"), json!({"username": "x"}), "email", Some(254)),
        (at("POST", "/accounts/password/reset"), json!({"email": "x"}), "username", Some(254)),
        (at("POST", "/accounts/password/reset/confirm"), confirm.clone(), "token", Some(64)),
        (at("POST", "/accounts/password/reset/confirm"), confirm.clone(), "email", Some(254)),
        (at("POST", "/accounts/password/reset/confirm"), confirm.clone(), "code", Some(32)),
        (at("POST", "/accounts/password/reset/confirm"), confirm, "new_password", Some(1024)),
        (at("POST", "/accounts/register"), register.clone(), "username", Some(150)),
        (at("POST", "/accounts/register"), register.clone(), "email", Some(254)),
        (at("POST", "/accounts/register"), register.clone(), "password", Some(1024)),
        (at("POST", "/accounts/register"), register.clone(), "first_name", Some(150)),
        (at("POST", "/accounts/register"), register.clone(), "last_name", Some(150)),
        (at("POST", "/accounts/register"), register.clone(), "transport", Some(16)),
        (at("POST", "/accounts/register"), register.clone(), "remember", None),
        (at("POST", "/accounts/register"), register, "invitation", Some(64)),
        (at("POST", "/accounts/email/verify"), token.clone(), "token", Some(64)),
        (at("POST", "/accounts/email/verify"), token.clone(), "email", Some(254)),
        (at("POST", "/accounts/email/verify"), token.clone(), "code", Some(32)),
        (at("POST", "/accounts/email/verify"), token.clone(), "password", Some(1024)),
        (at("POST", "/accounts/email/verify"), token.clone(), "device_token", Some(256)),
        (at("POST", "/accounts/email/change"), json!({"password": "x"}), "email", Some(254)),
        (at("POST", "/accounts/email/change"), change.clone(), "password", Some(1024)),
        (at("POST", "/accounts/email/change"), change, "device_token", Some(256)),
        (at("POST", "/accounts/email/change/confirm"), token.clone(), "token", Some(64)),
        (at("POST", "/accounts/email/change/confirm"), token.clone(), "email", Some(254)),
        (at("POST", "/accounts/email/change/confirm"), token.clone(), "code", Some(32)),
        (at("POST", "/accounts/email/change/confirm"), token.clone(), "password", Some(1024)),
        (at("POST", "/accounts/email/change/confirm"), token.clone(), "device_token", Some(256)),
        (at("POST", "/accounts/undo"), json!({}), "token", Some(64)),
        (at("POST", "/accounts/login/code"), json!({}), "email", Some(254)),
        (at("POST", "/accounts/login/code/confirm"), token.clone(), "token", Some(64)),
        (at("POST", "/accounts/login/code/confirm"), token.clone(), "email", Some(254)),
        (at("POST", "/accounts/login/code/confirm"), token.clone(), "code", Some(32)),
        (at("POST", "/accounts/login/code/confirm"), token.clone(), "transport", Some(16)),
        (at("POST", "/accounts/login/code/confirm"), token.clone(), "device_token", Some(256)),
        (at("POST", "/accounts/login/code/confirm"), token.clone(), "remember", None),
        (at("POST", "/accounts/login/code/confirm"), token, "device_name", Some(100)),
        (at("POST", "/accounts/email/verify/resend"), json!({}), "email", Some(254)),
    ]
}

fn wrong_values(longest: Option<usize>) -> Vec<(&'static str, Value)> {
    let mut values = vec![
        ("null", json!(null)),
        ("a number", json!(1)),
        ("a huge number", json!(1e300)),
        ("an array", json!(["x"])),
        ("an object", json!({"$ne": ""})),
    ];
    match longest {
        Some(longest) => values.extend([
            ("a boolean", json!(true)),
            ("a NUL", json!("a\u{0}b")),
            ("too long", json!("a".repeat(longest + 1))),
            ("far too long", json!("a".repeat(50_000))),
        ]),
        None => values.extend([("a text", json!("true")), ("nothing written", json!(""))]),
    }
    values
}
