//! The programs of `docs/verify`, run as their pages say: services in other languages that verify
//! access tokens, and nginx in front of an app that knows none.

mod hooks;
mod management;
mod program;
mod tokens;

use std::process::Command;
use std::thread;
use std::time::Duration;

use countersign_e2e::{Browser, Forge, Program, TestServer, claims_of, eventually};
use program::{Front, beside_its_packages, docs, gateway, python, service, told_the_issuer};
use serde_json::json;
use tokens::{bad_tokens, key_ids, may_only_enrol, signed_with_the_newest_key, with, without};

#[test]
fn a_fastapi_service_lets_in_who_is_signed_in_and_nobody_else() {
    let mut world = TestServer::start();
    let program = fastapi(&world, "");
    lets_in_who_is_signed_in(&world, &program);
    refuses_what_is_no_access_token(&world, &program);
    asks_cookie_sessions_for_their_csrf_token(&world, &program);
    takes_the_tokens_of_a_new_key(&world, &program);
    feels_a_logout(&world, &program);
    does_without_the_server_for_a_while(&mut world, &program);
}

#[test]
fn an_express_service_lets_in_who_is_signed_in_and_nobody_else() {
    let mut world = TestServer::start();
    let program = express(&world, "");
    lets_in_who_is_signed_in(&world, &program);
    refuses_what_is_no_access_token(&world, &program);
    asks_cookie_sessions_for_their_csrf_token(&world, &program);
    takes_the_tokens_of_a_new_key(&world, &program);
    feels_a_logout(&world, &program);
    does_without_the_server_for_a_while(&mut world, &program);
}

#[test]
fn a_django_service_with_the_package_lets_in_who_is_signed_in_and_nobody_else() {
    let mut world = TestServer::start();
    let program = django(&world, "settings_countersign");
    lets_in_who_is_signed_in(&world, &program);
    refuses_what_is_no_access_token(&world, &program);
    asks_cookie_sessions_for_their_csrf_token(&world, &program);
    takes_the_tokens_of_a_new_key(&world, &program);
    feels_a_logout(&world, &program);
    does_without_the_server_for_a_while(&mut world, &program);
}

#[test]
fn a_django_service_with_simplejwt_alone_lets_in_who_is_signed_in_and_nobody_else() {
    let mut world = TestServer::start();
    let program = django(&world, "settings");
    // simplejwt looks for an unknown key every half minute at most, so the new one is there before
    // it looks for the first time.
    world.cli(&["keys", "rotate"]).ok();
    eventually("both keys are published", || key_ids(&world).len() == 2);
    lets_in_who_is_signed_in(&world, &program);
    for (what, token) in bad_tokens(&world) {
        let answer = program.me(&token);
        assert_eq!(answer.status, 401, "{what}: {}", answer.text());
    }
    program.me(&may_only_enrol(&world)).expect(401);
    let browser = world.logged_in("alice");
    program.me(&signed_with_the_newest_key(&world, &browser)).expect(200);
    does_without_the_server_for_a_while(&mut world, &program);
}

#[test]
fn a_group_in_the_token_stands_for_more_permissions_than_a_token_has_room_for() {
    let world = TestServer::builder().set("extra_claims", "groups").start();
    for (user, groups) in
        [("ed", &["staff", "editors"][..]), ("ann", &["authors", "constructor"]), ("bob", &[])]
    {
        let id = world.user(user);
        for group in groups {
            world.sql(&format!("INSERT INTO groups (name) VALUES ('{group}')"));
            world.sql(&format!(
                "INSERT INTO user_groups SELECT {id}, id FROM groups WHERE name = '{group}'"
            ));
        }
    }
    // A thousand permissions, of some forty letters each.
    world.sql(
        "WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 1000)
         INSERT INTO permissions (app, codename) SELECT 'articles',
             'publish_in_the_section_of_number_' || n FROM n",
    );
    world.sql(
        "INSERT INTO group_permissions SELECT groups.id, permissions.id FROM groups, permissions
             WHERE groups.name = 'editors'",
    );
    let (ed, ann, bob) = (world.logged_in("ed"), world.logged_in("ann"), world.logged_in("bob"));
    assert!(ed.access_token.len() < 1024, "{} bytes", ed.access_token.len());
    for program in [
        fastapi(&world, ""),
        express(&world, ""),
        django(&world, "settings_countersign"),
        django(&world, "settings"),
    ] {
        let publish = |browser: &Browser| {
            let request = program.request("POST", "/articles").bearer(&browser.access_token);
            request.header("X-CSRFTOKEN", &browser.csrf_token).raw_body("").send()
        };
        publish(&ed).expect(201);
        publish(&ann).expect(403);
        publish(&bob).expect(403);
        program.request("POST", "/articles").raw_body("").send().expect(401);
    }
}

