//! Sessions: found, told about in plain words, and ended so that it is felt at once.

use std::time::Duration;

use countersign_e2e::TestServer;

use crate::office::{furnish, office, operator};

fn ids(world: &TestServer, user: i64) -> Vec<String> {
    let all = world.sql(&format!(
        "SELECT printf('%016x', id) FROM sessions WHERE user_id = {user} ORDER BY created_at"
    ));
    all.lines().map(str::to_owned).collect()
}

#[test]
fn one_some_or_all_are_ended_and_it_is_felt_at_once() {
    let (world, mut root) = office();
    let (alice, bertha) = (world.user("alice"), world.user("bertha"));
    let alices: Vec<_> = (0..4).map(|_| world.logged_in("alice")).collect();
    let berthas = world.logged_in("bertha");
    let (of_alice, of_bertha) = (ids(&world, alice), ids(&world, bertha));
    root.get(&format!("/admin/sessions/?user={alice}")).says(200, "4 sessions");
    root.get("/admin/sessions/?user=alice&state=live&transport=cookie").says(200, "4 sessions");
    root.get("/admin/sessions/?user=alice&transport=body").says(200, "No session is like that");

    root.post("/admin/sessions/end", &[("act", "some"), ("sessions", &of_alice[0])])
        .sends_to(&format!("/admin/sessions/{}/?said=ended", of_alice[0]));
    let live = |from: usize| {
        alices[from..]
            .iter()
            .map(|browser| browser.get("/accounts/profile").status)
            .collect::<Vec<_>>()
    };
    assert_eq!(live(0), [401, 200, 200, 200]);
    alices[0].get("/accounts/profile").expect_problem(401, "session_revoked");
    root.post(
        "/admin/sessions/end",
        &[("act", "some"), ("sessions", &of_alice[1]), ("sessions", &of_alice[2])],
    )
    .sends_to("/admin/sessions/?said=ended");
    assert_eq!(live(0), [401, 401, 401, 200]);
    root.post("/admin/sessions/end", &[("act", "user"), ("of", &alice.to_string())])
        .sends_to(&format!("/admin/sessions/?user={alice}&said=ended"));
    assert_eq!(live(0), [401; 4]);
    berthas.get("/accounts/profile").expect(200);
    root.get("/admin/sessions/?reason=admin").says(200, "4 sessions");

    let mut desk = operator(&world, &mut root, "operator", &["countersign.delete_session"]);
    desk.post("/admin/sessions/end", &[("act", "all")]).says(403, "Only a superuser");
    berthas.get("/accounts/profile").expect(200);
    root.post("/admin/sessions/end", &[("act", "all")]).sends_to("/admin/sessions/?said=ended");
    berthas.get("/accounts/profile").expect_problem(401, "session_revoked");
    root.get(&format!("/admin/sessions/{}/", of_bertha[0])).says(200, "An operator ended it on ");
    root.get("/admin/").expect(200);
}

#[test]
fn what_a_user_calls_the_device_is_shown_beside_what_it_calls_itself() {
    let (world, mut root) = office();
    let alice = world.user("alice");
    let body = serde_json::json!({
        "username": "alice", "password": countersign_e2e::PASSWORD, "device_name": "the kitchen",
    });
    let request = world.request("POST", "/accounts/login").header("User-Agent", "curl/8.10.1");
    request.json(&body).send().expect(200);
    root.get("/admin/sessions/?user=alice").says(200, "the kitchen (curl)");
    let page = root.get(&format!("/admin/sessions/{}/", ids(&world, alice)[0])).expect(200).text();
    for fact in ["<dd>the kitchen</dd>", "<dd>curl</dd>", "<dd>curl/8.10.1</dd>"] {
        assert!(page.contains(fact), "{fact} in {page}");
    }
}

#[test]
fn why_somebody_was_logged_out_is_told_in_plain_words() {
    let (world, mut root) = furnish(TestServer::builder().virtual_time().start());
    let alice = world.user("alice");
    let mut browser = world.logged_in("alice");
    let mut thief = browser.clone();
    for _ in 0..3 {
        browser.refresh().expect(200);
        world.clock().advance(Duration::from_secs(60));
    }
    thief.refresh().expect_problem(401, "refresh_token_reused");
    let stolen = ids(&world, alice).remove(0);
    let page = root.get(&format!("/admin/sessions/{stolen}/")).expect(200).text();
    for words in [
        "Why was I logged out?",
        "two parties held tokens of this session",
        "turned in for the next",
        "nobody honest holds any more",
    ] {
        assert!(page.contains(words), "no {words:?} in {page}");
    }
    let mut browser = world.logged_in("alice");
    world.clock().advance(Duration::from_secs(1));
    browser.logout().expect(204);
    let mut seen: Vec<String> = ids(&world, alice);
    seen.retain(|id| *id != stolen);
    root.get(&format!("/admin/sessions/{}/", seen[0])).says(200, "The user signed out on ");
    world.logged_in("alice");
    world.clock().advance(Duration::from_secs(8 * 86_400));
    root.sign_in("root").sends_to("/admin/");
    let idle = world
        .sql("SELECT printf('%016x', id) FROM sessions WHERE revoked_at IS NULL")
        .trim()
        .to_owned();
    root.get(&format!("/admin/sessions/{idle}/")).says(200, "not for 7 days");
    root.get("/admin/sessions/?state=live").says(200, "not used for too long");
}
