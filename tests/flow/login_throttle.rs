//! How guessing is slowed down, and how its victim is not.

use std::thread;
use std::time::Duration;

use countersign_e2e::{PASSWORD, Response, TestServer};
use serde_json::json;

fn attempt(world: &TestServer, username: &str, password: &str) -> Response {
    world.browser().login_with(username, password)
}

fn wait_of(answer: &Response) -> u64 {
    answer.header("retry-after").unwrap().parse().unwrap()
}

#[test]
fn after_five_failures_the_delays_grow_and_end() {
    let world = TestServer::builder().virtual_time().start();
    world.user("alice");
    for _ in 0..5 {
        attempt(&world, "alice", "wrong").expect_problem(401, "invalid_credentials");
    }
    let mut last = 0;
    for _ in 0..6 {
        let refused = attempt(&world, "alice", PASSWORD).expect_problem(429, "throttled");
        let wait = wait_of(&refused);
        assert!(wait >= last, "{wait} s after {last} s");
        last = wait;
        world.clock().advance(Duration::from_secs(wait));
        attempt(&world, "alice", "wrong").expect_problem(401, "invalid_credentials");
    }
    assert!((16..=900).contains(&last), "{last}");
    let wait = wait_of(&attempt(&world, "alice", PASSWORD).expect_problem(429, "throttled"));
    world.clock().advance(Duration::from_secs(wait));
    attempt(&world, "alice", PASSWORD).expect(200);
    attempt(&world, "alice", "wrong").expect_problem(401, "invalid_credentials");
}

#[test]
fn parallel_guesses_do_not_slip_through() {
    let world = TestServer::start();
    world.user("alice");
    let statuses: Vec<u16> = thread::scope(|scope| {
        let guesses: Vec<_> =
            (0..30).map(|_| scope.spawn(|| attempt(&world, "alice", "wrong").status)).collect();
        guesses.into_iter().map(|guess| guess.join().unwrap()).collect()
    });
    assert_eq!(statuses.iter().filter(|status| **status == 401).count(), 5, "{statuses:?}");
}

#[test]
fn a_name_is_counted_once_however_it_is_spelt() {
    let world = TestServer::builder().virtual_time().start();
    world.user("alice");
    for spellings in [
        ["alice", "ALICE", "ａlice", "Alice", "aLiCe"],
        [
            "alice@example.com",
            "Alice@Example.com",
            "ALICE@EXAMPLE.COM",
            "alice@Example.com",
            "aLICE@example.com",
        ],
    ] {
        for name in spellings {
            attempt(&world, name, "wrong").expect_problem(401, "invalid_credentials");
        }
        attempt(&world, spellings[1], PASSWORD).expect_problem(429, "throttled");
    }
}

#[test]
fn throttling_does_not_tell_which_name_and_which_address_are_one_users() {
    // The first pair is one user's, the second two users', the third nobody's.
    let world = TestServer::builder().virtual_time().start();
    world.user("alice");
    world.user("bob");
    world.user("carol");
    let answers = [
        ("alice", "alice@example.com"),
        ("bob", "carol@example.com"),
        ("nobody", "nobody@example.com"),
    ]
    .map(|(name, address)| {
        [name, name, name, name, name, name, address, address, address, address, address, address]
            .map(|text| attempt(&world, text, "wrong").status)
    });
    assert_eq!(answers[0], [401, 401, 401, 401, 401, 429, 401, 401, 401, 401, 401, 429]);
    assert_eq!(answers[1], answers[0]);
    assert_eq!(answers[2], answers[0]);
}

#[test]
fn a_name_that_nobody_has_is_throttled_like_one_that_somebody_has() {
    let world = TestServer::start();
    world.user("alice");
    for name in ["alice", "nobody"] {
        let answers: Vec<_> = (0..6)
            .map(|_| attempt(&world, name, "wrong"))
            .map(|answer| (answer.status, answer.text()))
            .collect();
        let expected: Vec<u16> = [401; 5].into_iter().chain([429]).collect();
        assert_eq!(
            answers.iter().map(|(status, _)| *status).collect::<Vec<_>>(),
            expected,
            "{name}"
        );
    }
}

#[test]
fn nobody_locks_an_owner_out_of_a_device_that_she_has_used() {
    let world = TestServer::start();
    world.user("alice");
    let mut owner = world.logged_in("alice");
    owner.logout().expect(204);
    let mut native = world.native();
    native.login("alice").expect(200);
    for _ in 0..6 {
        attempt(&world, "alice", "wrong");
    }
    attempt(&world, "alice", PASSWORD).expect_problem(429, "throttled");
    owner.login("alice").expect(200);
    native.login("alice").expect(200);
    world.user("bob");
    for _ in 0..6 {
        attempt(&world, "bob", "wrong");
    }
    owner.login("bob").expect_problem(429, "throttled");
    for _ in 0..5 {
        owner.login_with("alice", "wrong").expect_problem(401, "invalid_credentials");
    }
    owner.login("alice").expect_problem(429, "throttled");
}

