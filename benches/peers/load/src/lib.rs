//! The load generator that all stacks share.
//!
//! A stack is measured by a program of its own, whose main function is [`main`]. It has two halves, each
//! in a process of its own: `server`, which binds a port that the system chooses, says which one, and runs
//! until its input ends; and `client`, which puts one [`Workload`] on a server and prints one line of JSON,
//! an [`Outcome`].
//!
//! The load is a closed loop: a fixed number of calls is in flight, and the next one begins when one has
//! ended. Every stack makes and reads its own messages, and everything else is the same code.

mod closed_loop;
mod command;
mod held;
mod outcome;
mod process;
mod program;
mod runtimes;
mod stack;
mod tally;
mod turns;
mod workload;

pub use outcome::{Held, Latency, Outcome};
pub use process::{Memory, cpu_seconds, memory};
pub use program::main;
pub use stack::{Connection, Kept, Ready, Sharing, Stack, listen};
pub use turns::Turns;
pub use workload::{Kind, Workload};

/// The name that every message carries: 16 bytes.
pub const NAME: &str = "sixteen letters.";

/// How many worker threads each process has.
pub const THREADS: usize = 2;

/// What goes wrong in a benchmark ends the program, so all that matters is what it says.
pub type Error = Box<dyn std::error::Error + Send + Sync>;

/// What functions here return.
pub type Result<T, E = Error> = std::result::Result<T, E>;
