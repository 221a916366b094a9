use super::table::Kind;
use super::*;

fn load(
    file: &str,
    environment: &[(&str, &str)],
    flags: &[(&str, &str)],
) -> Result<Config, ConfigError> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("countersign.toml");
    std::fs::write(&path, file).unwrap();
    let environment = environment.iter().map(|(name, text)| (name.into(), text.into()));
    let flags = flags.iter().map(|(name, text)| (find(name).unwrap(), vec![(*text).to_owned()]));
    Config::load(Some(&path), environment, flags)
}

#[test]
fn of_file_environment_and_flag_the_later_wins() {
    let file = "base_path = \"/file\"\nissuer = \"file\"\naudience = \"file\"";
    let environment = [
        ("COUNTERSIGN_ISSUER", "environment"),
        ("COUNTERSIGN_AUDIENCE", "environment"),
        ("HOME", "/"),
    ];
    let config = load(file, &environment, &[("audience", "flag")]).unwrap();
    assert_eq!(config.text("base_path"), Some("/file"));
    assert_eq!(config.text("issuer"), Some("environment"));
    assert_eq!(config.text("audience"), Some("flag"));
    assert_eq!(config.text("listen"), Some("127.0.0.1:8000"));
    assert_eq!(config.values["audience"].source.to_string(), "--audience");
}

#[test]
fn an_unknown_key_is_told_its_nearest_neighbour() {
    let error = load("acces_lifetime = \"5m\"", &[], &[]).unwrap_err().to_string();
    assert!(
        error.ends_with(
            "countersign.toml: there is no setting acces_lifetime; did you \
        mean access_lifetime?"
        ),
        "{error}"
    );
    let error = load("", &[("COUNTERSIGN_PUBLIC_URI", "x")], &[]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "there is no setting COUNTERSIGN_PUBLIC_URI; did you mean COUNTERSIGN_PUBLIC_URL?"
    );
    let error = load("zzz = 1", &[], &[]).unwrap_err().to_string();
    assert!(error.ends_with("countersign.toml: there is no setting zzz"), "{error}");
}

#[test]
fn a_group_of_settings_may_be_a_table() {
    let config = load("[throttle]\naccount_attempts = 7\n[hash]\nthreads = 3\n", &[], &[]).unwrap();
    assert_eq!(config.required::<u32>("throttle_account_attempts"), Ok(7));
    assert_eq!(config.required::<u32>("hash_threads"), Ok(3));
}

#[test]
fn lists_are_arrays_in_the_file_and_have_commas_elsewhere() {
    let file = "allow_origins = [\"https://a.example\", \"https://b.example\"]";
    let config = load(file, &[("COUNTERSIGN_EXTRA_CLAIMS", "email, username")], &[]).unwrap();
    assert_eq!(
        config.list::<String>("allow_origins").unwrap(),
        ["https://a.example", "https://b.example"]
    );
    assert_eq!(config.list::<String>("extra_claims").unwrap(), ["email", "username"]);
    assert!(load("listen = [\"a\"]", &[], &[]).is_err());
}

#[test]
fn a_wrong_value_is_told_with_its_place_and_a_secret_is_never_shown() {
    let config = load("access_lifetime = \"soon\"\nsecret = \"hunter2\"", &[], &[]).unwrap();
    let error = config.duration("access_lifetime").unwrap_err().to_string();
    assert!(
        error.starts_with("access_lifetime = \"soon\" (") && error.contains("countersign.toml"),
        "{error}"
    );
    assert!(!config.secret().unwrap_err().to_string().contains("hunter2"));
    let error = load("listen = \"127.0.0.1:1\"\nsecret = \"hunter2\nissuer = \"x\"", &[], &[])
        .unwrap_err()
        .to_string();
    assert!(error.contains("line 2: ") && !error.contains("hunter2"), "{error}");
    let error = load("", &[("COUNTERSIGN_DATABASE_URL", "mysql://me:hunter2@db/x")], &[])
        .unwrap()
        .database()
        .err()
        .unwrap()
        .to_string();
    assert!(error.contains("mysql://me:…@db/x") && error.contains("sqlite:PATH"), "{error}");
}

#[test]
fn an_empty_secret_is_no_wish_for_another_one() {
    assert!(load("", &[("COUNTERSIGN_SECRET", "")], &[]).is_err());
    assert!(load("", &[], &[]).unwrap().secret().unwrap().is_none());
}

