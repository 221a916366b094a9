//! The figures of `docs/performance.md`: each against its baseline in the same run, on this
//! machine, the load generator included.
//!
//! `scripts/bench` builds and runs it. Every load is bounded in time and goes to the loopback
//! address only.

mod bare;
mod faults;
mod library;
mod load;
mod open;
mod rows;
mod server;
mod stock;
mod table;

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        // A process of its own, as the server under test is one.
        ["bare", file] => {
            bare::serve(file);
            ExitCode::SUCCESS
        }
        ["protected", data, issuer, file] => {
            library::serve_protected(data, issuer, file);
            ExitCode::SUCCESS
        }
        ["verified", url, file] => {
            library::serve_verified(url, file);
            ExitCode::SUCCESS
        }
        ["faults"] => said(faults::print()),
        [] => said(table::print(rows::all())),
        [name] => said(table::print(rows::one(name))),
        _ => ExitCode::from(2),
    }
}

/// A missed bar is a failure.
fn said(all_cleared: bool) -> ExitCode {
    if all_cleared { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
