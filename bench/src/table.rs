//! The table: what was measured, against what, and whether it clears its bar.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "the table is the output, and what explains it goes beside it"
)]

/// One row.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    /// What was measured.
    pub(crate) what: &'static str,
    /// What came out.
    pub(crate) measured: String,
    /// What it is held against.
    pub(crate) baseline: String,
    /// The ratio of the two, or what the bar speaks of.
    pub(crate) ratio: String,
    /// The bar.
    pub(crate) bar: &'static str,
    /// Whether it is cleared.
    pub(crate) cleared: bool,
}

/// Prints the rows as they come, in Markdown; whether each cleared its bar.
pub(crate) fn print(rows: impl Iterator<Item = Row>) -> bool {
    let mut all_cleared = true;
    println!("| what | measured | against | ratio | bar | |");
    println!("|---|---|---|---|---|---|");
    for row in rows {
        let verdict = if row.cleared { "cleared" } else { "**missed**" };
        println!(
            "| {} | {} | {} | {} | {} | {verdict} |",
            row.what, row.measured, row.baseline, row.ratio, row.bar
        );
        all_cleared &= row.cleared;
    }
    all_cleared
}

/// Prints a line.
pub(crate) fn line(text: &str) {
    println!("{text}");
}

/// Prints a line that is not for the table.
pub(crate) fn aside(text: &str) {
    eprintln!("{text}");
}

/// A rate.
pub(crate) fn per_second(rate: f64) -> String {
    let whole = rate.round() as u64;
    if whole >= 1000 {
        format!("{},{:03}/s", whole / 1000, whole % 1000)
    } else {
        format!("{rate:.1}/s")
    }
}

/// A share.
pub(crate) fn percent(share: f64) -> String {
    format!("{:.0} %", share * 100.0)
}

/// The middle one.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// The middle one of the ratios of each pair.
pub(crate) fn median_ratio(measured: &[f64], baseline: &[f64]) -> f64 {
    median(measured.iter().zip(baseline).map(|(measured, baseline)| measured / baseline).collect())
}
