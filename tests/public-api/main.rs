//! Prints what a crate shows to other crates, a line each, from rustdoc's JSON: `public-api JSON`.
//! `scripts/public-api` calls it.

use std::collections::HashSet;
use std::error::Error;
use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

use public_api::{Builder, PublicApi};

fn main() -> ExitCode {
    let Some(json) = std::env::args_os().nth(1) else {
        eprintln!("public-api: name the file of rustdoc's JSON");
        return ExitCode::FAILURE;
    };
    match print(&json) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("public-api: {error}");
            ExitCode::FAILURE
        }
    }
}

/// What is derived has the line that says so, and none for its methods: a `Clone` that is lost
/// shows.
fn print(json: &OsString) -> Result<(), Box<dyn Error>> {
    let written: HashSet<String> = lines(&read(json, true)?).collect();
    let mut out = std::io::stdout().lock();
    for line in lines(&read(json, false)?) {
        let is_derived = line.starts_with("impl") && !line.contains(INTERNAL);
        if is_derived || written.contains(&line) {
            writeln!(out, "{line}")?;
        }
    }
    Ok(())
}

/// Without what the compiler and the standard library add by themselves to every type.
fn read(json: &OsString, omit_derived: bool) -> Result<PublicApi, public_api::Error> {
    Builder::from_rustdoc_json(json)
        .omit_blanket_impls(true)
        .omit_auto_trait_impls(true)
        .omit_auto_derived_impls(omit_derived)
        .build()
}

fn lines(api: &PublicApi) -> impl Iterator<Item = String> {
    api.items().map(ToString::to_string)
}

/// Comes with a derived `PartialEq`, and is nothing that an app can name.
const INTERNAL: &str = "core::marker::StructuralPartialEq";
