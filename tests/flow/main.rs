//! The flows: one file a feature, named as in the library.

mod algorithms;
mod cors;
mod csrf;
mod demo;
mod email_verify;
mod health;
mod jwks;
mod login;
mod login_throttle;
mod logout;
mod logout_all;
mod long_tokens;
mod native;
mod openapi;
mod password;
mod password_reset;
mod profile;
mod refresh;
mod register;
mod revocations;
mod sessions;
mod tour;
mod verify;
