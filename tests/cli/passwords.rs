//! `countersign passwords`, and what the file that it makes is good for.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use countersign_e2e::{Finished, PASSWORD, TestServer, eventually};
use serde_json::json;
use tempfile::TempDir;

/// SHA-1 of `copper lantern 27`, which was stolen somewhere.
const STOLEN: &str = "copper lantern 27";
const STOLEN_SHA1: &str = "647FD9CBBD0D1425E22769CFAE8B0B4859BE72E9";
const SAID: &str = "stolen at another site";

/// A list as it is published, with the stolen password in its place.
fn list() -> String {
    let mut lines: Vec<String> =
        (0..2_000_u64).map(|n| format!("{:016X}{:024X}:{n}", n << 53, n)).collect();
    lines.push(format!("{STOLEN_SHA1}:3"));
    lines.sort();
    lines.join("\r\n") + "\r\n"
}

/// A world, asleep, whose file of breached passwords is made, and that file's folder.
fn world() -> (TestServer, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let [published, filter] = ["published.txt", FILTER].map(|name| folder.path().join(name));
    std::fs::write(&published, list()).unwrap();
    let world = TestServer::builder().set("breached_passwords", filter.to_str().unwrap()).asleep();
    let made = world.cli(&[
        "passwords",
        "build-filter",
        published.to_str().unwrap(),
        filter.to_str().unwrap(),
    ]);
    assert!(made.ok().contains("of 2,001 passwords. Of others about one in 1,000"));
    (world, folder)
}

const FILTER: &str = "breached.filter";

#[test]
fn a_stolen_password_is_refused_wherever_one_is_chosen() {
    let (mut world, _folder) = world();
    world.user("alice");
    for command in [
        &["changepassword", "alice", "--noinput"][..],
        &["user", "create", "--noinput", "--username", "bob"],
    ] {
        let mut command = world.command(command);
        let refused = command.env("COUNTERSIGN_PASSWORD", STOLEN).output().unwrap();
        assert!(Finished(refused).fails(1).contains(SAID));
    }
    let mut command = world.command(&[
        "createsuperuser",
        "--noinput",
        "--username",
        "root",
        "--email",
        "root@example.com",
    ]);
    let refused = command.env("COUNTERSIGN_SUPERUSER_PASSWORD", STOLEN).output().unwrap();
    assert!(Finished(refused).fails(1).contains(SAID));

    world.wake();
    let browser = world.logged_in("alice");
    let change = |new: &str| {
        let body = json!({"old_password": PASSWORD, "new_password": new});
        browser.request("POST", "/accounts/password").json(&body).send()
    };
    let refused = change(STOLEN).expect_problem(400, "validation_error").json();
    assert!(refused["errors"]["new_password"][0].as_str().unwrap().contains(SAID), "{refused}");
    change("copper lantern 28").expect(204);
    // Who has one already goes on with it.
    world.browser().login_with("alice", "copper lantern 28").expect(200);
}

#[test]
fn a_file_that_is_damaged_stops_the_start_and_says_so() {
    let (mut world, folder) = world();
    let file = folder.path().join(FILTER);
    let good = std::fs::read(&file).unwrap();
    assert!(world.cli(&["check"]).stdout().contains("breached_passwords: 2,001 passwords"));
    let mut damaged = good.clone();
    damaged[1_000] ^= 1;
    for (bytes, said) in [
        (damaged, "is damaged: its checksum is another"),
        (good[..good.len() - 64].to_vec(), "cut short"),
        (list().into_bytes(), "is no list of breached passwords"),
    ] {
        std::fs::write(&file, bytes).unwrap();
        let refused = world.try_wake(&[]).unwrap_err();
        assert!(refused.contains("breached_passwords") && refused.contains(said), "{refused}");
        let look = world.cli(&["check"]);
        assert!(look.stdout().contains(said), "{}", look.stdout());
        look.fails(1);
    }
    std::fs::write(&file, good).unwrap();
    world.wake();
}

#[test]
fn a_list_that_is_none_makes_no_file() {
    let world = TestServer::builder().asleep();
    let [from, to] = ["list.txt", "breached.filter"].map(|name| world.scratch().join(name));
    let build = |list: &str, more: &[&str]| {
        std::fs::write(&from, list).unwrap();
        let files = [from.to_str().unwrap(), to.to_str().unwrap()];
        world.cli(&[&["passwords", "build-filter"], &files[..], more].concat())
    };
    let one = format!("{STOLEN_SHA1}:1\n");
    let lower = format!("{:040X}:1\n", 1);
    assert!(build(&format!("{one}{lower}"), &[]).fails(1).contains("ascending order; sort it"));
    assert!(build(&format!("{one}password\n"), &[]).fails(1).contains("line 2 of"));
    assert!(build(&"0".repeat(100_000), &[]).fails(1).contains("line 1 of"));
    let left = std::fs::read_dir(world.scratch()).unwrap();
    let left = left.filter(|entry| {
        entry.as_ref().unwrap().file_name().to_string_lossy().starts_with("breached")
    });
    assert_eq!(left.count(), 0, "nothing half done is left");
    build(&one, &[]).ok();
    assert!(build(&list(), &["--passwords", "10"]).stderr().contains("more than the 10"));
    build("", &[]).ok();
}

