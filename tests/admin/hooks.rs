//! Web hooks: how they stand, what waits, and sending again; nothing of what is signed or said.

use std::time::Duration;

use countersign_e2e::receiver::{REFUSED, Receiver, SECRET, TAKEN};
use countersign_e2e::{Cluster, Desk, PASSWORD, TestServer, TestServerBuilder, eventually};
use tempfile::TempDir;

use crate::office::{furnish, operator};

/// A superuser's desk at a server with this hook, and the folder of its configuration file.
fn world(
    hook: &str,
    set: impl FnOnce(TestServerBuilder) -> TestServerBuilder,
) -> (TestServer, Desk, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("countersign.toml");
    std::fs::write(&file, hook).unwrap();
    let builder = TestServer::builder().set("config", &file.display().to_string());
    let (server, root) = furnish(set(builder).start());
    (server, root, folder)
}

fn on_postgres(url: &str) -> impl Fn(TestServerBuilder) -> TestServerBuilder {
    move |server| {
        server.set("database_url", url).set("secret", "shared by all nodes, shared by all")
    }
}

/// Asks the database of a server as a database shell does.
type Sql<'a> = &'a dyn Fn(&str) -> String;

/// A hook that has given up one message, about a user of this name.
fn give_up(world: &TestServer, sql: Sql<'_>, receiver: &Receiver, name: &str) {
    eventually("the superuser is told of", || {
        sql("SELECT count(*) FROM hook_messages WHERE state = 'sent'").trim() == "1"
    });
    receiver.answer(|_| REFUSED);
    let before = receiver.received().len();
    world.user(name);
    receiver.wait_for(before + 1);
    eventually("it is put off", || {
        sql("SELECT count(*) FROM hook_messages WHERE error <> ''").trim() == "1"
    });
    sql("UPDATE hook_messages SET state = 'failed', due_at = 1000000, error = 'it <b>answers</b>'
         WHERE error <> ''");
}

#[test]
fn the_page_shows_how_a_hook_stands_and_sends_again_on_both_stores() {
    let url = Cluster::shared().database();
    for url in [None, Some(url)] {
        let receiver = Receiver::start();
        let (world, mut root, _folder) = world(&receiver.hook("crm", "\"*\""), |s| match &url {
            Some(url) => on_postgres(url)(s),
            None => s,
        });
        let sql: Sql<'_> = &|text| match &url {
            Some(url) => Cluster::shared().sql(url.rsplit('/').next().unwrap(), text),
            None => world.sql(text),
        };
        give_up(&world, sql, &receiver, "alice");
        let list = root.get("/admin/hooks/").expect(200).text();
        for text in [
            "/admin/hooks/messages?hook=crm",
            "<b>on</b>",
            "it &#60;b&#62;answers&#60;/b&#62;",
            "<td data-of=\"Events\">all</td>",
            "<td data-of=\"Waiting\">0</td>",
            "<td data-of=\"Given up\">1</td>",
        ] {
            assert!(list.contains(text), "no {text:?} in {list}");
        }
        sql("UPDATE hooks SET paused_at = 1764478800000000, pause_reason = 'three days'");
        root.get("/admin/hooks/").says(200, "<b class=\"off\">paused</b>");
        let page = root.get("/admin/hooks/messages?hook=crm&state=failed").expect(200).text();
        for text in ["three days", "user.created", ">alice</a>", "msg_", "The hook goes on"] {
            assert!(page.contains(text), "no {text:?} in {page}");
        }
        root.get("/admin/hooks/messages?hook=crm").says(200, "No message is like that");
        root.get("/admin/hooks/messages?hook=crm&state=sent").says(200, ">root</a>");

        receiver.answer(|_| TAKEN);
        let before = receiver.received().len();
        root.post("/admin/hooks/replay", &[("hook", "crm")])
            .sends_to("/admin/hooks/?said=hook-replayed");
        let told = receiver.wait_for(before + 1);
        assert_eq!(told.last().unwrap().username(), "alice");
        assert!(page.contains(&told.last().unwrap().id), "it is the message of the page");
        root.get("/admin/hooks/?said=hook-replayed").says(200, "The web hook goes on");
        eventually("both were taken", || {
            sql("SELECT count(*) FROM hook_messages WHERE state = 'sent'").trim() == "2"
        });
        // What was taken too, since a time as browsers send it.
        let fields = [("hook", "crm"), ("since", "2020-01-01T00:00")];
        root.post("/admin/hooks/replay", &fields).expect(303);
        receiver.wait_for(before + 3);
        root.get("/admin/audit/?kind=hook-replayed").says(200, "crm: 1 sent again");
        let lines = sql("SELECT detail FROM audit_events WHERE kind = 'hook_replayed'");
        assert!(lines.contains("crm: 2 sent again, since 2020-01-01T00:00:00Z"), "{lines}");
        let by = sql("SELECT count(*) FROM audit_events
             WHERE kind = 'hook_replayed' AND CAST(actor_id AS text) = '1'");
        assert_eq!(by.trim(), "2");
    }
}

#[test]
fn nothing_that_is_signed_with_or_said_is_on_a_page() {
    let receiver = Receiver::start();
    let (world, mut root, _folder) = world(&receiver.hook("crm", "\"*\""), |s| s);
    give_up(&world, &|text| world.sql(text), &receiver, "alice");
    let mut all = root.get("/admin/hooks/").expect(200).text();
    for state in ["waiting", "failed", "sent"] {
        let path = format!("/admin/hooks/messages?hook=crm&state={state}");
        all += &root.get(&path).expect(200).text();
    }
    assert!(all.contains(&format!("http://{}/…", receiver.address)), "{all}");
    for hidden in [&SECRET[6..], "s3cret-path", "alice@example.com", "date_joined"] {
        assert!(!all.contains(hidden), "{hidden} in {all}");
    }
    let data = world.sql("SELECT data FROM hook_messages WHERE state = 'failed'");
    assert!(data.contains("date_joined"), "it would be there to be shown: {data}");
}

#[test]
fn messages_are_walked_to_their_end() {
    let receiver = Receiver::start();
    let (world, mut root, _folder) = world(&receiver.hook("crm", "\"user.deleted\""), |s| s);
    world.sql(
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 230)
         INSERT INTO hook_messages (hook, id, event, user_id, data, state, created_at, due_at)
         SELECT 'crm', 'msg_' || i || '_', 'user.deleted', i, '{}', 'failed',
                CAST(strftime('%s', 'now') AS INTEGER) * 1000000, 1000 + i / 3 FROM n",
    );
    let mut path = "/admin/hooks/messages?hook=crm&state=failed".to_owned();
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..3 {
        let page = root.get(&path).expect(200).text();
        for row in page.split("<code>msg_").skip(1) {
            assert!(seen.insert(row.split('_').next().unwrap().to_owned()), "twice");
        }
        let Some((before, _)) = page.split_once("\" rel=\"next\"") else { break };
        let next = before.rsplit_once("href=\"").unwrap().1;
        path = next.replace("&#38;", "&").replace("&amp;", "&");
    }
    assert_eq!(seen.len(), 230);
    root.get("/admin/hooks/messages?hook=crm&at=nonsense").says(400, "none that a page named");
    root.get("/admin/hooks/messages?hook=crm&state=lost").expect(400);
    for path in ["/admin/hooks/messages", "/admin/hooks/messages?hook=none"] {
        root.get(path).says(404, "no such web hook");
    }
}

