//! The tour of the README, as it is printed.

use std::process::Command;

use countersign_e2e::{Finished, TestServer, eventually};

#[test]
fn the_readmes_tour_goes_as_it_says_and_the_first_superusers_link_survives_it() {
    let world = TestServer::builder().set("registration", "open").start();
    let readme = include_str!("../../README.md");
    let tour = readme.split_once("## A tour").unwrap().1.split_once("\n## ").unwrap().0;
    let lines: Vec<&str> =
        tour.split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    let port = format!("localhost:{}", world.address().port());
    let script = lines.concat().replace("localhost:8000", &port);
    let command = world.command(&[]);
    std::os::unix::fs::symlink(command.get_program(), world.scratch().join("countersign")).unwrap();

    let mut bash = Command::new("bash");
    bash.arg("-euc").arg(&script).current_dir(world.scratch()).env_clear();
    bash.env("PATH", format!("{}:/usr/bin:/bin", world.scratch().display()));
    bash.env("COUNTERSIGN_DATA_DIR", world.data_dir());
    let said = Finished(bash.output().unwrap()).ok();

    let codes: Vec<&str> =
        said.split("\"code\":\"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    let refused = ["not_authenticated", "csrf_failed"].into_iter().chain(["session_revoked"; 5]);
    assert_eq!(codes, refused.collect::<Vec<_>>(), "{said}");
    assert_eq!(
        said.matches("HTTP/1.1 204 No Content").count(),
        3,
        "the proof of the address, the password's change and the logout: {said}"
    );
    assert_eq!(said.matches("\"reason\":\"password_changed\"").count(), 1, "{said}");
    assert_eq!(
        said.matches("\"transport\":\"body\"").count(),
        1,
        "the phone is on the list: {said}"
    );

    // And in the browser afterwards; the address is proved.
    let user = world.browser().login_with("alice@example.com", "copper lantern 27").expect(200);
    assert_eq!(user.json()["user"]["email_verified"], true);
    let link = || {
        world
            .printed()
            .iter()
            .find_map(|line| line.find("/admin/first/").map(|at| line[at..].to_owned()))
    };
    eventually("the link is printed", || link().is_some());
    world.desk().get(&link().unwrap()).says(200, "There is no superuser yet");
}
