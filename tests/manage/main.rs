//! The management API, black box.

mod audit;
mod bulk;
mod callers;
mod factors;
mod figures;
mod groups;
mod introspect;
mod links;
mod listening;
mod tickets;
mod users;

use countersign_e2e::{Cluster, Request, Response, TestServer, TestServerBuilder};
use serde_json::Value;

/// A server whose management API is on.
fn managed() -> TestServer {
    TestServer::builder().set("manage", "on").start()
}

/// The same on a PostgreSQL database.
fn node(url: &str) -> TestServerBuilder {
    TestServer::builder()
        .set("manage", "on")
        .set("database_url", url)
        .set("secret", "shared by all nodes, shared by all")
}

/// Two nodes on a new database.
fn two_nodes() -> [TestServer; 2] {
    let url = Cluster::shared().database();
    [node(&url).start(), node(&url).start()]
}

/// A service token with these permissions.
fn token(world: &TestServer, name: &str, permissions: &[&str]) -> String {
    let mut arguments = vec!["token", "create", name];
    for permission in permissions {
        arguments.extend(["--permission", permission]);
    }
    world.cli(&arguments).ok().trim_end().to_owned()
}

/// A service token that may everything.
fn super_token(world: &TestServer) -> String {
    world.cli(&["token", "create", "everything", "--superuser"]).ok().trim_end().to_owned()
}

fn ask(world: &TestServer, token: &str, method: &str, path: &str) -> Request {
    world.request(method, &format!("/manage/v1{path}")).bearer(token)
}

fn get(world: &TestServer, token: &str, path: &str) -> Response {
    ask(world, token, "GET", path).send()
}

fn post(world: &TestServer, token: &str, path: &str, body: &Value) -> Response {
    ask(world, token, "POST", path).json(body).send()
}

/// Everybody who may do something with users, and nothing else.
const USERS: &[&str] = &["auth.view_user", "auth.add_user", "auth.change_user", "auth.delete_user"];
