//! Thieves of a bound session: with the whole jar, in every schedule, and with tickets and proofs
//! that are not theirs.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign_e2e::{Browser, DeviceKey, TestServer, challenge, eventually, offer};
use serde_json::json;

use super::device::{TICKET, bound_on, https, sid};

const REFRESH: &str = "__Host-refreshtoken";

/// What happens in one step of a schedule: who refreshes, and in which order.
const TURNS: [&[Party]; 5] = [
    &[],
    &[Party::Owner],
    &[Party::Thief],
    &[Party::Owner, Party::Thief],
    &[Party::Thief, Party::Owner],
];

#[derive(Debug, Clone, Copy)]
enum Party {
    Owner,
    Thief,
}

/// The theft is at the beginning of each, and between two steps the clock goes on.
const STEPS: u32 = 4;
const STEP: u64 = 125;

/// One session, whose jar was copied.
struct Pair {
    schedule: usize,
    owner: Browser,
    key: DeviceKey,
    session: String,
    /// When the owner's browser got its ticket.
    ticket_at: u64,
    thief: Browser,
}

#[test]
fn a_thief_with_the_whole_jar_outlives_no_ticket_and_refuses_nobody_in_any_schedule() {
    let world = https("enforce").set("sessions_per_user", "0").virtual_time().start();
    world.user("alice");
    // Every schedule is one session, all of them at once.
    let mut pairs: Vec<Pair> = (0..TURNS.len().pow(STEPS)).map(|i| begun(&world, i)).collect();
    world.clock().advance(Duration::from_secs(200));
    for pair in &mut pairs {
        pair.owner.refresh().expect(200);
        pair.owner.prove(&pair.session, &pair.key).expect(200);
        pair.ticket_at = world.now();
        pair.owner.refresh().expect(200);
        pair.thief = pair.owner.clone();
    }
    for step in 0..STEPS {
        world.clock().advance(Duration::from_secs(STEP));
        for pair in &mut pairs {
            for party in TURNS[pair.schedule / TURNS.len().pow(step) % TURNS.len()] {
                match party {
                    Party::Owner => pair.owner_refreshes(&world),
                    Party::Thief => pair.thief_refreshes(&world),
                }
            }
        }
    }
    world.clock().advance(Duration::from_secs(331));
    for pair in &mut pairs {
        pair.thief_refreshes(&world);
        pair.owner_refreshes(&world);
    }
}

impl Pair {
    /// As a browser does it: a ticket that had its time is gone, and one that is taken away too.
    fn owner_refreshes(&mut self, world: &TestServer) {
        for _ in 0..3 {
            if world.now() >= self.ticket_at + 300 {
                self.owner.cookies.remove(TICKET);
            }
            if !self.owner.cookies.contains_key(TICKET) {
                self.owner.prove(&self.session, &self.key).expect(200);
                self.ticket_at = world.now();
            }
            let answer = self.owner.refresh();
            if answer.status == 200 {
                return;
            }
            assert_eq!(answer.problem_code().as_deref(), Some("device_proof_stale"));
        }
        panic!("the owner is refused, in schedule {}", self.schedule);
    }

    /// With the newest tokens that the thief has got, and the ticket of the copy.
    fn thief_refreshes(&mut self, world: &TestServer) {
        let proved_at = self.thief_ticket_at();
        let ticket = self.thief.cookies.get(TICKET).cloned();
        let answer = self.thief.refresh();
        let schedule = self.schedule;
        if world.now() > proved_at + 331 {
            assert_eq!(answer.status, 503, "schedule {schedule}: {}", answer.text());
        } else {
            // While the ticket is good, the copy may work; what is stale ends nothing.
            assert!([200, 503].contains(&answer.status), "schedule {schedule}: {}", answer.text());
        }
        self.thief.cookies.extend(ticket.map(|ticket| (TICKET.to_owned(), ticket)));
    }

    /// When the ticket that was copied was signed.
    fn thief_ticket_at(&self) -> u64 {
        let ticket = URL_SAFE_NO_PAD.decode(&self.thief.cookies[TICKET]).unwrap();
        u64::from_be_bytes(ticket[8..16].try_into().unwrap())
    }
}

fn begun(world: &TestServer, schedule: usize) -> Pair {
    let mut owner = world.browser();
    let login = owner.login("alice").expect(200);
    let key = DeviceKey::new();
    owner.device_start(&key, &offer(&login).unwrap()).expect(200);
    let session = sid(&owner.access_token);
    let thief = owner.clone();
    Pair { schedule, owner, key, session, ticket_at: 0, thief }
}

