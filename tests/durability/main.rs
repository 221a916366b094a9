//! What was acknowledged is on the disk, and a power cut logs nobody out.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use countersign_e2e::{Browser, TestServer, claims_of};

/// Each client refreshes as fast as it can until the server is gone. What it then holds may be one
/// answer behind the server, as after any lost answer.
#[test]
fn twenty_power_cuts_during_refreshes_lose_no_acknowledged_one_and_log_nobody_out() {
    let mut world = TestServer::builder().set("throttle_session_refreshes", "0").start();
    let clients: Vec<Mutex<Browser>> = (0..4)
        .map(|number| {
            world.user(&format!("user{number}"));
            Mutex::new(world.logged_in(&format!("user{number}")))
        })
        .collect();
    let mut acknowledged = 0;
    for round in 0..20 {
        let is_over = AtomicBool::new(false);
        let counted: usize = thread::scope(|scope| {
            let refreshing: Vec<_> = clients
                .iter()
                .map(|client| {
                    scope.spawn(|| refresh_until_over(&mut client.lock().unwrap(), &is_over))
                })
                .collect();
            // The cut comes while requests are under way, after a different number of them each
            // time.
            let before = world.log().len();
            let first = clients.len() * (round % 5 + 1);
            countersign_e2e::eventually("the clients refresh", || {
                world.log().len() > before || COUNT.load(Ordering::Relaxed) >= first
            });
            world.kill();
            is_over.store(true, Ordering::SeqCst);
            refreshing.into_iter().map(|client| client.join().unwrap()).sum()
        });
        COUNT.store(0, Ordering::Relaxed);
        acknowledged += counted;
        world.wake();
        for client in &clients {
            let mut client = client.lock().unwrap();
            client.move_to(world.address());
            let held = generation(&client);
            client.refresh().expect(200);
            assert!(
                generation(&client) > held,
                "round {round}: the acknowledged generation {held} was forgotten"
            );
            client.get("/accounts/profile").expect(200);
        }
    }
    assert!(acknowledged >= 100, "{acknowledged} refreshes are too few to prove anything");
    assert_eq!(world.sql("SELECT count(*) FROM sessions WHERE revoked_at IS NOT NULL").trim(), "0");
    assert_eq!(
        world.sql("SELECT count(*) FROM audit_events WHERE kind = 'state_rollback'").trim(),
        "0",
        "a healed rollback would mean that a commit was lost"
    );
}

#[test]
fn a_logout_holds_after_a_power_cut_at_once_behind_it() {
    let mut world = TestServer::start();
    world.user("alice");
    let mut browser = world.logged_in("alice");
    let stolen = browser.clone();
    browser.logout().expect(204);
    world.kill();
    world.wake();
    let mut stolen = stolen;
    stolen.move_to(world.address());
    stolen.get("/accounts/profile").expect_problem(401, "session_revoked");
    stolen.refresh().expect_problem(401, "session_revoked");
}

static COUNT: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);

fn refresh_until_over(client: &mut Browser, is_over: &AtomicBool) -> usize {
    let mut acknowledged = 0;
    while !is_over.load(Ordering::SeqCst) {
        let request =
            client.bare("POST", "/accounts/refresh").header("X-CSRFTOKEN", &client.csrf_token);
        let Ok(response) = request.try_send() else { continue };
        let held = generation(client);
        client.take(&response.expect(200));
        assert!(generation(client) > held);
        acknowledged += 1;
        COUNT.fetch_add(1, Ordering::Relaxed);
    }
    acknowledged
}

fn generation(client: &Browser) -> u64 {
    claims_of(client.refresh_token())["gen"].as_u64().unwrap()
}