#[test]
fn who_may_look_may_not_send_and_who_signed_in_long_ago_is_asked() {
    let receiver = Receiver::start();
    let (world, mut root, _folder) =
        world(&receiver.hook("crm", "\"*\""), TestServerBuilder::virtual_time);
    give_up(&world, &|text| world.sql(text), &receiver, "alice");
    let failed = || world.sql("SELECT count(*) FROM hook_messages WHERE state = 'failed'");
    let mut reader = operator(&world, &mut root, "reader", &["countersign.view_hook"]);
    let page = reader.get("/admin/hooks/messages?hook=crm&state=failed").expect(200).text();
    assert!(!page.contains("/admin/hooks/replay") && page.contains("alice"), "{page}");
    assert!(!page.contains(">alice</a>"), "who may not look at users has no way to them");
    reader.post("/admin/hooks/replay", &[("hook", "crm")]).says(403, "countersign.change_hook");
    let mut desk = operator(&world, &mut root, "sender", &["countersign.change_hook"]);
    for (hook, since, status) in
        [("none", "", 404), ("", "", 404), ("crm", "yesterday", 400), ("crm", "2026-13-01", 400)]
    {
        let answer = desk.post("/admin/hooks/replay", &[("hook", hook), ("since", since)]);
        assert_eq!(answer.status, status, "{hook} {since}: {}", answer.text());
    }
    let mut forged = desk.clone();
    forged.csrf = "0".repeat(forged.csrf.len());
    forged.post("/admin/hooks/replay", &[("hook", "crm")]).expect(403);
    world.clock().advance(Duration::from_secs(11 * 60));
    let asked = desk.post("/admin/hooks/replay", &[("hook", "crm")]).expect(403);
    assert!(asked.text().contains("own_password"), "{}", asked.text());
    assert_eq!(failed().trim(), "1");
    assert_eq!(world.sql("SELECT count(*) FROM audit_events WHERE kind LIKE 'hook%'").trim(), "0");
    desk.post("/admin/hooks/replay", &[("hook", "crm"), ("own_password", PASSWORD)])
        .sends_to("/admin/hooks/?said=hook-replayed");
    assert_eq!(failed().trim(), "0");
}

#[test]
fn without_a_hook_the_page_says_how_to_make_one() {
    let (_world, mut root, _folder) = world("", |s| s);
    root.get("/admin/hooks/").says(200, "There is no web hook");
    assert_eq!(root.get("/admin/hooks").header("location"), Some("/admin/hooks/"));
}