#[test]
fn no_setting_is_its_default_because_its_value_is_empty() {
    for setting in SETTINGS.iter().filter(|setting| !setting.list) {
        for text in ["", " "] {
            let file = format!("{} = {text:?}", setting.name);
            for error in [
                load("", &[(&setting.variable(), text)], &[]).unwrap_err(),
                load("", &[], &[(setting.name, text)]).unwrap_err(),
                load(&file, &[], &[]).unwrap_err(),
            ] {
                let error = error.to_string();
                assert!(
                    error.starts_with(&format!("{} = \"\" (", setting.name))
                        && error.contains("it is empty; leave it out"),
                    "{error}"
                );
            }
        }
    }
    // What is empty and not in force harms nobody, and a list of nothing is a list.
    let empty = [("COUNTERSIGN_ISSUER", ""), ("COUNTERSIGN_TRUSTED_PROXIES", "")];
    let config = load("trusted_proxies = [\"10.0.0.1\"]", &empty, &[("issuer", "x")]).unwrap();
    assert_eq!(config.text("issuer"), Some("x"));
    assert!(config.list::<String>("trusted_proxies").unwrap().is_empty());
}

#[test]
fn a_setting_that_is_given_twice_in_the_file_is_not_guessed_at() {
    let error = load("throttle_account_attempts = 3\n[throttle]\naccount_attempts = 7\n", &[], &[])
        .unwrap_err()
        .to_string();
    assert!(error.contains("throttle_account_attempts is given twice"), "{error}");
}

#[test]
fn variables_that_kubernetes_sets_do_not_stop_the_start() {
    for (link, text) in [
        ("SERVICE_HOST", "10.0.0.1"),
        ("SERVICE_PORT", "8000"),
        ("SERVICE_PORT_HTTP", "8000"),
        ("PORT", "tcp://10.0.0.1:8000"),
        ("PORT_8000_TCP", "tcp://10.0.0.1:8000"),
        ("PORT_8000_TCP_ADDR", "10.0.0.1"),
        // Services named countersign-postgres and countersign-admin-ui.
        ("POSTGRES_PORT", "tcp://10.0.0.7:5432"),
        ("POSTGRES_SERVICE_HOST", "10.0.0.7"),
        ("POSTGRES_SERVICE_PORT", "5432"),
        ("POSTGRES_SERVICE_PORT_POSTGRESQL", "5432"),
        ("POSTGRES_PORT_5432_TCP", "tcp://10.0.0.7:5432"),
        ("POSTGRES_PORT_5432_TCP_PROTO", "tcp"),
        ("POSTGRES_PORT_5432_TCP_PORT", "5432"),
        ("ADMIN_UI_PORT", "udp://10.0.0.8:80"),
        ("ADMIN_UI_PORT_53_UDP_ADDR", "10.0.0.8"),
    ] {
        let config = load("", &[(&format!("COUNTERSIGN_{link}"), text)], &[])
            .unwrap_or_else(|error| panic!("{link}: {error}"));
        assert!(config.values().all(|(_, value)| value.source == Source::Default), "{link}");
    }
    for mistake in ["METRICS_PORT", "POSTGRES_PORT", "DATABASE_PORTS", "PORT_8000", "PORT_TCP"] {
        assert!(
            load("", &[(&format!("COUNTERSIGN_{mistake}"), "5432")], &[]).is_err(),
            "{mistake}"
        );
    }
    assert!(load("", &[("COUNTERSIGN_PORTS", "1")], &[]).is_err());
}

#[test]
fn a_text_that_is_no_utf_8_is_told_and_not_left_out() {
    use std::os::unix::ffi::OsStringExt;
    let environment = [(OsString::from("COUNTERSIGN_ISSUER"), OsString::from_vec(vec![0xff]))];
    let error =
        Config::load(None, environment.into_iter(), std::iter::empty()).unwrap_err().to_string();
    assert!(error.contains("COUNTERSIGN_ISSUER") && error.contains("UTF-8"), "{error}");
}

#[test]
fn without_any_choice_the_library_does_what_it_does_by_itself() {
    let parts = load("", &[], &[]).unwrap().serve().unwrap();
    // A server has its store for itself, and needs no name among others.
    let mut library = countersign::Settings::default();
    library.instance = Some(String::new());
    assert_eq!(format!("{:?}", parts.settings), format!("{library:?}"));
}

#[test]
fn each_line_of_the_example_starts_by_itself() {
    let example = example();
    let lines: Vec<_> = example
        .lines()
        .filter_map(|line| line.strip_prefix("# "))
        .filter(|line| line.contains(" = "))
        .collect();
    assert_eq!(lines.len(), SETTINGS.len() - 1, "all but the secret");
    for line in lines {
        let started = load(line, &[], &[]).and_then(|config| config.serve().map(drop));
        // What has no default waits for a value.
        let is_empty = line.ends_with(" = \"\"");
        assert_eq!(started.is_err(), is_empty, "{line}: {started:?}");
    }
}

