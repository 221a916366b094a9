//! What is promised of tickets.

use std::sync::Arc;

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

pub async fn what_was_used_is_forgotten_when_its_time_is_over(store: Arc<dyn AdminStore>) {
    let (one, other) = (TicketId([1; 16]), TicketId([2; 16]));
    assert!(store.use_ticket(one, after(0), after(100)).await.unwrap());
    assert!(store.use_ticket(other, after(100), after(200)).await.unwrap());
    // Which shows that nothing is left of it: a ticket of that age is refused before.
    assert!(store.use_ticket(one, after(100), after(200)).await.unwrap());
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