#[test]
fn every_algorithm_with_a_public_key_is_taken_and_another_services_token_is_not() {
    for algorithm in ["ES256", "RS256"] {
        let world = TestServer::builder()
            .set("signing_algorithm", algorithm)
            .set("audience", "shop")
            .start();
        world.user("alice");
        let browser = world.logged_in("alice");
        for start in [fastapi, express] {
            start(&world, "shop").me(&browser.access_token).expect(200);
            start(&world, "another shop").me(&browser.access_token).expect(401);
        }
    }
}

#[test]
fn a_package_needs_to_know_the_issuer_and_no_more() {
    let front = Front::new();
    let issuer = front.url();
    let world = TestServer::builder()
        .set("public_url", &issuer)
        .set("issuer", &issuer)
        .set("audience", "shop")
        .start();
    front.lead_to(world.address());
    world.user("alice");
    let programs = [docs("express/app.mjs"), gateway("hono.mjs")]
        .map(|file| told_the_issuer(&world, &file, &issuer, "shop"));
    let fastapi = Program::start(world.scratch(), |address| {
        let mut command = service(&world, python(), "fastapi");
        command.args(["-m", "uvicorn", "app:app", "--port", &address.port().to_string()]);
        command.env_remove("AUTH_URL").env("AUTH_ISSUER", &issuer).env("AUTH_AUDIENCE", "shop");
        command
    });
    for program in programs.iter().chain([&fastapi]) {
        let mut browser = world.logged_in("alice");
        program.me(&browser.access_token).expect(200);
        program.me("nonsense").expect(401);
        asks_cookie_sessions_for_their_csrf_token(&world, program);
        let kept = browser.access_token.clone();
        browser.logout().expect(204);
        eventually("the token is refused", || program.me(&kept).status == 401);
    }
}

#[test]
fn verifiers_of_others_need_to_know_the_issuer_and_no_more() {
    // get-jwks knows no Ed25519.
    for (algorithm, programs) in
        [("EdDSA", &["express.mjs"][..]), ("ES256", &["express.mjs", "fastify.mjs"])]
    {
        let front = Front::new();
        let issuer = front.url();
        let world = TestServer::builder()
            .set("signing_algorithm", algorithm)
            .set("public_url", &issuer)
            .set("issuer", &issuer)
            .set("audience", "shop")
            .set("second_factor", "staff")
            .start();
        front.lead_to(world.address());
        world.user("alice");
        let id = world.user("bertha");
        world.sql(&format!("UPDATE users SET is_staff = 1 WHERE id = {id}"));
        let may_only_enrol = world.logged_in("bertha");
        let (browser, other) = (world.logged_in("alice"), world.logged_in("alice"));
        let (message, _) = browser.access_token.rsplit_once('.').unwrap();
        let (_, signature) = other.access_token.rsplit_once('.').unwrap();
        for name in programs {
            let program = told_the_issuer(&world, &gateway(name), &issuer, "shop");
            let answer = program.me(&browser.access_token).expect(200);
            assert_eq!(answer.json(), json!({"user": claims_of(&browser.access_token)["sub"]}));
            program.request("GET", "/me").send().expect(401);
            program.me(&format!("{message}.{signature}")).expect(401);
            program.me(&may_only_enrol.access_token).expect(401);
            let another = told_the_issuer(&world, &gateway(name), &issuer, "another shop");
            another.me(&browser.access_token).expect(401);
        }
    }
}