#[test]
fn the_example_is_a_file_of_the_defaults() {
    let example: String = example()
        .lines()
        .map(|line| line.strip_prefix("# ").filter(|line| line.contains(" = ")).unwrap_or(""))
        .filter(|line| !line.ends_with(" = \"\""))
        .fold(String::new(), |text, line| text + line + "\n");
    let config = load(&example, &[], &[]).unwrap();
    for (setting, value) in config.values() {
        let default: Vec<_> =
            Some(setting.default).filter(|text| !text.is_empty()).into_iter().collect();
        assert_eq!(
            value.texts.iter().filter(|text| !text.is_empty()).collect::<Vec<_>>(),
            default,
            "{}",
            setting.name
        );
        let is_written = setting.list || !setting.default.is_empty();
        assert_eq!(matches!(value.source, Source::File(_)), is_written, "{}", setting.name);
    }
}

#[test]
fn each_bound_is_the_last_value_that_is_taken() {
    for setting in SETTINGS {
        let (least, most) = match setting.kind {
            Kind::Number { least, most, .. } | Kind::Duration { least, most, .. } => (least, most),
            Kind::Text(_) | Kind::Choice(_) => continue,
        };
        let unit = if matches!(setting.kind, Kind::Duration { .. }) { "s" } else { "" };
        let starts = |n: u64| {
            let mut given = vec![(setting.name, format!("{n}{unit}"))];
            // Other settings that bind this one leave it free.
            given.extend(match setting.name {
                "access_lifetime" => vec![("session_idle", "400d".to_owned())],
                "admin_idle" => vec![("admin_absolute", "30d".to_owned())],
                "admin_absolute" => vec![("admin_idle", "60s".to_owned())],
                "change_lifetime" => vec![("undo_lifetime", "30d".to_owned())],
                "undo_lifetime" => vec![("change_lifetime", "60s".to_owned())],
                "session_absolute" => {
                    vec![("session_idle", "60s".to_owned()), ("access_lifetime", "60s".to_owned())]
                }
                "hash_lanes" => vec![("hash_memory_kib", "262144".to_owned())],
                "database_connections" => {
                    vec![("database_url", "postgres://me@db/x".to_owned())]
                }
                _ => vec![],
            });
            given.extend(match setting.name {
                "access_lifetime" => vec![("session_absolute", "400d".to_owned())],
                "session_idle" => vec![
                    ("session_absolute", "400d".to_owned()),
                    ("access_lifetime", "60s".to_owned()),
                ],
                _ => vec![],
            });
            let flags = given.into_iter().map(|(name, text)| (find(name).unwrap(), vec![text]));
            let config = Config::load(None, std::iter::empty(), flags).unwrap();
            config.serve().map(drop)
        };
        assert_eq!(starts(least), Ok(()), "{} at least", setting.name);
        if least > 0 {
            let below = starts(least - 1);
            let zero_is_free = matches!(setting.kind, Kind::Duration { or_zero: true, .. });
            assert!(zero_is_free || below.is_err(), "{} below", setting.name);
        }
        if most < u64::from(u32::MAX) {
            assert_eq!(starts(most), Ok(()), "{} at most", setting.name);
            let above = starts(most + 1).unwrap_err().to_string();
            assert!(above.contains(setting.name), "{above}");
        }
    }
}

#[test]
fn the_page_of_settings_says_what_the_table_says() {
    let page = include_str!("../../../../docs/configuration.md");
    let rows: Vec<Vec<&str>> = page
        .lines()
        .filter(|line| line.starts_with("| `"))
        .map(|line| line.trim_matches('|').split(" | ").map(str::trim).collect())
        .collect();
    for setting in SETTINGS {
        let name = format!("`{}`", setting.name);
        let of_it: Vec<_> = rows.iter().filter(|row| row[0] == name).collect();
        let [row] = of_it.as_slice() else {
            panic!("{} stands {} times in docs/configuration.md", setting.name, of_it.len());
        };
        let default = format!("`{}`", setting.default);
        assert!(
            setting.default.is_empty() || row[1].starts_with(&default),
            "the default of {}: {row:?}",
            setting.name
        );
        let bounds = setting.kind.bounds();
        assert!(
            bounds.is_empty() || row[2..].iter().any(|cell| cell.contains(&bounds)),
            "the bounds of {}, {bounds}: {row:?}",
            setting.name
        );
    }
    for row in rows {
        let name = row[0].trim_matches('`');
        assert!(find(name).is_some(), "docs/configuration.md tells of {name}, which is no setting");
    }
}

