//! Native clients that bind their session to a key of their own (DPoP, RFC 9449).

use std::time::Duration;

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign_e2e::{
    DeviceKey, Mailbox, PASSWORD, Phone, Response, TestServer, TestServerBuilder, claims_of,
};
use serde_json::{Value, json};

#[test]
fn a_login_with_a_proof_binds_and_each_refresh_takes_one() {
    for key in [DeviceKey::new(), DeviceKey::ed25519()] {
        let world = world();
        let mut phone = Phone::new(key, URL);
        // Without a challenge of ours it is asked to sign one, and nothing is done.
        let body = json!({"username": "alice", "password": PASSWORD, "transport": "body"});
        let asked = phone.post(&world, LOGIN, &body, world.now()).send();
        phone.take(&asked);
        asked.expect_problem(400, "use_dpop_nonce");
        let login = phone.post(&world, LOGIN, &body, world.now()).send().expect(200);
        phone.take(&login);
        assert_eq!(login.json()["token_type"], "Bearer", "access tokens stay what they are");
        assert!(is_bound(&world, &phone));
        world.request("GET", "/accounts/profile").bearer(&phone.access_token).send().expect(200);
        // The answer has the challenge of the next one.
        for _ in 0..3 {
            let now = world.now();
            let refreshed = phone.post(&world, REFRESH, &body_of(&phone), now).send().expect(200);
            phone.take(&refreshed);
        }
        // And where that is old, there is another for the asking.
        world.clock().advance(Duration::from_secs(400));
        let late = phone.post(&world, REFRESH, &body_of(&phone), world.now()).send();
        phone.take(&late);
        late.expect_problem(400, "use_dpop_nonce");
        phone.refresh(&world).expect(200);
    }
}

#[test]
fn a_copied_refresh_token_is_worth_nothing_and_spends_nothing() {
    let (world, mut phone) = bound();
    for thief in [DeviceKey::new(), DeviceKey::ed25519()] {
        let mut thief = Phone::new(thief, URL);
        thief.refresh_token.clone_from(&phone.refresh_token);
        thief.nonce.clone_from(&phone.nonce);
        thief.refresh(&world).expect_problem(401, "session_unproved");
        thief.nonce = None;
        let refused = thief.refresh(&world).expect_problem(401, "session_unproved");
        assert_eq!(refused.header("dpop-nonce"), None, "who has not the key gets no challenge");
    }
    // The classic hole: a downgrade.
    let bare = world.request("POST", REFRESH).json(&body_of(&phone)).send();
    bare.expect_problem(401, "session_unproved");
    let first = phone.refresh_token.clone();
    phone.refresh(&world).expect(200);
    // Nor does the token of long ago end the session, in the hands of a thief or of its owner.
    for _ in 0..5 {
        world.clock().advance(Duration::from_secs(600));
        phone.refresh(&world).expect(200);
    }
    let old = json!({ "refresh_token": first });
    world.request("POST", REFRESH).json(&old).send().expect_problem(401, "session_unproved");
    phone.ask(&world, REFRESH, &old).expect(200);
    phone.refresh(&world).expect(200);
}

#[test]
fn a_proof_counts_once_for_its_request_and_its_session() {
    let (world, mut phone) = bound();
    let (body, proof) = (body_of(&phone), phone.proof(REFRESH, world.now()));
    let send =
        |proof: &str| world.request("POST", REFRESH).json(&body).header("DPoP", proof).send();
    let answer = send(&proof).expect(200);
    for _ in 0..3 {
        send(&proof).expect_problem(400, "use_dpop_nonce");
    }
    phone.take(&answer);
    // Another session of the same key: a proof that was meant for the one is none for the other.
    let mut other = Phone::new(phone.key, URL);
    other.login(&world, "alice").expect(200);
    let theirs = json!({"refresh_token": phone.refresh_token});
    let crossed = other.post(&world, REFRESH, &theirs, world.now());
    crossed.send().expect_problem(400, "use_dpop_nonce");
    other.refresh(&world).expect(200);
    // The challenge of a login is none of a refresh.
    other.nonce = None;
    let login = json!({"username": "alice", "password": PASSWORD, "transport": "body"});
    let asked = other.post(&world, LOGIN, &login, world.now()).send();
    other.take(&asked);
    let refused = other.post(&world, REFRESH, &body_of(&other), world.now()).send();
    refused.expect_problem(400, "use_dpop_nonce");
    other.refresh(&world).expect(200);
    let refused = other.post(&world, LOGIN, &login, world.now()).send();
    refused.expect_problem(400, "use_dpop_nonce");
}

