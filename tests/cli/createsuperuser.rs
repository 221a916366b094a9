use countersign_e2e::{Finished, PASSWORD, TestServer};

use crate::terminal::on_a_terminal;
use serde_json::Value;

#[test]
fn a_superuser_is_made_without_questions_and_can_log_in() {
    let world = TestServer::start();
    let mut command = world.command(&[
        "createsuperuser",
        "--noinput",
        "--username",
        "root",
        "--email",
        "root@example.com",
    ]);
    Finished(command.env("COUNTERSIGN_SUPERUSER_PASSWORD", PASSWORD).output().unwrap()).ok();
    let shown: Value =
        serde_json::from_str(&world.cli(&["user", "show", "root", "--json"]).ok()).unwrap();
    assert_eq!(
        (&shown["is_staff"], &shown["is_superuser"]),
        (&Value::Bool(true), &Value::Bool(true))
    );
    let user = world.browser().login("root").expect(200).json()["user"].clone();
    assert_eq!(user["is_superuser"], true);
}

#[test]
fn without_a_terminal_or_with_a_weak_password_nobody_is_made() {
    let world = TestServer::builder().asleep();
    assert!(world.cli(&["createsuperuser", "--username", "root"]).fails(1).contains("--noinput"));
    let whole =
        ["createsuperuser", "--noinput", "--username", "root", "--email", "root@example.com"];
    assert!(world.cli(&whole).fails(1).contains("COUNTERSIGN_SUPERUSER_PASSWORD"));
    assert!(world.cli(&whole[..4]).fails(1).contains("--email ADDRESS"), "as Django has it");
    assert!(world.cli(&whole[..2]).fails(1).contains("--username NAME"));
    let mut weak = world.command(&whole);
    Finished(weak.env("COUNTERSIGN_SUPERUSER_PASSWORD", "12345678").output().unwrap()).fails(1);
    assert!(!world.data_dir().exists(), "nothing was made");
}

#[test]
fn on_a_terminal_what_is_missing_is_asked_for_and_the_password_twice_and_unseen() {
    let world = TestServer::builder().asleep();
    let answers = [
        ("User name", "root"),
        ("E-mail", ""),
        ("Password: ", "short"),
        ("again", "short"),
        ("[y/N]", "n"),
        ("Password: ", PASSWORD),
        ("again", "different"),
        ("Password: ", PASSWORD),
        ("again", PASSWORD),
    ];
    let seen = on_a_terminal(&world, &["createsuperuser"], &[], &answers).ok();
    assert!(seen.contains("differ") && seen.contains("Made the superuser root"), "{seen}");
    assert!(!seen.contains(PASSWORD), "the password was shown: {seen}");
}

#[test]
fn the_name_of_who_types_is_offered_and_a_weak_password_may_be_forced_on_a_developers_machine() {
    let world = TestServer::start();
    let answers = [
        ("leave blank to use 'grace'", ""),
        ("E-mail", "grace@example.com"),
        ("Password: ", "short"),
        ("again", "short"),
        ("[y/N]", "y"),
    ];
    let seen = on_a_terminal(&world, &["createsuperuser"], &[("LOGNAME", "grace")], &answers).ok();
    assert!(seen.contains("Made the superuser grace"), "{seen}");
    world.browser().login_with("grace", "short").expect(200);
    // A name that is taken is not offered, and elsewhere no weak password is.
    let elsewhere = [("LOGNAME", "grace"), ("COUNTERSIGN_PUBLIC_URL", "https://auth.example.com")];
    let answers = [
        ("User name: ", "ada"),
        ("E-mail", ""),
        ("Password: ", "short"),
        ("again", "short"),
        ("Password: ", PASSWORD),
        ("again", PASSWORD),
    ];
    let seen = on_a_terminal(&world, &["createsuperuser"], &elsewhere, &answers).ok();
    assert!(!seen.contains("Bypass"), "{seen}");
}