#[test]
fn a_list_comes_by_the_standard_input_too() {
    let world = TestServer::builder().asleep();
    let to = world.scratch().join("breached.filter");
    let to = to.to_str().unwrap();
    assert!(
        world.cli(&["passwords", "build-filter", "-", to]).fails(1).contains("--passwords NUMBER")
    );
    let mut command = world.command(&["passwords", "build-filter", "--passwords", "2000", "-", to]);
    let mut running = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    running.stdin.take().unwrap().write_all(list().as_bytes()).unwrap();
    let made = Finished(running.wait_with_output().unwrap()).ok();
    assert!(made.contains("of 2,001 passwords"), "{made}");
}

#[test]
fn of_two_who_make_one_file_the_second_is_refused_and_what_was_killed_is_begun_anew() {
    let world = TestServer::builder().asleep();
    let [from, to] = ["list.txt", "breached.filter"].map(|name| world.scratch().join(name));
    std::fs::write(&from, list()).unwrap();
    let [from, file] = [&from, &to].map(|path| path.to_str().unwrap());
    let second = || world.cli(&["passwords", "build-filter", from, file]);
    let unfinished = world.scratch().join("breached.filter.unfinished");
    let first = || {
        let arguments = ["passwords", "build-filter", "--passwords", "2000", "-", file];
        let mut command = world.command(&arguments);
        let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let running = piped.spawn().unwrap();
        eventually("it has begun", || unfinished.exists());
        running
    };
    let mut running = first();
    let said = second().fails(1);
    assert!(said.contains("another process is making this file"), "{said}");
    running.stdin.take().unwrap().write_all(list().as_bytes()).unwrap();
    Finished(running.wait_with_output().unwrap()).ok();
    let looks = TestServer::builder().set("breached_passwords", file).asleep();
    assert!(looks.cli(&["check"]).stdout().contains("breached_passwords: 2,001 passwords"));

    let mut running = first();
    running.kill().unwrap();
    running.wait().unwrap();
    assert!(unfinished.exists(), "as a killed one leaves it");
    second().ok();
    assert!(!unfinished.exists());
}

/// A service of ranges on this machine, which answers as it is told.
struct Service {
    url: String,
    asked: Arc<Mutex<Vec<String>>>,
    answer: Arc<AtomicUsize>,
}

const PADDED: usize = 0;
const BROKEN: usize = 1;
const SILENT: usize = 2;

impl Service {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/range/", listener.local_addr().unwrap());
        let (asked, answer) =
            (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicUsize::new(PADDED)));
        let (heard, chosen) = (Arc::clone(&asked), Arc::clone(&answer));
        thread::spawn(move || {
            let mut held = Vec::new();
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                heard.lock().unwrap().push(head_of(&mut stream));
                let body = format!("{}:3\r\n{}:0\r\n", &STOLEN_SHA1[5..], "A".repeat(35));
                let (status, body) = match chosen.load(Ordering::SeqCst) {
                    PADDED => ("200 OK", body),
                    BROKEN => ("503 Service Unavailable", String::new()),
                    _ => {
                        held.push(stream);
                        continue;
                    }
                };
                let length = body.len();
                let head = format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n");
                let _ = write!(stream, "{head}Connection: close\r\n\r\n{body}");
            }
        });
        Self { url, asked, answer }
    }
}

fn head_of(stream: &mut TcpStream) -> String {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap_or(0) == 1 {
        head.push(byte[0]);
    }
    String::from_utf8(head).unwrap()
}

#[test]
fn a_service_learns_five_digits_and_one_that_is_away_keeps_nobody_out() {
    let service = Service::start();
    let world = TestServer::builder().set("breached_passwords_url", &service.url).start();
    world.user("alice");
    let mut browser = world.logged_in("alice");
    let mut old = PASSWORD.to_owned();
    let mut change = |new: &str| {
        let body = json!({"old_password": old, "new_password": new});
        let request = browser.request("POST", "/accounts/password").json(&body);
        let answer = browser.send(&request);
        if answer.status == 204 {
            old = new.to_owned();
        }
        answer
    };
    let refused = change(STOLEN).expect_problem(400, "validation_error").json();
    assert!(refused["errors"]["new_password"][0].as_str().unwrap().contains(SAID), "{refused}");
    let asked = service.asked.lock().unwrap().pop().unwrap().to_lowercase();
    let digits = STOLEN_SHA1.to_lowercase();
    let (range, rest) = digits.split_at(5);
    assert!(asked.starts_with(&format!("get /range/{range} http/1.1\r\n")), "{asked}");
    assert!(asked.contains("add-padding: true") && !asked.contains(rest), "{asked}");
    for (answer, told) in [(BROKEN, 1), (SILENT, 2)] {
        service.answer.store(answer, Ordering::SeqCst);
        change(&format!("copper lantern {}", 30 + answer)).expect(204);
        eventually("the log tells of it", || world.log().matches("it was taken").count() == told);
    }
}
