//! `serve`, `migrate` and `check` as an operator meets them.

use std::os::unix::fs::PermissionsExt;

use countersign_e2e::{World, eventually};

#[test]
fn the_first_start_makes_everything_and_lets_nobody_else_in() {
    let world = World::start();
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&world.data_dir()), 0o700);
    let files: Vec<_> = std::fs::read_dir(world.data_dir()).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(files.len() >= 2, "{files:?}");
    for file in files {
        assert_eq!(mode(&file), 0o600, "{file:?}");
    }
    eventually("what to do next is said", || world.log().contains("createsuperuser"));
}

#[test]
fn a_stop_is_a_clean_exit_and_a_second_start_finds_everything() {
    let mut world = World::start();
    world.user("alice");
    let mut browser = world.logged_in("alice");
    assert_eq!(world.stop(), Some(0));
    world.wake();
    browser.move_to(world.address());
    browser.get("/accounts/profile").expect(200);
    browser.refresh().expect(200);
}

#[test]
fn check_finds_nothing_wrong_with_a_fresh_installation_and_names_what_was_loosened() {
    let world = World::start();
    let report = world.cli(&["check"]).ok();
    assert!(!report.contains("FAIL") && report.contains("sound") && report.contains("1 live"), "{report}");
    let secret = world.data_dir().join("secret");
    std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o644)).unwrap();
    let report = world.cli(&["check"]);
    report.fails(1);
    assert!(report.stdout().contains("chmod 0600"), "{}", report.stdout());
    std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o600)).unwrap();
    let report = world.cli(&["check", "--trusted-proxies", "0.0.0.0/0"]);
    report.fails(1);
    assert!(report.stdout().contains("trusts everybody"), "{}", report.stdout());
}

#[test]
fn a_secret_that_others_may_read_stops_the_start() {
    let mut world = World::start();
    world.stop();
    std::fs::set_permissions(world.data_dir().join("secret"), std::fs::Permissions::from_mode(0o644)).unwrap();
    assert!(world.try_wake(&[]).unwrap_err().contains("chmod 600"));
}

#[test]
fn migrate_reports_does_and_then_has_nothing_to_do() {
    let world = World::builder().asleep();
    let before = world.cli(&["migrate", "--check"]);
    before.fails(1);
    assert!(before.stdout().contains("0001_initial"), "{}", before.stdout());
    assert!(!world.data_dir().exists(), "--check only reports");
    world.cli(&["migrate"]).ok();
    assert!(world.cli(&["migrate", "--check"]).ok().contains("up to date"));
    world.sql("PRAGMA user_version = 99");
    assert!(world.cli(&["migrate"]).fails(1).contains("newer"));
}

#[test]
fn a_port_that_is_taken_is_told_with_what_to_do() {
    let world = World::start();
    let other = World::builder().asleep();
    let said = other.cli(&["serve", "--listen", &world.address().to_string()]).fails(1);
    assert!(said.contains("another program listens there"), "{said}");
}
