//! Refreshes and profiles on PostgreSQL, in a cluster of its own.

use std::process::Command;

use countersign_e2e::Cluster;

use super::profile::against_a_server;
use super::refresh::Refresher;
use super::{CONNECTIONS, RUNS, TOKENS};
use crate::load::rate;
use crate::server::{Hash, Server};
use crate::stock::{Stock, issuer};
use crate::table::{Row, median, median_ratio, per_second, percent};

pub(super) fn measure() -> Vec<Row> {
    let cluster = cluster();
    vec![refresh(&cluster), profile(&cluster)]
}

/// A cluster with the defaults, `fsync` included, but for memory and the size of the log, so that
/// no checkpoint falls into one side of a ratio.
pub(super) fn cluster() -> Cluster {
    Cluster::start(&["shared_buffers=512MB", "max_wal_size=4GB", "checkpoint_timeout=1h"])
}

fn refresh(cluster: &Cluster) -> Row {
    let stock = Stock::of(SESSIONS, Hash::Cheap);
    let url = stock.moved_to(cluster);
    let baseline = Baseline::beside(&stock, cluster);
    let server = Server::countersign_on(&stock.data(), Hash::Cheap, &url);
    let mut clients = Refresher::logged_in(server.address, &stock.names(CONNECTIONS as u64, 0));
    let (mut own, mut base) = (Vec::new(), Vec::new());
    for _ in 0..RUNS {
        let measured;
        (measured, clients) = rate(server.address, clients, SECONDS);
        own.push(measured);
        base.push(baseline.rate(cluster));
    }
    for client in &clients {
        client.check_chain();
    }
    let ratio = median_ratio(&own, &base);
    let (own, base) = (median(own), median(base));
    Row {
        what: "`POST /accounts/refresh` on PostgreSQL, 64 clients each on its own chain, durable, \
            every answer checked",
        measured: per_second(own),
        baseline: format!(
            "`pgbench` with the same `UPDATE`, prepared, 16 clients: {}",
            per_second(base)
        ),
        ratio: percent(ratio),
        bar: "≥ 50 %",
        cleared: ratio >= 0.5,
    }
}

fn profile(cluster: &Cluster) -> Row {
    let stock = Stock::of(TOKENS, Hash::Cheap);
    let url = stock.moved_to(cluster);
    let on_sqlite = Server::countersign(&stock.data(), Hash::Cheap);
    let on_postgres = Server::countersign_on(&stock.data(), Hash::Cheap, &url);
    // Issuers differ with the ports, so each server has tokens of its own.
    let tokens = |server: &Server| stock.access_tokens(TOKENS, &issuer(server));
    let (own, base, ratio) = against_a_server(
        (&on_sqlite, &tokens(&on_sqlite)),
        (&on_postgres, &tokens(&on_postgres)),
        CONNECTIONS,
    );
    Row {
        what: "authenticated `GET /accounts/profile` on PostgreSQL",
        measured: per_second(own),
        baseline: format!("on SQLite: {}", per_second(base)),
        ratio: percent(ratio),
        bar: "≥ 95 %",
        cleared: ratio >= 0.95,
    }
}

/// The `UPDATE` of a refresh, and nothing else, on as many rows of a table alike.
struct Baseline {
    database: String,
    script: std::path::PathBuf,
}

impl Baseline {
    fn beside(stock: &Stock, cluster: &Cluster) -> Self {
        let url = stock.moved_to(cluster);
        let database = url.rsplit('/').next().expect("a name").to_owned();
        // `pgbench` draws ids from a range.
        cluster.sql(
            &database,
            "UPDATE sessions SET id = numbered.number FROM (SELECT id, \
            row_number() OVER () AS number FROM sessions) numbered WHERE sessions.id = numbered.id",
        );
        cluster.sql(&database, "VACUUM FULL ANALYZE sessions");
        let script = stock.file("refresh.sql");
        let text = format!(
            "\\set id random(1, {SESSIONS})\n\
             UPDATE sessions SET generation = generation + 1, \
             current_jti = decode('00112233445566778899aabbccddeeff', 'hex'), current_iat = 1, \
             current_since = 1, race_credit = 25, last_used_at = last_used_at + 1 WHERE id = :id;\n"
        );
        std::fs::write(&script, text).expect("a file");
        Self { database, script }
    }

    /// Updates a second.
    fn rate(&self, cluster: &Cluster) -> f64 {
        let mut pgbench = Command::new(cluster.binaries().join("pgbench"));
        pgbench.args([
            "--no-vacuum",
            "--protocol=prepared",
            "--client=16",
            "--jobs=2",
            "--username=postgres",
        ]);
        pgbench
            .arg(format!("--time={}", SECONDS.as_secs()))
            .arg("--host")
            .arg(cluster.socket_directory());
        pgbench.arg("--file").arg(&self.script).arg(&self.database);
        let output = pgbench.output().expect("pgbench, which comes with PostgreSQL");
        let said = String::from_utf8_lossy(&output.stdout);
        let rate = said
            .lines()
            .find_map(|line| line.strip_prefix("tps = ")?.split(' ').next()?.parse().ok());
        rate.unwrap_or_else(|| panic!("{said}{}", String::from_utf8_lossy(&output.stderr)))
    }
}

/// Rows that the baseline updates, one at a time.
const SESSIONS: u64 = 1_000;

/// `pgbench` runs for whole seconds, and a second is short for sixteen connections that it makes
/// first.
const SECONDS: std::time::Duration = std::time::Duration::from_secs(3);
