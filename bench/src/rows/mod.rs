//! The rows of the table: one file a row.

mod admin;
mod asks;
mod audit;
mod device;
mod factor;
mod guesses;
mod library;
mod login;
mod logout;
mod mail;
mod manage;
mod memory;
mod million;
mod nodes;
mod parsers;
mod passkey;
mod postgres;
mod profile;
mod refresh;
mod start;
mod storm;

use std::time::Duration;

use crate::table::Row;

/// Every row, in the table's order.
pub(crate) fn all() -> impl Iterator<Item = Row> {
    ROWS.iter().flat_map(|(_, measure)| measure())
}

/// The rows of one name.
pub(crate) fn one(name: &str) -> impl Iterator<Item = Row> {
    let name = name.to_owned();
    ROWS.iter().filter(move |(own, _)| *own == name).flat_map(|(_, measure)| measure())
}

type Measure = fn() -> Vec<Row>;

const ROWS: &[(&str, Measure)] = &[
    ("profile", profile::measure),
    ("library", library::measure),
    ("refresh", refresh::measure),
    ("device", device::measure),
    ("login", login::measure),
    ("factor", factor::measure),
    ("passkey", passkey::measure),
    ("storm", storm::measure),
    ("open", storm::measure_open),
    ("guesses", guesses::measure),
    ("asks", asks::measure),
    ("memory", memory::measure),
    ("start", start::measure),
    ("parsers", parsers::measure),
    ("million", million::measure),
    ("admin", admin::measure),
    ("audit", audit::measure),
    ("manage", manage::measure),
    ("reset", mail::measure_reset),
    ("outbox", mail::measure_outbox),
    ("postgres", postgres::measure),
    ("logout", logout::measure),
    ("flood", logout::measure_flood),
    ("nodes", nodes::measure),
    ("postgres-million", million::measure_on_postgres),
    ("postgres-admin", admin::measure_on_postgres),
];

/// How long each of several runs takes. Two that are compared alternate, and it is the pairs that
/// are compared, since the machine is not always equally fast.
const RUN: Duration = Duration::from_secs(1);

const RUNS: usize = 11;

/// Connections at a time.
const CONNECTIONS: usize = 64;

/// Tokens and users of the profile rows.
const TOKENS: u64 = 10_000;
