//! The admin site, as browsers without scripts see it. What needs a real browser is in `browser/`.

mod acts;
mod audit;
mod escaping;
mod factors;
mod first_user;
mod forms;
mod hooks;
mod keys;
mod letters;
mod lists;
mod office;
mod rules;
mod sessions;
mod sign_in;
mod site;
mod stores;
mod tokens;
