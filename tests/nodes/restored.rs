//! A database that comes out of a dump, and one that is empty where there was one before.

use std::path::PathBuf;
use std::process::Command;

use countersign_e2e::{Cluster, TestServer, eventually};

use super::node;

fn name(url: &str) -> &str {
    url.rsplit('/').next().unwrap()
}

fn run(cluster: &Cluster, program: &str, arguments: &[&str]) {
    let output = Command::new(cluster.binaries().join(program))
        .args(["-U", "postgres", "-h"])
        .arg(cluster.socket_directory())
        .env("PGPORT", cluster.port().to_string())
        .args(arguments)
        .output()
        .unwrap();
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
}

fn dump(cluster: &Cluster, url: &str, world: &TestServer, kind: &[&str]) -> PathBuf {
    let file = world.scratch().join("dump");
    let path = file.to_str().unwrap();
    run(cluster, "pg_dump", &[kind, &["-Fc", "-f", path, "-d", name(url)]].concat());
    file
}

#[test]
fn a_dump_that_is_restored_into_the_same_timeline_gives_no_id_twice() {
    let cluster = Cluster::shared();
    for (kind, how) in [
        // Into the tables that there are, into new tables, into a new database.
        (&["--data-only"][..], &["--data-only", "--disable-triggers"][..]),
        (&[], &["--clean"]),
        (&[], &[]),
    ] {
        let url = cluster.database();
        let mut world = node(&url).start();
        let alice = world.user("alice");
        let file = dump(cluster, &url, &world, kind);
        let path = file.to_str().unwrap();
        // What the dump does not have.
        let lost = world.user("bob");
        world.stop();
        if how.contains(&"--data-only") {
            let tables = cluster.sql(
                name(&url),
                "SELECT string_agg(quote_ident(tablename), ', ') FROM pg_tables
                 WHERE schemaname = 'public'",
            );
            cluster.sql(name(&url), &format!("TRUNCATE {tables}"));
        } else if how.is_empty() {
            cluster.sql("postgres", &format!("DROP DATABASE {}", name(&url)));
            cluster.sql("postgres", &format!("CREATE DATABASE {}", name(&url)));
        }
        run(cluster, "pg_restore", &[how, &["-d", name(&url), path]].concat());
        assert_eq!(cluster.sql(name(&url), "SELECT count(*) FROM users"), "1", "{how:?}");
        world.wake();
        eventually("the log tells of it", || world.log().contains("after a gap"));
        let carol = world.user("carol");
        assert!(alice < lost && carol > lost + 1_000, "{how:?}: {alice}, {lost}, {carol}");
        // Once: the next start finds its own row.
        world.stop();
        world.wake();
        assert_eq!(world.user("dave"), carol + 1, "{how:?}");
    }
}

#[test]
fn an_empty_database_where_there_was_one_is_not_begun_anew_without_a_word() {
    let cluster = Cluster::shared();
    let url = cluster.database();
    // A node whose secret is a file: the file is what it has of its own.
    let mut world = TestServer::builder().set("database_url", &url).start();
    world.user("alice");
    world.stop();
    // An ordinary start, with users and without.
    world.wake();
    world.stop();

    cluster.sql("postgres", &format!("DROP DATABASE {}", name(&url)));
    cluster.sql("postgres", &format!("CREATE DATABASE {}", name(&url)));
    let said = world.try_wake(&[]).unwrap_err();
    assert!(said.contains("is empty") && said.contains("serve --new"), "{said}");
    for command in [&["migrate"][..], &["user", "list"]] {
        assert!(world.cli(command).fails(1).contains("is empty"), "{command:?}");
    }
    let tables = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'";
    assert_eq!(cluster.sql(name(&url), tables), "0", "nothing was made");

    // A node that has never been connected, and one that has a configured secret, see nothing.
    let mut other = TestServer::builder().set("database_url", &url).start();
    other.stop();
    assert!(world.try_wake(&[]).unwrap_err().contains("is empty"), "begun by another node");
    world.try_wake(&["--new"]).unwrap_err();
    // The other node's keys are sealed under another secret.
    cluster.sql(name(&url), "DELETE FROM signing_keys");
    world.try_wake(&["--new"]).unwrap();
    world.stop();
    world.wake();
}

#[test]
fn a_node_with_a_configured_secret_keeps_no_marker() {
    let cluster = Cluster::shared();
    let url = cluster.database();
    let mut world = node(&url).start();
    world.stop();
    assert!(!world.data_dir().join("installation").exists());
    cluster.sql("postgres", &format!("DROP DATABASE {}", name(&url)));
    cluster.sql("postgres", &format!("CREATE DATABASE {}", name(&url)));
    world.wake();
}
