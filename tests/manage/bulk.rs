use serde_json::{Value, json};

use super::*;

fn send(world: &TestServer, token: &str, body: impl Into<Vec<u8>>) -> Response {
    ask(world, token, "POST", "/users/bulk").body("application/x-ndjson", body).send()
}

fn answers(response: &Response) -> Vec<Value> {
    response.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn each_line_makes_its_user_or_says_why_not_in_their_order() {
    let world = managed();
    let token = token(&world, "importer", USERS);
    let lines = [
        json!({"username": "ada", "email": "ada@example.com"}).to_string(),
        String::new(),
        r#"{"username": "twice", "username": "other"}"#.to_owned(),
        "nonsense".to_owned(),
        json!({"username": "ADA"}).to_string(),
        json!({"username": "root", "is_superuser": true}).to_string(),
        json!({"username": "bob", "password": "a long and winding road"}).to_string(),
        format!(r#"{{"username": "{}"}}"#, "a".repeat(70_000)),
        r#"{"username": "last"}"#.to_owned(),
    ];
    let answered = send(&world, &token, lines.join("\n")).expect(200);
    assert_eq!(answered.header("content-type"), Some("application/x-ndjson"));
    let answered = answers(&answered);
    let told: Vec<_> = answered
        .iter()
        .map(|answer| (answer["line"].as_u64().unwrap(), answer["status"].as_u64().unwrap()))
        .collect();
    assert_eq!(
        told,
        [(1, 201), (3, 400), (4, 400), (5, 400), (6, 403), (7, 201), (8, 413), (9, 201)]
    );
    assert_eq!(answered[1]["problem"]["code"], "parse_error");
    assert_eq!(answered[4]["problem"]["code"], "permission_denied");
    let users = world.sql("SELECT username FROM users ORDER BY username");
    assert_eq!(users.lines().collect::<Vec<_>>(), ["ada", "bob", "last"]);
    world.browser().login_with("bob", "a long and winding road").expect(200);
}

#[test]
fn a_body_that_is_sent_again_under_its_key_makes_nobody_twice() {
    let world = managed();
    let token = token(&world, "importer", USERS);
    let line = |number: u32| json!({"username": format!("user{number}")}).to_string();
    let send = |lines: Vec<String>| {
        ask(&world, &token, "POST", "/users/bulk")
            .header("idempotency-key", "import-7")
            .body("application/x-ndjson", lines.join("\n"))
            .send()
            .expect(200)
    };
    // As if the first time the connection had been cut in the middle.
    let first = answers(&send((0..50).map(line).collect()));
    let second = answers(&send((0..100).map(line).collect()));
    assert!(second.iter().all(|answer| answer["status"] == 201), "{second:?}");
    let id = |answer: &Value| answer["id"].as_i64().unwrap();
    assert_eq!(
        first.iter().map(id).collect::<Vec<_>>(),
        second[..50].iter().map(id).collect::<Vec<_>>()
    );
    assert_eq!(world.sql("SELECT count(*) FROM users").trim(), "100");
}

/// The first line of each pair takes longer by itself: its password is hashed.
fn the_first_line_of_a_name_or_an_address_wins(world: &TestServer) {
    let token = token(world, "importer", USERS);
    let mut lines = Vec::new();
    for pair in 0..20 {
        let first = |name: String, email: String| {
            json!({
                "username": name, "email": email, "password": "a long and winding road",
                "metadata": {"first": true},
            })
        };
        let second = |name: String, email: String| json!({"username": name, "email": email});
        let address = format!("s{pair}@example.com");
        lines.extend([
            first(format!("straße{pair}"), String::new()),
            second(format!("STRASSE{pair}"), String::new()),
            first(format!("owner{pair}"), address.clone()),
            second(format!("other{pair}"), address.to_uppercase()),
            second(address.to_uppercase(), String::new()),
            second(format!("Owner{pair}"), format!("free{pair}@example.com")),
            first(format!("Äda{pair}@example.com"), String::new()),
            second(format!("third{pair}"), format!("äda{pair}@EXAMPLE.com")),
        ]);
    }
    let body: Vec<_> = lines.iter().map(Value::to_string).collect();
    let answered = answers(&send(world, &token, body.join("\n")).expect(200));
    for (line, answer) in lines.iter().zip(&answered) {
        let is_first = line.get("metadata").is_some();
        assert_eq!(answer["status"], if is_first { 201 } else { 400 }, "{line} {answer}");
        if is_first {
            let read = get(world, &token, &format!("/users/{}", answer["id"])).expect(200).json();
            assert_eq!(
                (&read["metadata"], &read["has_password"]),
                (&line["metadata"], &json!(true))
            );
        }
    }
    assert_eq!(answered.len(), lines.len());
}

#[test]
fn of_lines_with_one_name_or_address_the_first_wins() {
    the_first_line_of_a_name_or_an_address_wins(&managed());
    the_first_line_of_a_name_or_an_address_wins(&node(&Cluster::shared().database()).start());
}

#[test]
fn however_many_groups_a_line_names_the_store_is_asked_for_them_once() {
    let (cluster, url) = (Cluster::shared(), Cluster::shared().database());
    let database = url.rsplit('/').next().unwrap();
    let mut world = node(&url).start();
    let token = super_token(&world);
    cluster
        .sql(database, "INSERT INTO groups (name) SELECT 'g' || n FROM generate_series(1, 999) n");
    let names: Vec<_> = (1..1_000).map(|number| format!("g{number}")).collect();
    let lines = [
        json!({"username": "ada", "groups": vec!["g1"; 1_000]}),
        json!({"username": "bob", "groups": names}),
        json!({"username": "eve", "groups": ["g1", "g2", "none", "nor this", "g1"]}),
        json!({"username": "eve", "groups": vec!["g1"; 1_001]}),
    ];
    let lines = lines.map(|line| line.to_string());
    let answered = answers(&send(&world, &token, lines.join("\n")).expect(200));
    let groups = |answer: &Value| {
        let read = get(&world, &token, &format!("/users/{}", answer["id"])).expect(200).json();
        read["groups"].as_array().unwrap().len()
    };
    assert_eq!((groups(&answered[0]), groups(&answered[1])), (1, 999));
    let errors = |answer: &Value| answer["problem"]["errors"]["groups"][0].clone();
    assert_eq!(errors(&answered[2]), "There is no group \"none\".");
    assert_eq!(errors(&answered[3]), "At most 1000.");
    // A connection that ends tells what it did.
    world.stop();
    let committed = "SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()";
    let committed: u32 = cluster.sql(database, committed).parse().unwrap();
    assert!(committed < 1_000, "{committed} transactions");
}

#[test]
fn too_much_at_once_is_refused_and_nothing_is_done() {
    let world = managed();
    let token = token(&world, "importer", USERS);
    let lines = |many: u32| -> String {
        (0..many).map(|number| format!("{{\"username\":\"u{number}\"}}\n")).collect()
    };
    send(&world, &token, lines(1_001)).expect_problem(413, "payload_too_large");
    send(&world, &token, " ".repeat(4 * 1024 * 1024 + 1)).expect_problem(413, "payload_too_large");
    let json = ask(&world, &token, "POST", "/users/bulk").body("application/json", lines(1));
    json.send().expect_problem(415, "unsupported_media_type");
    let packed = ask(&world, &token, "POST", "/users/bulk").header("content-encoding", "gzip");
    let packed = packed.body("application/x-ndjson", lines(1));
    packed.send().expect_problem(415, "unsupported_media_type");
    let reader = super::token(&world, "reader", &["auth.view_user"]);
    send(&world, &reader, lines(1)).expect_problem(403, "permission_denied");
    assert_eq!(world.sql("SELECT count(*) FROM users").trim(), "0");
    let made = answers(&send(&world, &token, lines(1_000)).expect(200));
    assert!(made.len() == 1_000 && made.iter().all(|answer| answer["status"] == 201));
    assert!(answers(&send(&world, &token, "\n \n").expect(200)).is_empty());
}
