//! The evidence for the sign-in machine: its promises for any input, an exhaustive model of doors
//! that are used at once, and mutants that must be caught.

mod model;
mod page;
mod properties;
mod words;