#[test]
fn behind_nginx_an_app_knows_who_asks_and_nobody_can_pretend() {
    let mut world = TestServer::start();
    let id = world.user_with("zoë@x+y", "zoe@example.com");
    world.user("alice");
    world.sql("INSERT INTO groups (name) VALUES ('b,c'), ('a d')");
    world.sql(&format!("INSERT INTO user_groups SELECT {id}, id FROM groups"));
    let app = Program::start(world.scratch(), |address| {
        let mut command = service(&world, "python3", "nginx");
        command.args(["app.py", &address.port().to_string()]);
        command
    });
    let prefix = tempfile::tempdir().unwrap();
    let addresses = [("127.0.0.1:8000", world.address()), ("127.0.0.1:9000", app.address())];
    let nginx = Program::nginx(prefix.path(), &docs("nginx/nginx.conf.example"), &addresses);
    let signed_in = |name: &str| {
        let mut browser = world.browser();
        browser.move_to(nginx.address());
        browser.login(name).expect(200);
        browser
    };
    let as_root = |path: &str| {
        let claims = [
            ("X-Auth-User-Id", "999"),
            ("X-Auth-Username", "root"),
            ("x-auth-groups", "admins"),
            ("X-Auth-Groups", "staff"),
        ];
        claims
            .iter()
            .fold(nginx.request("GET", path), |request, (name, value)| request.header(name, value))
    };
    let nobody = json!({"user": null, "username": null, "groups": []});

    let mut alice = signed_in("alice");
    let zoe = signed_in("zoë@x+y");
    let who_is = |browser: &Browser| {
        as_root("/api/me").bearer(&browser.access_token).send().expect(200).json()
    };
    assert_eq!(
        who_is(&zoe),
        json!({"user": id.to_string(), "username": "zoë@x+y", "groups": ["a d", "b,c"]})
    );
    // The user has no groups, and a client cannot claim any.
    assert_eq!(
        who_is(&alice),
        json!({"user": claims_of(&alice.access_token)["sub"], "username": "alice", "groups": []})
    );
    assert_eq!(as_root("/").send().expect(200).json(), nobody);
    assert_eq!(as_root("/").bearer(&alice.access_token).send().expect(200).json(), nobody);

    let refused = as_root("/api/me").send().expect(401);
    assert_eq!(refused.header("www-authenticate"), Some("Bearer"));
    for (what, token) in bad_tokens(&world) {
        let answer = as_root("/api/me").bearer(&token).send();
        assert_eq!(answer.status, 401, "{what}: {}", answer.text());
        assert!(
            answer
                .header("www-authenticate")
                .is_some_and(|challenge| challenge.contains("invalid_token")),
            "{what}"
        );
    }
    as_root("/_verify").bearer(&zoe.access_token).send().expect(404);

    // Five hundred groups: more than a header has room for, and no reason to keep the user out.
    world.sql(
        "WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 500) \
        INSERT INTO groups (name) SELECT 'department ' || n FROM n",
    );
    world.sql(&format!(
        "INSERT INTO user_groups SELECT {id}, id FROM groups WHERE name LIKE 'department %'"
    ));
    eventually("some of the groups are told", || {
        who_is(&zoe)["groups"].as_array().is_some_and(|groups| groups.len() > 200)
    });
    let verified =
        world.request("GET", "/accounts/verify").bearer(&zoe.access_token).send().expect(204);
    let told = verified.header("x-auth-groups").unwrap().split(',').count();
    assert_eq!(verified.header("x-auth-groups-left-out"), Some((502 - told).to_string().as_str()));

    world.cli(&["keys", "rotate"]).ok();
    eventually("both keys are published", || key_ids(&world).len() == 2);
    nginx
        .request("GET", "/api/me")
        .bearer(&signed_with_the_newest_key(&world, &zoe))
        .send()
        .expect(200);

    let kept = alice.clone();
    alice.logout().expect(204);
    kept.get("/api/me").expect(401);
    zoe.get("/api/me").expect(200);

    world.stop();
    let unavailable = zoe.get("/api/me").expect(503);
    assert_eq!(unavailable.header("retry-after"), Some("5"));
}