#[test]
fn of_fifty_that_send_one_proof_at_once_one_is_in() {
    let (world, phone) = bound();
    let request = phone.post(&world, REFRESH, &body_of(&phone), world.now());
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let sent: Vec<_> = (0..50).map(|_| scope.spawn(|| request.send().status)).collect();
        sent.into_iter().map(|one| one.join().unwrap()).collect()
    });
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{statuses:?}");
    assert!(statuses.iter().all(|status| [200, 400].contains(status)), "{statuses:?}");
}

#[test]
fn what_is_no_proof_of_this_request_binds_nothing() {
    let world = world();
    let mut phone = Phone::new(DeviceKey::new(), URL);
    let body = json!({"username": "alice", "password": PASSWORD, "transport": "body"});
    let asked = phone.post(&world, LOGIN, &body, world.now()).send();
    phone.take(&asked);
    let send = |proof: &str| world.request("POST", LOGIN).json(&body).header("DPoP", proof).send();
    for (what, proof) in no_proofs(&world, &phone, LOGIN) {
        let refused = send(&proof);
        let code = refused.problem_code();
        assert_eq!(code.as_deref(), Some("invalid_dpop_proof"), "{what}: {}", refused.text());
        assert!(refused.text().contains("POST https://api.example.com/accounts/login"), "{what}");
    }
    for (what, proof) in old_proofs(&world, &phone, LOGIN) {
        let refused = send(&proof);
        assert_eq!(refused.problem_code().as_deref(), Some("use_dpop_nonce"), "{what}");
    }
    // Twice is no proof either.
    let good = phone.proof(LOGIN, world.now());
    let twice = world.request("POST", LOGIN).json(&body).header("DPoP", &good);
    twice.header("DPoP", &good).send().expect_problem(400, "invalid_dpop_proof");
    assert_eq!(world.sql("SELECT count(*) FROM sessions").trim(), "0", "nothing was done");
    // A query and a fragment do not count, nor does how the host is spelled.
    for htu in ["https://API.example.com:443/accounts/login", &format!("{URL}{LOGIN}?a=b#c")] {
        let mut claims = phone.claims(LOGIN, world.now());
        claims["htu"] = json!(htu);
        send(&phone.key.dpop(&claims)).expect(200);
    }
}

#[test]
fn what_is_no_proof_of_this_request_refreshes_nothing() {
    let (world, mut phone) = bound();
    let body = body_of(&phone);
    let send =
        |proof: &str| world.request("POST", REFRESH).json(&body).header("DPoP", proof).send();
    for (what, proof) in no_proofs(&world, &phone, REFRESH) {
        let refused = send(&proof);
        assert_eq!(refused.problem_code().as_deref(), Some("session_unproved"), "{what}");
    }
    for (what, proof) in old_proofs(&world, &phone, REFRESH) {
        let refused = send(&proof);
        assert_eq!(refused.problem_code().as_deref(), Some("use_dpop_nonce"), "{what}");
    }
    let good = phone.proof(REFRESH, world.now());
    let twice = world.request("POST", REFRESH).json(&body).header("DPoP", &good);
    twice.header("DPoP", &good).send().expect_problem(401, "session_unproved");
    phone.refresh(&world).expect(200);
}

#[test]
fn an_unbound_session_stays_so_and_minds_no_proof() {
    let world = world();
    let mut native = world.native();
    native.login("alice").expect(200);
    let mut phone = Phone::new(DeviceKey::new(), URL);
    phone.refresh_token = native.refresh_token;
    // Neither its owner nor a thief binds it later.
    phone.refresh(&world).expect(200);
    assert!(!is_bound(&world, &phone));
    let junk = world.request("POST", REFRESH).json(&body_of(&phone)).header("DPoP", "junk");
    let answer = junk.send().expect(200);
    assert_eq!(answer.header("dpop-nonce"), None);
    // A page's session is bound by its browser, whatever it sends.
    let body = json!({"username": "alice", "password": PASSWORD});
    world.request("POST", LOGIN).json(&body).header("DPoP", "junk").send().expect(200);
}

