//! The binary `countersign`: configuration, command line, serving.

#![warn(clippy::unwrap_used)]

mod admin;
mod app;
mod command;
mod config;
mod descriptors;
mod failure;
mod logs;
mod operate;
mod record;
mod serve;
mod text;
mod world;

use std::process::ExitCode;

fn main() -> ExitCode {
    command::run()
}
