//! What pages are made of.

pub(crate) mod audit;
pub(crate) mod chart;
pub(crate) mod csv;
pub(crate) mod field;
pub(crate) mod forms;
pub(crate) mod frame;
pub(crate) mod keys;
pub(crate) mod letters;
pub(crate) mod listing;
pub(crate) mod page;
pub(crate) mod page_error;
pub(crate) mod permissions;
pub(crate) mod picker;
pub(crate) mod session_story;
pub(crate) mod style;
pub(crate) mod user_form;
pub(crate) mod user_link;
pub(crate) mod users;
pub(crate) mod when;
