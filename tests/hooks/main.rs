//! Web hooks, as a program hears them: on both stores, through power cuts, outages and two nodes.

mod commands;
mod faults;

use std::path::PathBuf;

use countersign_e2e::receiver::{Received, Receiver};
use countersign_e2e::{Cluster, PASSWORD, TestServer, TestServerBuilder};
use serde_json::json;
use tempfile::TempDir;

/// A server with a configuration file, and the folder that it lies in.
struct World {
    server: TestServer,
    _folder: TempDir,
}

/// A server with these hooks, on SQLite unless the settings say otherwise.
fn world(hooks: &str, set: impl FnOnce(TestServerBuilder) -> TestServerBuilder) -> World {
    let folder = tempfile::tempdir().unwrap();
    let file: PathBuf = folder.path().join("countersign.toml");
    std::fs::write(&file, hooks).unwrap();
    let builder = TestServer::builder().set("config", &file.display().to_string());
    World { server: set(builder).start(), _folder: folder }
}

/// A node on a database of PostgreSQL.
fn on_postgres(url: &str) -> impl Fn(TestServerBuilder) -> TestServerBuilder {
    move |server| {
        server.set("database_url", url).set("secret", "shared by all nodes, shared by all")
    }
}

#[test]
fn an_account_is_told_from_its_beginning_to_its_end_on_both_stores() {
    let url = Cluster::shared().database();
    for url in [None, Some(url)] {
        let receiver = Receiver::start();
        let World { server, _folder } =
            world(&receiver.hook("crm", "\"*\""), |server| match &url {
                Some(url) => on_postgres(url)(server),
                None => server,
            });
        let id = server.user("alice");
        let told = receiver.wait_for(1).remove(0);
        assert_eq!((told.event(), told.username()), ("user.created", "alice"));
        assert_eq!(told.body["data"]["user"]["id"], id);
        assert_eq!(told.body["data"]["user"]["groups"], json!([]));
        assert!(told.id.starts_with("msg_") && told.id.len() == 36, "{}", told.id);
        assert!(told.at.abs_diff(server.now().cast_signed()) < 60);
        assert!(told.headers.contains("content-type: application/json"), "{}", told.headers);

        let mut browser = server.logged_in("alice");
        let stranger = server.logged_in("alice");
        let new = "another long passphrase";
        let body = json!({"old_password": PASSWORD, "new_password": new});
        let change = browser.request("POST", "/accounts/password").json(&body);
        browser.send(&change).expect(204);
        drop(stranger);
        browser.refresh().expect(200);
        browser.logout().expect(204);
        server.cli(&["user", "deactivate", "alice"]).ok();
        server.cli(&["user", "delete", "alice", "--noinput"]).ok();
        let expected = [
            "user.created",
            "login.new_device",
            "password.changed",
            "session.ended",
            "session.ended",
            "user.deactivated",
            "user.changed",
            "user.deleted",
        ];
        receiver.wait_for(expected.len());
        assert_eq!(receiver.events(), expected);
        let told = receiver.received();
        assert_eq!(told[3].body["data"]["reason"], "password_changed");
        assert_eq!(told[4].body["data"]["reason"], "logout");
        assert_eq!(told[1].body["data"]["session"]["ip"], "127.0.0.1");
        for one in &told {
            let said = one.body.to_string();
            assert!(!said.contains("argon2") && !said.contains(new), "{said}");
        }
        for secret in ["s3cret-path", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"] {
            assert!(!server.log().contains(secret));
        }
    }
}

#[test]
fn who_registers_changes_the_address_and_adds_a_factor_is_told_of() {
    let (receiver, mailbox) = (Receiver::start(), countersign_e2e::Mailbox::new());
    let events = "[\"user.created\", \"user.verified\", \"address.changed\", \"factor.added\"]";
    let World { server, _folder } = world(&receiver.hook("crm", events), |server| {
        let server = server.set("registration", "open").set("email_verification", "optional");
        server.set("mail_url", &mailbox.url()).virtual_time()
    });
    let mut browser = server.browser();
    let body = json!({"username": "eve", "email": "eve@example.com", "password": PASSWORD});
    let register = browser.request("POST", "/accounts/register").json(&body);
    browser.send(&register).expect(201);
    let token = mailbox.wait_for("eve@example.com", 1).token();
    let verify = browser.request("POST", "/accounts/email/verify").json(&json!({"token": token}));
    browser.send(&verify).expect(204);
    server.enrol(&mut browser);
    receiver.wait_for(4);
    let told = receiver.received();
    let events: Vec<_> = told.iter().map(Received::event).collect();
    assert_eq!(events, ["user.created", "address.changed", "user.verified", "factor.added"]);
    assert_eq!(told[1].body["data"]["previous_email"], "");
    assert_eq!(told[2].body["data"]["user"]["email"], "eve@example.com");
    assert_eq!(told[3].body["data"]["factor"]["kind"], "totp");
}

#[test]
fn without_a_hook_nothing_is_queued() {
    let server = TestServer::start();
    server.user("alice");
    server.logged_in("alice").logout().expect(204);
    assert_eq!(server.sql("SELECT count(*) FROM hook_messages").trim(), "0");
}
