//! Whether the time of an answer tells who has an account: each door at which strangers may ask.

use std::thread;
use std::time::Duration;

use serde_json::json;

use super::guesses::{SAMPLES, post, row, timed};
use crate::server::{Hash, Server};
use crate::stock::{PASSWORD, Stock};
use crate::table::{Row, aside, median};

pub(super) fn measure() -> Vec<Row> {
    let stock = Stock::of(100, Hash::Default);
    let server = Server::registering(&stock.data());
    // What is live is found out, and measured, in the background.
    thread::sleep(Duration::from_secs(3));
    let ask = |path: &str, body: &serde_json::Value, more: &str| {
        timed(server.address, &post(path, body, more), 202).0
    };
    let mut made = 0;
    let mut fresh = || {
        made += 1;
        format!("new{made}")
    };
    let address = |exists: bool| match exists {
        true => json!({"email": "user1@example.com"}),
        false => json!({"email": "nobody@example.com"}),
    };
    let registered = compare(REGISTER, |exists| {
        let name = fresh();
        let email = if exists { TAKEN.to_owned() } else { format!("{name}@example.org") };
        let body = json!({"username": name, "email": email, "password": "tin kettle 14"});
        ask("/accounts/register", &body, "")
    });
    let resent =
        compare(RESEND, |exists| ask("/accounts/email/verify/resend", &address(exists), ""));
    let reset = compare(RESET, |exists| ask("/accounts/password/reset", &address(exists), ""));
    let code = compare(CODE, |exists| ask("/accounts/login/code", &address(exists), ""));
    // Nobody logs in there before the address is proved.
    let database = rusqlite::Connection::open(stock.data().join("countersign.sqlite3"));
    let proved = "UPDATE users SET email_verified = 1 WHERE username = 'user2'";
    database.expect("the database").execute(proved, []).expect("a user");
    let login = json!({"username": "user2", "password": PASSWORD});
    let (_, login) = timed(server.address, &post("/accounts/login", &login, ""), 200);
    let session = credentials(&login);
    let changed = compare(CHANGE, |exists| {
        let email = if exists { TAKEN.to_owned() } else { format!("{}@example.org", fresh()) };
        let body = json!({"email": email, "password": PASSWORD});
        ask("/accounts/email/change", &body, &session)
    });
    vec![registered, resent, reset, code, changed]
}

/// The middle time for an address that has an account against that for one that has none, asked for
/// in turn.
fn compare(what: &'static str, mut ask: impl FnMut(bool) -> f64) -> Row {
    let (mut existing, mut missing) = (Vec::new(), Vec::new());
    for _ in 0..SAMPLES {
        existing.push(ask(true));
        missing.push(ask(false));
    }
    let (existing, missing) = (median(existing), median(missing));
    aside(&format!("{what}: {existing:.2} ms for who exists, {missing:.2} ms for who does not"));
    let (least, most) = (existing.min(missing), existing.max(missing));
    let baseline = format!("the quicker of the two: {least:.1} ms");
    row(what, most, baseline, most / least, "≤ 1.05 ×", 1.05)
}

/// The lines of a head that a session's requests have.
fn credentials(login: &str) -> String {
    let (head, body) = login.split_once("\r\n\r\n").expect("a body");
    let body: serde_json::Value = serde_json::from_str(body).expect("JSON");
    let cookies = head.lines().filter_map(|line| line.strip_prefix("set-cookie: "));
    let cookies: Vec<&str> = cookies.filter_map(|cookie| cookie.split(';').next()).collect();
    let field = |name: &str| body[name].as_str().expect("a token").to_owned();
    format!(
        "Authorization: Bearer {}\r\nX-CSRFToken: {}\r\nCookie: {}\r\n",
        field("access_token"),
        field("csrf_token"),
        cookies.join("; ")
    )
}

const REGISTER: &str = "`POST /accounts/register`, an address that is taken and a free one";
const RESEND: &str =
    "`POST /accounts/email/verify/resend`, an address that waits and an unknown one";
const RESET: &str = "`POST /accounts/password/reset`, for a user and for nobody";
const CODE: &str = "`POST /accounts/login/code`, for a user and for nobody";
const CHANGE: &str = "`POST /accounts/email/change`, to an address that is taken and to a free one";
/// Somebody's address.
const TAKEN: &str = "user1@example.com";
