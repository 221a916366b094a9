//! `/demo/mail`: the mails that the server has printed, for the browser of the developer who runs
//! it.
//!
//! They hold links that open accounts. So they are kept in this process's memory alone, where mail
//! is printed and the server's address is on this machine; and whoever asks must be on it too, with
//! no proxy between.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use askama::Template;
use axum::extract::rejection::PathRejection;
use axum::extract::{ConnectInfo, Path, Request, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, FORWARDED, HOST, VIA,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::middleware::{Next, from_fn, map_response};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use countersign::http::{Code, Problem};
use countersign::mail::Message;
use jiff::Timestamp;
use serde_json::json;
use url::Url;

/// The last mails that were printed.
#[derive(Debug, Clone, Default)]
pub(crate) struct Mailbox(Arc<Mutex<Kept>>);

#[derive(Debug, Default)]
struct Kept {
    mails: VecDeque<KeptMail>,
    last: u64,
}

/// A mail, with its number and when it came.
#[derive(Debug, Clone)]
struct KeptMail {
    id: u64,
    at: Timestamp,
    message: Message,
}

impl Mailbox {
    /// Takes one in. The oldest goes when there are too many; one that comes again is not two.
    pub(crate) fn put(&self, message: &Message, at: Timestamp) {
        let mut kept = self.kept();
        kept.mails.retain(|mail| mail.message.message_id != message.message_id);
        kept.last += 1;
        let id = kept.last;
        kept.mails.push_front(KeptMail { id, at, message: message.clone() });
        kept.mails.truncate(MOST);
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All of them, the newest first.
    fn all(&self) -> Vec<KeptMail> {
        self.kept().mails.iter().cloned().collect()
    }

    fn one(&self, id: u64) -> Option<KeptMail> {
        self.kept().mails.iter().find(|mail| mail.id == id).cloned()
    }

    /// The pages.
    pub(super) fn routes(&self) -> Router {
        Router::new()
            .route("/demo/mail", get(list))
            .route("/demo/mail.json", get(as_json))
            .route("/demo/mail/{id}", get(as_html))
            .layer(map_response(unkept))
            .layer(from_fn(from_here))
            .with_state(self.clone())
    }
}

async fn list(State(mailbox): State<Mailbox>) -> Response {
    let mails = mailbox.all();
    let mails = mails.iter().map(|mail| Shown {
        id: mail.id,
        at: mail.at.strftime("%F %T UTC").to_string(),
        to: &mail.message.to,
        subject: &mail.message.subject,
        lines: mail.message.text.lines().filter_map(Line::read).collect(),
    });
    let page = MailPage { mails: mails.collect() };
    page_of(page.render().unwrap_or_default(), super::POLICY)
}

async fn as_json(State(mailbox): State<Mailbox>) -> Response {
    let mails = mailbox.all().into_iter().map(|KeptMail { id, at, message }| {
        let Message { from, to, subject, text, html, language, .. } = message;
        json!({
            "id": id, "at": at.to_string(), "from": from, "to": to, "subject": subject,
            "text": text, "html": html, "language": language,
        })
    });
    Json(json!({ "mails": mails.collect::<Vec<_>>() })).into_response()
}

/// As a mail program shows it: what a stranger wrote into a mail runs no script, and sends no form.
async fn as_html(State(mailbox): State<Mailbox>, id: Result<Path<u64>, PathRejection>) -> Response {
    match id.ok().and_then(|Path(id)| mailbox.one(id)) {
        Some(mail) => page_of(mail.message.html, MAIL_POLICY),
        None => Problem::new(Code::NotFound).into_response(),
    }
}

fn page_of(html: String, policy: &'static str) -> Response {
    let headers = [(CONTENT_TYPE, "text/html; charset=utf-8"), (CONTENT_SECURITY_POLICY, policy)];
    (headers, html).into_response()
}

async fn unkept(mut response: Response) -> Response {
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Lets in whoever is on this machine, and nobody whom a proxy has let in. The name that was asked
/// for is looked at too: a page elsewhere whose host's name leads here reads nothing.
async fn from_here(request: Request, next: Next) -> Response {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
    let is_near = peer.is_some_and(|ConnectInfo(peer)| peer.ip().to_canonical().is_loopback());
    let headers = request.headers();
    let is_forwarded = PROXIES.iter().any(|name| headers.contains_key(name));
    if is_near && !is_forwarded && names_this_machine(headers) {
        return next.run(request).await;
    }
    Problem::new(Code::PermissionDenied)
        .detail(
            "These mails are shown on the machine itself only, at its own address. They are \
             printed where the server runs.",
        )
        .into_response()
}

fn names_this_machine(headers: &HeaderMap) -> bool {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    Url::parse(&format!("http://{host}/"))
        .is_ok_and(|url| matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]")))
}

#[derive(Template)]
#[template(path = "demo/mail.html")]
struct MailPage<'a> {
    mails: Vec<Shown<'a>>,
}

struct Shown<'a> {
    id: u64,
    at: String,
    to: &'a str,
    subject: &'a str,
    lines: Vec<Line<'a>>,
}

/// A line of a mail's text.
struct Line<'a> {
    text: &'a str,
    is_link: bool,
    is_code: bool,
}

