//! What commands print: results on standard output, one sentence of failure on standard error.

use std::io::{self, Write};

use comfy_table::{ContentArrangement, Table, presets};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde::Serialize;

use crate::command_error::CommandError;

/// A line of result, for people.
pub(super) fn line(text: impl AsRef<str>) {
    self::text(&format!("{}\n", shown_lines(text.as_ref())));
}

/// Text that ends itself, as it is.
pub(super) fn text(text: &str) {
    let Err(error) = print(text) else { return };
    // A reader who has read enough, as `head` does, is told nothing.
    if error.kind() != io::ErrorKind::BrokenPipe {
        self::error(&format!(
            "the output cannot be written: {error}. What was to be changed is changed; what was to \
             be printed is not whole"
        ));
    }
    std::process::exit(1);
}

/// A line that is shown this once. Where it cannot be written, `lost` says what is to be done, also
/// where its reader is gone.
pub(super) fn once(text: &str, lost: &str) {
    if let Err(error) = print(&format!("{text}\n")) {
        self::error(&format!("the output cannot be written: {error}. {lost}"));
        std::process::exit(1);
    }
}

fn print(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush())
}

/// A line that is not the result: progress, advice.
pub(super) fn note(text: impl AsRef<str>) {
    tell(text.as_ref());
}

/// The sentence of a failure.
pub(super) fn error(sentence: &str) {
    tell(&format!("error: {sentence}"));
}

/// The reader of standard error may be gone: a command goes on all the same.
fn tell(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{}", shown_lines(text));
}

/// A result for scripts.
pub(super) fn json(value: &impl Serialize) -> Result<(), CommandError> {
    text(&format!("{}\n", serde_json::to_string_pretty(value)?));
    Ok(())
}

/// A list for scripts, printed as it comes: an array with an entry a line.
#[derive(Debug, Default)]
pub(super) struct JsonList {
    begun: bool,
}

impl JsonList {
    /// Prints these entries.
    pub(super) fn print(&mut self, entries: &[impl Serialize]) -> Result<(), CommandError> {
        let mut lines = String::new();
        for entry in entries {
            lines.push_str(if self.begun { ",\n  " } else { "[\n  " });
            lines.push_str(&serde_json::to_string(entry)?);
            self.begun = true;
        }
        text(&lines);
        Ok(())
    }

    /// Prints the end.
    pub(super) fn end(self) {
        line(if self.begun { "\n]" } else { "[]" });
    }
}

/// A result for people.
pub(super) fn table<const N: usize>(head: [&str; N], rows: impl IntoIterator<Item = [String; N]>) {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled)
        .set_header(head);
    for row in rows {
        table.add_row(row.map(|cell| shown(&cell)));
    }
    if let Some(first) = table.column_mut(0) {
        first.set_padding((0, 1));
    }
    line(table.to_string().lines().map(str::trim_end).collect::<Vec<_>>().join("\n"));
}

/// A row of a table that is printed as it comes: each cell is at least as wide as its column, and
/// its text as harmless as in a table.
pub(super) fn columns<const N: usize>(widths: [usize; N], cells: &[String; N]) -> String {
    let cells = cells.iter().zip(widths).map(|(cell, width)| format!("{:<width$}", shown(cell)));
    cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
}

/// Whether nobody reads any more what is printed: the other end of a pipe is closed. Who prints now
/// and then would else notice it with the next line, which may be a day away.
pub(super) fn is_unread() -> bool {
    let out = io::stdout();
    let mut watched = [PollFd::new(&out, PollFlags::empty())];
    let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
    let gone = PollFlags::ERR | PollFlags::HUP;
    poll(&mut watched, Some(&at_once)).is_ok() && watched[0].revents().intersects(gone)
}

/// A text that a user wrote must neither move the reader's cursor nor turn the text round.
pub(super) fn shown(cell: &str) -> String {
    cell.chars().map(|c| if c.is_control() || turns(c) { '\u{fffd}' } else { c }).collect()
}

/// The same of a text of ours, which may have several lines, and something of a user's in it.
fn shown_lines(text: &str) -> String {
    let is_ours = |c| matches!(c, '\n' | '\t');
    let is_bad = |c: char| !is_ours(c) && (c.is_control() || turns(c));
    text.chars().map(|c| if is_bad(c) { '\u{fffd}' } else { c }).collect()
}

/// Whether a character turns the direction of what comes after it.
fn turns(c: char) -> bool {
    let directions = ['\u{61c}', '\u{200e}', '\u{200f}'];
    directions.contains(&c)
        || ('\u{202a}'..='\u{202e}').contains(&c)
        || ('\u{2066}'..='\u{2069}').contains(&c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_user_wrote_neither_moves_the_cursor_nor_turns_the_text_round() {
        assert_eq!(shown("a\u{1b}[2Jb\u{9b}31m\r\nc"), "a\u{fffd}[2Jb\u{fffd}31m\u{fffd}\u{fffd}c");
        assert_eq!(shown("\u{202e}nimda\u{2066}\u{200f}"), "\u{fffd}nimda\u{fffd}\u{fffd}");
        assert_eq!(shown("Zoë שרה 李"), "Zoë שרה 李");
        let row = ["a\nb", "c", "\u{1b}[2J"].map(str::to_owned);
        assert_eq!(columns([4, 2, 0], &row), "a\u{fffd}b   c   \u{fffd}[2J");
        let line = "no user a\u{1b}]0;b\u{7}\u{202e}:\n\tleft out";
        assert_eq!(shown_lines(line), "no user a\u{fffd}]0;b\u{fffd}\u{fffd}:\n\tleft out");
    }
}
