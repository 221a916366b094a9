//! The server is killed while people register and ask for new passwords: nobody is there without
//! their mail, no mail without whom it is about, and none is sent twice but the one that was being
//! sent.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use countersign_e2e::{TestServer, TestServerBuilder, eventually};
use serde_json::json;

use crate::post::Post;

const CUTS: usize = 12;
const CLIENTS: usize = 4;

#[test]
fn cuts_while_mails_go_into_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("file:{}", folder.path().display());
    let mut world = doors(TestServer::builder().set("mail_url", &url).virtual_time()).start();
    let acknowledged = cut(&mut world);
    let queued = everything_is_sent(&world, &acknowledged);
    let files = std::fs::read_dir(folder.path()).unwrap().map(|file| file.unwrap().file_name());
    let files: BTreeSet<String> = files
        .filter_map(|name| name.to_string_lossy().strip_suffix(".eml").map(str::to_owned))
        .map(|name| name.split('@').next().unwrap().to_owned())
        .collect();
    assert_eq!(files, queued, "each mail is there once, and no other is");
}

#[test]
fn cuts_while_mails_go_to_a_mail_server() {
    let mut post = Post::with(doors);
    let server = post.open();
    let acknowledged = cut(&mut post.world);
    let queued = everything_is_sent(&post.world, &acknowledged);
    let mut came = BTreeMap::<String, usize>::new();
    for id in server.ids() {
        let id = id.trim_start_matches('<').split('@').next().unwrap().to_owned();
        *came.entry(id).or_default() += 1;
    }
    assert_eq!(came.keys().cloned().collect::<BTreeSet<_>>(), queued);
    let twice: usize = came.values().map(|many| many - 1).sum();
    assert!(twice <= CUTS, "{twice} mails came twice in {CUTS} cuts");
}

/// The doors at which people ask, without bounds.
fn doors(server: TestServerBuilder) -> TestServerBuilder {
    server
        .set("registration", "open")
        .set("email_verification", "required")
        .set("mails_per_address", "1000")
        .set("asks_per_address", "0")
        .set("asks_per_hour", "0")
}

/// Kills the server again and again while clients ask. The names whose registration was answered.
fn cut(world: &mut TestServer) -> Vec<String> {
    for client in 0..CLIENTS {
        world.user(&format!("user{client}"));
    }
    let names = Mutex::new(Vec::new());
    for round in 0..CUTS {
        let (is_over, answered) = (AtomicBool::new(false), AtomicUsize::new(0));
        let address = world.address();
        thread::scope(|scope| {
            for client in 0..CLIENTS {
                let (names, is_over, answered) = (&names, &is_over, &answered);
                scope.spawn(move || {
                    for n in 0.. {
                        if is_over.load(Ordering::SeqCst) {
                            return;
                        }
                        let name = format!("r{round}c{client}n{n}");
                        let register = json!({"username": name, "password": "tin kettle 14",
                            "email": format!("{name}@example.com")});
                        let reset = json!({"username": format!("user{client}")});
                        let post = |path: &str, body: &serde_json::Value| {
                            let request = countersign_e2e::Request::new(address, "POST", path);
                            let answer = request.json(body).try_send();
                            let is_done = answer.is_ok_and(|answer| answer.status == 202);
                            answered.fetch_add(usize::from(is_done), Ordering::SeqCst);
                            is_done
                        };
                        if post("/accounts/register", &register) {
                            names.lock().unwrap().push(name);
                        }
                        post("/accounts/password/reset", &reset);
                    }
                });
            }
            // After another number of answers each time.
            let many = CLIENTS * (round % 5 + 1);
            eventually("the clients ask", || answered.load(Ordering::SeqCst) >= many);
            kill(world.pid());
            is_over.store(true, Ordering::SeqCst);
        });
        world.kill();
        world.wake();
    }
    names.into_inner().unwrap()
}

fn kill(pid: u32) {
    let killed = std::process::Command::new("kill").args(["-KILL", &pid.to_string()]).status();
    assert!(killed.unwrap().success());
}

/// Waits until every mail is sent, and looks at what is there. The ids of the mails.
fn everything_is_sent(world: &TestServer, acknowledged: &[String]) -> BTreeSet<String> {
    // What a server that died had taken is free after ten minutes.
    world.clock().advance(Duration::from_secs(11 * 60));
    let waiting = || -> usize {
        let waiting = "SELECT count(*) FROM outbox WHERE state <> 'sent'";
        world.sql(waiting).trim().parse().unwrap()
    };
    let mut left = waiting();
    while left > 0 {
        eventually("more mails are sent", || waiting() < left);
        left = waiting();
    }
    for (what, sql) in [
        (
            "somebody is there without a mail",
            "SELECT count(*) FROM users WHERE username LIKE 'r%' AND NOT EXISTS (
                 SELECT 1 FROM outbox WHERE user_id = users.id)",
        ),
        (
            "somebody is there who waits for nothing",
            "SELECT count(*) FROM users WHERE username LIKE 'r%' AND NOT EXISTS (
                 SELECT 1 FROM registrations WHERE user_id = users.id)",
        ),
        (
            "a mail is there without whom it is about",
            "SELECT count(*) FROM outbox WHERE user_id IS NULL
                 OR user_id NOT IN (SELECT id FROM users)",
        ),
        (
            "as many links as mails",
            "SELECT (SELECT count(*) FROM one_time_tokens) - (SELECT count(*) FROM outbox)",
        ),
        (
            "somebody has two mails for one registration",
            "SELECT count(*) FROM (SELECT user_id FROM outbox WHERE kind = 'mail'
                 GROUP BY user_id HAVING count(*) > 1)",
        ),
    ] {
        assert_eq!(world.sql(sql).trim(), "0", "{what}");
    }
    let there = world.sql("SELECT username FROM users");
    let there: BTreeSet<&str> = there.lines().collect();
    assert!(acknowledged.len() >= CUTS, "{} are too few", acknowledged.len());
    for name in acknowledged {
        assert!(there.contains(name.as_str()), "{name} was told yes, and is not there");
    }
    world.sql("SELECT id FROM outbox").lines().map(str::to_owned).collect()
}