impl<'a> Line<'a> {
    /// Nothing where it is blank.
    fn read(line: &'a str) -> Option<Self> {
        let text = line.trim();
        let is_link = text.starts_with("http://") || text.starts_with("https://");
        let is_code = line.starts_with("  ");
        (!text.is_empty()).then_some(Self { text, is_link, is_code })
    }
}

/// How many mails are kept.
const MOST: usize = 50;

/// What proxies add.
const PROXIES: [HeaderName; 6] = [
    FORWARDED,
    VIA,
    HeaderName::from_static("x-forwarded-for"),
    HeaderName::from_static("x-forwarded-host"),
    HeaderName::from_static("x-forwarded-proto"),
    HeaderName::from_static("x-real-ip"),
];

const MAIL_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri \
     'none'; form-action 'none'; frame-ancestors 'none'; sandbox allow-popups \
     allow-top-navigation-by-user-activation";

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::http::StatusCode;
    use tower::Service;

    use super::*;

    fn message(id: usize) -> Message {
        let id = format!("<{id}@example.com>");
        let mut message = Message::new("noreply@example.com", "<b>@example.com", &id);
        message.subject = "<script>".to_owned();
        message.text = "  1234 5678\nhttp://localhost/?a=\"b\"".to_owned();
        message
    }

    async fn status(peer: Option<&str>) -> StatusCode {
        let mut request = Request::new(Body::empty());
        *request.uri_mut() = "/demo/mail".parse().unwrap();
        request.headers_mut().insert(HOST, HeaderValue::from_static("localhost:8000"));
        if let Some(peer) = peer {
            request.extensions_mut().insert(ConnectInfo::<SocketAddr>(peer.parse().unwrap()));
        }
        Mailbox::default().routes().call(request).await.unwrap().status()
    }

    #[tokio::test]
    async fn whoever_is_not_on_this_machine_reads_nothing() {
        for near in ["127.0.0.1:1", "127.8.8.8:1", "[::1]:1", "[::ffff:127.0.0.1]:1"] {
            assert_eq!(status(Some(near)).await, StatusCode::OK, "{near}");
        }
        for far in ["192.168.0.7:1", "172.17.0.1:1", "[2001:db8::1]:1", "[::ffff:8.8.8.8]:1"] {
            assert_eq!(status(Some(far)).await, StatusCode::FORBIDDEN, "{far}");
        }
        assert_eq!(status(None).await, StatusCode::FORBIDDEN, "it is not known where from");
    }

    #[test]
    fn the_last_fifty_are_kept_and_one_that_comes_again_once() {
        let mailbox = Mailbox::default();
        for id in 0..60 {
            mailbox.put(&message(id), Timestamp::UNIX_EPOCH);
        }
        mailbox.put(&message(59), Timestamp::UNIX_EPOCH);
        let ids: Vec<u64> = mailbox.all().iter().map(|mail| mail.id).collect();
        assert_eq!(ids.len(), MOST);
        assert_eq!((ids[0], ids[1]), (61, 59));
        assert!(mailbox.one(60).is_none() && mailbox.one(61).is_some());
    }

    #[tokio::test]
    async fn what_a_mail_says_is_text_in_the_list() {
        let mailbox = Mailbox::default();
        mailbox.put(&message(1), Timestamp::UNIX_EPOCH);
        let html = axum::body::to_bytes(list(State(mailbox)).await.into_body(), 99_999);
        let html = String::from_utf8(html.await.unwrap().to_vec()).unwrap();
        assert!(!html.contains("<script>") && !html.contains("<b>@"), "{html}");
        assert!(html.contains("<b class=\"code\">1234 5678</b>"), "{html}");
        assert!(html.contains("href=\"http://localhost/?a=&#34;b&#34;\""), "{html}");
    }
}
