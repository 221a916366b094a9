//! `/account/code`: a login with a code from a mail.

use axum::http::header::SET_COOKIE;
use axum::response::Response;
use countersign::Shown;
use countersign::http::{Code, Problem};
use countersign::session::Transport;

use super::{Field, Page, Sent, Visit};

pub(super) fn page(visit: &Visit, sent: &Sent) -> Response {
    if sent.token.is_empty() { ask(visit, "") } else { open(visit, &sent.token) }
}

pub(super) async fn send(visit: Visit, sent: Sent) -> Result<Response, Problem> {
    let shown = match (sent.token.as_str(), sent.code.as_str()) {
        ("", "") => return send_code(&visit, &sent).await,
        ("", code) => Shown::code(&sent.login, code),
        (token, _) => Shown::link(token),
    };
    let logged_in = match shown {
        Ok(shown) => {
            let (headers, peer) = (&visit.headers, &visit.peer);
            visit.auth.log_in_with_code(&shown, Transport::Cookie, headers, peer).await
        }
        Err(problem) => Err(problem),
    };
    match logged_in {
        Ok(login) => Ok(visit.logged_in("You are logged in", login)),
        Err(problem) if problem.code() == Code::LinkInvalid => {
            Ok(not_let_in(&visit, &sent, &problem))
        }
        Err(problem) => Err(problem),
    }
}

async fn send_code(visit: &Visit, sent: &Sent) -> Result<Response, Problem> {
    let Some(address) = sent.login() else { return Ok(ask(visit, "Write your address.")) };
    let cookie = visit.auth.send_login_code(address, &visit.headers, &visit.peer).await?;
    let mut response = enter(visit, address, "");
    response.headers_mut().append(SET_COOKIE, cookie);
    Ok(response)
}

fn not_let_in(visit: &Visit, sent: &Sent, problem: &Problem) -> Response {
    if sent.token.is_empty() {
        let said = "This code does not work. After five wrong ones ask for another.";
        return enter(visit, sent.login.trim(), said);
    }
    let mut response = visit.show(&Page {
        title: "This link does not work here",
        text: &[
            "It works once, for ten minutes unless chosen otherwise, and in the browser in which \
             you asked for it. Elsewhere enter the code of the mail where you asked.",
        ],
        next: "code",
        next_says: "Ask for another code",
        ..Page::default()
    });
    *response.status_mut() = problem.code().status();
    response
}

fn ask(visit: &Visit, problem: &str) -> Response {
    visit.show(&Page {
        title: TITLE,
        text: &["We send a code to the address of your account."],
        problem,
        action: "code",
        fields: &[Field::text("login", "E-mail address", "username")],
        button: "Send the code",
        ..Page::default()
    })
}

fn enter(visit: &Visit, login: &str, problem: &str) -> Response {
    visit.show(&Page {
        title: TITLE,
        text: &["If there is an account, a mail with a code is on its way to its address."],
        problem,
        action: "code",
        login,
        fields: &[Field::text("code", "The code", "one-time-code")],
        button: "Log in",
        ..Page::default()
    })
}

fn open(visit: &Visit, token: &str) -> Response {
    visit.show(&Page {
        title: TITLE,
        text: &["You asked for this in this browser. If it was not you, close the page."],
        action: "code",
        token,
        button: "Log in",
        ..Page::default()
    })
}

const TITLE: &str = "Log in with a code";
