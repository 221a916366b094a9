//! Failed logins that nodes count together.

use std::time::Duration;

use countersign::store::AttemptStore;
use countersign::throttle::shared::{AttemptKeys, Count, CountAttempt, CountedAttempt};
use countersign::throttle::{AccountKey, Attempt, Delays, LoginThrottle, ThrottleSettings};
use countersign::token::Secrets;
use countersign::token::device::DeviceId;

use super::*;

fn keys() -> AttemptKeys {
    AttemptKeys::new(&Secrets::from_text("a secret of at least thirty-two characters").unwrap())
}

fn on_two_nodes(promise: impl AsyncFnOnce([PostgresStore; 2])) {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
        .block_on(async {
            let url = Cluster::shared().database();
            let nodes = [
                PostgresStore::connect(&url, 8).await.unwrap(),
                PostgresStore::connect(&url, 8).await.unwrap(),
            ];
            promise(nodes).await;
        });
}

async fn count(node: &PostgresStore, attempt: &CountAttempt) -> Result<CountedAttempt, u32> {
    match node.shared_attempts().unwrap().count_attempt(attempt).await.unwrap() {
        Count::Counted(counted) => Ok(counted),
        Count::Wait(wait) => Err(wait.seconds()),
    }
}

#[test]
fn nodes_count_together_what_one_process_counts_alone() {
    // Three thousand steps, drawn by a generator that draws the same ones every time: everything is
    // answered as the process's own throttle answers it.
    on_two_nodes(async |nodes| {
        let mut settings = ThrottleSettings::default();
        settings.address_attempts = 0;
        settings.account_attempts = 3;
        settings.account_max_delay = Duration::from_secs(20);
        let (alone, delays, keys) =
            (LoginThrottle::new(settings), Delays::new(&settings).unwrap(), keys());
        let home = "192.0.2.1".parse().unwrap();
        let mut now = noon();
        let mut seed = 7_u64;
        let mut draw = |below: u64| {
            seed = seed
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) % below
        };
        let mut open: Vec<(Attempt, CountedAttempt)> = Vec::new();
        let (mut counted, mut refused) = (0, 0);
        for step in 0..3_000 {
            let node = &nodes[draw(2) as usize];
            let shared = node.shared_attempts().unwrap();
            let device = None;
            let account = match draw(4) {
                0 => AccountKey::Unknown("nobody"),
                1 => AccountKey::Named { user: UserId::new(1), by: "alice" },
                user => AccountKey::User(UserId::new(user as i64)),
            };
            let attempt = CountAttempt { key: keys.of(account, device), delays, now };
            match (alone.begin(account, device, home, now), count(node, &attempt).await) {
                (Ok(one), Ok(other)) => {
                    counted += 1;
                    open.push((one, other));
                }
                (Err(one), Err(other)) => {
                    refused += 1;
                    assert_eq!(one.seconds(), other, "step {step}");
                }
                (one, other) => panic!("step {step}: {one:?}, {other:?}"),
            }
            // Attempts end in any order, and late.
            if !open.is_empty() && draw(3) > 0 {
                let (one, other) = open.swap_remove(draw(open.len() as u64) as usize);
                match draw(10) {
                    0 => {
                        alone.succeeded(one);
                        shared.forget_attempts(other.key).await.unwrap();
                    }
                    1..3 => {
                        alone.cancelled(one);
                        shared.uncount_attempt(&other).await.unwrap();
                    }
                    _failed => drop((one, other)),
                }
            }
            now = match draw(12) {
                0 => now + SignedDuration::from_secs(draw(60) as i64),
                // Another node's clock stands behind.
                1 => now - SignedDuration::from_millis(draw(3_000) as i64),
                _ => now + SignedDuration::from_millis(draw(1_500) as i64),
            };
        }
        assert!(counted > 500 && refused > 500, "{counted}, {refused}");
    });
}

#[test]
fn parallel_guesses_on_all_nodes_do_not_exceed_the_budget() {
    on_two_nodes(async |nodes| {
        let (delays, keys) = (Delays::new(&ThrottleSettings::default()).unwrap(), keys());
        let nodes = nodes.map(Arc::new);
        for account in [AccountKey::User(UserId::new(1)), AccountKey::Unknown("nobody")] {
            let attempt = CountAttempt { key: keys.of(account, None), delays, now: noon() };
            let guesses: Vec<_> = (0..60)
                .map(|guess| {
                    let node = Arc::clone(&nodes[guess % 2]);
                    tokio::spawn(async move { count(&node, &attempt).await.is_ok() })
                })
                .collect();
            let mut passed = 0;
            for guess in guesses {
                passed += usize::from(guess.await.unwrap());
            }
            assert_eq!(passed, 5, "{account:?}");
        }
    });
}

#[test]
fn accounts_names_and_devices_are_counted_apart_and_named_to_nobody() {
    let keys = keys();
    let alice = AccountKey::User(UserId::new(1));
    let all = [
        keys.of(alice, None),
        keys.of(alice, Some(DeviceId(1))),
        keys.of(alice, Some(DeviceId(2))),
        keys.of(AccountKey::User(UserId::new(2)), None),
        keys.of(AccountKey::Unknown("1"), None),
        keys.of_all_devices(UserId::new(1)),
        keys.of_all_devices(UserId::new(2)),
    ];
    assert_eq!(all.iter().collect::<std::collections::HashSet<_>>().len(), all.len());
    // Nor can anybody tell from a count whether a text names somebody.
    assert_eq!(
        keys.of(AccountKey::Named { user: UserId::new(1), by: "alice" }, None),
        keys.of(AccountKey::Unknown("alice"), None)
    );
    let other = AttemptKeys::new(
        &Secrets::from_text("another secret of at least thirty-two characters").unwrap(),
    );
    assert_ne!(
        keys.of(alice, None),
        other.of(alice, None),
        "whoever reads the table cannot tell whose a row is"
    );
}

#[test]
fn what_has_faded_is_forgotten() {
    let url = Cluster::shared().database();
    let rows = || {
        Cluster::shared()
            .sql(url.rsplit('/').next().unwrap(), "SELECT count(*) FROM login_attempts")
    };
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
        let node = PostgresStore::connect(&url, 2).await.unwrap();
        let (delays, keys) = (Delays::new(&ThrottleSettings::default()).unwrap(), keys());
        let guess = async |name: &str| {
            count(
                &node,
                &CountAttempt {
                    key: keys.of(AccountKey::Unknown(name), None),
                    delays,
                    now: noon(),
                },
            )
            .await
        };
        guess("once").await.unwrap();
        for _ in 0..3 {
            guess("thrice").await.unwrap();
        }
        for (minutes, left) in [(14, "2"), (16, "1"), (44, "1"), (61, "0")] {
            node.prune(after(minutes * 60), after(minutes * 60), 100).await.unwrap();
            assert_eq!(rows(), left, "after {minutes} minutes");
        }
    });
}
