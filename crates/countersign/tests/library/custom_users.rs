use super::*;

/// An integer, a UUID, a name.
const IDS: [&str; 3] = ["41", "0194f3a2-5b6c-7d8e-9f01-23456789abcd", "zoë@example.com"];

async fn world() -> (Auth, Router, Members, Arc<ManualClock>, tempfile::TempDir) {
    let (builder, directory, clock) = builder();
    let members = Members::with(cheap(), &IDS).await;
    let auth = builder.users(members.clone()).build().await.unwrap();
    let private = Router::new().route(
        "/plan",
        axum::routing::get(|me: countersign::CurrentUser<Member>| async move {
            axum::Json(json!({"plan": me.plan, "id": me.id}))
        }),
    );
    let app = auth.protect(private).merge(auth.routes());
    (auth, app, members, clock, directory)
}

#[tokio::test]
async fn ids_of_any_type_log_in_refresh_and_are_extracted_in_full() {
    let (_, app, members, clock, _directory) = world().await;
    for id in IDS {
        let answer = log_in(&app, &format!("nick-{id}")).await;
        let id: UserId = id.parse().unwrap();
        assert_eq!(
            answer["user"],
            json!({"id": id, "nickname": format!("nick-{id}"), "plan": "gold"}),
            "the user is the app's own row"
        );
        assert_eq!(
            send(&app, with_token("GET", "/plan", text(&answer, "access_token"))).await,
            (StatusCode::OK, json!({"plan": "gold", "id": id}))
        );
        let (status, refreshed) = send(
            &app,
            post("/accounts/refresh", &json!({"refresh_token": text(&answer, "refresh_token")})),
        )
        .await;
        assert_eq!(status, StatusCode::OK, "{refreshed}");
        let (_, profile) =
            send(&app, with_token("GET", "/accounts/profile", text(&refreshed, "access_token")))
                .await;
        assert_eq!(profile["user"]["id"], json!(id));
        assert_eq!(refreshed["user"], profile["user"], "their own columns too");
        let (_, sessions) =
            send(&app, with_token("GET", "/accounts/sessions", text(&refreshed, "access_token")))
                .await;
        assert_eq!(sessions["sessions"].as_array().unwrap().len(), 1);
        assert!(
            members
                .0
                .lock()
                .unwrap()
                .logins
                .contains(&(id, countersign::clock::Clock::now(&*clock)))
        );
    }
}

#[tokio::test]
async fn the_apps_own_claims_are_in_the_token_and_cannot_take_the_place_of_ours() {
    let (_, app, _, _, _directory) = world().await;
    let answer = log_in(&app, "nick-41").await;
    let payload = text(&answer, "access_token").split('.').nth(1).unwrap();
    let claims: Value = serde_json::from_slice(
        &base64::Engine::decode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, payload)
            .unwrap(),
    )
    .unwrap();
    assert_eq!((&claims["plan"], &claims["sub"]), (&json!("gold"), &json!("41")));
    assert!(claims["exp"].as_u64().unwrap() > 1_000_000 && claims["sid"] != "0000000000000001");
}

#[tokio::test]
async fn a_changed_row_is_felt_once_it_is_told() {
    let (auth, app, members, _, _directory) = world().await;
    let id: UserId = IDS[1].parse().unwrap();
    let answer = log_in(&app, &format!("nick-{id}")).await;
    let plan = || send(&app, with_token("GET", "/plan", text(&answer, "access_token")));
    assert_eq!(plan().await.1["plan"], "gold");
    members.change(id, |member| member.plan = "lead");
    auth.user_changed(id).await.unwrap();
    assert_eq!(plan().await.1["plan"], "lead");
    members.change(id, |member| member.closed = true);
    auth.user_changed(id).await.unwrap();
    assert_eq!(plan().await.1["code"], "user_inactive");
    let again =
        post("/accounts/login", &json!({"username": format!("nick-{id}"), "password": PASSWORD}));
    assert_eq!(send(&app, again).await.1["code"], "invalid_credentials");
}

