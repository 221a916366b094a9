use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use countersign_e2e::{Cluster, PASSWORD, TestServer, claims_of, eventually};
use serde_json::json;

use super::{node, two_nodes};

#[test]
fn a_session_lives_on_all_nodes_and_ends_on_all() {
    let [here, there] = two_nodes();
    here.user("alice");
    let mut browser = here.logged_in("alice");
    for world in [&there, &here, &there] {
        browser.move_to(world.address());
        browser.refresh().expect(200);
        browser.get("/accounts/profile").expect(200);
    }
    browser.move_to(here.address());
    browser.get("/accounts/profile").expect(200);
    browser.move_to(there.address());
    browser.clone().logout().expect(204);
    browser.move_to(here.address());
    eventually("the logout is felt on the other node", || {
        browser.get("/accounts/profile").status == 401
    });
    browser.get("/accounts/profile").expect_problem(401, "session_revoked");
    browser.refresh().expect_problem(401, "session_revoked");
}

#[test]
fn nodes_that_begin_together_on_an_empty_database_agree_and_warn_of_nothing() {
    let url = Cluster::shared().database();
    let nodes: Vec<TestServer> = thread::scope(|scope| {
        let starting: Vec<_> = (0..4).map(|_| scope.spawn(|| node(&url).start())).collect();
        starting.into_iter().map(|node| node.join().unwrap()).collect()
    });
    let lasting = "SELECT count(*) FROM signing_keys WHERE retires_at IS NULL";
    assert_eq!(Cluster::shared().sql(url.rsplit('/').next().unwrap(), lasting), "1");
    for node in &nodes {
        assert!(!node.log().contains("has no index"), "{}", node.log());
    }
    nodes[0].user("alice");
    for (here, there) in nodes.iter().zip(nodes.iter().skip(1)) {
        let mut browser = here.logged_in("alice");
        browser.move_to(there.address());
        browser.get("/accounts/profile").expect(200);
    }
}

#[test]
fn the_link_that_makes_the_first_superuser_is_one_for_all_nodes_and_is_used_once() {
    let [here, there] = two_nodes();
    let link = |world: &TestServer| {
        let told = || {
            world.printed().iter().find_map(|line| {
                line.split_once("/admin/first/").map(|(_, token)| token.to_owned())
            })
        };
        eventually("the link is printed", || told().is_some());
        format!("/admin/first/{}", told().unwrap())
    };
    let path = link(&here);
    assert_eq!(path, link(&there));
    here.user("alice");
    let statuses: Vec<u16> = thread::scope(|scope| {
        let tries: Vec<_> = (0..8)
            .map(|i| {
                let (mut desk, path) = (if i % 2 == 0 { here.desk() } else { there.desk() }, &path);
                scope.spawn(move || {
                    if desk.get(path).status != 200 {
                        return 404;
                    }
                    let name = format!("root{i}");
                    desk.post(
                        path,
                        &[
                            ("username", &name),
                            ("email", ""),
                            ("password1", PASSWORD),
                            ("password2", PASSWORD),
                        ],
                    )
                    .status
                })
            })
            .collect();
        tries.into_iter().map(|one| one.join().unwrap()).collect()
    });
    assert_eq!(statuses.iter().filter(|status| **status == 303).count(), 1, "{statuses:?}");
    assert!(statuses.iter().all(|status| [303, 404].contains(status)), "{statuses:?}");
    for world in [&here, &there] {
        assert_eq!(world.desk().get(&path).status, 404);
    }
}

#[test]
fn tabs_that_refresh_on_different_nodes_at_once_do_not_log_each_other_out() {
    let [here, there] = two_nodes();
    here.user("alice");
    let browser = here.logged_in("alice");
    let refused = AtomicUsize::new(0);
    thread::scope(|scope| {
        for i in 0..50 {
            let mut tab = browser.clone();
            tab.move_to(if i % 2 == 0 { here.address() } else { there.address() });
            let refused = &refused;
            scope.spawn(move || {
                if tab.refresh().status != 200 {
                    refused.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    assert_eq!(refused.load(Ordering::Relaxed), 0);
    let mut tab = browser.clone();
    tab.refresh().expect(200);
}

#[test]
fn a_token_of_one_node_is_good_on_the_other_after_a_rotation_of_the_keys_too() {
    let [here, there] = two_nodes();
    here.user("alice");
    let mut browser = here.logged_in("alice");
    here.cli(&["keys", "rotate", "--now"]).ok();
    for world in [&here, &there] {
        let keys = || world.get("/.well-known/jwks.json").json()["keys"].as_array().unwrap().len();
        eventually("the old key is gone", || {
            keys() == 1
                && world
                    .request("GET", "/accounts/profile")
                    .bearer(&browser.access_token)
                    .send()
                    .status
                    == 401
        });
    }
    browser.refresh().expect(200);
    browser.move_to(there.address());
    browser.get("/accounts/profile").expect(200);
}

#[test]
fn a_user_who_is_deactivated_on_one_node_is_out_on_the_other() {
    let [here, there] = two_nodes();
    here.user("alice");
    let mut browser = here.logged_in("alice");
    browser.move_to(there.address());
    browser.get("/accounts/profile").expect(200);
    here.cli(&["user", "deactivate", "alice"]).ok();
    eventually("it is felt", || browser.get("/accounts/profile").status == 401);
    browser.login("alice").expect_problem(401, "invalid_credentials");
}

#[test]
fn a_reader_of_the_revocation_list_may_ask_any_node() {
    let [here, there] = two_nodes();
    here.user("alice");
    let list = |world: &TestServer, since: &str| {
        claims_of(&world.get(&format!("/.well-known/revocations?since={since}")).expect(200).text())
    };
    let known = list(&here, "")["cursor"].as_str().unwrap().to_owned();
    assert_eq!(list(&here, &known)["full"], json!(false));
    assert_eq!(
        list(&there, &known)["full"],
        json!(true),
        "another node's place is not known here: the answer is everything"
    );
    let mut browser = here.logged_in("alice");
    browser.logout().expect(204);
    eventually("both lists have it", || {
        [&here, &there].iter().all(|world| list(world, &known)["sids"] != json!(""))
    });
}

#[test]
fn a_node_with_another_secret_does_not_start() {
    let url = Cluster::shared().database();
    let _here = node(&url).start();
    let mut other = TestServer::builder()
        .set("database_url", &url)
        .set("secret", "not the one that all nodes share")
        .asleep();
    let log = other.try_wake(&[]).unwrap_err();
    assert!(log.contains("another secret"), "{log}");
}

#[test]
fn check_and_migrate_know_postgresql() {
    let url = Cluster::shared().database();
    let world = node(&url).asleep();
    assert!(world.cli(&["migrate", "--check"]).fails(1).contains("countersign migrate"));
    assert!(world.cli(&["migrate"]).ok().contains("up to date"));
    assert!(world.cli(&["migrate", "--check"]).ok().contains("up to date"));
    let report = world.cli(&["check"]).ok();
    assert!(report.contains("can be written"), "{report}");
    let shown = world.cli(&["config"]).ok();
    assert!(shown.contains("postgres://"), "{shown}");
}
