//! How operations run: on a connection of the pool, for so long, and again or not.

/// Runs an operation on a connection of the pool: its result, and whether the connection was cut.
/// One that gives no answer in time is closed, not used again.
macro_rules! run {
    ($store:ident, $client:ident => $operation:expr) => {{
        let mut lent = $store.pool.get().await.map_err(crate::store::postgres::not_lent)?;
        let $client = &mut lent;
        let done = tokio::time::timeout(crate::store::postgres::PATIENCE, $operation).await;
        match done {
            Ok(result) => {
                let is_cut = lent.is_closed();
                // One on which the server had its last word may look alive for a moment: nobody is
                // to meet it in the pool.
                if crate::store::postgres::health::is_unknown(&result) {
                    drop(deadpool_postgres::Object::take(lent));
                }
                (result, is_cut)
            }
            Err(_) => {
                drop(deadpool_postgres::Object::take(lent));
                (Err(crate::store::postgres::no_answer().into()), false)
            }
        }
    }};
}

/// An operation that changes nothing. Where the server cut the connection, as it does when it is
/// restarted, it is run once more.
macro_rules! read {
    ($store:ident, $client:ident => $operation:expr) => {{
        let (result, is_cut) = run!($store, $client => $operation);
        let result = if is_cut && result.is_err() {
            run!($store, $client => $operation).0
        } else {
            result
        };
        result.map_err(|crate::store::failure::Failure(error)| {
            crate::store::postgres::Verdict::undone(error)
        })
    }};
}

/// An operation that changes something. It is run once: whether one that was cut off has been done
/// cannot be known here.
macro_rules! write {
    ($store:ident, $client:ident => $operation:expr) => {{
        let result = run!($store, $client => $operation).0;
        let result = result.map_err(|crate::store::failure::Failure(error)| error);
        $store.health.note(&result);
        result
    }};
}
