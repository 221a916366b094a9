//! What a resource server promises, beside an issuer of the test's own on a loopback port.

mod issuer;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use countersign_verify::{Claims, Code, ResourceServer, SessionId};
use issuer::{Issuer, Key, code, eventually, following};
use serde_json::json;

#[tokio::test]
async fn a_session_that_ends_is_out_and_the_others_are_not() {
    let (issuer, url) = Issuer::start().await;
    let server = following(&issuer, &url).build().unwrap();
    server.ready().await;
    let (mine, other) = (issuer.token(1), issuer.token(2));
    assert_eq!(server.verify(&mine).await.unwrap().account().id().to_string(), "7");
    issuer.ended.lock().unwrap().push(1);
    eventually("the ending is felt", async || {
        code(&server, &mine).await == Some(Code::SessionRevoked)
    })
    .await;
    assert_eq!(code(&server, &other).await, None);
    eventually("nothing new is asked for by its tag", async || {
        issuer.unchanged.load(Ordering::SeqCst) > 2
    })
    .await;
    assert_eq!(code(&server, &mine).await, Some(Code::SessionRevoked));
}

#[tokio::test]
async fn when_more_ended_than_a_list_can_name_older_tokens_are_renewed_and_newer_ones_are_good() {
    let (issuer, url) = Issuer::start().await;
    let server = following(&issuer, &url).build().unwrap();
    server.ready().await;
    let (seen, unseen) = (issuer.token(1), issuer.token(2));
    assert_eq!(code(&server, &seen).await, None);
    *issuer.uncounted.lock().unwrap() = Some(issuer.now());
    // The list's tag is how many are on it.
    issuer.ended.lock().unwrap().push(99);
    eventually("it is felt", async || code(&server, &seen).await == Some(Code::TokenExpired)).await;
    assert_eq!(code(&server, &unseen).await, Some(Code::TokenExpired));
    issuer.now.fetch_add(1, Ordering::SeqCst);
    assert_eq!(code(&server, &issuer.token(1)).await, None);
}

#[tokio::test]
async fn what_is_known_counts_while_the_issuer_is_away_and_no_longer_than_it_may() {
    let (issuer, url) = Issuer::start().await;
    let server = following(&issuer, &url).max_staleness(Duration::from_secs(60)).build().unwrap();
    assert_eq!(
        code(&server, &issuer.token(1)).await,
        Some(Code::Unavailable),
        "before anything is known nobody is let in"
    );
    server.ready().await;
    let token = issuer.token(1);
    assert_eq!(code(&server, &token).await, None);
    issuer.is_down.store(true, Ordering::SeqCst);
    // What was under way may still end well.
    tokio::time::sleep(Duration::from_millis(200)).await;
    issuer.now.fetch_add(60, Ordering::SeqCst);
    assert_eq!(code(&server, &token).await, None);
    issuer.now.fetch_add(1, Ordering::SeqCst);
    assert_eq!(code(&server, &token).await, Some(Code::Unavailable));
    issuer.ended.lock().unwrap().push(1);
    issuer.is_down.store(false, Ordering::SeqCst);
    eventually("it hears what it missed", async || {
        code(&server, &token).await == Some(Code::SessionRevoked)
    })
    .await;
}

#[tokio::test]
async fn a_stream_ends_when_its_end_may_have_been_missed_and_not_after_a_short_outage() {
    for (outage, is_missed) in [(120, false), (361, true)] {
        let (issuer, url) = Issuer::start().await;
        let server = following(&issuer, &url).build().unwrap();
        server.ready().await;
        let mut ended = server.verify(&issuer.token(1)).await.unwrap().ended();
        issuer.is_down.store(true, Ordering::SeqCst);
        // What was under way may still end well.
        tokio::time::sleep(Duration::from_millis(200)).await;
        // Session 1 ends in the outage, and is not on the list any more after the long one.
        issuer.now.fetch_add(outage, Ordering::SeqCst);
        issuer.is_down.store(false, Ordering::SeqCst);
        eventually("it is followed again", async || {
            code(&server, &issuer.token(2)).await.is_none()
        })
        .await;
        let rings = tokio::time::timeout(Duration::from_millis(500), &mut ended).await.is_ok();
        assert_eq!(rings, is_missed, "{outage} seconds");
    }
}

