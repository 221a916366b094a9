//! `countersign passwords`.

use std::fs::File;
use std::io::{self, BufRead, BufReader, IsTerminal, Read, Seek};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueHint};
use countersign::password::{BreachedWriter, Sha1};
use indicatif::{ProgressBar, ProgressStyle};

use super::output::{line, note};
use crate::command_error::CommandError;
use crate::text::thousands;

/// Lists of breached passwords
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  countersign passwords build-filter \
        pwned-passwords-sha1-ordered-by-hash.txt data/breached.filter")]
pub(super) struct PasswordsCommand {
    #[command(subcommand)]
    command: PasswordsCommands,
}

#[derive(Debug, Subcommand)]
enum PasswordsCommands {
    BuildFilter(BuildFilter),
}

impl PasswordsCommand {
    pub(super) fn run(self) -> Result<(), CommandError> {
        match self.command {
            PasswordsCommands::BuildFilter(command) => command.run(),
        }
    }
}

/// Make the file for `breached_passwords` of a published list
///
/// The list has a SHA-1 in hexadecimal at the beginning of each line, in ascending order; what
/// stands behind it, as `:42`, is passed over. It is read once and may be of any size. The command
/// takes some 5 MB of memory, and the file 2 bytes for each password.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  countersign passwords build-filter \
        pwned-passwords-sha1-ordered-by-hash.txt data/breached.filter\n  7z x -so pwned.7z | \
        countersign passwords build-filter --passwords 1000000000 - data/breached.filter")]
struct BuildFilter {
    /// The list; - for the standard input
    #[arg(value_name = "LIST", value_hint = ValueHint::FilePath)]
    list: PathBuf,
    /// The file to make; an older one is replaced when the new one is whole
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    to: PathBuf,
    /// About how many passwords the list has; estimated from the size of a file unless given
    #[arg(long, value_name = "NUMBER")]
    passwords: Option<u64>,
}

impl BuildFilter {
    fn run(self) -> Result<(), CommandError> {
        let is_input = self.list == Path::new("-");
        let fail = |error: &io::Error| {
            CommandError::new(format!("cannot read {}: {error}", self.list.display()))
        };
        let (reader, bytes, expected): (Box<dyn Read>, _, _) = if is_input {
            let expected = self.passwords.ok_or_else(|| {
                CommandError::new(
                    "how many passwords the standard input has cannot be told from it; say so with \
                     --passwords NUMBER",
                )
            })?;
            (Box::new(io::stdin().lock()), None, expected)
        } else {
            let mut file = File::open(&self.list).map_err(|error| fail(&error))?;
            let bytes = file.metadata().map_err(|error| fail(&error))?.len();
            let expected = match self.passwords {
                Some(expected) => expected,
                None => estimate(&mut file, bytes).map_err(|error| fail(&error))?,
            };
            (Box::new(file), Some(bytes), expected)
        };
        let mut lines = Lines::new(reader);
        let mut writer = BreachedWriter::create(&self.to, expected)?;
        let mut bar = Bar::new(bytes);
        while let Some(text) = lines.next().map_err(|error| fail(&error))? {
            if text.is_empty() {
                continue;
            }
            let hash = std::str::from_utf8(text)
                .ok()
                .and_then(|text| Sha1::parse(text.split(':').next().unwrap_or_default().trim()));
            let hash = hash.ok_or_else(|| {
                CommandError::new(format!(
                    "line {} of {} does not begin with a SHA-1 in 40 hexadecimal digits; it must \
                     be the list of SHA-1 hashes",
                    lines.number,
                    self.list.display()
                ))
            })?;
            writer.add(&hash)?;
            bar.tell(lines.number, lines.bytes);
        }
        let passwords = writer.finish()?;
        bar.end();
        line(format!(
            "Made {} of {} passwords. Of others about one in 1,000 is taken for one of them.",
            self.to.display(),
            thousands(passwords)
        ));
        if passwords > expected.saturating_add(expected / 8) {
            note(format!(
                "They are more than the {} that were expected, and so are the others that are \
                 taken for one; make it again with --passwords {passwords}.",
                thousands(expected)
            ));
        }
        Ok(())
    }
}

/// How many lines a file has, by the length of its first ones: a list of hashes has lines of nearly
/// one length.
fn estimate(file: &mut File, bytes: u64) -> io::Result<u64> {
    let mut beginning = Vec::new();
    file.by_ref().take(1 << 20).read_to_end(&mut beginning)?;
    file.rewind()?;
    let ends = beginning.iter().filter(|byte| **byte == b'\n').count().max(1) as u64;
    let exact = beginning.len() as u64 == bytes;
    // A line that does not end is one more.
    Ok(if exact { ends + 1 } else { bytes.saturating_mul(ends) / beginning.len().max(1) as u64 })
}

/// The lines, each bounded: what is no list must not fill the memory.
struct Lines {
    reader: BufReader<Box<dyn Read>>,
    line: Vec<u8>,
    number: u64,
    bytes: u64,
}

impl Lines {
    fn new(reader: Box<dyn Read>) -> Self {
        Self {
            reader: BufReader::with_capacity(1 << 20, reader),
            line: Vec::new(),
            number: 0,
            bytes: 0,
        }
    }

    fn next(&mut self) -> io::Result<Option<&[u8]>> {
        self.line.clear();
        let read = self.reader.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut self.line)?;
        if read == 0 {
            return Ok(None);
        }
        self.number += 1;
        self.bytes += read as u64;
        Ok(Some(self.line.trim_ascii()))
    }
}

/// How far it is: a bar on a terminal; elsewhere a line for each tenth.
struct Bar {
    bar: Option<ProgressBar>,
    bytes: Option<u64>,
    tenth: u64,
}

impl Bar {
    fn new(bytes: Option<u64>) -> Self {
        let template = match bytes {
            Some(_) => {
                "reading {bar:40} {decimal_bytes}/{decimal_total_bytes} {decimal_bytes_per_sec} \
                 {eta}"
            }
            None => "reading {spinner} {decimal_bytes} {decimal_bytes_per_sec}",
        };
        let bar = io::stderr().is_terminal().then(|| {
            let bar = bytes.map_or_else(ProgressBar::no_length, ProgressBar::new);
            match ProgressStyle::with_template(template) {
                Ok(style) => bar.with_style(style),
                Err(_) => bar,
            }
        });
        Self { bar, bytes, tenth: 0 }
    }

    fn tell(&mut self, passwords: u64, read: u64) {
        // Each line would cost more than it says.
        if !passwords.is_multiple_of(EACH) {
            return;
        }
        match (&self.bar, self.bytes) {
            (Some(bar), _) => bar.set_position(read),
            (None, Some(bytes)) => {
                let tenth = (read.saturating_mul(10)).checked_div(bytes).unwrap_or(10);
                if tenth != self.tenth {
                    self.tenth = tenth;
                    note(format!("reading: {tenth}0 %"));
                }
            }
            (None, None) => {}
        }
    }

    fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

const EACH: u64 = 16_384;
/// 40 digits, a colon, a number, the end.
const LONGEST_LINE: u64 = 256;
