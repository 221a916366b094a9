//! Sessions that are bound to a device, as a browser binds them (DBSC).

use std::time::Duration;

use countersign_e2e::{
    Browser, DeviceKey, Request, TestServer, TestServerBuilder, Wire, challenge, claims_of,
    eventually, offer,
};
use serde_json::json;

#[test]
fn a_browser_binds_its_session_and_a_copy_of_its_jar_is_worth_nothing() {
    let (world, mut browser, key, session) = bound("enforce");
    // A jar that was copied while its ticket is good works as long as that.
    let mut thief = browser.clone();
    let mut late = browser.clone();
    thief.refresh().expect(200);
    world.clock().advance(Duration::from_secs(331));
    for _ in 0..3 {
        let refused = late.refresh().expect_problem(503, "device_proof_stale");
        assert_eq!(refused.header("retry-after"), Some("1"));
        assert!(!late.cookies.contains_key(TICKET), "the old ticket is removed");
        assert!(late.cookies.contains_key("__Host-refreshtoken"), "nothing else is");
        thief.cookies.remove(TICKET);
        let refused = thief.refresh().expect_problem(401, "session_unproved");
        assert_eq!(refused.all("set-cookie").count(), 0, "cookies are left alone");
        let request = thief
            .bare("POST", "/accounts/refresh")
            .header("X-CSRFTOKEN", &thief.csrf_token)
            .header("Secure-Session-Skipped", "quota_exceeded");
        let put_off = request.send().expect_problem(503, "device_proof_skipped");
        assert_eq!(put_off.header("retry-after"), Some("5"));
        late.cookies = browser.cookies.clone();
    }
    // Nothing of that moved the session, and its owner goes on.
    browser.cookies.remove(TICKET);
    browser.prove(&session, &key).expect(200);
    browser.refresh().expect(200);
    browser.refresh().expect(200);
}

#[test]
fn a_thief_with_a_ticket_neither_ends_the_session_nor_outlives_the_ticket() {
    let (world, mut browser, key, session) = bound("enforce");
    let mut thief = browser.clone();
    let first = browser.clone();
    for _ in 0..20 {
        thief.refresh().expect(200);
        world.clock().advance(Duration::from_secs(10));
    }
    // The oldest token of all, with a ticket that is still good: not the session's end.
    let mut old = first.clone();
    old.refresh().expect_problem(503, "device_proof_stale");
    // The owner is behind by twenty generations, and the proof says who that is.
    browser.cookies.remove(TICKET);
    browser.prove(&session, &key).expect(200);
    browser.refresh().expect(200);
    browser.refresh().expect(200);
    world.clock().advance(Duration::from_secs(140));
    let refused = thief.refresh();
    assert_eq!(refused.problem_code().as_deref(), Some("device_proof_stale"));
    browser.refresh().expect(200);
}

#[test]
fn without_https_or_where_it_is_off_nothing_is_offered() {
    for builder in [TestServer::builder(), https("off")] {
        let world = builder.virtual_time().start();
        world.user("alice");
        let mut browser = world.browser();
        let login = browser.login("alice").expect(200);
        assert_eq!(login.header("secure-session-registration"), None);
        assert_eq!(browser.refresh().expect(200).header("secure-session-registration"), None);
        let ended = browser.device_refresh("00000000000000ff", None).expect(200).json();
        assert_eq!(ended["continue"], false);
    }
}

