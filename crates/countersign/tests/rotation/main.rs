//! The evidence for the rotation protocol: random schedules, an exhaustive model, mutants that must
//! be caught, and the tables of `docs/rotation.md`.

mod adversary;
mod bound;
mod comparison;
mod document;
mod model;
mod mutants;
mod promises;
mod properties;
mod reference;
mod rng;
mod schedules;
mod server;
mod thieves;
