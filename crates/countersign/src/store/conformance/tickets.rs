//! What is promised of tickets.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use super::fixtures::after;
use crate::store::admin::AdminStore;
use crate::token::TicketId;

pub async fn a_ticket_is_used_once_and_another_is_another(store: Arc<dyn AdminStore>) {
    let (one, other) = (TicketId([1; 16]), TicketId([2; 16]));
    assert!(store.use_ticket(one, after(0), after(100)).await.unwrap());
    assert!(!store.use_ticket(one, after(99), after(200)).await.unwrap());
    assert!(store.use_ticket(other, after(99), after(200)).await.unwrap());
}

pub async fn what_was_used_is_forgotten_when_its_time_has_been_over_for_a_while(
    store: Arc<dyn AdminStore>,
) {
    let (one, other) = (TicketId([1; 16]), TicketId([2; 16]));
    assert!(store.use_ticket(one, after(0), after(100)).await.unwrap());
    store.agree_on_time(after(LATE), Duration::ZERO).await.unwrap();
    assert!(store.use_ticket(other, after(LATE), after(LATE + 100)).await.unwrap());
    // Which shows that nothing is left of it: a ticket of that age is refused before.
    assert!(store.use_ticket(one, after(LATE), after(LATE + 100)).await.unwrap());
}

pub async fn a_clock_that_is_ahead_lets_nobody_use_a_ticket_twice(store: Arc<dyn AdminStore>) {
    let (one, other) = (TicketId([1; 16]), TicketId([2; 16]));
    store.agree_on_time(after(0), Duration::ZERO).await.unwrap();
    assert!(store.use_ticket(one, after(0), after(30)).await.unwrap());
    // On a node whose clock is ahead, by which the store's idea of the time has moved a little.
    store.agree_on_time(after(LATE), Duration::from_secs(300)).await.unwrap();
    assert!(store.use_ticket(other, after(LATE), after(LATE + 30)).await.unwrap());
    assert!(!store.use_ticket(one, after(10), after(30)).await.unwrap());
}

pub async fn of_fifty_who_show_one_ticket_on_two_nodes_one_is_let_in(
    nodes: [Arc<dyn AdminStore>; 2],
) {
    let mut shown = JoinSet::new();
    for number in 0..50 {
        let node = Arc::clone(&nodes[number % 2]);
        shown.spawn(async move {
            node.use_ticket(TicketId([1; 16]), after(0), after(100)).await.unwrap()
        });
    }
    let let_in = shown.join_all().await.into_iter().filter(|is_first| *is_first).count();
    assert_eq!(let_in, 1);
}

/// When a ticket of a minute ago or two is over for long enough.
const LATE: i64 = 3_600;
