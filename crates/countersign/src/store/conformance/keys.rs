//! What is promised of signing keys.

use std::sync::Arc;

use super::fixtures::{after, noon};
use crate::clock::OsRandom;
use crate::store::What;
use crate::store::admin::AdminStore;
use crate::token::{Algorithm, KeyId, SealedKey, Secrets};

pub async fn keys_come_back_in_their_order_and_a_new_one_retires_the_others(
    store: Arc<dyn AdminStore>,
) {
    let secrets = Secrets::from_text("a secret of more than thirty-two characters").unwrap();
    let make = |created: i64| {
        SealedKey::generate(Algorithm::EdDsa, &secrets, after(created), after(created), &OsRandom)
            .unwrap()
    };
    let (first, second, third) = (make(0), make(10), make(20));
    store.add_key(first.clone(), noon()).await.unwrap();
    store.add_key(second.clone(), after(400)).await.unwrap();
    store.add_key(third.clone(), after(500)).await.unwrap();
    let keys = store.keys().await.unwrap();
    assert_eq!(keys.iter().map(|key| key.id).collect::<Vec<_>>(), [first.id, second.id, third.id]);
    let retires: Vec<_> = keys.iter().map(|key| key.retires_at).collect();
    assert_eq!(
        retires,
        [Some(after(400)), Some(after(500)), None],
        "a key that retires earlier keeps its time"
    );
    assert_eq!(keys[2].sealed, third.sealed);
    assert!(keys[2].open(&secrets).is_ok());
    assert!(store.retire_key(third.id, after(600)).await.unwrap());
    assert!(!store.retire_key(KeyId([0; 8]), after(600)).await.unwrap());
    let news = store.changes(&crate::store::Cursor::default(), 100).await.unwrap().changes;
    assert!(news.iter().any(|change| change.what == What::KeysChanged));
}

pub async fn of_keys_that_are_made_at_once_one_stays(store: Arc<dyn AdminStore>) {
    let secrets = Secrets::from_text("a secret of more than thirty-two characters").unwrap();
    let add = async || {
        let key =
            SealedKey::generate(Algorithm::EdDsa, &secrets, noon(), noon(), &OsRandom).unwrap();
        store.add_key(key, after(400)).await.unwrap();
    };
    for _ in 0..10 {
        tokio::join!(add(), add(), add(), add());
        let keys = store.keys().await.unwrap();
        assert_eq!(keys.iter().filter(|key| key.retires_at.is_none()).count(), 1);
    }
}
