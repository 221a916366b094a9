//! The tables in `docs/rotation.md` are what these tests measure, to the digit.

use countersign::session::rotation::decide;

use crate::adversary::{PLANS, VICTIMS, search};
use crate::bound::{self, Kept, NETWORKS, Rules, Stolen, THEFTS as STOLEN, cast};
use crate::comparison::{self, CLIENTS, Row};
use crate::promises::{Found, HONEST, NEVER, RUNS, STEPS, THEFTS, Tally};
use crate::thieves::{BUSY, PATIENT, PERIODS};

#[test]
fn the_page_on_rotation_shows_what_is_measured() {
    let missing: Vec<String> = [honest(), bound(), thieves(), stolen(), searched(), algorithms()]
        .into_iter()
        .filter(|table| !PAGE.contains(table))
        .collect();
    assert!(missing.is_empty(), "docs/rotation.md should have:\n\n{}", missing.join("\n"));
}

fn honest() -> String {
    let mut table = format!(
        "| honest browser, {} lives of {STEPS} steps | each way up to | overlapping | lost | \
         doubled | rollbacks | dies | refused | races per 100 refreshes \
         |\n|---|---|---|---|---|---|---|---|---|\n",
        thousands(RUNS)
    );
    for schedule in &HONEST {
        let tally = Tally::of(decide, schedule, RUNS);
        let [delay, races] = [
            schedule.delay as f64 / 1_000.0,
            100.0 * tally.races as f64 / tally.generations as f64,
        ];
        let [busy, lost, doubled, rollback, dies] =
            [schedule.busy, schedule.lost, schedule.doubled, schedule.rollback, schedule.dies]
                .map(|per_mille| per_mille / 10);
        table += &format!(
            "| {} | {delay} s | {busy} % | {lost} % | {doubled} % | {rollback} % | {dies} % | {} | \
             {races:.2} |\n",
            schedule.name, tally.refused
        );
    }
    table
}

fn bound() -> String {
    let mut table = format!(
        "| honest browser that can be bound, {} lives of {STEPS} steps | each way up to | lost | \
         dies | refused unbound | refused bound | bound at the end | proofs | put off, of 100 \
         refreshes |\n|---|---|---|---|---|---|---|---|---|\n",
        thousands(RUNS)
    );
    for schedule in bound::honest() {
        let [unbound, bound] =
            [Rules::UNBOUND, Rules::ALL].map(|rules| Kept::of(rules, schedule, RUNS));
        let of_refreshes = |count: u64| 100.0 * count as f64 / bound.granted as f64;
        table += &format!(
            "| {} | {} s | {} % | {} % | {} | {} | {} | {:.1} | {:.1} |\n",
            schedule.name,
            schedule.delay as f64 / 1_000.0,
            schedule.lost / 10,
            schedule.dies / 10,
            unbound.refused,
            bound.refused,
            bound.bound,
            of_refreshes(bound.proofs),
            of_refreshes(bound.put_off),
        );
    }
    table
}

fn stolen() -> String {
    let mut table = format!(
        "| thief with the whole jar, {STOLEN} thefts each; tokens for: median, at most | unbound | \
         victims logged out | bound | victims logged out |\n|---|---|---|---|---|\n"
    );
    for (name, plan, tries) in cast() {
        for network in &NETWORKS {
            let cells = [Rules::UNBOUND, Rules::ALL].map(|rules| {
                let Stolen { median, most, refused, .. } = Stolen::of(rules, network, plan, tries);
                format!("{} s, {} s | {refused}", thousands(median as u32), thousands(most as u32))
            });
            table += &format!("| {name}; {} | {} |\n", network.name, cells.join(" | "));
        }
    }
    table
}

fn thieves() -> String {
    let mut table = format!(
        "| thief, {THEFTS} thefts each; found at refresh: median, at most | the victim refreshes \
         every 65 s | every 5 min | every hour |\n|---|---|---|---|\n"
    );
    for thief in BUSY.iter().chain(&PATIENT) {
        let cells = PERIODS.map(|period| match Found::of(decide, thief, period, THEFTS) {
            Found { last: NEVER, .. } => "never".to_owned(),
            Found { runs, .. } if runs < THEFTS => format!("{runs} found"),
            Found { median, last, .. } => format!("{median}, {last}"),
        });
        table += &format!("| {} | {} |\n", thief.name, cells.join(" | "));
    }
    table
}

fn searched() -> String {
    let mut table = format!(
        "| the longest-lived of {} plans, the victim refreshes every | the thief acts at each \
         refresh | at every second or third |\n|---|---|---|\n",
        thousands(PLANS)
    );
    for (period, _) in VICTIMS {
        let [each, rests] = search(decide, period, PLANS).life;
        table += &format!("| {} s | {each} | {rests} |\n", thousands(period as u32));
    }
    table
}

fn algorithms() -> String {
    let mut table =
        "| algorithm | wrong logouts: 1 % lost answers | parallel tabs | late answers | theft \
         found | at refresh |\n|---|---|---|---|---|---|\n"
            .to_owned();
    for Row { name, wrong, found, median } in comparison::rows() {
        let [lost, tabs, late, found] = [wrong[0], wrong[1], wrong[2], found]
            .map(|clients| format!("{:.1} %", 100.0 * f64::from(clients) / f64::from(CLIENTS)));
        let median = median.map_or("never".to_owned(), |median| median.to_string());
        table += &format!("| {name} | {lost} | {tabs} | {late} | {found} | {median} |\n");
    }
    table
}

fn thousands(number: u32) -> String {
    if number < 1_000 {
        number.to_string()
    } else {
        format!("{},{:03}", number / 1_000, number % 1_000)
    }
}

const PAGE: &str = include_str!("../../../../docs/rotation.md");