#[tokio::test]
async fn no_session_is_said_to_live_while_nothing_is_heard_of_endings() {
    let (issuer, url) = Issuer::start().await;
    let server = following(&issuer, &url).max_staleness(Duration::from_secs(60)).build().unwrap();
    let session = SessionId::new(1).unwrap();
    assert!(!server.is_live(session), "before anything is known");
    server.ready().await;
    assert!(server.is_live(session));
    issuer.is_down.store(true, Ordering::SeqCst);
    tokio::time::sleep(Duration::from_millis(200)).await;
    issuer.now.fetch_add(61, Ordering::SeqCst);
    assert!(!server.is_live(session));
    issuer.is_down.store(false, Ordering::SeqCst);
    eventually("it is heard of again", async || server.is_live(session)).await;
}

#[tokio::test]
async fn who_begins_to_wait_after_all_were_told_that_they_may_have_ended_is_told_too() {
    let (issuer, url) = Issuer::start().await;
    let server = following(&issuer, &url).build().unwrap();
    server.ready().await;
    // A request passed, and its handler has something to do before it streams.
    let token = issuer.token(1);
    let passed = server.verify(&token).await.unwrap();
    *issuer.uncounted.lock().unwrap() = Some(issuer.now());
    issuer.ended.lock().unwrap().push(99);
    eventually("it is felt", async || code(&server, &token).await.is_some()).await;
    let told = tokio::time::timeout(Duration::from_secs(5), passed.ended()).await;
    assert!(told.is_ok(), "the stream goes on");
    issuer.now.fetch_add(1, Ordering::SeqCst);
    let mut later = server.verify(&issuer.token(1)).await.unwrap().ended();
    let told = tokio::time::timeout(Duration::from_millis(300), &mut later).await;
    assert!(told.is_err(), "whoever came after it goes on");
}

#[tokio::test]
async fn the_tokens_of_a_new_key_are_taken_and_invented_keys_make_no_load() {
    let (issuer, url) = Issuer::start().await;
    let server = following(&issuer, &url).build().unwrap();
    server.ready().await;
    let asked = issuer.key_sets_asked.load(Ordering::SeqCst);
    let stranger = Key::new("invented");
    let claims = serde_json::to_value(Claims::new(
        issuer.name().to_owned(),
        "7".to_owned(),
        SessionId::new(1).unwrap(),
        1,
        100_000,
        100_300,
    ))
    .unwrap();
    for _ in 0..50 {
        assert_eq!(
            code(&server, &stranger.sign("at+jwt", &claims)).await,
            Some(Code::TokenInvalid)
        );
    }
    let asked_for_inventions = issuer.key_sets_asked.load(Ordering::SeqCst) - asked;
    assert!(asked_for_inventions <= 1, "{asked_for_inventions} key sets for 50 invented keys");

    let (issuer, url) = Issuer::start().await;
    let server = following(&issuer, &url).build().unwrap();
    server.ready().await;
    issuer.keys.lock().unwrap().push(Key::new("second"));
    let new = issuer.token_by(3, 1);
    // The floor on the rate is ten seconds of real time, from the first fetch.
    eventually("the new key is fetched", async || code(&server, &new).await.is_none()).await;
}