#[tokio::test]
async fn a_row_that_a_foreign_writer_changed_is_felt_at_the_next_refresh() {
    let (_, app, members, _, _directory) = world().await;
    let id: UserId = "41".parse().unwrap();
    let (mine, other) = (log_in(&app, "nick-41").await, log_in(&app, "nick-41").await);
    let refresh = |token: &str| {
        let request = post("/accounts/refresh", &json!({"refresh_token": token}));
        let app = app.clone();
        async move { send(&app, request).await }
    };
    assert_eq!(
        send(&app, with_token("GET", "/plan", text(&other, "access_token"))).await.0,
        StatusCode::OK
    );
    members.change(id, |member| member.plan = "lead");
    let (_, refreshed) = refresh(text(&mine, "refresh_token")).await;
    assert_eq!(
        send(&app, with_token("GET", "/plan", text(&refreshed, "access_token"))).await.1["plan"],
        "lead"
    );
    members.change(id, |member| member.closed = true);
    assert_eq!(refresh(text(&refreshed, "refresh_token")).await.1["code"], "user_inactive");
    let again = send(&app, with_token("GET", "/plan", text(&other, "access_token"))).await;
    assert_eq!(
        again.1["code"], "user_inactive",
        "from then on this process lets no other token of theirs in either"
    );
}

#[tokio::test]
async fn a_row_that_a_foreign_writer_changed_is_felt_within_an_access_tokens_lifetime_without_a_refresh()
 {
    let (_, app, members, clock, _directory) = world().await;
    let id: UserId = "41".parse().unwrap();
    let old = log_in(&app, "nick-41").await;
    clock.advance(4 * MINUTE);
    // Read before the change by a token that lives for longer than what was read may count.
    let young = log_in(&app, "nick-41").await;
    let plan =
        |answer: &Value| send_owned(&app, with_token("GET", "/plan", text(answer, "access_token")));
    assert_eq!(plan(&young).await.0, StatusCode::OK);
    members.change(id, |member| member.closed = true);
    assert_eq!(
        (plan(&young).await.0, plan(&old).await.0),
        (StatusCode::OK, StatusCode::OK),
        "nobody said so"
    );
    clock.advance(5 * MINUTE - Duration::from_secs(1));
    assert_eq!(
        plan(&young).await.1["code"],
        "user_inactive",
        "the token has a second left, the row has none"
    );
}

#[tokio::test]
async fn a_row_that_many_ask_for_is_read_again_by_one_of_them_before_it_is_too_old() {
    let (_, app, members, clock, _directory) = world().await;
    let answer = log_in(&app, "nick-41").await;
    members.0.lock().unwrap().reads = 0;
    let many = async || {
        for _ in 0..10 {
            assert_eq!(
                send(&app, with_token("GET", "/plan", text(&answer, "access_token"))).await.0,
                StatusCode::OK
            );
        }
        std::mem::take(&mut members.0.lock().unwrap().reads)
    };
    assert_eq!(many().await, 0, "the login has read it");
    clock.advance(3 * MINUTE);
    assert_eq!(many().await, 0);
    clock.advance(MINUTE);
    assert_eq!(many().await, 1, "it is four minutes old, and counts for five");
    members.0.lock().unwrap().is_down = true;
    clock.advance(Duration::from_secs(59));
    assert_eq!(many().await, 0, "a minute later it is new");
}

