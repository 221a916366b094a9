use countersign_e2e::{Finished, PASSWORD, TestServer, eventually};

use crate::terminal::{interrupt_at, on_a_terminal};

#[test]
fn a_changed_password_is_the_only_one_that_signs_in_and_the_sessions_are_ended() {
    let world = TestServer::start();
    world.user("alice");
    let mut browser = world.logged_in("alice");
    let mut command = world.command(&["changepassword", "alice", "--noinput"]);
    Finished(command.env("COUNTERSIGN_PASSWORD", "an entirely new one").output().unwrap()).ok();
    eventually("the access token is dead", || browser.get("/accounts/profile").status == 401);
    let refused = browser.refresh().expect_problem(401, "session_revoked");
    assert_eq!(refused.json()["reason"], "password_changed");
    browser.login("alice").expect_problem(401, "invalid_credentials");
    browser.login_with("alice", "an entirely new one").expect(200);
}

#[test]
fn an_unknown_user_a_weak_password_and_a_missing_terminal_are_refused() {
    let world = TestServer::builder().asleep();
    world.user("alice");
    let change = |user: &str, password: &str, arguments: &[&str]| {
        let mut command = world.command(&[&["changepassword", user], arguments].concat());
        Finished(command.env("COUNTERSIGN_PASSWORD", password).output().unwrap()).fails(1)
    };
    assert!(change("bob", "an entirely new one", &["--noinput"]).contains("there is no user"));
    assert!(change("alice", "alice1234", &["--noinput"]).contains("user"));
    assert!(change("alice", "an entirely new one", &[]).contains("--noinput"));
}

#[test]
fn after_three_attempts_nothing_is_changed() {
    let world = TestServer::start();
    world.user("alice");
    let differ = [("Password: ", "an entirely new one"), ("again", "another one")];
    let answers = [differ, differ, differ].concat();
    let asked = on_a_terminal(&world, &["changepassword", "alice"], &[], &answers);
    assert!(
        !asked.0.status.success() && asked.stdout().contains("nothing was changed"),
        "{}{}",
        asked.stdout(),
        asked.stderr()
    );
    world.browser().login_with("alice", PASSWORD).expect(200);
}

#[test]
fn ctrl_c_at_a_password_gives_the_terminal_its_echo_back() {
    let world = TestServer::start();
    world.user("alice");
    let superuser = ["createsuperuser", "--username", "root", "--email", "root@example.com"];
    for command in [&["changepassword", "alice"][..], &superuser] {
        let (status, echoes) = interrupt_at(&world, command, "Password: ");
        assert_eq!((status, echoes), (130, true), "{command:?}");
    }
}
