//! A hashing queue that is full is a 503 at once, and costs nobody else anything.

use countersign_e2e::{PASSWORD, World};
use serde_json::json;

use crate::all_at_once;

#[test]
fn logins_beyond_the_hashing_queue_are_told_to_come_back_while_everything_else_goes_on() {
    let settings = [
        ("hash_threads", "1"),
        ("hash_queue", "1"),
        ("hash_memory_kib", "65536"),
        ("hash_passes", "4"),
        ("throttle_account_attempts", "0"),
    ];
    let world = settings.iter().fold(World::builder(), |builder, (name, value)| builder.set(name, value)).start();
    world.user("alice");
    let mut browser = world.logged_in("alice");
    let login = world.request("POST", "/accounts/login").json(&json!({"username": "alice", "password": PASSWORD}));
    let mut requests: Vec<_> = (0..24).map(|_| ("login", login.clone())).collect();
    requests.extend((0..24).map(|_| ("profile", browser.request("GET", "/accounts/profile"))));
    let answers = all_at_once(&requests);
    let refused = answers.iter().filter(|(name, answer)| *name == "login" && answer.status == 503).count();
    assert!((1..24).contains(&refused), "{refused} of 24 logins were refused");
    for (name, answer) in answers {
        match answer.status {
            200 => {}
            _ if name == "login" => {
                assert_eq!(answer.all("set-cookie").count(), 0);
                answer.expect_problem(503, "unavailable");
            }
            _ => panic!("{name}: {} {}", answer.status, answer.text()),
        }
    }
    browser.refresh().expect(200);
    login.send().expect(200);
}