#[test]
fn what_follows_from_the_settings_is_shown_with_what_it_follows_from() {
    let shown = |environment: &[(&str, &str)]| -> Vec<(String, String)> {
        let derived = load("", environment, &[]).unwrap().derived().unwrap();
        derived.into_iter().map(|derived| (derived.value, derived.from)).collect()
    };
    let plain = shown(&[]);
    for (value, from) in [
        ("http://localhost:8000", "listen"),
        ("http://localhost:8000/accounts", "public_url, base_path"),
        ("refreshtoken", "public_url, cookie_domain"),
        ("sqlite:./data/countersign.sqlite3", "data_dir"),
        ("the file ./data/secret", "data_dir"),
    ] {
        assert!(plain.contains(&(value.to_owned(), from.to_owned())), "{value}: {plain:?}");
    }
    let chosen = shown(&[
        ("COUNTERSIGN_PUBLIC_URL", "https://auth.example.com"),
        ("COUNTERSIGN_ISSUER", "me"),
        ("COUNTERSIGN_DATABASE_URL", "postgres://me:hunter2@db/x"),
        ("COUNTERSIGN_SECRET", "a secret that nobody must ever read"),
    ]);
    for (value, from) in [
        ("https://auth.example.com", "public_url"),
        ("me", "issuer"),
        ("__Host-refreshtoken", "public_url, cookie_domain"),
        ("postgres://me:…@db/x", "database_url"),
        ("(not shown)", "secret"),
    ] {
        assert!(chosen.contains(&(value.to_owned(), from.to_owned())), "{value}: {chosen:?}");
    }
}

#[test]
fn every_setting_of_the_library_can_be_chosen_here() {
    let chosen: Vec<(&Setting, Vec<String>)> = SETTINGS
        .iter()
        .map(|setting| (setting, vec![another_value(setting)]))
        .filter(|(setting, _)| setting.name != "data_dir")
        .collect();
    let config = Config::load(None, std::iter::empty(), chosen.into_iter()).unwrap();
    let (chosen, library) =
        (fields(&config.settings().unwrap()), fields(&countersign::Settings::default()));
    let same: Vec<&str> = library
        .iter()
        .filter(|(name, value)| chosen.get(*name) == Some(value))
        .map(|(name, _)| name.as_str())
        .collect();
    // The server has its own OpenAPI document and no layer of an app around it.
    assert_eq!(same, ["cors", "expose_headers", "openapi_prefix"]);
}

/// A value that is not the default.
fn another_value(setting: &Setting) -> String {
    match (setting.kind, setting.name) {
        (_, "session_idle" | "max_staleness") => "77s".to_owned(),
        (Kind::Choice(words), _) => {
            let other = words.split('|').find(|word| *word != setting.default);
            other.expect("a choice has two words").to_owned()
        }
        (Kind::Number { least, .. }, _) => {
            let mut others = [least + 1, least + 2].map(|number| number.to_string()).into_iter();
            others.find(|number| number != setting.default).expect("two numbers differ")
        }
        (Kind::Duration { least, .. }, _) => format!("{}s", least + 1),
        (Kind::Text("URL"), _) => "https://a.example.com/{token}".to_owned(),
        (Kind::Text("ORIGIN"), _) => "https://b.example.com".to_owned(),
        (Kind::Text("ADDRESS"), _) => "a@example.com".to_owned(),
        (Kind::Text("ADDRESS:PORT"), _) => "127.0.0.1:1".to_owned(),
        (Kind::Text("NETWORK"), _) => "192.0.2.0/24".to_owned(),
        (Kind::Text("CLAIM" | "FIELD"), _) => "email".to_owned(),
        (Kind::Text("WHO"), _) => "staff".to_owned(),
        (Kind::Text("PATH"), _) => "/other".to_owned(),
        (Kind::Text(_), _) => "example.com".to_owned(),
    }
}

/// The fields of settings, and those of the settings in them, as they print.
fn fields(settings: &countersign::Settings) -> BTreeMap<String, String> {
    let groups = ["accounts", "cookies", "hash", "sign_in", "throttle"];
    let mut fields = BTreeMap::<String, String>::new();
    let (mut group, mut name) = (String::new(), String::new());
    for line in format!("{settings:#?}").lines() {
        let text = line.trim_start();
        let first = text.split(':').next().unwrap_or_default();
        match line.len() - text.len() {
            4 if text.contains(": ") => {
                (group, name) = (first.to_owned(), first.to_owned());
            }
            8 if text.contains(": ") && groups.contains(&group.as_str()) => {
                name = format!("{group}.{first}");
            }
            _ => {}
        }
        if !groups.contains(&name.as_str()) {
            fields.entry(name.clone()).or_default().push_str(text);
        }
    }
    fields.remove("");
    fields
}
