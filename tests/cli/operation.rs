//! `serve`, `migrate` and `check` as an operator meets them.

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;

use countersign_e2e::{Cluster, Finished, PASSWORD, TestServer, eventually};

#[test]
fn the_first_start_makes_everything_and_lets_nobody_else_in() {
    let world = TestServer::start();
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&world.data_dir()), 0o700);
    let files: Vec<_> =
        fs::read_dir(world.data_dir()).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(files.len() >= 2, "{files:?}");
    for file in files {
        assert_eq!(mode(&file), 0o600, "{file:?}");
    }
    eventually("what to do next is said", || world.log().contains("createsuperuser"));
}

#[test]
fn a_stop_is_a_clean_exit_and_a_second_start_finds_everything() {
    let mut world = TestServer::start();
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
    let world = TestServer::start();
    let report = world.cli(&["check"]).ok();
    assert!(
        !report.contains("FAIL") && report.contains("sound") && report.contains("1 live"),
        "{report}"
    );
    let secret = world.data_dir().join("secret");
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o644)).unwrap();
    let report = world.cli(&["check"]);
    report.fails(1);
    assert!(report.stdout().contains("chmod 0600"), "{}", report.stdout());
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).unwrap();
    let report = world.cli(&["check", "--trusted-proxies", "0.0.0.0/0"]);
    report.fails(1);
    assert!(report.stdout().contains("trusts everybody"), "{}", report.stdout());
}

#[test]
fn a_secret_that_others_may_read_stops_the_start() {
    let mut world = TestServer::start();
    world.stop();
    fs::set_permissions(world.data_dir().join("secret"), fs::Permissions::from_mode(0o644))
        .unwrap();
    assert!(world.try_wake(&[]).unwrap_err().contains("chmod 600"));
}

#[test]
fn migrate_reports_does_and_then_has_nothing_to_do() {
    let world = TestServer::builder().asleep();
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
    let world = TestServer::start();
    let other = TestServer::builder().asleep();
    let said = other.cli(&["serve", "--listen", &world.address().to_string()]).fails(1);
    assert!(said.contains("another program listens there"), "{said}");
}

/// How many users a copy of the database file alone has.
fn users_in_a_copy(world: &TestServer) -> String {
    let copy = TestServer::builder().asleep();
    fs::create_dir(copy.data_dir()).unwrap();
    fs::copy(
        world.data_dir().join("countersign.sqlite3"),
        copy.data_dir().join("countersign.sqlite3"),
    )
    .unwrap();
    copy.sql("SELECT count(*) FROM users").trim().to_owned()
}

fn log_bytes(world: &TestServer) -> u64 {
    fs::metadata(world.data_dir().join("countersign.sqlite3-wal"))
        .map_or(0, |metadata| metadata.len())
}

#[test]
fn after_an_orderly_stop_the_database_file_alone_is_everything() {
    let mut world = TestServer::start();
    world.user("alice");
    world.logged_in("alice");
    assert_eq!(world.stop(), Some(0));
    assert_eq!(log_bytes(&world), 0);
    assert_eq!(users_in_a_copy(&world), "1");
}

#[test]
fn a_server_with_nothing_to_do_empties_the_log_of_its_database() {
    let world = TestServer::start();
    world.user("alice");
    eventually("the log is empty", || log_bytes(&world) == 0);
    assert_eq!(users_in_a_copy(&world), "1");
    // It is used again as before.
    world.logged_in("alice").get("/accounts/profile").expect(200);
}

#[test]
fn a_database_that_is_lost_or_empty_beside_its_secret_is_not_begun_anew_without_a_word() {
    let mut world = TestServer::start();
    world.user("alice");
    assert_eq!(world.stop(), Some(0));
    let database = world.data_dir().join("countersign.sqlite3");
    let away = world.scratch().join("away");
    fs::rename(&database, &away).unwrap();
    let said = world.try_wake(&[]).unwrap_err();
    assert!(
        said.contains("is not there")
            && said.contains("restore a backup")
            && said.contains("serve --new"),
        "{said}"
    );
    assert!(!database.exists(), "nothing was made");
    for command in [
        ["migrate"].as_slice(),
        &["createsuperuser", "--noinput", "--username", "root", "--email", "root@example.com"],
    ] {
        let mut command = world.command(command);
        let said = command.env("COUNTERSIGN_SUPERUSER_PASSWORD", PASSWORD).output().unwrap();
        assert!(
            !said.status.success()
                && String::from_utf8_lossy(&said.stderr).contains("is not there"),
            "{said:?}"
        );
    }
    fs::write(&database, "").unwrap();
    assert!(world.try_wake(&[]).unwrap_err().contains("is empty"));
    fs::rename(&away, &database).unwrap();
    world.wake();
    world.logged_in("alice");
    assert_eq!(world.stop(), Some(0));
    fs::remove_file(&database).unwrap();
    world.try_wake(&["--new"]).unwrap();
    world.browser().login("alice").expect_problem(401, "invalid_credentials");
}

