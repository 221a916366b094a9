use countersign_e2e::{TestServer, claims_of, eventually};

#[test]
fn the_effective_settings_are_shown_with_their_origin_and_without_secrets() {
    let world = TestServer::builder().set("secret", "a secret that nobody must ever read").asleep();
    std::fs::write(world.scratch().join("countersign.toml"), "race_window = \"31s\"\n").unwrap();
    let shown = world.cli(&["config", "--audience", "from-the-flag"]).ok();
    let line = |name: &str| {
        shown.lines().find(|line| line.trim_start().starts_with(name)).unwrap().to_owned()
    };
    assert!(
        line("race_window").contains("31s") && line("race_window").contains("countersign.toml"),
        "{shown}"
    );
    assert!(line("audience").ends_with("--audience"), "{shown}");
    assert!(line("data_dir").ends_with("COUNTERSIGN_DATA_DIR"), "{shown}");
    assert!(line("session_idle").ends_with("default"), "{shown}");
    assert!(!shown.contains("nobody must ever read"), "{shown}");
}

#[test]
fn no_form_of_a_url_shows_its_password() {
    for (name, url) in [
        ("database_url", "postgres://me:hunter2@db/x"),
        ("database_url", "postgres://db/x?user=me&password=hunter2"),
        ("database_url", "postgres://db/x?sslmode=require&sslpassword=hunter2&user=me"),
        ("database_url", "postgres://me:ab/cd+hunter2==@db/x"),
        ("database_url", "postgres://me:ab#hunter2@db/x"),
        ("database_url", "postgres://me:ab?hunter2@db/x"),
        ("database_url", "postgre://me:hunter2@db/x"),
        ("database_url", "postgres:/me:hunter2@db/x"),
        ("database_url", "host=db user=me password=hunter2"),
        ("mail_url", "smtps://me:ab/hunter2@mail:465"),
        ("mail_url", "smtp://me:hunter2@mail:587"),
    ] {
        let world = TestServer::builder().set(name, url).asleep();
        let shown = world.cli(&["config"]);
        assert!(shown.stdout().contains(name), "{url}: {}", shown.stdout());
        for text in [shown.stdout(), shown.stderr()] {
            assert!(!text.contains("hunter2"), "{url}: {text}");
        }
    }
}

#[test]
fn the_example_file_is_one_that_the_program_reads() {
    let world = TestServer::builder().asleep();
    let example = world.cli(&["config", "--example"]).ok();
    assert!(example.contains("# access_lifetime = \"5m\""), "{example}");
    std::fs::write(
        world.scratch().join("countersign.toml"),
        example.replace("# access_lifetime", "access_lifetime"),
    )
    .unwrap();
    assert!(world.cli(&["config"]).ok().contains("countersign.toml"));
}

