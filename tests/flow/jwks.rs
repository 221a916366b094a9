//! `GET /.well-known/jwks.json`.

use countersign_e2e::World;

#[test]
fn the_key_set_can_be_kept_and_asked_about() {
    let world = World::start();
    let first = world.get("/.well-known/jwks.json").expect(200);
    assert_eq!(first.header("content-type"), Some("application/json"));
    assert!(first.header("cache-control").unwrap().contains("max-age="));
    let tag = first.header("etag").unwrap().to_owned();
    let ask = |tag: &str| world.request("GET", "/.well-known/jwks.json").header("If-None-Match", tag).send();
    for known in [tag.clone(), format!("W/{tag}"), format!("\"other\", {tag}"), "*".to_owned()] {
        let answer = ask(&known).expect(304);
        assert!(answer.body.is_empty(), "{known}");
    }
    ask("\"other\"").expect(200);
    world.cli(&["keys", "rotate"]).ok();
    countersign_e2e::eventually("the new key is published", || ask(&tag).status == 200);
}
