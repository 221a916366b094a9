//! The flows: one file a feature, named as in the library.

mod login;
