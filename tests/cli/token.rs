use countersign_e2e::TestServer;
use serde_json::Value;

fn tokens(world: &TestServer) -> Vec<Value> {
    serde_json::from_str(&world.cli(&["token", "list", "--json"]).ok()).unwrap()
}

fn asleep() -> TestServer {
    let world = TestServer::builder().asleep();
    world.cli(&["migrate"]).ok();
    world
}

#[test]
fn a_token_is_printed_once_listed_without_its_secret_and_revoked_by_name_or_id() {
    let world = asleep();
    let made = world.cli(&[
        "token",
        "create",
        "importer",
        "--permission",
        "auth.view_user",
        "--permission",
        "auth.add_user",
        "--network",
        "10.0.0.0/8",
        "--network",
        "192.0.2.7",
        "--expires-in",
        "30d",
    ]);
    let token = made.ok().trim_end().to_owned();
    assert!(token.starts_with("cs_") && token.len() == 41 && !token.contains('\n'), "{token}");
    assert!(made.stderr().contains("not shown again"));
    assert!(!made.stderr().contains(&token));
    let listed = &tokens(&world)[0];
    assert_eq!((&listed["name"], &listed["state"]), (&"importer".into(), &"good".into()));
    assert_eq!(listed["permissions"], serde_json::json!(["auth.add_user", "auth.view_user"]));
    assert_eq!(listed["networks"], serde_json::json!(["10.0.0.0/8", "192.0.2.7/32"]));
    assert_eq!(listed["is_superuser"], false);
    assert!(listed["maker"].as_str().unwrap().starts_with("shell:"));
    for shown in [listed.to_string(), world.cli(&["token", "list"]).ok()] {
        assert!(!shown.contains("cs_") && !shown.contains(&token[3..35]), "{shown}");
    }
    for file in std::fs::read_dir(world.data_dir()).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        let text = String::from_utf8_lossy(&bytes);
        assert!(!text.contains(&token[3..35]), "only its hash is kept");
    }

    let again = world.cli(&["token", "create", "importer"]).fails(1);
    assert!(again.contains("revoke it, or choose another name"), "{again}");
    assert!(world.cli(&["token", "revoke", "importer"]).ok().contains("importer (id 1)"));
    world.cli(&["token", "create", "importer", "--superuser"]).ok();
    assert!(world.cli(&["token", "list"]).ok().contains("everything"));
    world.cli(&["token", "revoke", "2"]).ok();
    assert!(world.cli(&["token", "revoke", "importer"]).fails(1).contains("there is no token"));
    let states: Vec<_> = tokens(&world).iter().map(|token| token["state"].clone()).collect();
    assert_eq!(states, ["revoked", "revoked"]);
    let lines = world.sql(
        "SELECT kind, detail FROM audit_events WHERE kind LIKE 'service%' AND actor LIKE 'shell:%'",
    );
    assert_eq!(lines.lines().count(), 4, "{lines}");
}

#[test]
fn an_ipv4_network_in_the_form_of_ipv6_is_where_it_means() {
    let world = asleep();
    let networks = ["--network", "::ffff:127.0.0.1", "--network", "::ffff:10.0.0.0/104"];
    world.cli(&[&["token", "create", "importer"][..], &networks].concat()).ok();
    assert_eq!(tokens(&world)[0]["networks"], serde_json::json!(["127.0.0.1/32", "10.0.0.0/8"]));
}

#[test]
fn a_token_that_would_not_do_what_was_meant_is_not_made() {
    let world = asleep();
    for (arguments, said) in [
        (&["importer", "--permission", "auth.ad_user"][..], "there is no permission"),
        (&["importer", "--group", "nobodies"], "there is no group"),
        (&[""], "a name of 1 to 100 characters"),
        (&["7"], "no number"),
        (&["a:b"], "neither colons"),
    ] {
        let refused = world.cli(&[&["token", "create"], arguments].concat()).fails(1);
        assert!(refused.contains(said), "{arguments:?}: {refused}");
    }
    for arguments in [
        &["importer", "--network", "10.0.0.0/33"][..],
        &["importer", "--expires-in", "5"],
        &["importer", "--expires-in", "0s"],
        &["importer", "--expires-in", "11000d"],
        &[],
    ] {
        world.cli(&[&["token", "create"], arguments].concat()).fails(2);
    }
    assert!(tokens(&world).is_empty());
}
