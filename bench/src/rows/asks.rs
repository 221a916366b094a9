//! Whether the time of an answer tells who has an account: each door at which strangers may ask.

use std::thread;
use std::time::Duration;

use serde_json::json;

use super::guesses::{SAMPLES, post, timed};
use crate::server::{Hash, Server};
use crate::stock::{PASSWORD, Stock};
use crate::table::{Row, median};

pub(super) fn measure() -> Vec<Row> {
    let stock = Stock::of(USERS as u64, Hash::Default);
    let server = Server::registering(&stock.data());
    // What is live is found out, and measured, in the background.
    thread::sleep(Duration::from_secs(3));
    let ask = |path: &str, body: &serde_json::Value, more: &str| {
        timed(server.address, &post(path, body, more), 202).0
    };
    // Each asks for another user: one alone would have had their mails of the hour after five.
    let address = |exists: bool, turn: usize| match exists {
        true => format!("user{turn}@example.com"),
        false => format!("nobody{turn}@example.com"),
    };
    let login = median((0..SAMPLES).map(|turn| ask_to_log_in(&server, turn)).collect());
    let registered = compare(login, (REGISTER, NOBODY), HASHING, |exists, turn| {
        let name = format!("new{turn}{}", if exists { "a" } else { "b" });
        let body = json!({
            "username": name, "email": address(exists, turn), "password": "tin kettle 14"
        });
        ask("/accounts/register", &body, "")
    });
    // Who registered asks another door, with the name and the password that they chose.
    let entered = compare(login, (WAITING, NOBODY), HASHING, |exists, turn| {
        let name = format!("new{turn}{}", if exists { "a" } else { "b" });
        let body = json!({"username": name, "password": "tin kettle 14"});
        timed(server.address, &post("/accounts/login", &body, ""), 403).0
    });
    let mailing = |what, path| {
        compare(login, (what, NOBODY), MAILING, |exists, turn| {
            ask(path, &json!({"email": address(exists, turn + HASHING)}), "")
        })
    };
    let resent = mailing(RESEND, "/accounts/email/verify/resend");
    let reset = mailing(RESET, "/accounts/password/reset");
    let code = mailing(CODE, "/accounts/login/code");
    // Nobody logs in there before the address is proved.
    let database = rusqlite::Connection::open(stock.data().join("countersign.sqlite3"));
    let proved = "UPDATE users SET email_verified = 1 WHERE username = 'user1'";
    database.expect("the database").execute(proved, []).expect("a user");
    let body = json!({"username": "user1", "password": PASSWORD});
    let (_, answer) = timed(server.address, &post("/accounts/login", &body, ""), 200);
    let session = credentials(&answer);
    let changed = compare(login, (CHANGE, NOBODY), HASHING, |exists, turn| {
        let body = json!({"email": address(exists, turn + USERS / 2), "password": PASSWORD});
        ask("/accounts/email/change", &body, &session)
    });
    vec![registered, entered, resent, reset, code, changed]
}

/// How long a login takes by a name that nobody has.
fn ask_to_log_in(server: &Server, turn: usize) -> f64 {
    let body = json!({"username": format!("nobody{turn}"), "password": PASSWORD});
    timed(server.address, &post("/accounts/login", &body, ""), 401).0
}

/// The middle time for an address that has an account against that for one that has none, or for
/// two others that nobody shall tell apart, asked for in turn, and each first as often as the
/// other. They may lie as far apart as those of a login by a name that exists and one that does
/// not: by 5 % of a login's time.
pub(super) fn compare(
    login: f64,
    (what, other): (&'static str, &str),
    turns: usize,
    mut ask: impl FnMut(bool, usize) -> f64,
) -> Row {
    let (mut existing, mut missing) = (Vec::new(), Vec::new());
    for turn in 1..=turns {
        for exists in if turn % 2 == 0 { [true, false] } else { [false, true] } {
            let taken = ask(exists, turn);
            if exists { existing.push(taken) } else { missing.push(taken) }
        }
    }
    let (existing, missing) = (median(existing), median(missing));
    let share = (existing - missing).abs() / login;
    Row {
        what,
        measured: format!("{existing:.2} ms"),
        baseline: format!("for {other}: {missing:.2} ms (a login: {login:.1} ms)"),
        ratio: format!("apart by {:.1} % of a login", share * 100.0),
        bar: "≤ 5 %",
        cleared: share <= 0.05,
    }
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

const NOBODY: &str = "who does not exist";
const REGISTER: &str = "`POST /accounts/register`, an address that is taken and a free one";
const WAITING: &str =
    "`POST /accounts/login` of who registered, with an address that is taken and with a free one";
const RESEND: &str =
    "`POST /accounts/email/verify/resend`, an address that waits and an unknown one";
const RESET: &str = "`POST /accounts/password/reset`, for a user and for nobody";
const CODE: &str = "`POST /accounts/login/code`, for a user and for nobody";
const CHANGE: &str = "`POST /accounts/email/change`, to an address that is taken and to a free one";
/// How often each of the two is asked for at a door that hashes a password.
pub(super) const HASHING: usize = 96;
/// The same at one that does not.
const MAILING: usize = 384;
/// Users, so that nobody is asked for twice at one door.
const USERS: usize = 1_000;
