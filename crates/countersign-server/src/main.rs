//! The binary `countersign`: configuration, command line, serving.

#![warn(clippy::unwrap_used)]

mod admin;
mod app;
mod command;
mod command_error;
mod config;
mod cursor;
mod descriptors;
mod hooks;
mod logs;
mod manage;
mod marker;
mod operate;
mod passkey_script;
mod range_service;
mod record;
mod serve;
mod services;
mod text;

use std::process::ExitCode;

fn main() -> ExitCode {
    command::run()
}