#[test]
fn unsafe_or_unknown_configuration_stops_the_start_with_the_reason() {
    for (name, value, reason) in [
        ("same_site", "none", "https"),
        ("refresh_cookie", "__Host-refresh", "https"),
        ("partitioned", "on", "same_site = none"),
        ("partitioned", "perhaps", "on"),
        ("cors_headers", "X Trace", "not the name of a header"),
        ("cors_headers", "*", "not the name of a header"),
        ("session_short", "1s", "session_short"),
        ("cookie_domain", "example.org", "does not cover"),
        ("access_lifetime", "0s", "access_lifetime"),
        ("access_lifetime", "soon", "30s, 5m"),
        ("session_idle", "60d", "session_absolute"),
        ("allow_origins", "app.example.com", "https://app.example.com"),
        ("allow_origins", "*", "every page"),
        ("base_path", "accounts", "slash"),
        ("base_path", "/account/api", "own begin with /account"),
        ("base_path", "/healthz", "own begin with /healthz"),
        ("public_url", "http://localhost:8000/manage", "begins with /manage"),
        ("signing_algorithm", "none", "EdDSA"),
        ("secret", "short", "32"),
        ("hash_memory_kib", "1", "hash_memory_kib"),
        ("public_url", "ftp://example.com", "http"),
        ("trusted_proxies", "everybody", "network"),
        ("mail_from", "Example noreply@example.com", "mail_from: write an address"),
        ("mail_reply_to", "help", "mail_reply_to: write an address"),
        ("second_factor", "required, staff", "stands alone"),
        ("database_url", "mysql://x", "sqlite"),
        ("public_url", "", "it is empty; leave it out"),
        ("database_url", "", "it is empty; leave it out"),
        ("data_dir", "", "it is empty; leave it out"),
        ("issuer", "", "it is empty; leave it out"),
        ("cookie_domain", "", "it is empty; leave it out"),
        ("mail_url", " ", "it is empty; leave it out"),
        ("metrics_listen", "", "it is empty; leave it out"),
        ("demo", "", "it is empty; leave it out"),
        ("secret", "", "it is empty; leave it out"),
        ("acess_lifetime", "5m", "did you mean COUNTERSIGN_ACCESS_LIFETIME"),
    ] {
        let mut world = TestServer::builder().set(name, value).asleep();
        let log = world.try_wake(&[]).expect_err(name);
        assert!(log.contains(reason), "{name} = {value}: {log}");
        assert_eq!(log.matches("error:").count(), 1, "{name} = {value}: {log}");
    }
}

#[test]
fn a_usage_error_is_exit_status_2_and_every_command_has_an_example() {
    let world = TestServer::builder().asleep();
    world.cli(&["nonsense"]).fails(2);
    world.cli(&["serve", "--nonsense"]).fails(2);
    world.cli(&["serve", "--after-restore", "yesterday"]).fails(2);
    let commands = [
        &["serve"][..],
        &["createsuperuser"],
        &["changepassword"],
        &["user"],
        &["user", "create"],
        &["user", "list"],
        &["user", "show"],
        &["user", "activate"],
        &["user", "deactivate"],
        &["user", "delete"],
        &["session"],
        &["session", "list"],
        &["session", "revoke"],
        &["keys"],
        &["keys", "list"],
        &["keys", "rotate"],
        &["keys", "export"],
        &["hook"],
        &["hook", "test"],
        &["hook", "list"],
        &["hook", "replay"],
        &["migrate"],
        &["check"],
        &["config"],
        &["completions"],
        &["man"],
    ];
    for command in commands {
        let help = world.cli(&[command, &["--help"]].concat()).ok();
        assert!(help.contains("Example:\n  "), "{command:?}: {help}");
    }
    assert!(world.cli(&["completions", "bash"]).ok().contains("createsuperuser"));
    assert!(world.cli(&["man"]).ok().starts_with(".ie"), "a manual page");
}

#[test]
fn the_manual_page_names_no_page_that_is_not_there_and_completions_know_what_a_setting_may_be() {
    let world = TestServer::builder().asleep();
    let page = world.cli(&["man"]).ok();
    assert!(page.contains("countersign createsuperuser") && !page.contains("(1)"), "{page}");
    for shell in ["bash", "zsh", "fish"] {
        let script = world.cli(&["completions", shell]).ok();
        for word in ["strict", "go-on", "HS256", "json"] {
            assert!(script.contains(word), "{shell}: {word}");
        }
    }
    // Read, a switch takes what it took before.
    world.cli(&["config", "--docs", "true"]).ok();
}

