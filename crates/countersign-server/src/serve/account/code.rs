//! `/account/code`: a login with a code from a mail.

use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::http::HeaderMap;
use axum::http::header::SET_COOKIE;
use axum::response::{IntoResponse, Response};
use countersign::Shown;
use countersign::http::{Code, Peer, Problem};
use countersign::session::Transport;

use super::{Field, Page, Place, Seen, Sent};

pub(super) async fn page(State(place): State<Place>, RawQuery(query): RawQuery) -> Response {
    let sent = Sent::read(query.unwrap_or_default().as_bytes());
    if sent.token.is_empty() { ask(&place, "") } else { open(&place, &sent.token) }
}

pub(super) async fn send(
    State(place): State<Place>,
    Seen(peer): Seen,
    headers: HeaderMap,
    body: Body,
) -> Response {
    if let Err(problem) = place.let_in(&headers, &peer) {
        return place.refused(&problem);
    }
    let sent = Sent::arrive(body).await;
    let address = sent.login.trim();
    let shown = match (sent.token.as_str(), sent.code.as_str()) {
        ("", "") if address.is_empty() || address.chars().count() > 254 => {
            return ask(&place, "Write your address.");
        }
        ("", "") => return send_code(&place, address, &headers, &peer).await,
        ("", code) => Shown::code(address, code),
        (token, _) => Shown::link(token),
    };
    let logged_in = match shown {
        Ok(shown) => place.auth.log_in_with_code(&shown, Transport::Cookie, &headers, &peer).await,
        Err(problem) => Err(problem),
    };
    match logged_in {
        // The session's cookies travel with the page.
        Ok(login) => {
            let mut response = place.done("You are logged in", &["You may go on in the app."]);
            let cookies = login.into_response();
            for cookie in cookies.headers().get_all(SET_COOKIE) {
                response.headers_mut().append(SET_COOKIE, cookie.clone());
            }
            response
        }
        Err(problem) if problem.code() == Code::LinkInvalid => not_let_in(&place, &sent, &problem),
        Err(problem) => place.refused(&problem),
    }
}

async fn send_code(place: &Place, address: &str, headers: &HeaderMap, peer: &Peer) -> Response {
    match place.auth.send_login_code(address, headers, peer).await {
        Ok(cookie) => {
            let mut response = enter(place, address, "");
            response.headers_mut().append(SET_COOKIE, cookie);
            response
        }
        Err(problem) => place.refused(&problem),
    }
}

fn not_let_in(place: &Place, sent: &Sent, problem: &Problem) -> Response {
    if sent.token.is_empty() {
        let said = "This code does not work. After five wrong ones ask for another.";
        return enter(place, sent.login.trim(), said);
    }
    let mut response = place.show(&Page {
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

fn ask(place: &Place, problem: &str) -> Response {
    place.show(&Page {
        title: TITLE,
        text: &["We send a code to the address of your account."],
        problem,
        action: "code",
        fields: &[Field::text("login", "E-mail address", "username")],
        button: "Send the code",
        ..Page::default()
    })
}

fn enter(place: &Place, login: &str, problem: &str) -> Response {
    place.show(&Page {
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

fn open(place: &Place, token: &str) -> Response {
    place.show(&Page {
        title: TITLE,
        text: &["You asked for this in this browser. If it was not you, close the page."],
        action: "code",
        token,
        button: "Log in",
        ..Page::default()
    })
}

const TITLE: &str = "Log in with a code";
