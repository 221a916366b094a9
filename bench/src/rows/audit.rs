//! What the audit log takes from refreshes: lines are written in the transactions that are written
//! anyway.

use std::sync::Arc;
use std::time::Duration;

use countersign::store::admin::{AuditKind, AuditLine, AuditLog, Who};
use countersign::store::sqlite::SqliteStore;
use countersign::user::UserId;
use jiff::Timestamp;

use super::refresh::store_beside;
use super::{RUN, RUNS};
use crate::table::{Row, median, median_ratio, per_second, percent};

pub(super) fn measure() -> Vec<Row> {
    let (mut noted, mut alone) = (Vec::new(), Vec::new());
    for _ in 0..RUNS {
        noted.push(store_beside(RUN, note));
        alone.push(store_beside(RUN, |_| async {}));
    }
    let ratio = median_ratio(&noted, &alone);
    let (noted, alone) = (median(noted), median(alone));
    vec![Row {
        what: "rotations of the store alone, durable, while 200 lines a second go into the audit \
            log",
        measured: per_second(noted),
        baseline: format!("without a log: {}", per_second(alone)),
        ratio: percent(ratio),
        bar: "≥ 95 %",
        cleared: ratio >= 0.95,
    }]
}

/// As many logins as two cores could hash passwords for, and more, told as the server tells them:
/// what came meanwhile, together.
async fn note(store: Arc<SqliteStore>) {
    let line = AuditLine {
        at: Timestamp::now(),
        kind: AuditKind::Login,
        actor: Some(Who::User(UserId::new(1))),
        user: Some(UserId::new(1)),
        session: None,
        ip: Some([192, 0, 2, 1].into()),
        detail: "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) \
            Chrome/130.0 Safari/537.36"
            .to_owned(),
    };
    let mut ticks = tokio::time::interval(Duration::from_millis(10));
    loop {
        ticks.tick().await;
        store.note(&[line.clone(), line.clone()]).await.expect("lines");
    }
}
