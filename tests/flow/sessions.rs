//! `GET /accounts/sessions`, `PATCH` and `DELETE /accounts/sessions/{id}`.

use countersign_e2e::{PASSWORD, TestServer};
use serde_json::json;

#[test]
fn a_user_sees_their_own_sessions_and_which_is_this_one() {
    let world = TestServer::start();
    world.user("alice");
    world.user("bob");
    let (here, _there, _bob) =
        (world.logged_in("alice"), world.logged_in("alice"), world.logged_in("bob"));
    let sessions = here.get("/accounts/sessions").expect(200).json()["sessions"].clone();
    let sessions = sessions.as_array().unwrap();
    assert_eq!(sessions.len(), 2);
    assert_eq!(sessions.iter().filter(|session| session["current"] == true).count(), 1);
    for session in sessions {
        assert_eq!(
            (&session["ip"], &session["transport"]),
            (&"127.0.0.1".into(), &"cookie".into())
        );
        for member in ["id", "created_at", "last_used_at", "expires_at", "user_agent", "device"] {
            assert!(session[member].is_string(), "{member} in {session}");
        }
    }
}

#[test]
fn a_user_ends_their_own_sessions_and_nobody_elses() {
    let world = TestServer::start();
    world.user("alice");
    world.user("bob");
    let (here, there, bob) =
        (world.logged_in("alice"), world.logged_in("alice"), world.logged_in("bob"));
    let sid = |token: &str| countersign_e2e::claims_of(token)["sid"].as_str().unwrap().to_owned();
    let end = |id: &str| here.request("DELETE", &format!("/accounts/sessions/{id}")).send();
    end(&sid(&bob.access_token)).expect_problem(404, "not_found");
    bob.get("/accounts/profile").expect(200);
    end(&sid(&there.access_token)).expect(204);
    there.get("/accounts/profile").expect_problem(401, "session_revoked");
    end(&sid(&there.access_token)).expect_problem(404, "not_found");
    for nonsense in
        ["nonsense", "0000000000000000", "..", "%00", "1'%20OR%20'1'='1", &"a".repeat(5_000)]
    {
        end(nonsense).expect_problem(404, "not_found");
    }
    end(&sid(&here.access_token)).expect(204);
    here.get("/accounts/profile").expect_problem(401, "session_revoked");
}

#[test]
fn each_session_says_what_it_was_born_to() {
    let world = TestServer::builder().set("trusted_proxies", "127.0.0.1").start();
    world.user("alice");
    let login = |agent: &str, address: &str, transport: &str| {
        let body = json!({"username": "alice", "password": PASSWORD,
            "transport": transport});
        let request = world
            .request("POST", "/accounts/login")
            .header("User-Agent", agent)
            .header("X-Forwarded-For", address);
        request.json(&body).send().expect(200).text_at("access_token")
    };
    login("Phone/1 (iPhone)", "2001:db8::7", "body");
    let token = login("Laptop/2", "192.0.2.7", "cookie");
    let mut ended = world.logged_in("alice");
    ended.logout().expect(204);
    let answer =
        world.request("GET", "/accounts/sessions").bearer(&token).send().expect(200).json();
    let mut seen: Vec<String> = answer["sessions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|session| {
            ["device", "user_agent", "ip", "transport", "current"]
                .map(|name| session[name].to_string())
                .join(" ")
                .replace('"', "")
        })
        .collect();
    seen.sort_unstable();
    assert_eq!(
        seen,
        [
            "Laptop/2 Laptop/2 192.0.2.7 cookie true",
            "something on an iPhone Phone/1 (iPhone) 2001:db8::7 body false",
        ]
    );
}

#[test]
fn a_device_has_the_name_that_was_said_at_login_and_another_one_later() {
    let world = TestServer::start();
    world.user("alice");
    world.user("bob");
    let login = |fields: &serde_json::Value| {
        let mut body = json!({"username": "alice", "password": PASSWORD});
        body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        world.request("POST", "/accounts/login").json(&body).send()
    };
    let token = login(&json!({"transport": "body", "device_name": " Ada's phone "}))
        .expect(200)
        .text_at("access_token");
    let browser = login(&json!({"device_name": "Léas ❤\u{fe0f} laptop"})).expect(200).json();
    let form = format!(
        "username=alice&password={}&device_name=the+kitchen%27s",
        PASSWORD.replace(' ', "+")
    );
    let request = world.request("POST", "/accounts/login");
    request.body("application/x-www-form-urlencoded", form).send().expect(200);
    let here = world.logged_in("alice");
    let names = || {
        let page = here.get("/accounts/sessions").expect(200).json();
        page["sessions"].as_array().unwrap().iter().map(|one| one["device_name"].clone()).collect()
    };
    let listed: Vec<serde_json::Value> = names();
    for name in [json!("Ada's phone"), json!("Léas ❤\u{fe0f} laptop"), json!("the kitchen's")] {
        assert!(listed.contains(&name), "{name} in {listed:?}");
    }
    assert_eq!(listed.iter().filter(|name| name.is_null()).count(), 1, "here has none");

    let sid = |token: &str| countersign_e2e::claims_of(token)["sid"].as_str().unwrap().to_owned();
    let (phone, own) = (sid(&token), sid(&here.access_token));
    let name = |id: &str, body: &serde_json::Value| {
        here.request("PATCH", &format!("/accounts/sessions/{id}")).json(body).send()
    };
    let named = name(&phone, &json!({"device_name": "the old phone"})).expect(200).json();
    assert_eq!(
        (&named["id"], &named["device_name"], &named["current"]),
        (&json!(phone), &json!("the old phone"), &json!(false))
    );
    assert_eq!(name(&own, &json!({"device_name": "this"})).expect(200).json()["current"], true);
    let named = name(&phone, &json!({"device_name": " "})).expect(200).json();
    assert!(named["device_name"].is_null());

    let bob = sid(&world.logged_in("bob").access_token);
    for other in [bob.as_str(), "0000000000000001", "nonsense"] {
        name(other, &json!({"device_name": "mine"})).expect_problem(404, "not_found");
    }
    let path = format!("/accounts/sessions/{}", sid(browser["access_token"].as_str().unwrap()));
    let bare = |request: countersign_e2e::Request| {
        request.json(&json!({"device_name": "a thief's"})).send()
    };
    bare(world.request("PATCH", &path)).expect_problem(401, "not_authenticated");
    bare(world.request("PATCH", &path).bearer(browser["access_token"].as_str().unwrap()))
        .expect_problem(403, "csrf_failed");
    let mut ended = world.logged_in("alice");
    let gone = sid(&ended.access_token);
    ended.logout().expect(204);
    name(&gone, &json!({"device_name": "late"})).expect_problem(404, "not_found");
}