#[tokio::test]
async fn a_key_that_was_cut_off_counts_for_seconds_and_one_that_retired_for_a_minute() {
    let (issuer, url) = Issuer::start().await;
    let server = following(&issuer, &url).build().unwrap();
    server.ready().await;
    let of_the_old = issuer.token(1);
    assert_eq!(code(&server, &of_the_old).await, None);
    // `keys rotate --now`: the list is signed with the new key from here on, and no clock moves.
    *issuer.keys.lock().unwrap() = vec![Key::new("second")];
    eventually("the old key is gone", async || {
        code(&server, &of_the_old).await == Some(Code::TokenInvalid)
    })
    .await;
    assert_eq!(code(&server, &issuer.token(1)).await, None);

    // A key that retires when its last token has expired: the list has long been signed with the
    // next one.
    issuer.keys.lock().unwrap().push(Key::new("third"));
    eventually("the third is known", async || {
        code(&server, &issuer.token_by(1, 1)).await.is_none()
    })
    .await;
    let (of_the_second, asked) = (issuer.token(1), issuer.key_sets_asked.load(Ordering::SeqCst));
    issuer.keys.lock().unwrap().remove(0);
    issuer.now.fetch_add(59, Ordering::SeqCst);
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(issuer.key_sets_asked.load(Ordering::SeqCst), asked, "the minute is not over");
    issuer.now.fetch_add(1, Ordering::SeqCst);
    eventually("the second key is gone", async || {
        code(&server, &of_the_second).await == Some(Code::TokenInvalid)
    })
    .await;
}

#[tokio::test]
async fn an_issuer_that_gets_another_name_is_followed_unless_one_was_named() {
    let (issuer, url) = Issuer::start().await;
    let follows = following(&issuer, &url).build().unwrap();
    let strict = following(&issuer, &url).issuer("https://issuer.test").build().unwrap();
    follows.ready().await;
    strict.ready().await;
    let old = issuer.token(1);
    assert_eq!((code(&follows, &old).await, code(&strict, &old).await), (None, None));
    *issuer.name.lock().unwrap() = "https://login.test";
    let new = issuer.token(1);
    eventually("the new name counts", async || code(&follows, &new).await.is_none()).await;
    assert_eq!(code(&follows, &old).await, Some(Code::TokenInvalid), "and the old one does not");
    assert_eq!(code(&strict, &new).await, Some(Code::TokenInvalid));
}

#[tokio::test]
async fn a_clock_that_ran_ahead_and_came_back_brings_nobody_back() {
    let (issuer, url) = Issuer::start().await;
    // Its own clock: the issuer's is right all the time.
    let ahead = Arc::new(AtomicU64::new(0));
    let (now, mine) = (Arc::clone(&issuer.now), Arc::clone(&ahead));
    let server = ResourceServer::builder(&url)
        .poll_interval(Duration::from_millis(50))
        .clock(move || now.load(Ordering::SeqCst) + mine.load(Ordering::SeqCst))
        .build()
        .unwrap();
    server.ready().await;
    let token = issuer.token(1);
    issuer.ended.lock().unwrap().push(1);
    eventually("the logout is felt", async || {
        code(&server, &token).await == Some(Code::SessionRevoked)
    })
    .await;
    issuer.now.fetch_add(250, Ordering::SeqCst);
    ahead.store(115, Ordering::SeqCst);
    let other = issuer.token(2);
    issuer.ended.lock().unwrap().push(2);
    eventually("the first is forgotten", async || {
        code(&server, &other).await == Some(Code::SessionRevoked)
    })
    .await;
    assert_eq!(code(&server, &token).await, Some(Code::TokenExpired));
    ahead.store(0, Ordering::SeqCst);
    eventually("what ended is read again", async || {
        code(&server, &token).await == Some(Code::SessionRevoked)
    })
    .await;
}

#[tokio::test]
async fn lists_that_are_stale_forged_or_anothers_are_not_taken() {
    let (issuer, url) = Issuer::start().await;
    let stranger = Key::new("first");
    let list = issuer.list(None);
    let mut stale = list.clone();
    stale["exp"] = json!(issuer.now());
    let mut future = list.clone();
    (future["iat"], future["exp"]) = (json!(issuer.now() + 61), json!(issuer.now() + 181));
    let mut others = list.clone();
    others["iss"] = json!("https://other.test");
    let mut bent = list.clone();
    bent["sids"] = json!("AAA");
    let lists = {
        let keys = issuer.keys.lock().unwrap();
        [
            ("forged", stranger.sign("rl+jwt", &list)),
            ("an access token", keys[0].sign("at+jwt", &list)),
            ("stale", keys[0].sign("rl+jwt", &stale)),
            ("out of the future", keys[0].sign("rl+jwt", &future)),
            ("another's", keys[0].sign("rl+jwt", &others)),
            ("bent", keys[0].sign("rl+jwt", &bent)),
            ("no token", "hello".to_owned()),
        ]
    };
    for (what, list) in lists {
        *issuer.frozen.lock().unwrap() = Some(list);
        let server = following(&issuer, &url).issuer("https://issuer.test").build().unwrap();
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert!(!server.is_ready(), "{what}");
    }
    *issuer.frozen.lock().unwrap() = Some(issuer.keys.lock().unwrap()[0].sign("rl+jwt", &list));
    let server = following(&issuer, &url).max_staleness(Duration::from_secs(10)).build().unwrap();
    server.ready().await;
    issuer.now.fetch_add(131, Ordering::SeqCst);
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(
        !server.is_ready(),
        "a cache that hands out an old list is found out when the list's time is over"
    );
}

