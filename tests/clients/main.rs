//! Real clients against the real server: PyJWT, requests, and Django's own password hashers.

mod cuts;
mod mail;
mod post;

use std::path::Path;
use std::process::Command;

use countersign_e2e::{Finished, PASSWORD, TestServer, python};

#[test]
fn pyjwt_verifies_an_access_token_through_the_jwks_and_nothing_else() {
    for algorithm in ["EdDSA", "ES256", "RS256"] {
        let world = TestServer::builder().set("signing_algorithm", algorithm).start();
        world.user("alice");
        run(&world, "verify_with_pyjwt.py", &[algorithm]);
    }
}

#[test]
fn requests_logs_in_calls_refreshes_changes_the_password_and_logs_out() {
    let world = TestServer::start();
    world.user("alice");
    run(&world, "whole_flow_with_requests.py", &[]);
}

#[test]
fn the_codes_of_pyotp_are_a_second_factor_each_once() {
    let builder = TestServer::builder().virtual_time();
    let world = builder.set("throttle_account_attempts", "0").start();
    world.user("alice");
    run(&world, "second_factor_with_pyotp.py", &[&world.clock().seconds().to_string()]);
}

#[test]
fn a_client_made_of_the_valid_document_logs_in_refreshes_and_logs_out() {
    let world = TestServer::start();
    world.user("alice");
    run(&world, "generated_client.py", &[]);
}

#[test]
fn whatever_is_sent_the_document_lists_the_answer() {
    let world = TestServer::builder()
        .set("throttle_account_attempts", "0")
        .set("throttle_address_attempts", "0")
        .set("throttle_session_refreshes", "0")
        .start();
    world.user("alice");
    let said = run(&world, "attack_the_document.py", &[]);
    assert!(said.contains("everything was answered as the document says"), "{said}");
}

#[test]
fn passwords_that_django_wrote_sign_in_here_and_are_upgraded() {
    let world = TestServer::start();
    let encoded = run(&world, "encode_with_django.py", &["encode", PASSWORD]);
    for (number, line) in encoded.lines().enumerate() {
        let name = format!("user{number}");
        world.user(&name);
        world.sql(&format!("UPDATE users SET password = '{line}' WHERE username = '{name}'"));
        world
            .browser()
            .login_with(&name, "another password")
            .expect_problem(401, "invalid_credentials");
        world.browser().login(&name).expect(200);
        let upgraded = world.sql(&format!("SELECT password FROM users WHERE username = '{name}'"));
        assert!(
            upgraded.starts_with("argon2$argon2id$v=19$m=64,t=1,p=1$"),
            "{line} became {upgraded}"
        );
        world.browser().login(&name).expect(200);
    }
    assert!(encoded.lines().count() >= 6, "{encoded}");
}

#[test]
fn django_verifies_the_passwords_that_are_written_here() {
    let world = TestServer::start();
    world.user("alice");
    let encoded = world.sql("SELECT password FROM users");
    run(&world, "encode_with_django.py", &["check", PASSWORD, encoded.trim()]);
}

/// Runs a program of this folder with the server's address as its first argument; what it printed.
fn run(world: &TestServer, program: &str, arguments: &[&str]) -> String {
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("clients").join(program);
    let mut command = Command::new(python());
    command
        .arg(program)
        .arg(format!("http://{}", world.address()))
        .args(arguments)
        .env("PASSWORD", PASSWORD);
    Finished(command.output().expect("python")).ok()
}