#[test]
fn a_device_name_that_nobody_can_read_is_refused() {
    let world = TestServer::start();
    world.user("alice");
    let here = world.logged_in("alice");
    let id = countersign_e2e::claims_of(&here.access_token)["sid"].as_str().unwrap().to_owned();
    for blank in ["", "  "] {
        let body = json!({"username": "alice", "password": PASSWORD, "device_name": blank});
        let answer = world.request("POST", "/accounts/login").json(&body).send();
        answer.expect_problem(400, "validation_error");
    }
    for wrong in [
        json!(null),
        json!("a".repeat(101)),
        json!("two\nlines"),
        json!("nul\0"),
        json!("\u{202e}enohp"),
        json!("\u{3164}"),
        json!(7),
        json!(["a"]),
    ] {
        let body = json!({"username": "alice", "password": PASSWORD, "device_name": wrong});
        for answer in [
            world.request("POST", "/accounts/login").json(&body).send(),
            here.request("PATCH", &format!("/accounts/sessions/{id}")).json(&body).send(),
        ] {
            let problem = answer.expect_problem(400, "validation_error").json();
            assert_eq!(problem["errors"].as_object().unwrap().len(), 1, "{problem}");
            assert!(problem["errors"]["device_name"].is_array(), "{problem}");
        }
    }
    let path = format!("/accounts/sessions/{id}");
    here.request("PATCH", &path).json(&json!({})).send().expect_problem(400, "validation_error");
    let page = here.get("/accounts/sessions").expect(200).json();
    assert_eq!(page["sessions"].as_array().unwrap().len(), 1, "no login of these began a session");
    assert!(page["sessions"][0]["device_name"].is_null());
}

#[test]
fn with_more_sessions_than_a_user_may_have_the_oldest_ends() {
    let world = TestServer::builder().set("sessions_per_user", "2").virtual_time().start();
    world.user("alice");
    let mut browsers = Vec::new();
    for _ in 0..3 {
        browsers.push(world.logged_in("alice"));
        world.clock().advance(std::time::Duration::from_secs(1));
    }
    browsers[0].get("/accounts/profile").expect_problem(401, "session_revoked");
    assert_eq!(
        browsers[0].refresh().expect_problem(401, "session_revoked").json()["reason"],
        "session_limit"
    );
    for browser in &mut browsers[1..] {
        browser.get("/accounts/profile").expect(200);
        browser.refresh().expect(200);
    }
}

#[test]
fn the_list_comes_in_pages_the_last_begun_first() {
    let world = TestServer::builder().virtual_time().start();
    world.user("alice");
    let mut browsers = Vec::new();
    for _ in 0..5 {
        browsers.push(world.logged_in("alice"));
        world.clock().advance(std::time::Duration::from_secs(1));
    }
    let page = |query: &str| browsers[0].get(&format!("/accounts/sessions{query}"));
    let all = page("").expect(200).json();
    assert!(all["next"].is_null());
    let ids = |page: &serde_json::Value| {
        page["sessions"].as_array().unwrap().iter().map(|one| one["id"].clone()).collect::<Vec<_>>()
    };
    let mut began: Vec<String> = all["sessions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["created_at"].to_string())
        .collect();
    began.reverse();
    assert!(began.is_sorted() && all["sessions"][4]["current"] == true, "{all}");
    let (mut seen, mut query) = (Vec::new(), "?limit=2".to_owned());
    loop {
        let found = page(&query).expect(200).json();
        assert!(ids(&found).len() <= 2);
        seen.extend(ids(&found));
        let Some(next) = found["next"].as_str() else { break };
        query = format!("?limit=2&cursor={next}");
    }
    assert_eq!(seen, ids(&all));
    for wrong in [
        "limit=0",
        "limit=101",
        "limit=",
        "limit=a",
        "cursor=",
        "cursor=a",
        "cursor=1-0",
        "limit=1&limit=2",
        "cursor=%00",
    ] {
        page(&format!("?{wrong}")).expect_problem(400, "validation_error");
    }
}
