//! A route of an app's own behind the library's layers, against the same route without them.

use std::ffi::OsStr;

use super::profile::{against, profile_of};
use super::{CONNECTIONS, TOKENS};
use crate::server::{Hash, Server};
use crate::stock::{Stock, issuer};
use crate::table::Row;

pub(super) fn measure() -> Vec<Row> {
    let stock = Stock::of(TOKENS, Hash::Cheap);
    let server = Server::countersign(&stock.data(), Hash::Cheap);
    let (issuer, url) = (issuer(&server), format!("http://{}", server.address));
    let tokens = stock.access_tokens(TOKENS, &issuer);
    let (data, body) = (stock.data(), stock.file("body.json"));
    std::fs::write(&body, profile_of(&server, &tokens[0])).expect("a file");
    let bare = Server::bare(&body);
    let word = OsStr::new;
    let protected =
        Server::library(&[word("protected"), data.as_os_str(), word(&issuer), body.as_os_str()]);
    let protected = against(
        &bare,
        &protected,
        (&tokens, CONNECTIONS),
        "a route behind `Auth::protect`, 64 connections, 10,000 tokens and users",
        "the same route without it",
        ("≥ 90 %", 0.9),
    );
    let verified = Server::library(&[word("verified"), word(&url), body.as_os_str()]);
    let verified = against(
        &bare,
        &verified,
        (&tokens, CONNECTIONS),
        "a route behind a `ResourceServer`, 64 connections, 10,000 tokens",
        "the same route without it",
        ("≥ 90 %", 0.9),
    );
    vec![protected, verified]
}
