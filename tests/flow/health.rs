//! `GET /healthz`, `/readyz` and `/metrics`.

use countersign_e2e::{Request, TestServer, eventually};

#[test]
fn a_running_server_is_alive_and_ready() {
    let world = TestServer::start();
    assert_eq!(world.get("/healthz").expect(200).text(), "ok\n");
    assert_eq!(world.get("/readyz").expect(200).text(), "ok\n");
}

#[test]
fn a_server_whose_database_is_locked_is_alive_but_not_ready_and_nothing_is_lost() {
    let world = TestServer::start();
    world.user("alice");
    let mut browser = world.logged_in("alice");
    let database = world.data_dir().join("countersign.sqlite3");
    let script = "import sqlite3, sys\nc = sqlite3.connect(sys.argv[1], \
        isolation_level=None)\nc.execute('BEGIN IMMEDIATE')\nprint('locked', \
        flush=True)\nsys.stdin.read()";
    let mut lock = std::process::Command::new("python3")
        .args(["-c", script])
        .arg(&database)
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    std::io::BufRead::read_line(
        &mut std::io::BufReader::new(lock.stdout.take().unwrap()),
        &mut line,
    )
    .unwrap();
    let refused = browser.refresh();
    assert_eq!(refused.all("set-cookie").count(), 0, "a database that is down is no ending");
    refused.expect_problem(503, "unavailable");
    world.get("/readyz").expect_problem(503, "unavailable");
    world.get("/healthz").expect(200);
    browser.get("/accounts/profile").expect(200);
    drop(lock.stdin.take());
    lock.wait().unwrap();
    browser.refresh().expect(200);
    world.get("/readyz").expect(200);
}

#[test]
fn metrics_are_served_where_they_were_asked_for_and_nowhere_else() {
    // A free port, found and given back; nobody else on this machine asks for it in between.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let world = TestServer::builder().set("metrics_listen", &free.to_string()).start();
    world.user("alice");
    world.logged_in("alice").get("/accounts/profile").expect(200);
    world.get("/nothing").expect_problem(404, "not_found");
    world.get("/metrics").expect_problem(404, "not_found");
    let metrics = || Request::new(free, "GET", "/metrics").send().expect(200).text();
    for line in [
        "countersign_requests_total{route=\"/accounts/profile\",status=\"2xx\"} 1",
        "countersign_requests_total{route=\"/accounts/login\",status=\"2xx\"} 1",
        "countersign_logins_total{result=\"succeeded\"} 1",
        "countersign_races_total 0",
        "countersign_thefts_total 0",
        "countersign_registrations_total 0",
        "countersign_outbox_waiting 0",
        "countersign_mails_total{result=\"sent\"} 0",
        "countersign_requests_total{route=\"other\",status=\"4xx\"} 2",
        "countersign_request_seconds_count{route=\"/accounts/profile\"} 1",
        "countersign_users_cached 1",
    ] {
        // What a connection has answered is counted when it ends, in the server's own time.
        eventually(&format!("the metrics say {line}"), || metrics().lines().any(|own| own == line));
    }
    Request::new(free, "GET", "/accounts/profile").send().expect_problem(404, "not_found");
}

#[test]
fn where_nothing_can_be_written_readyz_and_check_say_so_and_nothing_was_done() {
    let mut world = TestServer::builder().disk_can_fail().start();
    world.user("alice");
    let mut browser = world.logged_in("alice");
    world.get("/readyz").expect(200);
    world.disk_fails(true);
    let refused = world.browser().login("alice");
    assert!(refused.text().contains("Nothing was done"), "{}", refused.text());
    refused.expect_problem(503, "unavailable");
    eventually("the server is not ready", || world.get("/readyz").status == 503);
    let sessions = || world.sql("SELECT count(*) FROM sessions").trim().to_owned();
    assert_eq!(sessions(), "1");
    assert!(world.cli_on_failing_disk(&["check"]).fails(1).contains("see above"));
    assert!(
        world
            .cli_on_failing_disk(&["check"])
            .stdout()
            .contains("FAIL  database: cannot be written")
    );
    world.disk_fails(false);
    world.get("/readyz").expect(200);
    browser.logout().expect(204);
    world.browser().login("alice").expect(200);
    assert!(world.cli(&["check"]).ok().contains("ok    database: can be written"));
    assert_eq!(world.stop(), Some(0));
}
