//! The examples, run as their first lines say.

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use countersign_e2e::{
    Authenticator, Browser, Cluster, ISSUER, Mailbox, PASSWORD, Request, TestServer, claims_of,
    eventually,
};
use serde_json::json;

/// A running example, which ends with the test.
struct Example {
    process: Child,
    address: SocketAddr,
}

impl Example {
    fn start(binary: &str, directory: &Path, environment: &[(&str, &str)]) -> Self {
        let mut command = Command::new(binary);
        command
            .current_dir(directory)
            .env("LISTEN", "127.0.0.1:0")
            .envs(environment.iter().copied())
            .stdin(Stdio::null());
        let unknown = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let mut example = Self { process: command.spawn().unwrap(), address: unknown };
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            assert!(example.process.try_wait().unwrap().is_none(), "the example ended");
            assert!(Instant::now() < deadline, "the example does not listen");
            if let Some(port) = port_of(example.process.id()) {
                example.address.set_port(port);
                return example;
            }
            thread::sleep(Duration::from_millis(10));
        }
    }

    fn request(&self, method: &str, path: &str) -> Request {
        Request::new(self.address, method, path)
    }

    /// Logs in at the example itself.
    fn log_in(&self, name: &str) -> Browser {
        let mut browser = Browser::new(self.address);
        browser.login(name).expect(200);
        browser
    }
}

/// Where a process listens, once it does. It chooses the port itself: one that was free a moment
/// ago may be another example's by the time it is bound.
fn port_of(process: u32) -> Option<u16> {
    let sockets: Vec<String> = fs::read_dir(format!("/proc/{process}/fd"))
        .ok()?
        .filter_map(|open| fs::read_link(open.ok()?.path()).ok())
        .map(|link| link.to_string_lossy().into_owned())
        .collect();
    let table = fs::read_to_string(format!("/proc/{process}/net/tcp")).ok()?;
    table.lines().skip(1).find_map(|line| {
        let columns: Vec<&str> = line.split_whitespace().collect();
        let (address, state, inode) = (columns.get(1)?, columns.get(3)?, columns.get(9)?);
        let is_its_own = sockets.contains(&format!("socket:[{inode}]"));
        let (_, port) = address.split_once(':')?;
        // 0A: it listens.
        (is_its_own && *state == "0A").then(|| u16::from_str_radix(port, 16).ok())?
    })
}

