//! Every history there is, within small bounds: an honest client under all faults at once, and a
//! thief who acts as often and whenever they like, with any of the tokens that they ever got.
//!
//! Of a state only what later decisions can see is kept: which tokens are the same, how far apart
//! times are up to the window, which generation is the older. So histories that differ in nothing
//! that matters are one state.

mod bound;
mod essence;
mod honest;
mod thief;