#[tokio::test]
async fn a_row_of_which_only_the_profile_is_asked_for_is_read_again_before_it_is_too_old() {
    let (auth, app, members, clock, _directory) = world().await;
    let answer = log_in(&app, "nick-41").await;
    // As a server asks that looks for known profiles before it looks for a route.
    let is_known = async || {
        let request = with_token("GET", "/accounts/profile", text(&answer, "access_token"));
        let is_known = auth.known_profile(request.uri().path(), request.headers()).is_some();
        if !is_known {
            assert_eq!(send(&app, request).await.0, StatusCode::OK);
        }
        is_known
    };
    let reads = || std::mem::take(&mut members.0.lock().unwrap().reads);
    is_known().await;
    reads();
    clock.advance(3 * MINUTE);
    assert!(is_known().await);
    assert_eq!(reads(), 0);
    clock.advance(MINUTE);
    assert!(!is_known().await, "it is four minutes old, and counts for five");
    assert_eq!(reads(), 1);
    assert!(is_known().await);
    assert_eq!(reads(), 0);
}

#[tokio::test]
async fn a_table_that_is_down_turns_nobody_away_before_what_was_read_is_too_old() {
    let (_, app, members, clock, _directory) = world().await;
    let (first, answer) = (log_in(&app, "nick-41").await, {
        clock.advance(Duration::from_secs(1));
        log_in(&app, "nick-41").await
    });
    let plan =
        |answer: &Value| send_owned(&app, with_token("GET", "/plan", text(answer, "access_token")));
    assert_eq!(plan(&first).await.0, StatusCode::OK);
    let reads = |members: &Members| std::mem::take(&mut members.0.lock().unwrap().reads);
    assert_eq!(reads(&members), 2, "each login has read it once more");
    members.0.lock().unwrap().is_down = true;
    clock.advance(4 * MINUTE);
    assert_eq!(plan(&answer).await.0, StatusCode::OK);
    assert_eq!(reads(&members), 1, "it was asked for all the same");
    assert_eq!(plan(&answer).await.0, StatusCode::OK);
}

#[tokio::test]
async fn a_new_password_ends_the_other_sessions_and_the_old_one_is_none() {
    let (_, app, members, _, _directory) = world().await;
    let (mine, other) = (log_in(&app, "nick-41").await, log_in(&app, "nick-41").await);
    let change = |new: &str| {
        let mut request =
            post("/accounts/password", &json!({"old_password": PASSWORD, "new_password": new}));
        request.headers_mut().insert(
            "authorization",
            format!("Bearer {}", text(&mine, "access_token")).parse().unwrap(),
        );
        request
    };
    assert_eq!(send(&app, change("copper lantern 27")).await.0, StatusCode::NO_CONTENT);
    assert_eq!(
        send(&app, with_token("GET", "/plan", text(&other, "access_token"))).await.1["code"],
        "session_revoked"
    );
    assert_eq!(
        send(&app, with_token("GET", "/plan", text(&mine, "access_token"))).await.0,
        StatusCode::OK
    );
    assert_eq!(
        send(&app, change("copper lantern 28")).await.1["errors"]["old_password"][0],
        "This is not your password."
    );
    assert!(members.0.lock().unwrap().rows[&UserId::new(41)].1.is_usable());
}

#[tokio::test]
async fn an_outdated_encoding_is_replaced_at_the_next_login() {
    let (builder, _directory, _) = builder();
    let mut weaker = cheap();
    weaker.memory_kib = 32;
    let members = Members::with(weaker, &["41"]).await;
    let auth = builder.users(members.clone()).build().await.unwrap();
    let line = || members.0.lock().unwrap().rows[&UserId::new(41)].1.as_str().to_owned();
    assert!(line().contains("m=32"));
    log_in(&auth.routes(), "nick-41").await;
    assert!(line().contains("m=64"), "{}", line());
}

#[tokio::test]
async fn a_table_that_is_down_is_a_503_and_counts_against_nobody() {
    let (_, app, members, _, _directory) = world().await;
    members.0.lock().unwrap().is_down = true;
    let attempt = || post("/accounts/login", &json!({"username": "nick-41", "password": PASSWORD}));
    for _ in 0..10 {
        let (status, problem) = send(&app, attempt()).await;
        assert_eq!(
            (status, &problem["code"]),
            (StatusCode::SERVICE_UNAVAILABLE, &json!("unavailable"))
        );
    }
    members.0.lock().unwrap().is_down = false;
    assert_eq!(send(&app, attempt()).await.0, StatusCode::OK);
}

