//! The command line: one file a command.

mod audit;
mod config;
mod createsuperuser;
mod factors;
mod keys;
mod mail;
mod operation;
mod output;
mod password;
mod passwords;
mod session;
mod terminal;
mod token;
mod user;
mod user_list;
mod user_set;

use std::process::Command;

use countersign_e2e::{Cluster, Finished, TestServer};

/// A server on each of the two databases, that runs, and a shell in each database.
fn on_both(test: impl Fn(&TestServer, &dyn Fn(&str) -> String)) {
    let world = TestServer::start();
    test(&world, &|sql| world.sql(sql));
    let (world, url) = on_postgres();
    test(&world, &|sql| psql(&url, sql));
}

fn on_postgres() -> (TestServer, String) {
    let url = Cluster::shared().database();
    let world = TestServer::builder().set("database_url", &url).start();
    (world, url)
}

fn psql(url: &str, sql: &str) -> String {
    let arguments = [url, "-qAt", "-v", "ON_ERROR_STOP=1", "-c", sql];
    Finished(Command::new("psql").args(arguments).output().expect("psql")).ok()
}
