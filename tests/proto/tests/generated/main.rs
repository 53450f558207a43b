//! What micro-build generates from the files in `proto/`, compiled for real.
#![allow(clippy::unwrap_used, reason = "in a test it is how to fail")]

mod anything;
mod canonical;
mod deviations;
mod messages;
mod oracle;
mod properties;
