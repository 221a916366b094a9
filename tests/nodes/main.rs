//! Many nodes on one PostgreSQL database.

mod accounts;
mod balanced;
mod devices;
mod factors;
mod failover;
mod faults;
mod floods;
mod lost;
mod moving;
mod refused;
mod restored;
mod throttle;
mod tls;
mod together;
mod under_way;

use countersign_e2e::{Cluster, TestServer, TestServerBuilder};

/// A node on a database; all nodes of a database share the secret.
fn node(url: &str) -> TestServerBuilder {
    TestServer::builder()
        .set("database_url", url)
        .set("secret", "shared by all nodes, shared by all")
}

/// Two nodes on a new database.
fn two_nodes() -> [TestServer; 2] {
    let url = Cluster::shared().database();
    [node(&url).start(), node(&url).start()]
}
