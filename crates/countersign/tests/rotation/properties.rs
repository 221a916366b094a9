//! Properties over schedules and rows that proptest invents.

use std::time::Duration;

use countersign::session::rotation::{
    Generation, Mark, Presented, RACE_COST, RACE_CREDIT, RotationState, decide,
};
use proptest::prelude::*;

use crate::reference::Rules;
use crate::schedules::Exchange;
use crate::server::{WINDOW, jti};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// Requests and answers up to 15 s under way each, in any order, lost or doubled: only a long
    /// row of races could ever use up the credit.
    #[test]
    fn an_honest_browser_with_credit_is_never_refused(
        steps in prop::collection::vec(step(), 1..60),
    ) {
        let mut exchange = Exchange::new(decide);
        for Step { pause, request, doubled, answers } in steps {
            let mut answers = answers.into_iter().cycle();
            let until = exchange.now + pause;
            exchange.run(until, |_| answers.next().flatten(), &mut ());
            let row = &exchange.server.row;
            prop_assert!(!exchange.server.is_dead || row.race_credit < RACE_COST, "{row:?}");
            for delay in request.into_iter().chain(doubled) {
                exchange.send(delay);
            }
        }
    }

    /// A row of answers lost, however long and whatever the pauses, changes nothing: the next
    /// answer that arrives goes on from there.
    #[test]
    fn answers_lost_in_a_row_do_not_log_out(
        pauses in prop::collection::vec(0..100_000_000_u64, 1..100),
    ) {
        let mut exchange = Exchange::new(decide);
        for pause in pauses {
            exchange.send(0);
            let until = exchange.now + pause;
            exchange.run(until, |()| None, &mut ());
            prop_assert!(!exchange.server.is_dead);
        }
        exchange.send(0);
        let until = exchange.now;
        exchange.run(until, |()| Some(0), &mut ());
        prop_assert_eq!(exchange.jar.parent, Some(exchange.server.row.current_jti));
    }

    /// The decision agrees with the rules as a second hand wrote them down, for rows and tokens
    /// near to each other in every way.
    #[test]
    fn the_decision_is_the_specification(
        (row, token) in met(),
        now in near(),
        window in 0..60_u64,
    ) {
        let window = Duration::from_secs(window);
        let specified = Rules::ALL.decide(&row, &token, now, window);
        prop_assert_eq!(decide(&row, &token, now, window), specified);
    }

    /// Credit never leaves its bounds, and nothing that was said about a row contradicts it.
    #[test]
    fn a_new_state_is_a_state((row, token) in met(), now in near()) {
        use countersign::session::rotation::{Decision, Rule};
        if let Decision::Mint { child, rule, state, .. } = decide(&row, &token, now, WINDOW) {
            let after = state.unwrap_or(row);
            prop_assert!(after.race_credit <= RACE_CREDIT);
            prop_assert_eq!(
                child.parent, after.current_jti,
                "a child is always the current token's"
            );
            prop_assert_eq!(child.generation, Generation(after.generation.0 + 1));
            let stays = matches!(rule, Rule::Repeated | Rule::Race | Rule::Restart);
            prop_assert_eq!(after.current_jti == row.current_jti, stays);
        }
    }
}

#[derive(Debug, Clone)]
struct Step {
    pause: u64,
    request: Option<u64>,
    doubled: Option<u64>,
    answers: Vec<Option<u64>>,
}

fn step() -> impl Strategy<Value = Step> {
    let pause = prop_oneof![0..20_000_u64, Just(60_000), Just(300_000), Just(7_200_000)];
    let delay = || prop_oneof![Just(0), Just(15_000), 0..=15_000_u64];
    let answers = prop::collection::vec(prop::option::weighted(0.85, delay()), 1..6);
    (pause, prop::option::weighted(0.8, delay()), prop::option::weighted(0.1, delay()), answers)
        .prop_map(|(pause, request, doubled, answers)| Step { pause, request, doubled, answers })
}

fn row() -> impl Strategy<Value = RotationState> {
    (
        0..4_u64,
        0..6_u64,
        near(),
        near(),
        0..=RACE_CREDIT,
        prop::option::of(0..4_u64),
        mark(),
        mark(),
    )
        .prop_map(
            |(
                generation,
                current,
                current_iat,
                current_since,
                race_credit,
                charged,
                mark,
                earlier_mark,
            )| RotationState {
                generation: Generation(generation),
                current_jti: jti(current),
                current_iat,
                current_since,
                race_credit,
                race_charged: charged.map(Generation),
                mark,
                earlier_mark,
            },
        )
}

fn mark() -> impl Strategy<Value = Mark> {
    (0..4_u64, near())
        .prop_map(|(generation, since)| Mark { generation: Generation(generation), since })
}

/// A row and a token that is presented to it. A token has one generation only, so the current one
/// has the row's.
fn met() -> impl Strategy<Value = (RotationState, Presented)> {
    (row(), 0..6_u64, 0..6_u64, prop::option::of(0..6_u64), near()).prop_map(
        |(row, generation, own, parent, issued_at)| {
            let generation =
                if jti(own) == row.current_jti { row.generation } else { Generation(generation) };
            (row, Presented { generation, jti: jti(own), parent: parent.map(jti), issued_at })
        },
    )
}

fn near() -> impl Strategy<Value = u64> {
    prop_oneof![0..200_u64, Just(u64::MAX)]
}