#[test]
fn behind_nginx_a_ticket_opens_one_request_of_what_it_is_for() {
    let world = TestServer::start();
    let id = world.user("alice");
    let app = Program::start(world.scratch(), |address| {
        let mut command = service(&world, "python3", "nginx");
        command.args(["app.py", &address.port().to_string()]);
        command
    });
    let page = std::fs::read_to_string(docs("../flows/tickets.md")).unwrap();
    let locations = page.split("```nginx").nth(1).unwrap().split("```").next().unwrap();
    let example = std::fs::read_to_string(docs("nginx/nginx.conf.example")).unwrap();
    let (before, after) = example.split_once("location @unavailable").unwrap();
    let prefix = tempfile::tempdir().unwrap();
    let file = world.scratch().join("tickets.conf");
    std::fs::write(&file, format!("{before}{locations}location @unavailable{after}")).unwrap();
    let addresses = [("127.0.0.1:8000", world.address()), ("127.0.0.1:9000", app.address())];
    let nginx = Program::nginx(prefix.path(), &file, &addresses);
    let alice = world.logged_in("alice");
    let ticket = |purpose: &str| {
        let asked = alice.request("POST", "/accounts/tickets").json(&json!({"for": purpose}));
        asked.send().expect(200).text_at("ticket")
    };
    let open = |query: &str| nginx.request("GET", &format!("/socket{query}")).send();
    let good = ticket("chat");
    let answer = open(&format!("?page=1&ticket={good}")).expect(200).json();
    assert_eq!(answer, json!({"user": id.to_string(), "username": "alice", "groups": []}));
    for refused in [good, ticket("another"), format!("{}&for=another", ticket("another"))] {
        open(&format!("?ticket={refused}")).expect(401);
    }
    open("").expect(401);
    let pretended = nginx.request("GET", "/socket").header("x-auth-user-id", "1").send();
    pretended.expect(401);
}

#[test]
fn what_the_pages_show_stands_in_the_programs() {
    for (page, language) in
        [("fastapi", "python"), ("django", "python"), ("express", "js"), ("nginx", "nginx")]
    {
        let files = std::fs::read_dir(docs(page))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.is_file());
        let program: Vec<String> =
            files.map(|path| without_margins(&std::fs::read_to_string(path).unwrap())).collect();
        let text = std::fs::read_to_string(docs(&format!("{page}.md"))).unwrap();
        let blocks: Vec<&str> = text
            .split("```")
            .skip(1)
            .step_by(2)
            .filter_map(|block| block.strip_prefix(language))
            .collect();
        assert!(!blocks.is_empty(), "{page}");
        for part in blocks.iter().flat_map(|block| block.split("\n\n")) {
            let part = without_margins(part);
            assert!(
                program.iter().any(|file| file.contains(&part)),
                "{page}.md shows what is in none of its files: {part}"
            );
        }
    }
}

fn without_margins(text: &str) -> String {
    text.lines().map(str::trim).collect::<Vec<_>>().join("\n").trim().to_owned()
}

fn fastapi(world: &TestServer, audience: &str) -> Program {
    Program::start(world.scratch(), |address| {
        let mut command = service(world, python(), "fastapi");
        command.args(["-m", "uvicorn", "app:app", "--port", &address.port().to_string()]);
        meant_for(audience, command)
    })
}

fn express(world: &TestServer, audience: &str) -> Program {
    let folder = beside_its_packages(world, &docs("express/app.mjs"));
    Program::start(world.scratch(), |address| {
        let mut command = service(world, "node", "express");
        command.arg("app.mjs").current_dir(&folder).env("PORT", address.port().to_string());
        meant_for(audience, command)
    })
}

fn meant_for(audience: &str, mut command: Command) -> Command {
    if audience.is_empty() {
        command.env_remove("AUTH_AUDIENCE");
    } else {
        command.env("AUTH_AUDIENCE", audience);
    }
    command
}

