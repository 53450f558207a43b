//! The macros of `micro`.
