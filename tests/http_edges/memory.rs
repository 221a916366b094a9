//! What strangers take of the server's memory.

use std::fs;

use countersign_e2e::{TestServer, Wire};

use crate::{head, wire};

/// Each piece of a body is a part of a buffer, and a server that keeps the pieces keeps a list of
/// them at least.
#[test]
fn bodies_in_pieces_of_a_byte_take_no_more_memory_than_they_have_bytes() {
    let world = TestServer::start();
    let open = |path: &str| {
        wire(&world).send(head(&[
            &format!("POST {path} HTTP/1.1"),
            "Host: a",
            "Content-Type: application/x-www-form-urlencoded",
            "Transfer-Encoding: chunked",
        ]))
    };
    let send_all = |many: usize| {
        let mut open: Vec<Wire> = PATHS.iter().cycle().take(many).map(|path| open(path)).collect();
        let pieces = "1\r\nx\r\n".repeat(PIECES);
        open.iter_mut().for_each(|wire| wire.push(&pieces));
        open.iter_mut().for_each(|wire| wire.push("0\r\n\r\n"));
        for wire in &mut open {
            let status = wire.answer().status;
            assert!((200..500).contains(&status), "{status}");
        }
    };
    // Whatever the first requests need that later ones do not.
    send_all(PATHS.len());
    let before = most_kib(&world);
    send_all(40);
    let more = most_kib(&world) - before;
    // The bytes themselves are 640 KB.
    assert!(more < 10 * 1024, "{more} KiB");
}

/// The most memory that the server has had so far.
fn most_kib(world: &TestServer) -> usize {
    let status = fs::read_to_string(format!("/proc/{}/status", world.pid())).expect("a process");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let figure = line.and_then(|line| line.trim().strip_suffix("kB")).expect("a figure");
    figure.trim().parse().expect("a number")
}

/// Below the bound of every form.
const PIECES: usize = 16_000;

const PATHS: [&str; 4] =
    ["/accounts/login", "/admin/sign-in", "/account/restore", "/account/security"];
