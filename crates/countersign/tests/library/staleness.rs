//! A process that has lost its store: what it may still say.

use countersign::settings::WhenStale;

use super::*;

async fn list(app: &Router) -> (StatusCode, Value) {
    send(app, Request::get("/.well-known/revocations").body(Body::empty()).unwrap()).await
}

#[tokio::test]
async fn a_process_that_hears_nothing_signs_no_list_of_endings_unless_it_is_to_go_on() {
    for (then, status) in [(WhenStale::Refuse, 503), (WhenStale::GoOn, 200)] {
        let (builder, _directory, _) = builder();
        let auth = builder.staleness(Duration::from_secs(1), then).build().await.unwrap();
        let app = auth.routes();
        assert_eq!(list(&app).await.0, StatusCode::OK);
        // Nothing else runs on this thread, and what follows the feed does not either.
        std::thread::sleep(Duration::from_millis(1_100));
        let (answered, problem) = list(&app).await;
        assert_eq!(answered.as_u16(), status, "{then:?}");
        if status == 503 {
            assert_eq!(problem["code"], "unavailable");
        }
        auth.catch_up().await.unwrap();
        assert_eq!(list(&app).await.0, StatusCode::OK, "it hears again");
    }
}