#[test]
fn what_is_wrong_is_told_with_the_setting_and_the_file_that_it_stands_in() {
    let world = TestServer::start();
    let mut other =
        TestServer::builder().set("metrics_listen", &world.address().to_string()).asleep();
    let said = other.try_wake(&[]).unwrap_err();
    assert!(
        said.contains("metrics_listen = ") && said.contains("another program listens there"),
        "{said}"
    );

    let said =
        TestServer::builder().asleep().cli(&["serve", "--after-restore", "yesterday"]).fails(2);
    assert!(said.contains("such as 2026-11-23T18:18:57Z"), "{said}");

    let world = TestServer::builder().asleep();
    std::fs::write(world.scratch().join("countersign.toml"), "acces_lifetime = \"5m\"\n").unwrap();
    let said = world.cli(&["config"]).fails(1);
    assert!(
        said.contains(
            "countersign.toml: there is no setting acces_lifetime; did you mean access_lifetime?"
        ),
        "{said}"
    );

    let mut world = TestServer::builder().asleep();
    std::fs::create_dir(world.data_dir()).unwrap();
    std::fs::write(
        world.data_dir().join("countersign.sqlite3"),
        "not a database, but a long enough text. ".repeat(100),
    )
    .unwrap();
    for said in [
        world.try_wake(&[]).unwrap_err(),
        world.cli(&["user", "list"]).fails(1),
        world.cli(&["check"]).stdout(),
    ] {
        assert!(
            said.contains("countersign.sqlite3 is no SQLite database") && said.contains("data_dir"),
            "{said}"
        );
    }
}

#[test]
fn a_mail_template_that_does_not_do_stops_the_start_with_its_file_and_line() {
    for (file, text, line) in [
        ("en/reset.txt", "Subject\n\n{{ link", 3),
        ("de/verify.html", "<p>\n{{ nonsense }}\n</p>", 2),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        let place = format!("{}, line {line}", path.display());
        let mut world = TestServer::builder()
            .set("mail_url", "console:")
            .set("mail_templates", folder.path().to_str().unwrap())
            .asleep();
        let said = world.try_wake(&[]).expect_err(file);
        assert!(said.contains("mail_templates") && said.contains(&place), "{said}");
        let check = world.cli(&["check"]);
        assert!(check.stdout().contains(&place), "{}{}", check.stdout(), check.stderr());
    }
}

#[test]
fn what_stops_the_start_is_told_by_config_and_check_too() {
    let world = TestServer::builder().asleep();
    let templates = world.scratch().join("templates");
    let templates = templates.to_str().unwrap();
    for (flag, value, reason) in [
        ("--log-level", "[[[", "log_level"),
        ("--log-format", "nonsense", "choose text, json or auto"),
        ("--mail-templates", templates, "mail_templates"),
        ("--mail-url", "mail.example.com", "mail_url"),
        ("--mail-url", "smtp://mail.example.com?ca=/nowhere.pem", "nowhere.pem"),
    ] {
        let said = world.cli(&["config", flag, value]).fails(1);
        assert!(said.contains(reason), "{flag}: {said}");
        let said = world.cli(&["check", flag, value]);
        said.fails(1);
        assert!(said.stdout().contains(reason), "{flag}: {}", said.stdout());
        let said = world.cli(&["serve", "--listen", "127.0.0.1:0", flag, value]).fails(1);
        assert!(said.contains(reason), "{flag}: {said}");
    }
    // It only looks.
    let mails = world.scratch().join("mails");
    world.cli(&["config", "--mail-url", &format!("file:{}", mails.display())]).ok();
    assert!(!mails.exists());
}

#[test]
fn a_group_that_must_have_a_second_factor_and_is_not_there_is_told_of() {
    let world = TestServer::builder().set("second_factor", "Staff, superusers").start();
    let told = || world.log().matches("there is no group").count();
    eventually("the start says so", || told() == 1 && world.log().contains("superusers"));
    let check = world.cli(&["check"]).stdout();
    assert!(check.contains("there is no group \"superusers\""), "{check}");
    world.sql("INSERT INTO groups (name) VALUES ('superusers')");
    let check = world.cli(&["check"]).stdout();
    assert!(!check.contains("there is no group"), "{check}");
}

#[test]
fn a_policy_is_read_in_any_letter_case() {
    let world = TestServer::builder().set("second_factor", "Required").start();
    world.user("alice");
    let login = world.browser().login("alice").expect(200).json();
    assert_eq!(claims_of(login["access_token"].as_str().unwrap())["scope"], "enrol");
}
