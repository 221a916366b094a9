//! A database that comes out of a dump.

use std::path::PathBuf;
use std::process::Command;

use countersign_e2e::{Cluster, World, eventually};

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

fn dump(cluster: &Cluster, url: &str, world: &World, kind: &[&str]) -> PathBuf {
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
                "SELECT string_agg(quote_ident(tablename), ', ') FROM pg_tables WHERE schemaname = 'public'",
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