fn django(world: &TestServer, settings: &str) -> Program {
    Program::start(world.scratch(), |address| {
        let mut command = service(world, python(), "django");
        command.args([
            "-m",
            "django",
            "runserver",
            "--noreload",
            "--settings",
            settings,
            &address.port().to_string(),
        ]);
        command
    })
}

fn lets_in_who_is_signed_in(world: &TestServer, program: &Program) {
    world.user("alice");
    let browser = world.logged_in("alice");
    let answer = program.me(&browser.access_token).expect(200);
    assert_eq!(answer.json(), json!({"user": claims_of(&browser.access_token)["sub"]}));
    let mut native = world.native();
    native.login("alice").expect(200);
    program.me(&native.access_token).expect(200);
    let refused = program.request("GET", "/me").send().expect(401);
    assert!(
        refused.header("www-authenticate").is_some_and(|challenge| challenge.starts_with("Bearer"))
    );
}

fn refuses_what_is_no_access_token(world: &TestServer, program: &Program) {
    let mut bad = bad_tokens(world);
    let browser = world.logged_in("alice");
    let (forge, claims) = (Forge::of(world), claims_of(&browser.access_token));
    let typed = |typ: &str| with(&forge.header(), "typ", &json!(typ)).to_string();
    bad.push(("another type of token", forge.sign(&typed("JWT"), &claims.to_string())));
    bad.push(("a list that says whose it is", forge.sign(&typed("rl+jwt"), &claims.to_string())));
    bad.push((
        "no session",
        forge.sign(&forge.header().to_string(), &without(&claims, "sid").to_string()),
    ));
    for (what, token) in bad {
        let answer = program.me(&token);
        assert_eq!(answer.status, 401, "{what}: {}", answer.text());
        assert!(
            answer
                .header("www-authenticate")
                .is_some_and(|challenge| challenge.starts_with("Bearer")),
            "{what}"
        );
    }
    program.me(&browser.access_token).expect(200);
}

fn asks_cookie_sessions_for_their_csrf_token(world: &TestServer, program: &Program) {
    let (browser, other) = (world.logged_in("alice"), world.logged_in("alice"));
    let write = |token: &str| program.request("POST", "/notes").bearer(token).raw_body("");
    write(&browser.access_token).send().expect(403);
    write(&browser.access_token).header("X-CSRFTOKEN", &other.csrf_token).send().expect(403);
    write(&browser.access_token).header("X-CSRFTOKEN", "zoë").send().expect(403);
    write(&browser.access_token).header("X-CSRFTOKEN", &browser.csrf_token).send().expect(201);
    let mut native = world.native();
    native.login("alice").expect(200);
    write(&native.access_token).send().expect(201);
}

fn takes_the_tokens_of_a_new_key(world: &TestServer, program: &Program) {
    let browser = world.logged_in("alice");
    world.cli(&["keys", "rotate"]).ok();
    eventually("both keys are published", || key_ids(world).len() == 2);
    // The server itself waits for two minutes before it signs with the new key. The program, which
    // may just have asked for an invented one, asks again after ten seconds.
    let new = signed_with_the_newest_key(world, &browser);
    eventually("the token of the new key is taken", || program.me(&new).status == 200);
    program.me(&browser.access_token).expect(200);
}

fn feels_a_logout(world: &TestServer, program: &Program) {
    let other = world.logged_in("alice");
    let mut ended = Vec::new();
    for _ in 0..3 {
        let mut browser = world.logged_in("alice");
        program.me(&browser.access_token).expect(200);
        let kept = browser.access_token.clone();
        browser.logout().expect(204);
        eventually("the token is refused", || program.me(&kept).status == 401);
        program.me(&other.access_token).expect(200);
        ended.push(kept);
    }
    // The lists that come after tell nothing new, and take nothing back.
    thread::sleep(Duration::from_secs(2));
    for token in ended {
        program.me(&token).expect(401);
    }
}

fn does_without_the_server_for_a_while(world: &mut TestServer, program: &Program) {
    let browser = world.logged_in("alice");
    world.stop();
    // Longer than it takes to ask for news in vain.
    thread::sleep(Duration::from_secs(2));
    program.me(&browser.access_token).expect(200);
    program.me("nonsense").expect(401);
}