#[test]
fn many_device_tokens_of_an_account_are_no_more_guesses() {
    let world = TestServer::builder().virtual_time().start();
    world.user("alice");
    let tokens: Vec<String> = (0..6)
        .map(|_| {
            let mut native = world.native();
            native.login("alice").expect(200);
            native.device_token.unwrap()
        })
        .collect();
    let guess = |token: &String, username: &str| {
        let body = json!({"username": username, "password": "wrong", "transport": "body",
            "device_token": token});
        world.request("POST", "/accounts/login").json(&body).send().status
    };
    // Each device would have five; four devices have twenty, and so have six.
    for token in tokens.iter().take(4).flat_map(|token| [token; 5]) {
        assert_eq!(guess(token, "alice"), 401);
    }
    assert_eq!(guess(&tokens[4], "alice"), 429);
    // Elsewhere they are nobody's, and count as a stranger's.
    world.user("bob");
    assert_eq!(
        [0, 1, 2, 3, 4, 5].map(|number| guess(&tokens[number], "bob")),
        [401, 401, 401, 401, 401, 429]
    );
}

#[test]
fn a_device_token_dies_with_the_password_but_not_for_the_device_that_changed_it() {
    let world = TestServer::builder().virtual_time().start();
    world.user("alice");
    let (mut here, mut there) = (world.logged_in("alice"), world.logged_in("alice"));
    let change = here
        .request("POST", "/accounts/password")
        .json(&json!({"old_password": PASSWORD, "new_password": "other kettle 15"}));
    here.send(&change).expect(204);
    for _ in 0..5 {
        attempt(&world, "alice", "wrong").expect_problem(401, "invalid_credentials");
    }
    there.login_with("alice", "other kettle 15").expect_problem(429, "throttled");
    here.login_with("alice", "other kettle 15").expect(200);
    for _ in 0..6 {
        there.login_with("alice", PASSWORD).expect_problem(429, "throttled");
    }
}

#[test]
fn an_address_has_a_budget_that_right_passwords_do_not_spend() {
    let world = TestServer::builder()
        .set("throttle_address_attempts", "8")
        .set("throttle_account_attempts", "0")
        .start();
    for name in ["alice", "bob"] {
        world.user(name);
        for _ in 0..10 {
            attempt(&world, name, PASSWORD).expect(200);
        }
    }
    for number in 0..8 {
        attempt(&world, &format!("nobody{number}"), "wrong")
            .expect_problem(401, "invalid_credentials");
    }
    attempt(&world, "nobody9", "wrong").expect_problem(429, "throttled");
    attempt(&world, "alice", PASSWORD).expect_problem(429, "throttled");
}

#[test]
fn a_clients_address_is_believed_through_trusted_proxies_only() {
    let guess = |world: &TestServer, forwarded: &str| {
        let request = world.request("POST", "/accounts/login").header("X-Forwarded-For", forwarded);
        request
            .json(&json!({
                "username": format!("nobody-{forwarded}").replace([':', '.', ',', ' '], "-"),
                "password": "wrong"
            }))
            .send()
            .status
    };
    let untrusting = TestServer::builder().set("throttle_address_attempts", "3").start();
    let statuses: Vec<u16> =
        (0..4).map(|number| guess(&untrusting, &format!("192.0.2.{number}"))).collect();
    assert_eq!(statuses, [401, 401, 401, 429], "a header of anybody's own does not help");

    let trusting = TestServer::builder()
        .set("throttle_address_attempts", "3")
        .set("trusted_proxies", "127.0.0.1")
        .start();
    let statuses: Vec<u16> =
        (0..4).map(|number| guess(&trusting, &format!("192.0.2.{number}"))).collect();
    assert_eq!(statuses, [401; 4]);
    let statuses: Vec<u16> = (0..4)
        .map(|number| guess(&trusting, &format!("198.51.100.{number}, 203.0.113.9")))
        .collect();
    assert_eq!(
        statuses,
        [401, 401, 401, 429],
        "what stands left of the proxy's own word is the client's invention"
    );
    let statuses: Vec<u16> =
        (0..4).map(|number| guess(&trusting, &format!("2001:db8:1:1::{number}"))).collect();
    assert_eq!(statuses, [401, 401, 401, 429], "an IPv6 client has a whole /64");
    assert_eq!(guess(&trusting, "2001:db8:1:2::1"), 401);
}

#[test]
fn an_addresss_budget_comes_back_with_the_window() {
    let world = TestServer::builder()
        .set("throttle_address_attempts", "3")
        .set("throttle_address_window", "10m")
        .virtual_time()
        .start();
    world.user("alice");
    for number in 0..3 {
        attempt(&world, &format!("nobody{number}"), "wrong")
            .expect_problem(401, "invalid_credentials");
    }
    let wait = wait_of(&attempt(&world, "alice", PASSWORD).expect_problem(429, "throttled"));
    assert!(wait <= 600, "{wait}");
    world.clock().advance(Duration::from_secs(wait));
    attempt(&world, "alice", PASSWORD).expect(200);
}

#[test]
fn an_attempt_that_is_refused_costs_nothing_more() {
    let world = TestServer::builder().virtual_time().start();
    world.user("alice");
    for _ in 0..5 {
        attempt(&world, "alice", "wrong");
    }
    let first = wait_of(&attempt(&world, "alice", "wrong").expect_problem(429, "throttled"));
    for _ in 0..20 {
        assert!(
            wait_of(&attempt(&world, "alice", "wrong").expect_problem(429, "throttled")) <= first
        );
    }
}
