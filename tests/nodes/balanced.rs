use std::path::{Path, PathBuf};

use countersign_e2e::{Browser, Program, TestServer, eventually};

use super::two_nodes;

#[test]
fn behind_a_load_balancer_that_takes_turns_nobody_notices_that_there_are_two() {
    let nodes = two_nodes();
    let prefix = tempfile::tempdir().unwrap();
    let nginx = balancer(&nodes, prefix.path());
    nodes[0].user("alice");
    let mut browsers: Vec<Browser> = (0..4).map(|_| Browser::new(nginx.address())).collect();
    for browser in &mut browsers {
        browser.login("alice").expect(200);
    }
    for browser in &mut browsers {
        for _ in 0..5 {
            browser.refresh().expect(200);
            browser.get("/accounts/profile").expect(200);
            browser.clone().refresh().expect(200);
        }
    }
    let [first, .., last] = &mut browsers[..] else { unreachable!("there are four") };
    let gone = first.clone();
    first.logout().expect(204);
    eventually("the logout is felt on both", || {
        (0..2).all(|_| gone.get("/accounts/profile").status == 401)
    });
    gone.clone().refresh().expect_problem(401, "session_revoked");
    last.refresh().expect(200);
    for node in &nodes {
        eventually("each node had something to do", || node.log().contains("\"logged in\""));
    }
}

#[test]
fn a_refresh_at_a_node_that_died_is_asked_again_of_the_other() {
    let mut nodes = two_nodes();
    let prefix = tempfile::tempdir().unwrap();
    let nginx = balancer(&nodes, prefix.path());
    nodes[0].user("alice");
    let mut browser = Browser::new(nginx.address());
    browser.login("alice").expect(200);
    nodes[1].kill();
    for _ in 0..10 {
        browser.refresh().expect(200);
        browser.get("/accounts/profile").expect(200);
    }
}

/// The example of `docs/nodes`, before these nodes.
pub(crate) fn balancer(nodes: &[TestServer; 2], prefix: &Path) -> Program {
    Program::nginx(
        prefix,
        &example(),
        &[("127.0.0.1:8001", nodes[0].address()), ("127.0.0.1:8002", nodes[1].address())],
    )
}

/// Where the example is.
pub(crate) fn example() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/nodes/nginx.conf.example")
}