#[tokio::test]
async fn rows_of_the_apps_own_table_are_the_apps_to_change() {
    let (_, app, _, _, _directory) = world().await;
    let answer = log_in(&app, "nick-41").await;
    let (status, problem) =
        send(&app, with_token("PATCH", "/accounts/profile", text(&answer, "access_token"))).await;
    assert_eq!(
        (status, &problem["code"]),
        (StatusCode::METHOD_NOT_ALLOWED, &json!("method_not_allowed"))
    );
}

#[tokio::test]
async fn a_login_that_was_under_way_does_not_outlive_what_the_app_does_to_the_row() {
    let acts: [fn(&mut (Member, EncodedPassword)); 2] = [
        |(member, _)| member.closed = true,
        |(_, password)| *password = EncodedPassword::unusable(),
    ];
    for act in acts {
        let (auth, app, members, clock, _directory) = world().await;
        let id = UserId::new(41);
        members.0.lock().unwrap().meanwhile = Some(act);
        let login = post("/accounts/login", &json!({"username": "nick-41", "password": PASSWORD}));
        let (status, problem) = send(&app, login).await;
        assert_eq!(
            (status, &problem["code"]),
            (StatusCode::UNAUTHORIZED, &json!("invalid_credentials"))
        );
        let now = countersign::clock::Clock::now(&*clock);
        assert!(auth.store().user_sessions(id, now).await.unwrap().is_empty());

        members.0.lock().unwrap().meanwhile = Some(|(member, _)| member.closed = true);
        let by_link = auth
            .log_in(id, countersign::session::Transport::Body, &countersign::http::Peer::local())
            .await;
        assert_eq!(by_link.unwrap_err().code(), countersign::http::Code::UserInactive);
        assert!(auth.store().user_sessions(id, now).await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn a_row_that_changes_while_somebody_logs_in_and_lets_them_in_still_does_not_stop_them() {
    let (_, app, members, _, _directory) = world().await;
    members.0.lock().unwrap().meanwhile = Some(|(member, _)| member.plan = "lead");
    assert_eq!(log_in(&app, "nick-41").await["user"]["plan"], "lead", "the row is read again");
}

#[tokio::test]
async fn a_password_that_was_set_while_the_user_changes_it_is_a_conflict_and_no_ending() {
    let (_, app, members, _, _directory) = world().await;
    let mine = log_in(&app, "nick-41").await;
    members.0.lock().unwrap().meanwhile =
        Some(|(_, password)| *password = EncodedPassword::unusable());
    let mut request = post(
        "/accounts/password",
        &json!({"old_password": PASSWORD, "new_password": "copper lantern 27"}),
    );
    request.headers_mut().insert(
        "authorization",
        format!("Bearer {}", text(&mine, "access_token")).parse().unwrap(),
    );
    let (status, problem) = send(&app, request).await;
    assert_eq!((status, &problem["code"]), (StatusCode::CONFLICT, &json!("conflict")));
    assert!(
        !members.0.lock().unwrap().rows[&UserId::new(41)].1.is_usable(),
        "what the operator set stays"
    );
    assert_eq!(
        send(&app, with_token("GET", "/plan", text(&mine, "access_token"))).await.0,
        StatusCode::OK
    );
}

#[tokio::test]
async fn who_has_no_password_logs_in_by_another_way() {
    let (auth, _, members, _, _directory) = world().await;
    let id = UserId::new(41);
    let without = EncodedPassword::from_stored("!".to_owned());
    assert!(!without.is_usable());
    members.0.lock().unwrap().rows.get_mut(&id).unwrap().1 = without;
    let client = countersign::http::Peer::local();
    let login = auth.log_in(id, countersign::session::Transport::Body, &client).await.unwrap();
    assert!(auth.is_live(login.session()).await.unwrap());
}
