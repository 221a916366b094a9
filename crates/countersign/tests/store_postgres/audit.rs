//! The audit log in PostgreSQL, as it is carried elsewhere: transactions end out of order.

use countersign::store::admin::{AuditKind, AuditLine, AuditLog, AuditPlace, Who};

use super::postgres::{run, shell};
use super::*;

fn line(detail: &str) -> AuditLine {
    AuditLine {
        at: after(1),
        kind: AuditKind::UserChanged,
        actor: Some(Who::shell("root")),
        user: None,
        session: None,
        ip: None,
        detail: detail.to_owned(),
    }
}

async fn read(store: &PostgresStore, place: &mut Option<AuditPlace>) -> Vec<String> {
    let lines = store.audit_after(*place, 100).await.unwrap().unwrap();
    *place = lines.last().map(|line| line.place).or(*place);
    lines.into_iter().map(|line| line.row.line.detail).collect()
}

#[test]
fn a_line_whose_transaction_ends_late_is_not_skipped() {
    run(async |url| {
        let store = PostgresStore::connect(&url, 4).await.unwrap();
        let (mut early, mut late) = (shell(&url).await, shell(&url).await);
        let insert = "INSERT INTO audit_events (at, kind, detail) VALUES (1, 'login', $1)";
        // The number of the one is drawn first, and the transaction of the other began first.
        let second = late.transaction().await.unwrap();
        second.execute("UPDATE users SET id = id", &[]).await.unwrap();
        second.query_one("SELECT pg_current_xact_id()::text", &[]).await.unwrap();
        let first = early.transaction().await.unwrap();
        first.execute(insert, &[&"first"]).await.unwrap();
        second.execute(insert, &[&"second"]).await.unwrap();
        store.note(&[line("third")]).await.unwrap();
        let (mut place, mut met) = (None, read(&store, &mut None).await);
        assert_eq!(met, Vec::<String>::new(), "nothing is read that something may come before");
        second.commit().await.unwrap();
        met.extend(read(&store, &mut place).await);
        first.commit().await.unwrap();
        for _ in 0..1_000 {
            met.extend(read(&store, &mut place).await);
            if met.len() >= 3 {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        assert_eq!(met, ["second", "first", "third"]);
        assert_eq!(read(&store, &mut place).await, Vec::<String>::new());
    });
}

#[test]
fn lines_of_a_restored_dump_are_read_before_those_that_are_new() {
    run(async |url| {
        let store = PostgresStore::connect(&url, 4).await.unwrap();
        store.note(&[line("old"), line("older")]).await.unwrap();
        shell(&url)
            .await
            .execute("UPDATE audit_events SET xid = xid + 1000000000", &[])
            .await
            .unwrap();
        let mut place = None;
        assert_eq!(read(&store, &mut place).await, Vec::<String>::new());
        let store = PostgresStore::connect(&url, 4).await.unwrap();
        assert_eq!(read(&store, &mut place).await, ["old", "older"]);
        store.note(&[line("new")]).await.unwrap();
        for _ in 0..1_000 {
            if read(&store, &mut place).await == ["new"] {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        panic!("the new line does not come");
    });
}