#[test]
fn a_ticket_that_is_bent_or_anothers_is_none() {
    let (world, mut browser, _, _) = bound_on(https("enforce"));
    world.user("bob");
    let mut bob = world.browser();
    let login = bob.login("bob").expect(200);
    bob.device_start(&DeviceKey::new(), &offer(&login).unwrap()).expect(200);
    let good = browser.cookies[TICKET].clone();
    let bytes = URL_SAFE_NO_PAD.decode(&good).unwrap();
    let mut tickets = vec![
        bob.cookies[TICKET].clone(),
        String::new(),
        "x".to_owned(),
        good[1..].to_owned(),
        format!("{good}A"),
        browser.cookies[REFRESH].clone(),
        URL_SAFE_NO_PAD.encode([0; 64]),
    ];
    // The session, the time, the key, and what signs them.
    for place in [0, 7, 8, 15, 16, 31, 32, 63] {
        let mut bent = bytes.clone();
        bent[place] ^= 1;
        tickets.push(URL_SAFE_NO_PAD.encode(bent));
    }
    // Bob's body with this ticket's signature.
    let theirs = URL_SAFE_NO_PAD.decode(&bob.cookies[TICKET]).unwrap();
    tickets.push(URL_SAFE_NO_PAD.encode([&theirs[..32], &bytes[32..]].concat()));
    for ticket in tickets {
        let mut thief = browser.clone();
        thief.cookies.insert(TICKET.to_owned(), ticket.clone());
        let refused = thief.refresh();
        assert_eq!(refused.problem_code().as_deref(), Some("session_unproved"), "{ticket}");
    }
    browser.refresh().expect(200);
}

#[test]
fn a_proof_of_another_kind_of_client_is_none() {
    let (world, mut browser, key, session) = bound_on(https("enforce"));
    let asked = browser.device_refresh(&session, None);
    let fresh = challenge(&asked).unwrap();
    // A key of a browser does not prove a native client's request, nor the other way round.
    let claims = json!({
        "jti": fresh, "nonce": fresh, "htm": "POST", "iat": world.now(),
        "htu": "https://api.example.com/accounts/device/refresh",
    });
    let dpop = key.dpop(&claims);
    let ended = browser.clone().device_refresh(&session, Some(&dpop)).expect(200);
    assert_eq!(ended.json()["continue"], false);
    let mut bare = browser.clone();
    bare.cookies.remove(TICKET);
    for path in ["/accounts/refresh", "/accounts/device/refresh"] {
        let mut claims = claims.clone();
        claims["htu"] = json!(format!("https://api.example.com{path}"));
        let request = bare
            .bare("POST", "/accounts/refresh")
            .header("X-CSRFTOKEN", &bare.csrf_token)
            .header("DPoP", key.dpop(&claims));
        request.send().expect_problem(401, "session_unproved");
        // With the cookie's token in the body.
        let native = world
            .request("POST", "/accounts/refresh")
            .json(&json!({"refresh_token": bare.cookies[REFRESH]}))
            .header("DPoP", key.dpop(&claims));
        native.send().expect_problem(401, "refresh_token_invalid");
    }
    // Nothing of that used the challenge up.
    browser.device_refresh(&session, Some(&key.proof(&fresh, false))).expect(200);
}

#[test]
fn a_session_that_came_back_without_its_device_is_told_of() {
    let (world, mut browser, key, session) = bound_on(https("enforce"));
    // As a backup of before has it.
    let unbound = "UPDATE sessions SET device_key = NULL, device_kind = NULL,
        device_confirmed_at = NULL, device_proof_at = NULL";
    world.sql(unbound);
    assert!(!world.log().contains("device_unbound"));
    browser.refresh().expect(200);
    eventually("the log tells of it", || world.log().contains("device_unbound"));
    // The browser is told that there is nothing to prove, and goes on unbound.
    let ended = browser.device_refresh(&session, Some(&key.proof("old", false))).expect(200);
    assert_eq!(ended.json()["continue"], false);
    assert!(!browser.cookies.contains_key(TICKET));
    browser.refresh().expect(200);
}

#[test]
fn a_session_that_an_older_node_began_is_unbound_and_goes_on() {
    let world = https("enforce").start();
    world.user("alice");
    let mut browser = world.logged_in("alice");
    // A node of before the columns names none of them.
    let columns = world.sql("SELECT group_concat(name) FROM pragma_table_info('sessions')");
    let new = ["device_key", "device_kind", "device_confirmed_at", "device_proof_at"];
    let old: Vec<_> = columns.trim().split(',').filter(|name| !new.contains(name)).collect();
    let old = old.join(", ");
    let began = format!("INSERT OR REPLACE INTO sessions ({old}) SELECT {old} FROM sessions");
    world.sql(&began);
    assert_eq!(world.sql("SELECT device_key, device_proof_at FROM sessions").trim(), "None|None");
    let answer = browser.refresh().expect(200);
    assert!(offer(&answer).is_some(), "and is offered to be bound");
}