impl Drop for Example {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn the_dependency_lines_name_every_crate_of_the_example_and_a_store() {
    let pages = [
        (include_str!("../../docs/library/README.md"), include_str!("../minimal/main.rs")),
        (include_str!("../../crates/countersign/README.md"), include_str!("../minimal/main.rs")),
        (
            include_str!("../../crates/countersign-verify/README.md"),
            include_str!("../resource-server/main.rs"),
        ),
    ];
    for (page, program) in pages {
        let lines = page.split("```toml\n").nth(1).unwrap().split("```").next().unwrap();
        let named: Vec<_> =
            lines.lines().filter_map(|line| Some(line.split_once(" = ")?.0)).collect();
        let used = program.lines().filter_map(|line| line.strip_prefix("use ")?.split("::").next());
        for name in used.chain(["tokio"]).filter(|name| *name != "std") {
            let name = name.replace('_', "-");
            assert!(named.contains(&name.as_str()), "{name} is not in\n{lines}");
        }
        let store = lines.contains("features = [\"sqlite\"]");
        assert!(store || named.contains(&"countersign-verify"), "{lines}");
    }
}

#[test]
fn minimal_is_at_most_forty_lines_and_greets_who_has_logged_in() {
    assert!(include_str!("../minimal/main.rs").lines().count() <= 40);
    let world = TestServer::builder().asleep();
    let example = Example::start(env!("CARGO_BIN_EXE_minimal"), world.scratch(), &[]);
    world.user("alice");
    example.request("GET", "/hello").send().expect_problem(401, "not_authenticated");
    let mut alice = example.log_in("alice");
    assert_eq!(alice.get("/hello").expect(200).text(), "Hello, alice.");
    alice.refresh().expect(200);
    assert_eq!(alice.get("/accounts/profile").expect(200).json()["user"]["username"], "alice");
    alice.logout().expect(204);
    alice.get("/hello").expect_problem(401, "session_revoked");
    example.request("GET", "/nowhere").send().expect(404);
}

#[test]
fn socket_opens_with_a_ticket_and_ends_with_the_session() {
    let world = TestServer::builder().asleep();
    let example = Example::start(env!("CARGO_BIN_EXE_socket"), world.scratch(), &[]);
    world.user("alice");
    example.request("GET", "/socket").send().expect_problem(401, "not_authenticated");
    let mut alice = example.log_in("alice");
    let ticket = |purpose: &str| {
        let body = json!({"for": purpose});
        let asked = alice.request("POST", "/accounts/tickets").json(&body).send().expect(200);
        asked.text_at("ticket")
    };
    let open = |ticket: &str| {
        let mut stream = TcpStream::connect(example.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let request = format!(
            "GET /socket?ticket={ticket} HTTP/1.1\r\nHost: localhost\r\n\
             Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).unwrap();
        stream
    };
    let until = |stream: &mut TcpStream, end: &[u8]| {
        let mut read = Vec::new();
        while !read.ends_with(end) {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            read.push(byte[0]);
        }
        read
    };
    let good = ticket("socket");
    let mut socket = open(&good);
    assert!(until(&mut socket, b"\r\n\r\n").starts_with(b"HTTP/1.1 101 "));
    until(&mut socket, b"Hello, alice.");
    for refused in [good, ticket("another"), "x".repeat(64)] {
        assert!(until(&mut open(&refused), b"\r\n\r\n").starts_with(b"HTTP/1.1 401 "));
    }
    alice.logout().expect(204);
    // A frame that closes, with its code and its reason, and then nothing more.
    until(&mut socket, b"session_revoked");
    let mut rest = Vec::new();
    socket.shutdown(Shutdown::Write).unwrap();
    socket.read_to_end(&mut rest).unwrap();
    assert!(rest.is_empty());
}

#[test]
fn second_factor_asks_at_every_door_and_keeps_the_vault() {
    let world = TestServer::builder().asleep();
    let alice = world.user("alice");
    world.superuser("root");
    let example = Example::start(env!("CARGO_BIN_EXE_second-factor"), world.scratch(), &[]);
    let root = example.log_in("root");
    root.get("/notes").expect_problem(403, "enrolment_required");
    let browser = example.log_in("alice");
    browser.get("/notes").expect(200);
    browser.get("/vault").expect_problem(401, "factor_required");
    let offered = browser.request("POST", "/accounts/factors/totp").send().expect(201);
    let app = Authenticator::offered(&offered);
    let now = || {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        now.as_secs()
    };
    let code = json!({"code": app.code(now())});
    let confirm = browser.request("POST", "/accounts/factors/totp/confirm").json(&code);
    let enrolled = confirm.send().expect(200);
    let access = enrolled.text_at("access_token");
    example.request("GET", "/vault").bearer(&access).send().expect(200);
    let partner = format!("/partner/{alice}");
    let asked = example.request("POST", &partner).send();
    let asked = asked.expect_problem(401, "second_factor_required");
    let codes = enrolled.json()["recovery_codes"].clone();
    let body = json!({"pending_token": asked.text_at("pending_token"), "recovery_code": codes[0]});
    let login = example.request("POST", "/accounts/login/factor").json(&body).send().expect(200);
    assert_eq!(claims_of(&login.text_at("access_token"))["amr"], json!(["otp", "mfa"]));
}

#[test]
fn pages_let_in_by_cookies_and_their_stream_ends_at_the_logout() {
    let world = TestServer::builder().asleep();
    let example = Example::start(env!("CARGO_BIN_EXE_pages"), world.scratch(), &[]);
    world.user("alice");
    let origin = "http://localhost:8000";
    let send = |method: &str, path: &str, cookies: &str, form: &str| {
        let request = example.request(method, path).header("cookie", cookies);
        let request = if form.is_empty() {
            request
        } else {
            let kind = "application/x-www-form-urlencoded";
            request.header("origin", origin).body(kind, form)
        };
        request.send()
    };
    assert!(send("GET", "/", "", "").expect(200).text().contains("Hello, stranger."));
    let asked = send("GET", "/notes", "", "").expect(303);
    assert_eq!(asked.header("location"), Some("/login?next=%2Fnotes"));
    let form = send("GET", "/login?next=%2Fnotes", "", "").expect(200).text();
    assert!(form.contains("name=next value=\"/notes\""), "{form}");
    let wrong = send("POST", "/login", "", "name=alice&password=no&next=/notes").expect(200);
    assert!(wrong.text().contains("is wrong"));
    let typed = format!("name=alice&password={}&next=/notes", PASSWORD.replace(' ', "+"));
    let login = send("POST", "/login", "", &typed).expect(303);
    assert_eq!(login.header("location"), Some("/notes"));
    let mut cookies = format!("refreshtoken={}", login.cookie("refreshtoken").unwrap());
    let page = send("GET", "/notes", &cookies, "").expect(200);
    cookies = ["refreshtoken", "refreshtoken-page"]
        .map(|name| format!("{name}={}", page.cookie(name).unwrap()))
        .join("; ");
    let page = page.text();
    let token = page.split("name=\"csrf_token\" value=\"").nth(1).unwrap();
    let token = token.split('"').next().unwrap();
    send("POST", "/notes", &cookies, "note=stolen").expect_problem(403, "csrf_failed");
    send("POST", "/notes", &cookies, &format!("note=milk&csrf_token={token}")).expect(303);
    assert!(send("GET", "/notes", &cookies, "").expect(200).text().contains("<li>milk</li>"));

    let mut live = TcpStream::connect(example.address).unwrap();
    live.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let request = example.request("GET", "/notes/live").header("cookie", &cookies);
    live.write_all(&request.to_bytes()).unwrap();
    let mut seen = Vec::new();
    while !String::from_utf8_lossy(&seen).contains("data: 1") {
        let mut bytes = [0; 4096];
        let read = live.read(&mut bytes).unwrap();
        assert!(read > 0, "the stream ended: {}", String::from_utf8_lossy(&seen));
        seen.extend_from_slice(&bytes[..read]);
    }
    let out = send("POST", "/logout", &cookies, &format!("csrf_token={token}")).expect(303);
    assert_eq!(out.header("location"), Some("/"));
    let mut rest = Vec::new();
    while !String::from_utf8_lossy(&rest).ends_with("0\r\n\r\n") {
        let mut bytes = [0; 4096];
        let read = live.read(&mut bytes).expect("the stream goes on after the logout");
        if read == 0 {
            break;
        }
        rest.extend_from_slice(&bytes[..read]);
    }
    send("GET", "/notes", &cookies, "").expect(303);
}

#[test]
fn permissions_lets_in_whom_it_names() {
    let world = TestServer::builder().asleep();
    let example = Example::start(env!("CARGO_BIN_EXE_permissions"), world.scratch(), &[]);
    let (alice, bob) = (world.user("alice"), world.user("bob"));
    world.sql(&format!("UPDATE users SET is_staff = 1 WHERE id = {bob}"));
    world.sql("INSERT INTO permissions (app, codename) VALUES ('articles', 'publish')");
    world.sql(&format!("INSERT INTO user_permissions SELECT {alice}, id FROM permissions"));
    let (alice, bob) = (example.log_in("alice"), example.log_in("bob"));

    example.request("GET", "/comments").send().expect(200);
    example.request("POST", "/comments").send().expect_problem(401, "not_authenticated");
    assert_eq!(alice.request("POST", "/comments").send().expect(200).text(), "Thank you, alice.");
    alice
        .bare("POST", "/comments")
        .bearer(&alice.access_token)
        .send()
        .expect_problem(403, "csrf_failed");

    alice.request("POST", "/articles/7/publish").send().expect(200);
    let refused =
        bob.request("POST", "/articles/7/publish").send().expect_problem(403, "permission_denied");
    assert!(
        refused.text_at("detail").contains("articles.publish or InGroup(editors)"),
        "{}",
        refused.text()
    );
    bob.get("/reports").expect(200);
    alice.get("/reports").expect_problem(403, "permission_denied");
    alice.request("PUT", "/articles/1").send().expect(200);
    bob.request("PUT", "/articles/1").send().expect_problem(403, "permission_denied");
    alice.request("PUT", "/articles/0").send().expect_problem(404, "not_found");
    alice.request("DELETE", "/everything").send().expect_problem(403, "permission_denied");
    alice.get("/drafts").expect_problem(403, "permission_denied");
    assert_eq!(
        alice.request("GET", "/drafts").header("x-office-badge", "7").send().expect(200).text(),
        "Drafts for alice."
    );
}

#[test]
fn resource_server_verifies_by_itself_and_hears_of_a_logout() {
    let mut world = TestServer::start();
    world.user("alice");
    let url = format!("http://{}", world.address());
    let service = Example::start(
        env!("CARGO_BIN_EXE_resource-server"),
        world.scratch(),
        &[("AUTH_URL", &url)],
    );
    let orders = |token: &str| service.request("GET", "/orders").bearer(token).send();
    let mut alice = world.logged_in("alice");
    eventually("the service knows the keys", || orders(&alice.access_token).status == 200);
    let subject = claims_of(&alice.access_token)["sub"].as_str().unwrap().to_owned();
    assert_eq!(orders(&alice.access_token).text(), format!("The orders of user {subject}."));
    service.request("GET", "/orders").send().expect_problem(401, "not_authenticated");
    orders("bent").expect_problem(401, "token_invalid");
    orders(alice.refresh_token()).expect_problem(401, "token_invalid");
    service
        .request("GET", "/reports")
        .bearer(&alice.access_token)
        .send()
        .expect_problem(403, "permission_denied");

    let order = || service.request("POST", "/orders").bearer(&alice.access_token);
    order().send().expect_problem(403, "csrf_failed");
    order().header("x-csrftoken", "wrong").send().expect_problem(403, "csrf_failed");
    order().header("x-csrftoken", &alice.csrf_token).send().expect(200);

    let other = world.logged_in("alice");
    alice.logout().expect(204);
    eventually("the logout is felt", || orders(&alice.access_token).status == 401);
    orders(&alice.access_token).expect_problem(401, "session_revoked");
    orders(&other.access_token).expect(200);

    // The issuer may be away for a while.
    world.kill();
    orders(&other.access_token).expect(200);
    assert_eq!(
        claims_of(&other.access_token)["iss"],
        json!(ISSUER),
        "it was learnt from the issuer, whose URL is another"
    );
}

#[test]
fn custom_user_logs_in_from_a_table_of_its_own() {
    let url = Cluster::shared().database();
    let directory = tempfile::tempdir().unwrap();
    let example = Example::start(
        env!("CARGO_BIN_EXE_custom-user"),
        directory.path(),
        &[("DATABASE_URL", &url)],
    );
    let sign_up = |email: &str, password: &str| {
        example
            .request("POST", "/signup")
            .json(&json!({"email": email, "password": password}))
            .send()
    };
    sign_up("ada@example.com", "12345").expect_problem(400, "validation_error");
    sign_up("ada@example.com", PASSWORD).expect(201);
    sign_up("ada@example.com", PASSWORD).expect_problem(400, "validation_error");

    let mut ada = example.log_in("ADA@example.com");
    assert_eq!(ada.get("/plan").expect(200).text(), "ada@example.com has the plan free.");
    let user = ada.get("/accounts/profile").expect(200).json()["user"].clone();
    assert_eq!(claims_of(&ada.access_token)["sub"], user["id"], "a UUID");
    assert_eq!(
        (user["id"].as_str().unwrap().len(), &user["plan"], user.get("password")),
        (36, &json!("free"), None)
    );
    ada.refresh().expect(200);
    // Nobody takes the name of somebody in other letters, and then neither could log in.
    sign_up("Ada@Example.com", "copper lantern 27").expect_problem(400, "validation_error");
    example.log_in("ada@example.com");
    let new = json!({"old_password": PASSWORD, "new_password": "copper lantern 27"});
    ada.request("POST", "/accounts/password").json(&new).send().expect(204);

    ada.request("POST", "/close").send().expect(204);
    ada.get("/plan").expect_problem(401, "user_inactive");
    ada.refresh().expect_problem(401, "session_revoked");
    ada.login_with("ada@example.com", "copper lantern 27")
        .expect_problem(401, "invalid_credentials");
}

#[test]
fn sign_up_asks_for_fields_of_its_own_and_keeps_them_in_its_own_table() {
    let (directory, mailbox) = (tempfile::tempdir().unwrap(), Mailbox::new());
    let url = mailbox.url();
    let mails = url.strip_prefix("file:").unwrap();
    let example =
        Example::start(env!("CARGO_BIN_EXE_sign-up"), directory.path(), &[("MAILS", mails)]);
    let mut browser = Browser::new(example.address);
    let mut ask = |path: &str, body: &serde_json::Value| {
        let request = browser.request("POST", path).json(body);
        browser.send(&request)
    };
    let form = |email: &str, company: &str, terms: bool| {
        json!({
            "email": email, "password": PASSWORD, "company": company, "terms": terms
        })
    };
    let register = "/accounts/register";
    ask(register, &form("eve@example.net", "Mills", true))
        .expect_problem(403, "domain_not_allowed");
    let wrong = ask(register, &form("ada@example.com", " ", false));
    let wrong = wrong.expect_problem(400, "validation_error").json();
    assert!(wrong["errors"]["company"][0].is_string() && wrong["errors"]["terms"][0].is_string());
    ask(register, &form("ada@example.com", "Analytical Engines", true)).expect(202);
    let login = json!({"username": "ada@example.com", "password": PASSWORD});
    ask("/accounts/login", &login).expect_problem(401, "invalid_credentials");
    // Who proves nothing keeps nobody out.
    ask(register, &form("bob@example.com", "Looms", true)).expect(202);
    let tokens =
        ["ada@example.com", "bob@example.com"].map(|address| mailbox.wait_for(address, 1).token());
    for token in tokens {
        ask("/accounts/email/verify", &json!({"token": token})).expect(200);
    }

    ask(register, &form("ADA@example.com", "Looms", true)).expect(202);
    assert!(mailbox.wait_for("ADA@example.com", 1).subject().contains("already"));

    ask("/accounts/password/reset", &json!({"email": "ada@example.com"})).expect(202);
    let token = mailbox.wait_with("ada@example.com", "Choose a new password").token();
    let new = json!({"token": token, "new_password": "copper lantern 27"});
    ask("/accounts/password/reset/confirm", &new).expect(204);
    browser.login_with("ADA@example.com", "copper lantern 27").expect(200);
    assert_eq!(
        browser.get("/company").expect(200).text(),
        "ada@example.com works at Analytical Engines."
    );
}
