//! Whether the store answers and can be written.

use std::time::{Duration, Instant};

use super::Auth;
use crate::store::{StoreError, Upkeep};

impl Auth {
    /// Whether the store answers and can be written. It is written for this once a second at most,
    /// however often it is asked; whoever asks meanwhile shares the answer.
    ///
    /// # Errors
    /// The store's.
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// use axum::{Router, http::StatusCode, routing::get};
    ///
    /// # world::run(async |world| {
    /// # let auth = world.auth;
    /// let health = get(move || {
    ///     let auth = auth.clone();
    ///     async move {
    ///         if auth.ready().await.is_ok() {
    ///             StatusCode::OK
    ///         } else {
    ///             StatusCode::SERVICE_UNAVAILABLE
    ///         }
    ///     }
    /// });
    /// let app: Router = Router::new().route("/healthz", health);
    /// # assert_eq!(world::get(&app, "/healthz", None).await.0, 200);
    /// # });
    /// ```
    pub async fn ready(&self) -> Result<(), StoreError> {
        if self.is_stale() {
            return Err(StoreError::Failed(
                "nothing was heard of changes for longer than max_staleness".to_owned(),
            ));
        }
        if let Some(trouble) = self.0.store.trouble() {
            return Err(trouble);
        }
        self.0.pulse.feel(&*self.0.store).await
    }
}

/// Whether the store could be written when last it was tried.
#[derive(Default)]
pub(super) struct Pulse(tokio::sync::Mutex<Option<Beat>>);

struct Beat {
    at: Instant,
    fate: Result<(), StoreError>,
}

impl Pulse {
    async fn feel(&self, store: &dyn Upkeep) -> Result<(), StoreError> {
        let asked = Instant::now();
        let mut last = self.0.lock().await;
        if let Some(beat) = &*last
            && (beat.at >= asked || (beat.fate.is_ok() && beat.at.elapsed() < BETWEEN_BEATS))
        {
            return beat.fate.clone();
        }
        let fate = store.ping().await;
        *last = Some(Beat { at: Instant::now(), fate: fate.clone() });
        fate
    }
}

/// Who asks whether the store can be written must not become a load on it.
const BETWEEN_BEATS: Duration = Duration::from_secs(1);
