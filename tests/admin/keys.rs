//! Keys: rotated gently or at once, retired when they no longer sign, and never so that nobody
//! could sign in.

use crate::office::{office, operator};

fn state(page: &str, word: &str) -> usize {
    page.matches(&format!("<b>{word}</b>")).count()
}

#[test]
fn keys_are_rotated_and_retired_and_tokens_feel_it() {
    let (world, mut root) = office();
    world.user("alice");
    let browser = world.logged_in("alice");
    let page = root.get("/admin/keys/").expect(200).text();
    assert_eq!(
        (state(&page, "signing"), state(&page, "verifying"), state(&page, "next")),
        (1, 0, 0)
    );

    root.post("/admin/keys/rotate", &[("how", "gently")]).sends_to("/admin/keys/?said=rotated");
    let page = root.get("/admin/keys/").expect(200).text();
    assert_eq!((state(&page, "signing"), state(&page, "next")), (1, 1));
    browser.get("/accounts/profile").expect(200);

    let kid = |place: usize| {
        world
            .sql("SELECT lower(hex(id)) FROM signing_keys ORDER BY created_at")
            .lines()
            .nth(place)
            .unwrap()
            .to_owned()
    };
    root.post(&format!("/admin/keys/{}/retire", kid(0)), &[]).says(409, "This key signs");
    root.post(&format!("/admin/keys/{}/retire", kid(1)), &[]).says(409, "next to sign");
    root.post("/admin/keys/0123456789abcdef/retire", &[]).says(404, "no such key");

    root.post("/admin/keys/rotate", &[("how", "now")]).sends_to("/admin/keys/?said=cut-off");
    browser.get("/accounts/profile").expect_problem(401, "token_invalid");
    let page = root.get("/admin/keys/?said=cut-off").expect(200).text();
    assert!(page.contains("the old keys are cut off"), "{page}");
    assert_eq!((state(&page, "signing"), state(&page, "retired")), (1, 2));
    let mut browser = browser;
    browser.refresh().expect(200);
    browser.get("/accounts/profile").expect(200);
    root.post("/admin/keys/rotate", &[("how", "sideways")]).says(400, "Choose how");
}

#[test]
fn an_old_key_that_still_verifies_can_be_retired_before_its_time() {
    let (world, mut root) = office();
    world.user("alice");
    let browser = world.logged_in("alice");
    root.post("/admin/keys/rotate", &[("how", "gently")]).expect(303);
    // As if its two minutes were over.
    world.sql("UPDATE signing_keys SET activates_at = created_at");
    root.post("/admin/keys/rotate", &[("how", "gently")]).expect(303);
    let page = root.get("/admin/keys/").expect(200).text();
    assert_eq!(state(&page, "verifying"), 1, "{page}");
    let (_, rest) = page
        .split_once("/retire\"")
        .map(|(before, rest)| (before.rsplit_once("/admin/keys/").unwrap().1, rest))
        .unwrap();
    assert!(rest.contains("Retire "));
    let kid =
        page.split_once("/retire\"").unwrap().0.rsplit_once("/admin/keys/").unwrap().1.to_owned();
    browser.get("/accounts/profile").expect(200);
    root.post(&format!("/admin/keys/{kid}/retire"), &[]).sends_to("/admin/keys/?said=retired");
    browser.get("/accounts/profile").expect_problem(401, "token_invalid");
    root.post(&format!("/admin/keys/{kid}/retire"), &[]).says(409, "retired already");
}

#[test]
fn who_may_look_at_keys_may_not_change_them() {
    let (world, mut root) = office();
    let mut desk = operator(&world, &mut root, "operator", &["countersign.view_key"]);
    let page = desk.get("/admin/keys/").expect(200).text();
    assert!(!page.contains("<form method=\"post\" action=\"/admin/keys/"), "{page}");
    assert!(!page.contains("PRIVATE"), "{page}");
}
