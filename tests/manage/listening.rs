use std::net::{SocketAddr, TcpListener};

use super::*;

/// A free port, found and given back; nobody else on this machine asks for it in between.
fn free() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

#[test]
fn on_a_listener_of_its_own_the_api_is_there_alone_and_nowhere_else() {
    let free = free();
    let mut world =
        TestServer::builder().set("manage", "on").set("manage_listen", &free.to_string()).start();
    world.superuser("root");
    let token = super_token(&world);
    let there = |path: &str| Request::new(free, "GET", path).bearer(&token).send();
    there("/manage/v1/users").expect(200);
    let document = there("/manage/v1/openapi.json").expect(200).json();
    assert!(document["paths"]["/manage/v1/users"].is_object());
    there("/manage/v1/nothing").expect_problem(404, "not_found");
    for path in ["/manage/v1/users", "/manage/v1/openapi.json", "/manage/v1/nothing", "/manage"] {
        world.request("GET", path).bearer(&token).send().expect_problem(404, "not_found");
    }
    for path in ["/accounts/profile", "/admin/", "/healthz", "/openapi.json", "/", "/metrics"] {
        there(path).expect_problem(404, "not_found");
    }
    world.get("/healthz").expect(200);
    // A user's token that is known makes no difference.
    let user = world.logged_in("root");
    user.get("/accounts/profile").expect(200);
    let known = Request::new(free, "GET", "/accounts/profile").bearer(&user.access_token);
    known.send().expect_problem(404, "not_found");
    // Where a token may be used from is looked at here too.
    let elsewhere = ["token", "create", "far", "--superuser", "--network", "10.0.0.0/8"];
    let far = world.cli(&elsewhere).ok().trim_end().to_owned();
    let refused = Request::new(free, "GET", "/manage/v1/users").bearer(&far).send();
    refused.expect_problem(403, "permission_denied");
    // It ends with the server, and comes back with it.
    assert_eq!(world.stop(), Some(0));
    assert!(Request::new(free, "GET", "/manage/v1/users").try_send().is_err());
    world.wake();
    there("/manage/v1/users").expect(200);
}

#[test]
fn an_address_for_an_api_that_is_off_or_that_is_taken_is_refused_before_anything_is_made() {
    let mut off = TestServer::builder().set("manage_listen", &free().to_string()).asleep();
    let said = off.try_wake(&[]).unwrap_err();
    assert!(said.contains("manage_listen") && said.contains("not served"), "{said}");
    let holder = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = holder.local_addr().unwrap().to_string();
    let mut world = TestServer::builder().set("manage", "on").set("manage_listen", &taken).asleep();
    let said = world.try_wake(&[]).unwrap_err();
    assert!(said.contains("manage_listen = "), "{said}");
}