#[test]
fn where_it_is_off_nothing_is_bound_and_what_was_bound_is_free() {
    let (mut world, mut phone) = bound();
    world.stop();
    world.try_wake(&["--device-binding", "off"]).unwrap();
    world.request("POST", REFRESH).json(&body_of(&phone)).send().expect(200);
    let login = phone.login(&world, "alice").expect(200);
    assert_eq!(login.header("dpop-nonce"), None);
    assert!(!is_bound(&world, &phone));
}

#[test]
fn without_https_native_clients_bind_themselves_all_the_same() {
    let world = TestServer::start();
    world.user("alice");
    let mut phone = Phone::new(DeviceKey::new(), &here(&world));
    phone.login(&world, "alice").expect(200);
    assert!(is_bound(&world, &phone));
    world.request("POST", REFRESH).json(&body_of(&phone)).send().expect_problem(401, UNPROVED);
    phone.refresh(&world).expect(200);
}

#[test]
fn every_door_of_a_native_client_binds() {
    let mailbox = Mailbox::new();
    let world = TestServer::builder()
        .set("mail_url", &mailbox.url())
        .set("login_code", "on")
        .set("registration", "open")
        .set("email_verification", "none")
        .virtual_time()
        .start();
    world.user("alice");
    let url = here(&world);
    // A code of a mail.
    let email = json!({"email": "alice@example.com"});
    world.request("POST", "/accounts/login/code").json(&email).send().expect(202);
    let code = mailbox.wait_for("alice@example.com", 1).code();
    let confirm = json!({"email": "alice@example.com", "code": code, "transport": "body"});
    let mut phone = Phone::new(DeviceKey::new(), &url);
    phone.ask(&world, "/accounts/login/code/confirm", &confirm).expect(200);
    assert!(is_bound(&world, &phone), "a code");
    // A registration.
    let new = json!({"username": "bob", "email": "bob@example.com", "password": PASSWORD,
        "transport": "body"});
    let mut phone = Phone::new(DeviceKey::ed25519(), &url);
    phone.ask(&world, "/accounts/register", &new).expect(201);
    assert!(is_bound(&world, &phone), "a registration");
    // A passkey.
    let mut browser = world.logged_in("alice");
    let (mut passkey, _) = world.passkey(&mut browser);
    let signed = passkey.sign(&browser.passkey_options());
    let finish = json!({"passkey": signed, "transport": "body"});
    let mut phone = Phone::new(DeviceKey::new(), &url);
    phone.ask(&world, "/accounts/login/passkey/finish", &finish).expect(200);
    assert!(is_bound(&world, &phone), "a passkey");
    // A second factor, of a login whose first step showed the key.
    world.user("carol");
    let mut browser = world.logged_in("carol");
    let enrolled = world.enrol(&mut browser);
    let mut phone = Phone::new(DeviceKey::new(), &url);
    let waits = phone.login(&world, "carol").expect_problem(401, "second_factor_required");
    let factor =
        json!({"pending_token": waits.text_at("pending_token"), "code": world.code_of(&enrolled)});
    phone.ask(&world, "/accounts/login/factor", &factor).expect(200);
    assert!(is_bound(&world, &phone), "a second factor");
}

#[test]
fn a_login_that_began_with_a_key_goes_on_with_it_or_not_at_all() {
    let world = world();
    let mut browser = world.logged_in("alice");
    let enrolled = world.enrol(&mut browser);
    let mut phone = Phone::new(DeviceKey::new(), URL);
    let waits = phone.login(&world, "alice").expect_problem(401, "second_factor_required");
    let factor =
        json!({"pending_token": waits.text_at("pending_token"), "code": world.code_of(&enrolled)});
    let bare = world.request("POST", FACTOR).json(&factor).send();
    bare.expect_problem(401, "pending_token_invalid");
    let mut thief = Phone::new(DeviceKey::new(), URL);
    thief.ask(&world, FACTOR, &factor).expect_problem(401, "pending_token_invalid");
    phone.ask(&world, FACTOR, &factor).expect(200);
    assert!(is_bound(&world, &phone));
}

