//! SQL that both databases speak, and what tells them apart.

pub(crate) mod estimate;
pub(crate) mod lists;
pub(crate) mod query;
pub(crate) mod searches;
pub(crate) mod statements;
