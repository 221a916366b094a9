//! Logins that are under way while somebody ends a user's sessions: when the act has been answered,
//! nothing that began before it can begin, continue or come back. On one node with SQLite, and on
//! two with PostgreSQL.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use countersign_e2e::{Browser, Desk, PASSWORD, TestServer, eventually};
use serde_json::json;

use super::two_nodes;

const NEW: &str = "an entirely new passphrase";

/// What ends a user's sessions, and all of them but one where the user does it.
const ACTS: [&str; 7] = [
    "cli: deactivate",
    "cli: delete",
    "cli: password",
    "site: deactivate",
    "site: delete",
    "site: password",
    "own password",
];

#[test]
fn what_was_under_way_does_not_outlive_the_act_that_ends_it_on_sqlite() {
    let world = TestServer::start();
    storms(&world, &world);
}

#[test]
fn what_was_under_way_does_not_outlive_the_act_that_ends_it_on_two_nodes() {
    let [here, there] = two_nodes();
    storms(&here, &there);
}

#[test]
fn no_sign_in_to_the_admin_site_outlives_what_ends_the_operators_power() {
    let [here, there] = two_nodes();
    here.superuser("root");
    let mut root = here.desk();
    root.sign_in("root").sends_to("/admin/");
    for (number, what) in ["cli: deactivate", "cli: password", "site: deactivate", "site: password"]
        .into_iter()
        .enumerate()
    {
        let name = format!("operator{number}");
        here.superuser(&name);
        let desks = meanwhile(
            |node| {
                let mut desk = [&here, &there][node].desk();
                desk.get("/admin/sign-in").expect(200);
                let entered = desk
                    .post("/admin/sign-in", &[("username", &name), ("password", PASSWORD)])
                    .status
                    == 303;
                entered.then_some(desk)
            },
            || act(what, &here, &mut root, &name),
        );
        let ended =
            |desk: &mut Desk| desk.get("/admin/").sends_to("/admin/sign-in?next=%2Fadmin%2F");
        for mut desk in desks {
            ended(&mut desk);
        }
    }
}

fn storms(here: &TestServer, there: &TestServer) {
    here.superuser("root");
    let mut root = here.desk();
    root.sign_in("root").sends_to("/admin/");
    for (number, what) in ACTS.into_iter().enumerate() {
        let name = format!("user{number}");
        here.user(&name);
        let own = here.logged_in(&name);
        let browsers = meanwhile(
            |node| {
                let mut browser = [here, there][node].browser();
                let entered = browser.login(&name).status == 200;
                entered.then_some(browser)
            },
            || match what {
                "own password" => {
                    let body = json!({"old_password": PASSWORD, "new_password": NEW});
                    own.request("POST", "/accounts/password").json(&body).send().expect(204);
                }
                _ => act(what, here, &mut root, &name),
            },
        );
        for mut browser in browsers {
            let profile = |browser: &Browser, world: &TestServer| {
                let mut browser = browser.clone();
                browser.move_to(world.address());
                browser.get("/accounts/profile").status
            };
            // What the command line does, and another node, is felt in less than a second.
            if what.starts_with("cli") {
                eventually("it is felt", || profile(&browser, here) == 401);
            }
            assert_eq!(profile(&browser, here), 401, "{what}");
            eventually("it is felt on the other node", || profile(&browser, there) == 401);
            browser.refresh().expect(401);
        }
        let kept = if what == "own password" { 200 } else { 401 };
        own.get("/accounts/profile").expect(kept);
    }
}

/// Twelve clients who come again and again, half of them to each node, until they are refused; the
/// act is done while they do. Whoever got in.
fn meanwhile<T: Send>(enter: impl Fn(usize) -> Option<T> + Sync, act: impl FnOnce()) -> Vec<T> {
    let under_way = AtomicUsize::new(0);
    thread::scope(|scope| {
        let clients: Vec<_> = (0..12)
            .map(|number| {
                let (enter, under_way) = (&enter, &under_way);
                scope.spawn(move || {
                    let mut entered = Vec::new();
                    while let Some(one) = enter(number % 2) {
                        entered.push(one);
                        under_way.fetch_add(1, Ordering::Relaxed);
                        assert!(entered.len() < 2_000, "they get in still");
                    }
                    entered
                })
            })
            .collect();
        eventually("some are in", || under_way.load(Ordering::Relaxed) > 12);
        act();
        clients.into_iter().flat_map(|client| client.join().unwrap()).collect()
    })
}

fn act(what: &str, world: &TestServer, root: &mut Desk, name: &str) {
    match what {
        "cli: deactivate" => drop(world.cli(&["user", "deactivate", name]).ok()),
        "cli: delete" => drop(world.cli(&["user", "delete", name, "--noinput"]).ok()),
        "cli: password" => {
            let output = world
                .command(&["changepassword", name, "--noinput"])
                .env("COUNTERSIGN_PASSWORD", NEW)
                .output()
                .unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        }
        _ => {
            let shown: serde_json::Value =
                serde_json::from_str(&world.cli(&["user", "show", name, "--json"]).ok()).unwrap();
            let id = shown["id"].to_string();
            root.get("/admin/users/").expect(200);
            match what {
                "site: deactivate" => root
                    .post("/admin/users/act", &[("act", "deactivate"), ("ids", &id)])
                    .expect(303),
                "site: delete" => root
                    .post("/admin/users/act", &[("act", "delete"), ("ids", &id), ("sure", "on")])
                    .expect(303),
                _ => root
                    .post(
                        &format!("/admin/users/{id}/password"),
                        &[("password1", NEW), ("password2", NEW)],
                    )
                    .expect(303),
            };
        }
    }
}