#[test]
fn a_clock_of_the_client_that_is_wrong_is_told_the_time() {
    let (world, phone) = bound();
    for (off, status) in [(-61_i64, 400), (-59, 200)] {
        let now = world.now().checked_add_signed(off).unwrap();
        let answer = phone.post(&world, REFRESH, &body_of(&phone), now).send();
        assert_eq!(answer.status, status, "{off}");
        assert!(answer.header("date").is_some());
    }
}

#[test]
fn an_owner_is_refreshed_however_a_thief_hurries() {
    let (world, mut phone) = bound();
    let mut thief = Phone::new(DeviceKey::new(), URL);
    thief.refresh_token.clone_from(&phone.refresh_token);
    let is_throttled =
        (0..2_000).any(|_| thief.refresh(&world).problem_code().as_deref() == Some("throttled"));
    assert!(is_throttled);
    phone.refresh(&world).expect(200);
}

#[test]
fn an_old_proof_that_was_copied_uses_up_nothing_of_the_owners() {
    let (world, mut phone) = bound();
    let copied = phone.post(&world, REFRESH, &body_of(&phone), world.now());
    world.clock().advance(Duration::from_secs(3_600));
    for _ in 0..300 {
        let refused = copied.send();
        assert_eq!(refused.problem_code().as_deref(), Some("use_dpop_nonce"), "{refused:?}");
    }
    // They have no challenge that is young enough, and are given one.
    phone.refresh(&world).expect(200);
    phone.refresh(&world).expect(200);
}

#[test]
fn a_native_client_that_proves_itself_is_throttled_all_the_same() {
    let (world, mut phone) = bound();
    let is_throttled =
        (0..2_000).any(|_| phone.refresh(&world).problem_code().as_deref() == Some("throttled"));
    assert!(is_throttled);
    world.clock().advance(Duration::from_secs(60));
    phone.refresh(&world).expect(200);
}

#[test]
fn an_answer_that_was_lost_costs_one_more_proof() {
    let (world, mut phone) = bound();
    for _ in 0..4 {
        phone.refresh(&world).expect(200);
        // The answer of this one never arrives.
        phone.post(&world, REFRESH, &body_of(&phone), world.now()).send().expect(200);
        phone.refresh(&world).expect(200);
        world.clock().advance(Duration::from_secs(400));
    }
}

