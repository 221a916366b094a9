//! What goes wrong: power cuts, receivers that are out, slow, gone or want nothing, two nodes, and
//! addresses that are nobody's business.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use countersign_e2e::receiver::{Answer, REFUSED, Received, Receiver, TAKEN};
use countersign_e2e::{Cluster, eventually};

use super::{World, on_postgres, world};

const HOUR: Duration = Duration::from_secs(60 * 60);

#[test]
fn what_was_done_before_a_power_cut_is_told_after_it_and_with_one_id() {
    let receiver = Receiver::start();
    let World { mut server, _folder } = world(&receiver.hook("crm", "\"*\""), |server| server);
    // It has the message, and the server never hears that it has.
    receiver.answer(|_| Answer("204 No Content", Duration::from_secs(3)));
    server.user("alice");
    receiver.wait_for(1);
    server.kill();
    // Done by a command while no server runs.
    server.user("bob");
    receiver.answer(|_| TAKEN);
    // The lease of the first one ends.
    server.sql("UPDATE hook_messages SET leased_until = 0");
    server.wake();
    let told = receiver.wait_for(3);
    let of = |name: &str| {
        told.iter()
            .filter(|one| one.username() == name)
            .map(|one| one.id.clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(of("alice").len(), 2);
    assert_eq!(of("alice")[0], of("alice")[1], "one id whenever it is sent");
    assert_eq!(of("bob").len(), 1);
}

#[test]
fn what_an_earlier_version_left_without_a_line_is_told_after_a_start() {
    let receiver = Receiver::start();
    let World { mut server, _folder } = world(&receiver.hook("crm", "\"*\""), |server| server);
    receiver.answer(|_| REFUSED);
    server.user("alice");
    receiver.wait_for(1);
    server.kill();
    receiver.answer(|_| TAKEN);
    server.sql("DELETE FROM hook_lines");
    server.sql("UPDATE hook_messages SET due_at = 0, leased_until = 0");
    server.wake();
    let told = receiver.wait_for(2);
    assert_eq!(told[0].id, told[1].id);
}

#[test]
fn what_waited_in_an_outage_is_told_at_once_after_a_start_too() {
    let receiver = Receiver::start();
    let World { mut server, _folder } = world(&receiver.hook("crm", "\"*\""), |server| server);
    receiver.answer(|_| REFUSED);
    server.user("alice");
    receiver.wait_for(1);
    server.kill();
    // As after many tries: hours away.
    for table in ["hook_messages", "hook_lines"] {
        server.sql(&format!("UPDATE {table} SET due_at = 9000000000000000"));
    }
    server.sql("UPDATE hook_messages SET leased_until = 0");
    receiver.answer(|_| TAKEN);
    server.wake();
    server.user("bob");
    let of_alice = || receiver.received().iter().filter(|one| one.username() == "alice").count();
    eventually("alice is told of", || of_alice() > 1);
}

#[test]
fn of_two_nodes_one_tells_and_each_user_in_order() {
    let receiver = Receiver::start();
    let url = Cluster::shared().database();
    let hook = receiver.hook("crm", "[\"user.created\", \"user.deactivated\", \"user.deleted\"]");
    let nodes = [world(&hook, on_postgres(&url)), world(&hook, on_postgres(&url))];
    std::thread::scope(|scope| {
        for (number, node) in nodes.iter().enumerate() {
            scope.spawn(move || {
                for name in ["a", "b", "c"].map(|name| format!("{name}{number}")) {
                    node.server.user(&name);
                    node.server.cli(&["user", "deactivate", &name]).ok();
                    node.server.cli(&["user", "delete", &name, "--noinput"]).ok();
                }
            });
        }
    });
    let mut of_each: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for one in receiver.wait_for(18) {
        of_each.entry(one.username().to_owned()).or_default().push(one.event().to_owned());
    }
    assert_eq!(of_each.len(), 6);
    for (name, events) in of_each {
        assert_eq!(events, ["user.created", "user.deactivated", "user.deleted"], "{name}");
    }
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(receiver.received().len(), 18, "nothing was told twice");
}

#[test]
fn a_user_whose_message_is_refused_holds_up_nobody_else_and_keeps_the_order() {
    let receiver = Receiver::start();
    let set = |server: countersign_e2e::TestServerBuilder| server.virtual_time();
    let World { server, _folder } = world(&receiver.hook("crm", "\"*\""), set);
    receiver.answer(|one| if one.username() == "alice" { REFUSED } else { TAKEN });
    server.user("alice");
    receiver.wait_for(1);
    server.cli(&["user", "deactivate", "alice"]).ok();
    server.user("bob");
    let of = |name: &str| {
        let all = receiver.received().into_iter();
        all.filter(|one| one.username() == name).collect::<Vec<_>>()
    };
    eventually("bob is told of", || !of("bob").is_empty());
    assert!(of("alice").iter().all(|one| one.event() == "user.created"), "nothing overtook it");
    receiver.answer(|_| TAKEN);
    server.clock().advance(HOUR);
    eventually("alice is told of", || of("alice").last().unwrap().event() == "user.changed");
    let of_alice = of("alice");
    // On a slow machine the first one is refused more than once.
    let mut events: Vec<_> = of_alice.iter().map(Received::event).collect();
    events.dedup();
    assert_eq!(events, ["user.created", "user.deactivated", "user.changed"]);
    assert_eq!(of_alice[0].id, of_alice[1].id);
    assert!(of_alice[1].at > of_alice[0].at, "it is signed anew");
}

#[test]
fn a_hook_that_took_nothing_for_three_days_is_paused_and_goes_on_where_it_was() {
    let receiver = Receiver::start();
    let set = |server: countersign_e2e::TestServerBuilder| server.virtual_time();
    let World { server, _folder } = world(&receiver.hook("crm", "\"*\""), set);
    server.superuser("root");
    receiver.wait_for(1);
    receiver.answer(|_| REFUSED);
    server.user("alice");
    receiver.wait_for(2);
    let (mut hours, mut tried) = (0, 2);
    let is_paused = || server.cli(&["hook", "list"]).stdout().contains("paused since");
    while !is_paused() {
        assert!(hours < 100, "it is still tried after {hours} hours");
        server.clock().advance(8 * HOUR);
        hours += 8;
        eventually("it is tried again, or paused", || {
            receiver.received().len() > tried || is_paused()
        });
        tried = receiver.received().len();
    }
    assert!((64..=80).contains(&hours), "{hours}");
    assert!(tried >= 9, "{tried} tries");
    // While it is paused, what happens waits.
    server.user("bob");
    server.clock().advance(8 * HOUR);
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(receiver.received().len(), tried);
    let mut desk = server.desk();
    desk.sign_in("root");
    let dashboard = desk.get("/admin/").expect(200).text();
    assert!(dashboard.contains("web hook crm: paused since"), "{dashboard}");
    assert!(server.cli(&["check"]).stdout().contains("web hook crm: paused since"));

    receiver.answer(|_| TAKEN);
    server.cli(&["hook", "replay", "crm"]).ok();
    let told = receiver.wait_for(tried + 2);
    let mut names: Vec<_> = told[tried..].iter().map(Received::username).collect();
    names.sort_unstable();
    assert_eq!(names, ["alice", "bob"]);
    assert!(!desk.get("/admin/").expect(200).text().contains("paused"));
}

#[test]
fn a_message_that_is_never_taken_is_given_up_where_others_are() {
    let receiver = Receiver::start();
    let set = |server: countersign_e2e::TestServerBuilder| server.virtual_time();
    let World { server, _folder } =
        world(&receiver.hook("crm", "[\"user.created\", \"user.deactivated\"]"), set);
    receiver.answer(|one| {
        if one.username() == "alice" && one.event() == "user.created" { REFUSED } else { TAKEN }
    });
    server.user("alice");
    receiver.wait_for(1);
    server.cli(&["user", "deactivate", "alice"]).ok();
    let mut number = 0;
    let is_told = || receiver.events().contains(&"user.deactivated".to_owned());
    while !is_told() {
        number += 1;
        assert!(number < 40, "it is not given up");
        let before = receiver.received().len();
        server.user(&format!("user{number}"));
        server.clock().advance(8 * HOUR);
        eventually("the others are told", || receiver.received().len() > before);
        std::thread::sleep(Duration::from_millis(1_500));
    }
    let listed = server.cli(&["hook", "list", "--json"]).stdout();
    let listed: serde_json::Value = serde_json::from_str(&listed).unwrap();
    assert_eq!(
        (&listed[0]["failed"], &listed[0]["paused_at"]),
        (&1.into(), &serde_json::Value::Null)
    );
}

#[test]
fn whoever_answers_gone_is_told_nothing_more() {
    let receiver = Receiver::start();
    let World { server, _folder } = world(&receiver.hook("crm", "\"*\""), |server| server);
    receiver.answer(|_| Answer("410 Gone", Duration::ZERO));
    server.user("alice");
    receiver.wait_for(1);
    eventually("it is paused", || server.cli(&["hook", "list"]).stdout().contains("410"));
    server.user("bob");
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(receiver.received().len(), 1);
}

#[test]
fn a_slow_hook_slows_neither_logins_nor_other_hooks() {
    let (slow, quick) = (Receiver::start(), Receiver::start());
    slow.answer(|_| Answer("204 No Content", Duration::from_secs(8)));
    let hooks = slow.hook("slow", "\"*\"") + &quick.hook("quick", "\"*\"");
    let World { server, _folder } = world(&hooks, |server| server);
    server.user("user0");
    server.sql(
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 19)
         INSERT INTO users (username, username_folded, email, password, date_joined)
         SELECT 'user' || i, 'user' || i, 'user' || i || '@example.com', password, date_joined
         FROM n, users",
    );
    server.logged_in("user0");
    quick.wait_for(20);
    assert!(slow.received().len() <= 16, "so many at a time, and no more");
}

#[test]
fn no_redirect_is_followed_and_no_long_answer_read() {
    let (receiver, elsewhere) = (Receiver::start(), Receiver::start());
    let World { server, _folder } = world(&receiver.hook("crm", "\"*\""), |server| server);
    let location = format!("302 Found\r\nLocation: http://{}/", elsewhere.address);
    let location: &'static str = location.leak();
    receiver.answer(move |_| Answer(location, Duration::ZERO));
    let refused = server.cli(&["hook", "test", "crm"]).fails(1);
    assert!(refused.contains("it answers 302, and no redirect is followed"), "{refused}");
    assert!(elsewhere.received().is_empty());
    let long: &'static str = format!("200 OK\r\nX-Long: {}", "a".repeat(1 << 20)).leak();
    receiver.answer(move |_| Answer(long, Duration::ZERO));
    server.cli(&["hook", "test", "crm"]).fails(1);
}

#[test]
fn addresses_of_this_machine_and_of_private_networks_are_refused_by_number_and_by_name() {
    let receiver = Receiver::start();
    let port = receiver.address.port();
    // As numbers in several spellings, and as a name that is looked up.
    for host in [
        "127.0.0.1",
        "[::1]",
        "2130706433",
        "0x7f.1",
        "[::ffff:127.0.0.1]",
        "localhost",
        "10.0.0.1",
        "169.254.169.254",
    ] {
        let hook = receiver
            .hook("crm", "\"*\"")
            .replace("private = true", "private = false")
            .replace(&format!("http://127.0.0.1:{port}"), &format!("https://{host}:{port}"));
        let World { server, _folder } = world(&hook, |server| server);
        let refused = server.cli(&["hook", "test", "crm"]).fails(1);
        assert!(refused.contains("private = true"), "{host}: {refused}");
    }
    assert!(receiver.received().is_empty());
}

#[test]
fn logins_go_on_while_messages_are_told() {
    static TOLD: AtomicUsize = AtomicUsize::new(0);
    let receiver = Receiver::start();
    receiver.answer(|_| {
        TOLD.fetch_add(1, Ordering::Relaxed);
        TAKEN
    });
    let World { server, _folder } =
        world(&receiver.hook("crm", "[\"session.ended\"]"), |server| server);
    server.user("alice");
    for _ in 0..30 {
        server.logged_in("alice").logout().expect(204);
    }
    eventually("each end is told", || TOLD.load(Ordering::Relaxed) == 30);
}