#[test]
fn instructions_say_what_a_browser_is_to_do() {
    let world = https("enforce").set("allow_origins", "https://app.example.com").start();
    world.user("alice");
    let mut browser = world.browser();
    let login = browser.login("alice").expect(200);
    let header = login.header("secure-session-registration").unwrap();
    assert!(header.starts_with(r#"(ES256 RS256);path="/accounts/device/start";challenge=""#));
    let started = browser.device_start(&DeviceKey::new(), &offer(&login).unwrap()).expect(200);
    assert_eq!(
        started.json(),
        json!({
            "session_identifier": session_of(&browser),
            "refresh_url": "/accounts/device/refresh",
            "scope": {
                "origin": "https://api.example.com",
                "include_site": false,
                "scope_specification": [
                    { "type": "exclude", "domain": "api.example.com", "path": "/" },
                    { "type": "include", "domain": "api.example.com", "path": "/accounts/refresh" },
                ],
            },
            "credentials": [{
                "type": "cookie",
                "name": TICKET,
                "attributes": "Path=/; HttpOnly; SameSite=Lax; Secure",
            }],
            "allowed_refresh_initiators": ["app.example.com"],
        })
    );
    let cookie = started.set_cookie(TICKET).unwrap();
    assert!(cookie.ends_with("; Max-Age=300; Path=/; HttpOnly; SameSite=Lax; Secure"), "{cookie}");
}

#[test]
fn a_lost_start_locks_nobody_out_and_is_offered_again() {
    let world = https("enforce").virtual_time().start();
    world.user("alice");
    let mut browser = world.browser();
    let first = offer(&browser.login("alice").expect(200)).unwrap();
    // The answer of the start is lost; the request came twice, and is answered twice.
    let lost = DeviceKey::new();
    for _ in 0..2 {
        browser.clone().device_start(&lost, &first).expect(200);
    }
    // Soon after, another key is too early: its offer may have crossed the first one's answer.
    let early = browser.refresh().expect(200);
    assert_eq!(offer(&early), None);
    world.clock().advance(5 * MINUTE);
    let again = browser.refresh().expect(200);
    let key = DeviceKey::new();
    browser.device_start(&key, &offer(&again).unwrap()).expect(200);
    // The first start arrives once more, late: it changes nothing.
    browser.clone().device_start(&lost, &first).expect_problem(401, "device_proof_invalid");
    world.clock().advance(Duration::from_secs(200));
    browser.refresh().expect(200);
    let session = session_of(&browser);
    let mut bare = browser.clone();
    bare.cookies.remove(TICKET);
    bare.refresh().expect_problem(401, "session_unproved");
    browser.prove(&session, &key).expect(200);
    browser.refresh().expect(200);
}

#[test]
fn a_browser_that_is_used_all_the_time_is_bound_whatever_the_race_window() {
    for window in ["1m", "67s", "2m", "5m"] {
        let world = https("enforce").set("race_window", window).virtual_time().start();
        world.user("alice");
        let mut browser = world.browser();
        let login = browser.login("alice").expect(200);
        let key = DeviceKey::new();
        browser.device_start(&key, &offer(&login).unwrap()).expect(200);
        let session = session_of(&browser);
        // It refreshes every minute, and makes a new proof as soon as its ticket is gone.
        for minute in 1..=6 {
            world.clock().advance(MINUTE);
            if minute == 5 {
                browser.cookies.remove(TICKET);
                browser.prove(&session, &key).expect(200);
            }
            browser.refresh().expect(200);
        }
        let mut thief = browser.clone();
        thief.cookies.remove(TICKET);
        let refused = thief.refresh();
        assert_eq!(refused.problem_code().as_deref(), Some("session_unproved"), "{window}");
        browser.refresh().expect(200);
    }
}

#[test]
fn a_lost_start_is_offered_again_whatever_the_race_window() {
    for window in ["2m", "5m"] {
        let world = https("enforce").set("race_window", window).virtual_time().start();
        world.user("alice");
        let mut browser = world.browser();
        let first = offer(&browser.login("alice").expect(200)).unwrap();
        browser.clone().device_start(&DeviceKey::new(), &first).expect(200);
        world.clock().advance(5 * MINUTE);
        let again = offer(&browser.refresh().expect(200));
        let again = again.unwrap_or_else(|| panic!("no offer with {window}"));
        browser.device_start(&DeviceKey::new(), &again).expect(200);
    }
}

#[test]
fn a_start_takes_a_proof_of_this_sessions_offer_and_nothing_else() {
    let world = https("enforce").virtual_time().start();
    world.user("alice");
    world.user("bob");
    let (mut alice, mut bob) = (world.browser(), world.browser());
    let of_alice = offer(&alice.login("alice").expect(200)).unwrap();
    let of_bob = offer(&bob.login("bob").expect(200)).unwrap();
    let key = DeviceKey::new();
    let start = |browser: &Browser, proof: Option<String>| {
        let request = browser.bare("POST", "/accounts/device/start");
        match proof {
            Some(proof) => request.header("Secure-Session-Response", proof).send(),
            None => request.send(),
        }
    };
    let header = |alg: &str| json!({ "typ": "dbsc+jwt", "alg": alg, "jwk": key.jwk() });
    let claims = json!({ "jti": of_alice });
    for proof in [
        None,
        Some("a.b.c".to_owned()),
        Some(key.proof(&of_bob, true)),
        Some(key.proof("no challenge", true)),
        Some(key.proof(&of_alice, false)),
        Some(key.sign(&header("none"), &claims)),
        Some(key.sign(&header("RS256"), &claims)),
        Some(key.sign(&json!({ "typ": "JWT", "alg": "ES256", "jwk": key.jwk() }), &claims)),
        Some("x".repeat(7_000)),
    ] {
        start(&alice, proof).expect_problem(401, "device_proof_invalid");
    }
    let good = key.proof(&of_alice, true);
    start(&world.browser(), Some(good.clone())).expect_problem(401, "refresh_token_missing");
    start(&bob, Some(good.clone())).expect_problem(401, "device_proof_invalid");
    let script = alice
        .bare("POST", "/accounts/device/start")
        .header("Secure-Session-Response", &good)
        .header("Sec-Fetch-Site", "same-origin")
        .header("Sec-Fetch-Mode", "cors");
    script.send().expect_problem(401, "device_proof_invalid");
    let foreign = alice
        .bare("POST", "/accounts/device/start")
        .header("Secure-Session-Response", &good)
        .header("Origin", "https://evil.example");
    foreign.send().expect_problem(403, "csrf_failed");
    // The challenge of an offer proves nothing later, and is too old after five minutes.
    world.clock().advance(Duration::from_secs(301));
    start(&alice, Some(good)).expect_problem(401, "device_proof_invalid");
    let session = session_of(&alice);
    let ended = alice.device_refresh(&session, Some(&key.proof(&of_alice, false))).expect(200);
    assert_eq!(ended.json()["continue"], false, "nothing is bound");
}

#[test]
fn two_servers_on_one_host_leave_each_others_tickets_alone() {
    let one = https("enforce").virtual_time().start();
    let other = https("enforce")
        .set("refresh_cookie", "__Host-b-refresh")
        .set("csrf_cookie", "b-csrf")
        .virtual_time()
        .start();
    let mut browser = one.browser();
    // One jar, and a page of each server.
    let bind = |world: &TestServer, browser: &mut Browser| {
        world.user("alice");
        let login = browser.login("alice").expect(200);
        let key = DeviceKey::new();
        let started = browser.device_start(&key, &offer(&login).unwrap()).expect(200);
        let told = started.json()["credentials"][0]["name"].as_str().unwrap().to_owned();
        assert!(started.set_cookie(&told).is_some(), "it tells of the cookie that it sets");
        (key, session_of(browser), told)
    };
    let (key, session, _) = bind(&one, &mut browser);
    let mut there = browser.clone();
    there.move_to(other.address());
    let (other_key, other_session, ticket) = bind(&other, &mut there);
    browser.cookies.clone_from(&there.cookies);
    for world in [&one, &other] {
        world.clock().advance(Duration::from_secs(200));
    }
    for _ in 0..3 {
        browser.refresh().expect(200);
        browser.prove(&session, &key).expect(200);
        there.cookies.clone_from(&browser.cookies);
        there.refresh().expect(200);
        there.prove(&other_session, &other_key).expect(200);
        browser.cookies.clone_from(&there.cookies);
    }
    // Both are bound.
    for (mut bare, ticket) in [(browser.clone(), TICKET), (there.clone(), ticket.as_str())] {
        assert!(ticket.starts_with("__Host-"), "{ticket}");
        bare.cookies.remove(ticket);
        bare.refresh().expect_problem(401, "session_unproved");
    }
    // Nor does a logout of the one take the other's away.
    there.logout().expect(204);
    assert!(!there.cookies.contains_key(&ticket) && there.cookies.contains_key(TICKET));
}

#[test]
fn a_proof_counts_once_for_its_session_and_by_its_key() {
    let (world, mut browser, key, session) = bound("enforce");
    world.user("bob");
    let mut bob = world.browser();
    let of_bob = offer(&bob.login("bob").expect(200)).unwrap();
    let bobs_key = DeviceKey::new();
    bob.device_start(&bobs_key, &of_bob).expect(200);
    let bobs_session = session_of(&bob);

    let asked = browser.device_refresh(&session, None);
    let first = challenge(&asked).unwrap();
    let proof = key.proof(&first, false);
    let bobs_challenge = challenge(&bob.device_refresh(&bobs_session, None)).unwrap();
    // Old, foreign, or for another purpose: asked again, with a fresh challenge.
    for wrong in ["no challenge", &bobs_challenge, &of_bob] {
        let again = browser.device_refresh(&session, Some(&key.proof(wrong, false)));
        let again = again.expect_problem(403, "device_proof_required");
        assert_ne!(challenge(&again).unwrap(), first);
    }
    browser.device_refresh(&session, Some(&proof)).expect(200);
    let replayed = browser.clone().device_refresh(&session, Some(&proof));
    assert!(replayed.set_cookie(TICKET).is_none());
    replayed.expect_problem(403, "device_proof_required");

    // Of another session, with another key, or unsigned: there is nothing to prove.
    let fresh = challenge(&browser.device_refresh(&session, None)).unwrap();
    let thief = DeviceKey::new();
    let none = json!({ "typ": "dbsc+jwt", "alg": "none" });
    let kid = json!({ "typ": "dbsc+jwt", "alg": "ES256", "kid": key.jwk(), "jku": "https://a.b" });
    for proof in [
        thief.proof(&fresh, false),
        thief.proof(&fresh, true),
        thief.sign(&none, &json!({ "jti": fresh })),
        thief.sign(&kid, &json!({ "jti": fresh })),
        "a.b.c".to_owned(),
    ] {
        let ended = browser.clone().device_refresh(&session, Some(&proof)).expect(200);
        assert_eq!(ended.json(), json!({ "session_identifier": session, "continue": false }));
        let cookie = ended.set_cookie(TICKET).unwrap();
        assert!(cookie.contains("Max-Age=0"), "a browser without a key has no ticket: {cookie}");
    }
    let ended = bob.device_refresh(&session, Some(&key.proof(&fresh, false))).expect(200);
    assert_eq!(ended.json()["continue"], false, "it is not the session of this jar");
    // And the session is as it was.
    browser.device_refresh(&session, Some(&key.proof(&fresh, false))).expect(200);
    browser.refresh().expect(200);
}

#[test]
fn a_bound_session_is_never_bound_again() {
    let (world, mut browser, ..) = bound("enforce");
    let thief = DeviceKey::new();
    let answer = browser.refresh().expect(200);
    assert_eq!(offer(&answer), None);
    // Not even with an offer of before.
    world.user("bob");
    let mut bob = world.browser();
    let old = offer(&bob.login("bob").expect(200)).unwrap();
    bob.device_start(&DeviceKey::new(), &old).expect(200);
    world.clock().advance(Duration::from_secs(200));
    bob.refresh().expect(200);
    bob.device_start(&thief, &old).expect_problem(401, "device_proof_invalid");
}

#[test]
fn logout_ends_it_and_the_browser_is_told_at_its_next_turn() {
    let (world, mut browser, key, session) = bound("enforce");
    let before = browser.clone();
    let answer = browser.logout().expect(204);
    assert!(answer.set_cookie(TICKET).is_some_and(|cookie| cookie.contains("Max-Age=0")));
    for mut jar in [browser, before] {
        let ended = jar.device_refresh(&session, None).expect(200).json();
        assert_eq!(ended, json!({ "session_identifier": session, "continue": false }));
    }
    drop((world, key));
}

#[test]
fn a_login_over_a_live_session_is_bound_anew_and_the_old_key_proves_nothing() {
    let (world, mut browser, key, session) = bound("enforce");
    let login = browser.login("alice").expect(200);
    let ended = browser.device_refresh(&session, None).expect(200).json();
    assert_eq!(ended["continue"], false);
    // The old ticket in the jar is not the new session's, and in nobody's way.
    browser.refresh().expect(200);
    let own = DeviceKey::new();
    browser.device_start(&own, &offer(&login).unwrap()).expect(200);
    world.clock().advance(Duration::from_secs(200));
    browser.refresh().expect(200);
    let new = session_of(&browser);
    assert_ne!(new, session);
    let ended = browser.prove(&new, &key).expect(200).json();
    assert_eq!(ended["continue"], false);
    browser.prove(&new, &own).expect(200);
}

#[test]
fn a_clock_that_goes_back_or_ahead_refuses_no_device() {
    let (world, mut browser, key, session) = bound("enforce");
    browser.prove(&session, &key).expect(200);
    // The next node's clock is two minutes behind: it makes challenges that are newer all the same.
    world.clock().back(Duration::from_secs(120));
    browser.refresh().expect(200);
    for _ in 0..3 {
        browser.prove(&session, &key).expect(200);
        browser.refresh().expect(200);
    }
    world.clock().advance(Duration::from_secs(86_400));
    let mut stale = browser.clone();
    stale.refresh().expect_problem(503, "device_proof_stale");
    stale.prove(&session, &key).expect(200);
    stale.refresh().expect(200);
    // And years back: a ticket of the future is good for as long as clocks may differ, no longer.
    world.clock().back(Duration::from_secs(86_000));
    stale.refresh().expect_problem(503, "device_proof_stale");
    stale.prove(&session, &key).expect(200);
    stale.refresh().expect(200);
}

/// What would make a browser forget its key is never answered, whatever fails.
#[test]
fn nothing_but_a_challenge_or_a_503_is_ever_refused_at_the_proof() {
    let (world, browser, ..) = bound("enforce");
    let post = || browser.bare("POST", "/accounts/device/refresh");
    let cookie = |value: &str| {
        Request::new(world.address(), "POST", "/accounts/device/refresh").header("Cookie", value)
    };
    let id = "\"00000000000000ff\"";
    let requests = [
        ("no session named", post()),
        ("junk for a session", post().header("Sec-Secure-Session-Id", "junk")),
        (
            "two sessions",
            post().header("Sec-Secure-Session-Id", id).header("Sec-Secure-Session-Id", id),
        ),
        ("another's session", post().header("Sec-Secure-Session-Id", id)),
        ("no cookie", Request::new(world.address(), "POST", "/accounts/device/refresh")),
        ("junk for a cookie", cookie("__Host-refreshtoken=junk")),
        ("two cookies", cookie("__Host-refreshtoken=junk; __Host-refreshtoken=other")),
        ("a foreign page", post().header("Origin", "https://evil.example")),
        ("two hosts", post().header("Host", "other.example")),
        ("a body that is too large", post().body("application/json", vec![b'x'; 200_000])),
        ("a body of a strange type", post().body("image/png", vec![1, 2, 3])),
        ("a body that is no JSON", post().body("application/json", b"{".to_vec())),
        ("a slash behind", browser.bare("POST", "/accounts/device/refresh/")),
        ("a long proof", post().header("Secure-Session-Response", "x".repeat(6_000))),
    ];
    for (what, request) in requests {
        let answer = request.send();
        let status = answer.status;
        let is_challenge = status == 403 && challenge(&answer).is_some();
        assert!(
            (200..300).contains(&status) || status >= 500 || is_challenge,
            "{what}: {status} {}",
            answer.text()
        );
    }
    // A body that never comes, and one that is asked for before it is sent.
    let head = "POST /accounts/device/refresh HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n";
    for more in ["\r\n", "Expect: 100-continue\r\n\r\n"] {
        let answer = Wire::to(world.address()).send(format!("{head}{more}")).answer();
        assert!(answer.status < 300 || answer.status >= 500, "{more:?}: {}", answer.status);
    }
    // As often as anybody likes: a limit would be the thief's to use up.
    let session = session_of(&browser);
    let mut hurried = browser.clone();
    for _ in 0..200 {
        hurried.device_refresh(&session, None).expect_problem(403, "device_proof_required");
    }
}

/// A 503 is a failure to whoever watches this server, or shares requests out among several.
#[test]
fn strangers_fill_no_log_and_move_no_count_of_failures_at_the_proof() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut world = TestServer::builder().set("metrics_listen", &free.to_string()).start();
    for path in ["/x/device/refresh", "/device/refresh", "/accounts/device/refresh/x"] {
        world.request("POST", path).send().expect_problem(404, "not_found");
    }
    for method in ["GET", "PUT", "PATCH", "DELETE", "OPTIONS"] {
        let answer = world.request(method, "/accounts/device/refresh").send();
        answer.expect_problem(405, "method_not_allowed");
    }
    assert_eq!(world.request("HEAD", "/accounts/device/refresh").send().status, 405);
    // A browser is not told what was wrong.
    let refused = world.request("POST", "/accounts/device/refresh").header("Host", "other.example");
    refused.send().expect_problem(503, "unavailable");

    let line = "countersign_requests_total{route=\"/accounts/device/refresh\",status=\"4xx\"} 7";
    let metrics = || Request::new(free, "GET", "/metrics").send().expect(200).text();
    eventually("refusals are counted as such", || metrics().contains(line));
    let failed = metrics().lines().any(|line| {
        line.starts_with("countersign_requests_total")
            && line.contains("5xx")
            && !line.ends_with(" 0")
    });
    assert!(!failed, "{}", metrics());
    world.stop();
    assert!(!world.log().contains("a request failed"), "{}", world.log());
}

#[test]
fn a_thief_who_hurries_does_not_use_up_the_owners_refreshes() {
    let (_world, mut browser, ..) = bound("enforce");
    let mut thief = browser.clone();
    thief.cookies.remove(TICKET);
    // However slow this machine is, at some time the share is used up.
    let is_throttled =
        (0..2_000).any(|_| thief.refresh().problem_code().as_deref() == Some("throttled"));
    assert!(is_throttled);
    browser.refresh().expect(200);
}

/// A session that is bound: who is logged in, their key, and the session.
fn bound(binding: &str) -> (TestServer, Browser, DeviceKey, String) {
    bound_on(https(binding))
}

pub(super) fn bound_on(builder: TestServerBuilder) -> (TestServer, Browser, DeviceKey, String) {
    let world = builder.virtual_time().start();
    world.user("alice");
    let mut browser = world.browser();
    let login = browser.login("alice").expect(200);
    let key = DeviceKey::new();
    browser.device_start(&key, &offer(&login).expect("an offer")).expect(200);
    let session = session_of(&browser);
    // When all that was on its way has arrived, the first refresh with the ticket confirms it.
    world.clock().advance(Duration::from_secs(200));
    browser.refresh().expect(200);
    browser.prove(&session, &key).expect(200);
    (world, browser, key, session)
}

pub(super) fn https(binding: &str) -> TestServerBuilder {
    TestServer::builder()
        .set("public_url", "https://api.example.com")
        .set("device_binding", binding)
}

fn session_of(browser: &Browser) -> String {
    sid(&browser.access_token)
}

pub(super) fn sid(token: &str) -> String {
    claims_of(token)["sid"].as_str().expect("a session").to_owned()
}

const MINUTE: Duration = Duration::from_secs(60);
pub(super) const TICKET: &str = "__Host-device";
