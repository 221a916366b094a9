use std::time::Duration;

use countersign_e2e::{Cluster, PASSWORD, Response, TestServer};

use super::{node, two_nodes};

fn attempt(world: &TestServer, username: &str, password: &str) -> Response {
    world.browser().login_with(username, password)
}

#[test]
fn failures_on_all_nodes_count_together() {
    let [here, there] = two_nodes();
    here.user("alice");
    for name in ["alice", "nobody"] {
        for world in [&here, &there, &here, &there, &here] {
            attempt(world, name, "wrong").expect_problem(401, "invalid_credentials");
        }
        for world in [&here, &there] {
            attempt(world, name, PASSWORD).expect_problem(429, "throttled");
        }
    }
    attempt(&there, "ALICE", PASSWORD).expect_problem(429, "throttled");
}

#[test]
fn what_the_nodes_count_does_not_tell_which_name_and_which_address_are_one_users() {
    let url = Cluster::shared().database();
    let [here, there] = [(); 2].map(|()| node(&url).virtual_time().start());
    here.user("alice");
    for address in ["alice@example.com", "nobody@example.com"] {
        let answers: Vec<u16> = (0..6)
            .map(|turn| {
                attempt([&here, &there][turn % 2], address.split('@').next().unwrap(), "wrong")
                    .status
            })
            .collect();
        assert_eq!(answers, [401, 401, 401, 401, 401, 429], "{address}");
        let answers: Vec<u16> = (0..6)
            .map(|turn| attempt([&here, &there][turn % 2], address, "wrong").status)
            .collect();
        assert_eq!(answers, [401, 401, 401, 401, 401, 429], "{address}");
    }
}

#[test]
fn many_device_tokens_of_an_account_are_no_more_guesses_on_two_nodes() {
    let url = Cluster::shared().database();
    let [here, there] = [(); 2].map(|()| node(&url).virtual_time().start());
    here.user("alice");
    let mut owners: Vec<_> = (0..5).map(|_| here.logged_in("alice")).collect();
    let mut guess = |number: usize| {
        let owner = &mut owners[number / 5];
        owner.move_to([&here, &there][number % 2].address());
        owner.login_with("alice", "wrong").status
    };
    assert!((0..20).all(|number| guess(number) == 401));
    assert_eq!(guess(20), 429);
}

#[test]
fn an_owner_gets_in_on_every_node_from_a_device_that_she_has_used() {
    let [here, there] = two_nodes();
    here.user("alice");
    let mut owner = here.logged_in("alice");
    owner.logout().expect(204);
    for world in [&here, &there, &here, &there, &here, &there] {
        attempt(world, "alice", "wrong");
    }
    for world in [&here, &there] {
        attempt(world, "alice", PASSWORD).expect_problem(429, "throttled");
        owner.move_to(world.address());
        owner.login("alice").expect(200);
    }
    for world in [&here, &there, &here, &there, &here] {
        owner.move_to(world.address());
        owner.login_with("alice", "wrong").expect_problem(401, "invalid_credentials");
    }
    owner.login("alice").expect_problem(429, "throttled");
}

#[test]
fn delays_grow_over_all_nodes_and_a_right_password_ends_them_on_all() {
    let url = Cluster::shared().database();
    let worlds = [node(&url).virtual_time().start(), node(&url).virtual_time().start()];
    worlds[0].user("alice");
    for turn in 0..5 {
        attempt(&worlds[turn % 2], "alice", "wrong").expect_problem(401, "invalid_credentials");
    }
    let wait = |world: &TestServer| -> u64 {
        attempt(world, "alice", PASSWORD)
            .expect_problem(429, "throttled")
            .header("retry-after")
            .unwrap()
            .parse()
            .unwrap()
    };
    for turn in 0..5 {
        let seconds = wait(&worlds[turn % 2]);
        assert!(seconds <= 1 << turn, "{seconds} s before attempt {turn}");
        worlds.iter().for_each(|world| world.clock().advance(Duration::from_secs(seconds)));
        attempt(&worlds[(turn + 1) % 2], "alice", "wrong")
            .expect_problem(401, "invalid_credentials");
    }
    let seconds = wait(&worlds[0]);
    assert!(seconds > 16, "{seconds}");
    worlds.iter().for_each(|world| world.clock().advance(Duration::from_secs(seconds)));
    attempt(&worlds[1], "alice", PASSWORD).expect(200);
    for turn in 0..5 {
        attempt(&worlds[turn % 2], "alice", "wrong").expect_problem(401, "invalid_credentials");
    }
}

#[test]
fn a_database_that_does_not_answer_is_no_failed_login() {
    let mut cluster = Cluster::start(&["fsync=off"]);
    let url = cluster.database();
    let world = node(&url).start();
    world.user("alice");
    cluster.sleep();
    for _ in 0..6 {
        let answer = attempt(&world, "alice", PASSWORD);
        assert!(answer.header("retry-after").is_some());
        answer.expect_problem(503, "unavailable");
    }
    cluster.wake();
    countersign_e2e::eventually("the database is back", || world.get("/readyz").status == 200);
    attempt(&world, "alice", PASSWORD).expect(200);
}