#[tokio::test]
async fn a_group_in_the_token_stands_for_what_its_members_may() {
    let (issuer, url) = Issuer::start().await;
    let server = following(&issuer, &url)
        .group("editors", ["articles.add", "articles.publish"])
        .group("staff", ["orders.view"])
        .build()
        .unwrap();
    server.ready().await;
    let now = issuer.now();
    let mut claims = Claims::new(
        issuer.name().to_owned(),
        "7".to_owned(),
        SessionId::new(1).unwrap(),
        now,
        now,
        now + 300,
    );
    claims.extra.insert("groups".to_owned(), json!(["editors", "readers"]));
    claims.extra.insert("permissions".to_owned(), json!(["articles.add", "polls.vote"]));
    let token =
        issuer.keys.lock().unwrap()[0].sign("at+jwt", &serde_json::to_value(claims).unwrap());
    let ada = server.verify(&token).await.unwrap();
    assert_eq!(ada.account().permissions(), ["articles.add", "polls.vote", "articles.publish"]);
}

#[tokio::test]
async fn a_mistake_is_told_when_it_is_built() {
    for (builder, wanted) in [
        (ResourceServer::builder("auth.example.com"), "https://auth.example.com"),
        (ResourceServer::builder("ftp://auth.example.com"), "https://auth.example.com"),
        (ResourceServer::builder("https://user:pass@auth.example.com"), "https://auth.example.com"),
        (
            ResourceServer::builder("https://auth.example.com").max_staleness(Duration::ZERO),
            "at least a second",
        ),
        (
            ResourceServer::builder("https://auth.example.com").poll_interval(Duration::ZERO),
            "50 ms",
        ),
    ] {
        let said = builder.build().unwrap_err().to_string();
        assert!(said.contains(wanted), "{said}");
    }
}

/// The health service that tonic brings, behind the layer.
#[cfg(feature = "tonic")]
#[tokio::test]
async fn a_tonic_service_stands_behind_the_layer_as_well() {
    use tonic::metadata::MetadataValue;
    use tonic::transport::{Channel, Server};
    use tonic::{Code, Request};
    use tonic_health::pb::HealthCheckRequest;
    use tonic_health::pb::health_client::HealthClient;

    let (issuer, url) = Issuer::start().await;
    let server = following(&issuer, &url).build().unwrap();
    server.ready().await;
    let (_, health) = tonic_health::server::health_reporter();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    tokio::spawn(Server::builder().layer(server.layer()).add_service(health).serve(free));
    let endpoint = Channel::from_shared(format!("http://{free}")).unwrap();
    let mut channel = None;
    eventually("the service listens", async || {
        channel = endpoint.connect().await.ok();
        channel.is_some()
    })
    .await;
    let mut client = HealthClient::new(channel.unwrap());
    let mut check = async |token: Option<String>| {
        let mut request = Request::new(HealthCheckRequest::default());
        if let Some(token) = token {
            request.metadata_mut().insert(
                "authorization",
                MetadataValue::try_from(format!("Bearer {token}")).unwrap(),
            );
        }
        client.check(request).await.map(drop).map_err(|status| status.code())
    };
    assert_eq!(check(None).await, Err(Code::Unauthenticated));
    assert_eq!(check(Some("bent".to_owned())).await, Err(Code::Unauthenticated));
    assert_eq!(check(Some(issuer.token(1))).await, Ok(()));
}
