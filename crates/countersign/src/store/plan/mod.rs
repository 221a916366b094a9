//! What a change comes to, decided without a database: functions of the rows as they are and of
//! what is asked.
//!
//! A store reads the rows within a transaction, asks here for a plan, applies it, and writes the
//! lines that the plan has for the audit log, all within the same transaction. So each rule stands
//! once, whatever the database, and is tested here.

pub(crate) mod audit_lines;
pub(crate) mod bulk_act;
pub(crate) mod grants;
pub(crate) mod group_save;
pub(crate) mod names;
pub(crate) mod permission_save;
pub(crate) mod service_power;
pub(crate) mod superusers;
pub(crate) mod user_edit;
