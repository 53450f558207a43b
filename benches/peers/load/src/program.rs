//! The main function of every stack's program.

use std::io::Read as _;
use std::process::ExitCode;

use clap::Parser as _;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tokio::runtime::{Builder, Runtime};

use crate::command::{Client, Command, Role, Server};
use crate::stack::Ready;
use crate::{Outcome, Result, Stack, THREADS, closed_loop, held};

/// Runs the half of the stack that the arguments name.
pub fn main<S: Stack>() -> ExitCode {
    raise_limit();
    let done = match Command::parse().role {
        Role::Server(server) => serve::<S>(&server),
        Role::Client(client) => call::<S>(&client).and_then(|outcome| {
            println!("{}", serde_json::to_string(&outcome)?);
            Ok(())
        }),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}: {error}", S::NAME);
            ExitCode::FAILURE
        }
    }
}

/// A thousand connections are more files than a process may have open unless it says so.
fn raise_limit() {
    if let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE)
        && soft < hard
    {
        // Where that is refused, the workload that needs it says that there are too many files.
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
    }
}

pub(crate) fn runtime() -> Result<Runtime> {
    Ok(Builder::new_multi_thread().worker_threads(THREADS).enable_all().build()?)
}

fn serve<S: Stack>(server: &Server) -> Result<()> {
    // Whoever started it holds its input open, so that it ends with them, however they end.
    std::thread::spawn(|| {
        let mut nothing = [0; 64];
        while std::io::stdin().read(&mut nothing).is_ok_and(|read| read > 0) {}
        std::process::exit(0);
    });
    runtime()?.block_on(S::serve(&server.variant, Ready::new()))
}

fn call<S: Stack>(client: &Client) -> Result<Outcome> {
    if client.workload.kind.is_held() { held::run::<S>(client) } else { closed_loop::run::<S>(client) }
}
