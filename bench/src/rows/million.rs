//! A million users and sessions against a thousand.

use countersign_e2e::Cluster;

use super::login::Login;
use super::postgres::cluster;
use super::refresh::Refresher;
use super::{CONNECTIONS, RUN, RUNS};
use crate::load::{Client, Reader, rate};
use crate::server::{Hash, Server};
use crate::stock::{Stock, issuer};
use crate::table::{Row, median, median_ratio, per_second};

pub(super) fn measure() -> Vec<Row> {
    let (small, large) = (Side::of(1_000, None), Side::of(1_000_000, None));
    let readers = |side: &Side| {
        Reader::shared_out(&side.stock.access_tokens(1_000, &issuer(&side.server)), CONNECTIONS)
    };
    vec![
        compare("1,000,000 users and sessions: refresh", &small, &large, Side::refreshers),
        compare("1,000,000 users and sessions: profile", &small, &large, readers),
        compare("1,000,000 users and sessions: login less its hash", &small, &large, Side::logins),
    ]
}

/// The profile needs no database, whichever it is.
pub(super) fn measure_on_postgres() -> Vec<Row> {
    let cluster = cluster();
    let (small, large) = (Side::of(1_000, Some(&cluster)), Side::of(1_000_000, Some(&cluster)));
    vec![
        compare(
            "1,000,000 users and sessions on PostgreSQL: refresh",
            &small,
            &large,
            Side::refreshers,
        ),
        compare(
            "1,000,000 users and sessions on PostgreSQL: login less its hash",
            &small,
            &large,
            Side::logins,
        ),
    ]
}

struct Side {
    stock: Stock,
    server: Server,
}

impl Side {
    fn of(users: u64, cluster: Option<&Cluster>) -> Self {
        let stock = Stock::of(users, Hash::Cheap);
        let server = match cluster {
            Some(cluster) => {
                Server::countersign_on(&stock.data(), Hash::Cheap, &stock.moved_to(cluster))
            }
            None => Server::countersign(&stock.data(), Hash::Cheap),
        };
        Self { stock, server }
    }

    fn refreshers(&self) -> Vec<Refresher> {
        Refresher::logged_in(self.server.address, &self.stock.names(CONNECTIONS as u64, 7))
    }

    fn logins(&self) -> Vec<Login> {
        Login::spread(&self.stock, 3)
    }
}

fn compare<C: Client + 'static>(
    what: &'static str,
    small: &Side,
    large: &Side,
    clients: impl Fn(&Side) -> Vec<C>,
) -> Row {
    let (_, mut few) = rate(small.server.address, clients(small), RUN);
    let (_, mut many) = rate(large.server.address, clients(large), RUN);
    let (mut base, mut own) = (Vec::new(), Vec::new());
    for _ in 0..RUNS {
        let measured;
        (measured, few) = rate(small.server.address, few, RUN);
        base.push(measured);
        let measured;
        (measured, many) = rate(large.server.address, many, RUN);
        own.push(measured);
    }
    let ratio = median_ratio(&base, &own);
    let (base, own) = (median(base), median(own));
    Row {
        what,
        measured: per_second(own),
        baseline: format!("with 1,000: {}", per_second(base)),
        ratio: format!("{ratio:.2} × the time"),
        bar: "≤ 1.3 ×",
        cleared: ratio <= 1.3,
    }
}
