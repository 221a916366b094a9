//! From the start of the process to its first answer.

use crate::server::{Hash, start_to_first_answer};
use crate::stock::Stock;
use crate::table::{Row, median};

pub(super) fn measure() -> Vec<Row> {
    let stock = Stock::of(1_000, Hash::Default);
    let times =
        (0..20).map(|_| start_to_first_answer(&stock.data()).as_secs_f64() * 1000.0).collect();
    let middle = median(times);
    vec![Row {
        what: "start to the first 200 on an existing data directory",
        measured: format!("{middle:.0} ms"),
        baseline: "median of 20".to_owned(),
        ratio: String::new(),
        bar: "≤ 50 ms",
        cleared: middle <= 50.0,
    }]
}
