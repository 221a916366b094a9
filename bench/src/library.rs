//! The same route behind the library's layers, each in a process of its own.

use std::path::Path;

use axum::Router;
use countersign::Auth;
use countersign::store::sqlite::SqliteStore;
use countersign_verify::ResourceServer;

use crate::bare;

/// The route behind `protect`, on a data directory, for tokens of `issuer`.
pub(crate) fn serve_protected(data: &str, issuer: &str, file: &str) {
    let (data, issuer) = (Path::new(data), issuer.to_owned());
    bare::serve_with(file, async move |route| {
        let store = SqliteStore::open(&data.join("countersign.sqlite3")).expect("the database");
        let auth = Auth::builder(store)
            .secret_file(data.join("secret"))
            .issuer(issuer)
            .build()
            .await
            .expect("an auth");
        auth.protect(route)
    });
}

/// The route behind a resource server that follows the countersign at `url`.
pub(crate) fn serve_verified(url: &str, file: &str) {
    let url = url.to_owned();
    bare::serve_with(file, async move |route: Router| {
        let auth = ResourceServer::builder(url).build().expect("a resource server");
        auth.ready().await;
        route.layer(auth.layer())
    });
}
