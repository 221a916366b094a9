//! How operations run: on a connection of the pool, for so long, and again or not.

/// Runs an operation on a connection of the pool: its result, and whether the connection was cut. One that gives no answer in time is closed, not used again.
macro_rules! once {
    ($store:ident, $client:ident => $operation:expr) => {{
        let mut lent = $store.pool.get().await.map_err(crate::store::StoreError::from)?;
        let $client = &mut lent;
        let done = tokio::time::timeout(crate::store::postgres::PATIENCE, $operation).await;
        match done {
            Ok(result) => (result, lent.is_closed()),
            Err(_) => {
                drop(deadpool_postgres::Object::take(lent));
                (Err(crate::store::postgres::no_answer().into()), false)
            }
        }
    }};
}

/// An operation that changes nothing. Where the server cut the connection, as it does when it is restarted, it is asked once more.
macro_rules! ask {
    ($store:ident, $client:ident => $operation:expr) => {{
        let (result, is_cut) = once!($store, $client => $operation);
        if is_cut && result.is_err() { once!($store, $client => $operation).0 } else { result }
    }};
}

/// An operation that changes something. It is told once: whether one that was cut off has been done cannot be known here.
macro_rules! tell {
    ($store:ident, $client:ident => $operation:expr) => {
        once!($store, $client => $operation).0
    };
}