#[test]
fn files_that_are_taken_away_under_a_running_server_are_noticed_and_nothing_is_acknowledged_in_vain()
 {
    let world = TestServer::start();
    world.user("alice");
    let away = world.scratch().join("away");
    let database = world.data_dir().join("countersign.sqlite3");
    for (from, to) in [(world.data_dir(), away.clone()), (database.clone(), away.clone())] {
        fs::rename(&from, &to).unwrap();
        let refused = world.browser().login("alice");
        assert!(refused.text().contains("Nothing was done"), "{}", refused.text());
        refused.expect_problem(503, "unavailable");
        world.get("/readyz").expect_problem(503, "unavailable");
        eventually("the log says so", || {
            world.log().contains("is gone from under the running server")
        });
        fs::rename(&to, &from).unwrap();
        world.get("/readyz").expect(200);
        world.browser().login("alice").expect(200);
    }
    // Another file in its place is not this one.
    fs::copy(&database, &away).unwrap();
    fs::rename(&away, &database).unwrap();
    world.browser().login("alice").expect_problem(503, "unavailable");
    eventually("the log says what to do", || world.log().contains("start the server again"));
}

#[test]
fn a_server_that_is_asked_nothing_notices_by_itself_that_its_files_are_gone() {
    let world = TestServer::start();
    fs::remove_dir_all(world.data_dir()).unwrap();
    eventually("the log says so", || world.log().contains("is gone from under the running server"));
}

#[test]
fn a_command_of_a_newer_program_does_not_change_the_schema_under_an_older_server() {
    let world = TestServer::start();
    let version = || world.sql("PRAGMA user_version").trim().to_owned();
    let newest = version();
    world.sql("PRAGMA user_version = 1");
    let said = world.cli(&["user", "list"]).fails(1);
    assert!(said.contains("older countersign") && said.contains("`countersign migrate`"), "{said}");
    assert_eq!(version(), "1", "nothing was changed");
    world.sql(&format!("PRAGMA user_version = {newest}"));
    world.cli(&["user", "list"]).ok();

    let url = Cluster::shared().database();
    let world = TestServer::builder().set("database_url", &url).asleep();
    world.cli(&["migrate"]).ok();
    let run =
        |sql: &str| std::process::Command::new("psql").args([&url, "-c", sql]).output().unwrap();
    assert!(run("DELETE FROM schema_steps WHERE name = '0003_admin'").status.success());
    assert!(world.cli(&["user", "list"]).fails(1).contains("older countersign"));
    let count = String::from_utf8_lossy(
        &run("SELECT 'steps:' || count(*) FROM schema_steps WHERE name = '0003_admin'").stdout,
    )
    .into_owned();
    assert!(count.contains("steps:0"), "nothing was changed: {count}");
}

const SUPERUSER: [&str; 6] =
    ["createsuperuser", "--noinput", "--username", "root", "--email", "root@example.com"];

/// Nobody's number, by the name that every system gives it.
const NOBODY: u32 = 65_534;

