//! What the packages ask of the management API, for a page that a server makes and for a ticket.

use std::process::Command;

use countersign_e2e::{Browser, TestServer, claims_of};
use serde_json::{Value, json};

use super::program::{beside_its_packages, python, service};

/// Whose cookie it is, whose ticket, and whose ticket once more; each as the package says.
type Asks = fn(&TestServer, &[(&str, &str)]) -> Value;

#[test]
fn the_package_for_javascript_says_whose_cookie_or_ticket_it_is() {
    says_whose_it_is(|world, environment| {
        let program = world.scratch().join("ask.mjs");
        std::fs::write(&program, JAVASCRIPT).unwrap();
        let folder = beside_its_packages(world, &program);
        let mut command = service(world, "node", "express");
        answer(command.arg("ask.mjs").current_dir(folder), environment)
    });
}

#[test]
fn the_package_for_python_says_whose_cookie_or_ticket_it_is() {
    says_whose_it_is(|world, environment| {
        let mut command = service(world, python(), "fastapi");
        answer(command.args(["-c", PYTHON]), environment)
    });
}

fn says_whose_it_is(asks: Asks) {
    let world = TestServer::builder().set("manage", "on").start();
    let id = world.user("alice").to_string();
    let made = world.cli(&["token", "create", "page", "--permission", "countersign.introspect"]);
    let token = made.ok().trim_end().to_owned();
    let mut browser = world.logged_in("alice");
    let ticket = |browser: &Browser| {
        let asked = browser.request("POST", "/accounts/tickets").json(&json!({"for": "chat"}));
        asked.send().expect(200).text_at("ticket")
    };
    let ask = |browser: &Browser, ticket: &str| {
        let cookie = browser.cookie_header().unwrap_or_default();
        asks(&world, &[("TOKEN", &token), ("COOKIE", &cookie), ("TICKET", ticket)])
    };
    let told = ask(&browser, &ticket(&browser));
    let sid = claims_of(&browser.access_token)["sid"].as_str().unwrap().to_owned();
    let names = |access: &str| {
        world.request("GET", "/accounts/profile").bearer(access).send().expect(200).json()["user"]
            ["username"]
            .clone()
    };
    assert_eq!(names(told["access"].as_str().unwrap()), "alice", "it is a token for a minute");
    for (what, word) in [("cookie", "refresh"), ("ticket", "ticket")] {
        assert_eq!(told[what], json!([id, "alice", sid, word]), "{what}");
    }
    assert_eq!((&told["again"], &told["nobody"]), (&Value::Null, &Value::Null));
    let (left, old) = (ticket(&browser), browser.clone());
    browser.logout();
    let told = ask(&old, &left);
    assert_eq!((&told["cookie"], &told["ticket"]), (&Value::Null, &Value::Null));
}

/// What a program prints.
fn answer(command: &mut Command, environment: &[(&str, &str)]) -> Value {
    let done = command.envs(environment.iter().copied()).output().expect("a program");
    let (said, complaint) = (done.stdout, String::from_utf8_lossy(&done.stderr));
    serde_json::from_slice(&said).unwrap_or_else(|error| panic!("{error}: {complaint}"))
}

const JAVASCRIPT: &str = "
import { createManagement } from '@countersign/verify';

const { AUTH_URL: url, TOKEN: token, COOKIE: cookie, TICKET: ticket } = process.env;
const management = createManagement({ url, token });
const told = (found) => found && [found.user.id, found.user.username, found.sid, found.tokenUse];
const visitor = await management.introspect({ cookie, access: true });
console.log(JSON.stringify({
  cookie: told(visitor),
  access: visitor?.accessToken,
  ticket: told(await management.redeemTicket(ticket, 'chat')),
  again: told(await management.redeemTicket(ticket, 'chat')),
  nobody: told(await management.introspect({ cookie: 'theme=dark' })),
}));
";

const PYTHON: &str = "
import json
from os import environ as env

from countersign_verify import Management

management = Management(env['AUTH_URL'], env['TOKEN'])


def told(found):
    return found and [found.user.id, found.user.username, found.sid, found.token_use]


visitor = management.introspect(cookie=env['COOKIE'], access=True)
print(json.dumps({
    'cookie': told(visitor),
    'access': visitor and visitor.access_token,
    'ticket': told(management.redeem_ticket(env['TICKET'], 'chat')),
    'again': told(management.redeem_ticket(env['TICKET'], 'chat')),
    'nobody': told(management.introspect(cookie='theme=dark')),
}))
";
