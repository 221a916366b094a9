//! The command line: one file a command.

mod config;
mod createsuperuser;
mod factors;
mod keys;
mod operation;
mod password;
mod passwords;
mod session;
mod terminal;
mod token;
mod user;