#[test]
fn who_is_not_let_into_the_data_directory_is_told_so_and_makes_nothing() {
    let mut world = TestServer::start();
    world.user("alice");
    world.stop();
    let root = fs::metadata(world.scratch()).unwrap().uid() == 0;
    let set = |mode| {
        fs::set_permissions(world.data_dir(), fs::Permissions::from_mode(mode)).unwrap();
    };
    fs::set_permissions(world.scratch(), fs::Permissions::from_mode(0o755)).unwrap();
    if !root {
        set(0o000);
    }
    for arguments in [
        &["user", "list"][..],
        &["keys", "list"],
        &["migrate", "--check"],
        &["migrate"],
        &["check"],
        &SUPERUSER,
    ] {
        let mut command = world.command(arguments);
        command.env("COUNTERSIGN_SUPERUSER_PASSWORD", PASSWORD);
        if root {
            // Whom every mode lets in.
            command.uid(NOBODY).gid(NOBODY);
        }
        let ended = match command.output() {
            // The program itself is in a place that nobody else may enter.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return,
            ended => Finished(ended.unwrap()),
        };
        ended.fails(1);
        let said = ended.stdout() + &ended.stderr();
        assert!(said.contains("cannot look into"), "{arguments:?}: {said}");
        assert!(!root || said.contains("sudo -u root "), "{arguments:?}: {said}");
        for wrong in ["there is no database", "to do: ", "makes it"] {
            assert!(!said.contains(wrong), "{arguments:?}: {said}");
        }
    }
    set(0o700);
}

#[test]
fn what_stands_where_the_data_directory_should_be_is_not_taken_for_nothing() {
    let world = TestServer::builder().asleep();
    fs::write(world.data_dir(), "").unwrap();
    for arguments in [&["user", "list"][..], &["migrate", "--check"], &["check"]] {
        let ended = world.cli(arguments);
        ended.fails(1);
        let said = ended.stdout() + &ended.stderr();
        assert!(said.contains("Not a directory") && !said.contains("there is no"), "{said}");
    }
}

#[test]
fn a_command_that_makes_a_user_says_in_which_database_and_whether_it_is_new() {
    let world = TestServer::builder().asleep();
    let database = world.data_dir().join("countersign.sqlite3");
    let made = |arguments: &[&str]| {
        let mut command = world.command(arguments);
        command.envs([
            ("COUNTERSIGN_SUPERUSER_PASSWORD", PASSWORD),
            ("COUNTERSIGN_PASSWORD", PASSWORD),
        ]);
        Finished(command.output().unwrap()).ok()
    };
    let new = made(&SUPERUSER);
    let place = database.canonicalize().unwrap();
    let begun = format!("in a new database, begun just now: {}.", place.display());
    assert!(
        new.contains("Made the superuser root with the id 1 ") && new.contains(&begun),
        "{new}"
    );
    let second = made(&["user", "create", "--noinput", "--username", "ada"]);
    assert!(second.trim_end().ends_with(&format!(" in {}.", place.display())), "{second}");
    assert!(!second.contains("new database"), "{second}");

    let url = Cluster::shared().database();
    let world = TestServer::builder().set("database_url", &url).asleep();
    let new = world.cli(&["user", "create", "--unusable-password", "--noinput", "--username", "a"]);
    assert!(new.ok().contains("in a new database, begun just now: postgres://"), "{new:?}");
}

#[test]
fn a_configuration_file_with_secrets_that_others_may_read_is_told() {
    let mut world = TestServer::builder().asleep();
    let file = world.scratch().join("countersign.toml");
    let secret = "secret = \"of this house, of this house, of it\"\n";
    let mail = "mail_url = \"smtp://me:pw@mail.example.com:587\"\n";
    let hook = "[[hook]]\nurl = \"https://crm.example.com/in\"\nevents = \"*\"\nsecret = \
                \"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\"\n";
    for (text, what) in
        [(secret, "secret in "), (mail, "mail_url in "), (hook, "the secret of a web hook in ")]
    {
        fs::write(&file, text).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
        let found = world.cli(&["check"]);
        found.fails(1);
        let told = found.stdout();
        assert!(
            told.contains(&format!("FAIL  {what}")) && told.contains("chmod 0640"),
            "{what}: {told}"
        );
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(!world.cli(&["check"]).ok().contains("FAIL"));
    }
    // The start warns; a volume may leave no choice.
    fs::write(&file, secret.to_owned() + hook).unwrap();
    world.wake();
    world.stop();
    assert!(!world.log().contains("lets everybody"), "{}", world.log());
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    world.wake();
    let warned = "has the secret of a web hook, secret in it, and its mode 0644 lets everybody";
    eventually("it is warned of", || world.log().contains(warned));
    assert!(!world.log().contains("of this house"), "{}", world.log());
    world.stop();
    // Without anything secret the mode is nobody's business.
    fs::write(&file, "race_window = \"31s\"\n").unwrap();
    assert!(!world.cli(&["check"]).stdout().contains("countersign.toml"));
}