/// What an attacker makes of a good proof.
fn no_proofs(world: &TestServer, phone: &Phone, path: &str) -> Vec<(String, String)> {
    let now = world.now();
    let (jwk, good) = (phone.key.jwk(), phone.claims(path, now));
    let header = json!({ "typ": "dpop+jwt", "alg": "ES256", "jwk": jwk });
    let mut all: Vec<(String, String)> = Vec::new();
    let mut add = |what: &str, proof: String| all.push((what.to_owned(), proof));
    add("empty", String::new());
    add("junk", "a.b.c".to_owned());
    add("four parts", phone.key.dpop(&good) + ".x");
    add("too long", "x".repeat(7_000));
    add("cut", phone.key.dpop(&good)[..200].to_owned());
    for (name, value) in [
        ("typ", json!("jwt")),
        ("typ", json!("dbsc+jwt")),
        ("typ", json!(null)),
        ("alg", json!("none")),
        ("alg", json!("HS256")),
        ("alg", json!("RS256")),
        ("alg", json!("ES384")),
        ("alg", json!("EdDSA")),
        ("alg", json!(256)),
        ("jwk", json!(null)),
        ("jwk", json!("x")),
        ("jwk", DeviceKey::new().jwk()),
        ("jwk", DeviceKey::ed25519().jwk()),
        ("crit", json!(["nonce"])),
    ] {
        let mut header = header.clone();
        header[name] = value.clone();
        add(&format!("the header's {name}: {value}"), phone.key.sign(&header, &good));
    }
    for (name, value) in
        [("d", "AA"), ("k", "AA"), ("x", "AA"), ("crv", "P-384"), ("kty", "oct"), ("y", "=")]
    {
        let mut header = header.clone();
        header["jwk"][name] = json!(value);
        add(&format!("the key's {name}: {value}"), phone.key.sign(&header, &good));
    }
    for (name, value) in [
        ("htm", json!("GET")),
        ("htm", json!("post")),
        ("htm", json!(null)),
        ("htm", json!(["POST"])),
        ("htu", json!("https://evil.example/accounts/login")),
        ("htu", json!(format!("http://api.example.com{path}"))),
        ("htu", json!(format!("https://api.example.com:8443{path}"))),
        ("htu", json!(format!("https://a@api.example.com{path}"))),
        ("htu", json!("https://api.example.com/accounts/logout")),
        ("htu", json!(path)),
        ("htu", json!("")),
        ("htu", json!(7)),
        ("jti", json!(null)),
        ("jti", json!(7)),
        ("iat", json!("now")),
        ("iat", json!(-1)),
        ("iat", json!(1e300)),
        ("iat", json!(null)),
        ("nonce", json!(7)),
        ("nonce", json!(["a"])),
    ] {
        let mut claims = good.clone();
        claims[name] = value.clone();
        add(&format!("{name}: {value}"), phone.key.dpop(&claims));
    }
    add("no claims", phone.key.dpop(&json!({})));
    add("a list of claims", phone.key.dpop(&json!([good])));
    // What says a member twice.
    let twice = good.to_string().replacen('{', "{\"htm\":\"POST\",", 1);
    let message = format!("{}.{}", part(&header.to_string()), part(&twice));
    add("a member twice", format!("{message}.{}", phone.key.signature(&message)));
    // Signed by nobody, and with the public key as if it were a secret.
    for alg in ["none", "HS256"] {
        let header = json!({ "typ": "dpop+jwt", "alg": alg, "jwk": jwk });
        let message = format!("{}.{}", part(&header.to_string()), part(&good.to_string()));
        add(&format!("{alg}, unsigned"), format!("{message}."));
        let x = URL_SAFE_NO_PAD.decode(jwk["x"].as_str().unwrap()).unwrap();
        for secret in [x, jwk.to_string().into_bytes()] {
            let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &secret), message.as_bytes());
            let tag = URL_SAFE_NO_PAD.encode(tag);
            add(&format!("{alg}, with the public key for a secret"), format!("{message}.{tag}"));
        }
    }
    all
}

fn old_proofs(world: &TestServer, phone: &Phone, path: &str) -> Vec<(String, String)> {
    let now = world.now();
    let mut all = Vec::new();
    for (name, value) in [
        ("iat", json!(now - 70)),
        ("iat", json!(now + 70)),
        ("iat", json!(u64::MAX)),
        ("iat", json!(0)),
        ("nonce", json!("")),
        ("nonce", json!("no challenge")),
        ("nonce", json!("x".repeat(2_000))),
        ("nonce", json!(null)),
        ("nonce", json!(phone.nonce.as_ref().unwrap().replace(['A', 'B'], "C") + "x")),
    ] {
        let mut claims = phone.claims(path, now);
        claims[name] = value.clone();
        all.push((format!("{name}: {value}"), phone.key.dpop(&claims)));
    }
    all
}

fn part(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(text)
}

fn body_of(phone: &Phone) -> Value {
    json!({ "refresh_token": phone.refresh_token })
}

fn is_bound(world: &TestServer, phone: &Phone) -> bool {
    let listed = world.request("GET", "/accounts/sessions").bearer(&phone.access_token);
    let listed: Response = listed.send().expect(200);
    let own = claims_of(&phone.access_token)["sid"].clone();
    let sessions = listed.json()["sessions"].clone();
    let session = sessions.as_array().unwrap().iter().find(|session| session["id"] == own).cloned();
    session.expect("the session that is used")["device_bound"].as_bool().unwrap()
}

fn here(world: &TestServer) -> String {
    format!("http://localhost:{}", world.address().port())
}

fn bound() -> (TestServer, Phone) {
    let world = world();
    let mut phone = Phone::new(DeviceKey::new(), URL);
    phone.login(&world, "alice").expect(200);
    (world, phone)
}

fn world() -> TestServer {
    let world = https().virtual_time().start();
    world.user("alice");
    world
}

fn https() -> TestServerBuilder {
    TestServer::builder().set("public_url", URL)
}

const URL: &str = "https://api.example.com";
const LOGIN: &str = "/accounts/login";
const FACTOR: &str = "/accounts/login/factor";
const REFRESH: &str = "/accounts/refresh";
const UNPROVED: &str = "session_unproved";
