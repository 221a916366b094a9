//! WebSockets of pages: opened by the cookies, from the app's own origins alone, and over when
//! their session is.

use std::net::SocketAddr;

use axum::extract::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{CloseFrame, Message, WebSocket};
use axum::response::Response as Answer;
use countersign::session::RevokedReason;
use countersign::{Auth, Identity};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::pages::{FORM, Jar, PAGE, Site, body, token_in};
use super::*;

/// The handler of the site's `/my/socket`.
pub(super) async fn open(
    who: Identity,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Answer<Body> {
    match upgrade {
        Ok(upgrade) => upgrade.on_upgrade(move |socket| talk(who, socket)),
        // Asked as a service, without a connection that could become another protocol.
        Err(_) => Answer::new(Body::from("let in")),
    }
}

async fn talk(who: Identity, mut socket: WebSocket) {
    let mut ended = who.ended();
    let hello = format!("hello {}", who.account().username());
    if socket.send(Message::text(hello)).await.is_err() {
        return;
    }
    tokio::select! {
        () = &mut ended => {
            let over = CloseFrame { code: 4401, reason: "session_revoked".into() };
            let _ = socket.send(Message::Close(Some(over))).await;
        }
        _ = socket.recv() => {}
    }
}

/// A browser's end of a WebSocket, as far as a server can tell.
struct Client(TcpStream);

impl Client {
    /// Opens it with these headers: the answer's head and, if it was let in, the socket.
    async fn open(address: SocketAddr, jar: &Jar, headers: &[(&str, &str)]) -> (String, Self) {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let cookies: Vec<_> = jar.0.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let mut head = format!(
            "GET /my/socket HTTP/1.1\r\nHost: localhost:8000\r\nCookie: {}\r\nConnection: \
             Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: \
             dGhlIHNhbXBsZSBub25jZQ==\r\n",
            cookies.join("; ")
        );
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            answer.push(stream.read_u8().await.unwrap());
        }
        (String::from_utf8(answer).unwrap(), Self(stream))
    }

    /// The next frame: what kind it is, and what is in it. The server's are short and unmasked.
    async fn frame(&mut self) -> (u8, Vec<u8>) {
        let head = [self.0.read_u8().await.unwrap(), self.0.read_u8().await.unwrap()];
        let mut content = vec![0; usize::from(head[1])];
        self.0.read_exact(&mut content).await.unwrap();
        (head[0] & 0x0f, content)
    }

    async fn is_greeted(&mut self, name: &str) {
        assert_eq!(self.frame().await, (TEXT, format!("hello {name}").into_bytes()));
    }

    async fn is_told_that_it_is_over(&mut self) {
        let (kind, content) = self.frame().await;
        assert_eq!((kind, &content[..2]), (CLOSE, &4401_u16.to_be_bytes()[..]));
        assert_eq!(&content[2..], b"session_revoked");
    }
}

const TEXT: u8 = 1;
const CLOSE: u8 = 8;

const OWN: &[(&str, &str)] = &[("Origin", "http://localhost:8000")];

async fn serve(site: &Site) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let app = site.app.clone().into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    address
}

#[tokio::test]
async fn a_socket_is_let_in_by_the_cookies_from_the_origins_of_the_app_alone() {
    let site = Site::with(|builder| builder.allow_origins(["http://chat.localhost:8000"])).await;
    let address = serve(&site).await;
    let jar = site.reader().await;
    for origin in ["http://localhost:8000", "http://chat.localhost:8000"] {
        let (head, mut socket) = Client::open(address, &jar, &[("Origin", origin)]).await;
        assert!(head.starts_with("HTTP/1.1 101 "), "{origin}: {head}");
        socket.is_greeted("nick-41").await;
    }
    for headers in [
        &[("Origin", "https://evil.example")][..],
        &[("Origin", "null")],
        &[("Origin", "http://localhost:8000.evil.example")],
        &[("Origin", "http://evil.localhost:8000")],
        &[("Origin", "https://localhost:8000")],
        &[("Origin", "http://localhost:8000"), ("Origin", "https://evil.example")],
        &[("Origin", "")],
    ] {
        let (head, _) = Client::open(address, &jar, headers).await;
        assert!(head.starts_with("HTTP/1.1 403 "), "{headers:?}: {head}");
    }
    // What says of itself that it comes from another site is nobody.
    let cross_site = [("Sec-Fetch-Site", "cross-site"), ("Sec-Fetch-Mode", "websocket")];
    let (head, _) = Client::open(address, &jar, &cross_site).await;
    assert!(head.starts_with("HTTP/1.1 401 "), "{head}");
}

#[tokio::test]
async fn a_socket_of_http_2_is_asked_for_its_origin_and_for_no_token() {
    let site = Site::new().await;
    let jar = site.reader().await;
    let ask = async |origin: &str| {
        site.send(jar.send("CONNECT", "/my/socket", &[("origin", origin)], "")).await.status()
    };
    assert_eq!(ask("http://localhost:8000").await, StatusCode::OK);
    assert_eq!(ask("https://evil.example").await, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn a_socket_of_nobody_is_refused_and_not_redirected() {
    let site = Site::new().await;
    let address = serve(&site).await;
    let jar = site.reader().await;
    let mut access_alone = jar.clone();
    access_alone.0.retain(|name, _| name == PAGE);
    for jar in [Jar::default(), access_alone] {
        let (head, _) = Client::open(address, &jar, OWN).await;
        assert!(head.starts_with("HTTP/1.1 401 "), "{head}");
    }
}

#[tokio::test]
async fn a_socket_that_is_opened_when_the_pages_token_is_over_brings_a_new_one() {
    let site = Site::new().await;
    let address = serve(&site).await;
    let jar = site.reader().await;
    site.clock.advance(6 * MINUTE);
    let (head, mut socket) = Client::open(address, &jar, OWN).await;
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    let cookie = format!("set-cookie: {PAGE}=");
    assert!(head.to_ascii_lowercase().contains(&cookie), "{head}");
    socket.is_greeted("nick-41").await;
    // From somewhere else it makes nothing anew.
    let (head, _) = Client::open(address, &jar, &[("Origin", "https://evil.example")]).await;
    assert!(!head.to_ascii_lowercase().contains("set-cookie"), "{head}");
}

#[tokio::test]
async fn a_socket_ends_with_the_session_of_its_page_and_with_no_other() {
    let site = Site::new().await;
    let address = serve(&site).await;
    let (mine, other) = (site.reader().await, site.reader().await);
    let (_, mut my_socket) = Client::open(address, &mine, OWN).await;
    let (_, mut other_socket) = Client::open(address, &other, OWN).await;
    my_socket.is_greeted("nick-41").await;
    other_socket.is_greeted("nick-41").await;

    let token = token_in(&body(site.get(&mine, "/my/account").await).await);
    let form = format!("csrf_token={token}");
    let answer = site.send(mine.send("POST", "/my/logout", FORM, &form)).await;
    assert_eq!(answer.status(), StatusCode::SEE_OTHER);
    my_socket.is_told_that_it_is_over().await;
    let (head, _) = Client::open(address, &mine, OWN).await;
    assert!(head.starts_with("HTTP/1.1 401 "), "{head}");

    // The other one went on until an operator ended it.
    let auth: &Auth = &site.auth;
    auth.end_sessions(UserId::new(41), RevokedReason::Admin).await.unwrap();
    other_socket.is_told_that_it_is_over().await;
}
