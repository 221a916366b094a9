//! Bars over time, drawn on the server as SVG: nothing runs in the browser.

use std::fmt::Write;

use crate::text::thousands;

/// A chart.
#[derive(Debug)]
pub(crate) struct Chart {
    pub(crate) title: &'static str,
    /// What all bars come to, in words.
    pub(crate) total: String,
    /// Where the things are that it counts.
    pub(crate) href: Option<&'static str>,
    /// The picture, as HTML.
    pub(crate) svg: String,
}

/// A bar: what it stands for, and how high it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Bar {
    pub(crate) label: String,
    pub(crate) value: u64,
}

impl Chart {
    /// A chart of these bars, of at least one.
    pub(crate) fn new(title: &'static str, total: String, bars: &[Bar]) -> Self {
        Self { title, svg: svg(title, &total, bars), total, href: None }
    }

    /// With the way to what it counts, for who may go there.
    pub(crate) fn linked(mut self, href: Option<&'static str>) -> Self {
        self.href = href;
        self
    }
}

fn svg(title: &str, total: &str, bars: &[Bar]) -> String {
    let top = ceiling(bars.iter().map(|bar| bar.value).max().unwrap_or(0));
    let mut svg = format!(
        "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{title}: {total}\">"
    );
    for (share, value) in [(0, top), (1, top / 2), (2, 0)] {
        let y = TOP + PLOT * share / 2;
        let _ = write!(
            svg,
            "<path class=\"grid\" d=\"M{LEFT} {y}.5H{WIDTH}\"/><text x=\"{}\" y=\"{}\" \
             text-anchor=\"end\">{}</text>",
            LEFT - 6,
            y + 4,
            short(value)
        );
    }
    let step = (WIDTH - LEFT) as f64 / bars.len().max(1) as f64;
    for (i, bar) in bars.iter().enumerate() {
        let (x, height) =
            (LEFT as f64 + step * i as f64, PLOT as f64 * bar.value as f64 / top as f64);
        // A bar that is not zero is seen, however small.
        let height = if bar.value > 0 { height.max(1.5) } else { 0.0 };
        let _ = write!(
            svg,
            "<rect class=\"bar\" x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" \
             height=\"{height:.1}\"><title>{}: {}</title></rect>",
            x + step * 0.12,
            (TOP + PLOT) as f64 - height,
            step * 0.76,
            bar.label,
            thousands(bar.value)
        );
    }
    if let [first, .., last] = bars {
        let y = TOP + PLOT + 16;
        let _ = write!(
            svg,
            "<text x=\"{LEFT}\" y=\"{y}\">{}</text><text x=\"{WIDTH}\" y=\"{y}\" \
             text-anchor=\"end\">{}</text>",
            first.label, last.label
        );
    }
    svg.push_str("</svg>");
    svg
}

/// The next number that is easy to read, and even: 2, 4, 10, 20, 40, 100 …
fn ceiling(most: u64) -> u64 {
    let mut power: u64 = 1;
    loop {
        for digit in [2, 4, 10] {
            let top = power.saturating_mul(digit);
            if top >= most {
                return top;
            }
        }
        power = power.saturating_mul(10);
    }
}

/// A number of four characters at most, or nearly.
fn short(n: u64) -> String {
    match n {
        0..10_000 => n.to_string(),
        10_000..10_000_000 => format!("{} k", n / 1_000),
        10_000_000..10_000_000_000 => format!("{} M", n / 1_000_000),
        _ => format!("{} G", n / 1_000_000_000),
    }
}

const WIDTH: u32 = 640;
const HEIGHT: u32 = 190;
const LEFT: u32 = 48;
const TOP: u32 = 8;
const PLOT: u32 = 152;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_bar_has_room_and_the_axis_easy_numbers() {
        for (most, top) in [
            (0, 2),
            (1, 2),
            (3, 4),
            (5, 10),
            (11, 20),
            (41, 100),
            (1_001, 2_000),
            (u64::MAX, u64::MAX),
        ] {
            assert_eq!(ceiling(most), top, "{most}");
        }
    }

    #[test]
    fn a_bar_says_what_it_stands_for_and_a_small_one_is_seen() {
        let bars = [("00:00", 0), ("01:00", 1), ("02:00", 100_000)]
            .map(|(label, value)| Bar { label: label.to_owned(), value });
        let svg = Chart::new("Logins", "100,001".to_owned(), &bars).svg;
        assert!(svg.contains("height=\"0.0\"><title>00:00: 0</title>"), "{svg}");
        assert!(svg.contains("height=\"1.5\"><title>01:00: 1</title>"), "{svg}");
        assert!(svg.contains("height=\"152.0\"><title>02:00: 100,000</title>"), "{svg}");
        assert!(svg.contains("aria-label=\"Logins: 100,001\""), "{svg}");
    }
}
