//! The client under test: the suite says on stdin which calls to make, and gets on stdout what came
//! of each.

mod answers;
mod calls;
mod cancel;
mod clients;
mod requests;

use std::sync::Arc;

use micro::{Error, Result};
use micro_conformance::pipe;
use micro_conformance::proto::client_compat_response::Result as Outcome;
use micro_conformance::proto::{ClientCompatRequest, ClientCompatResponse, ClientErrorResult};
use tokio::io::{stdin, stdout};
use tokio::sync::{Semaphore, mpsc};

use clients::Clients;

/// How many calls are made at a time. Most of them wait, and the suite's servers run on the same
/// machine and have deadlines to look at.
const CALLS: usize = 16;

#[tokio::main]
async fn main() -> Result<()> {
    let (outcomes, written) = mpsc::channel(CALLS);
    let writer = tokio::spawn(write(written));
    let clients = Arc::new(Clients::default());
    let turns = Arc::new(Semaphore::new(CALLS));
    let mut stdin = stdin();
    while let Some(asked) = pipe::read::<ClientCompatRequest>(&mut stdin).await? {
        let turn = turns.clone().acquire_owned().await.map_err(ended)?;
        let (clients, outcomes) = (clients.clone(), outcomes.clone());
        tokio::spawn(async move {
            let outcome = outcome(&clients, asked).await;
            // Where nobody writes any more, `main` says why.
            let _ = outcomes.send(outcome).await;
            drop(turn);
        });
    }
    // The last one to be dropped is that of the last call.
    drop(outcomes);
    writer.await.map_err(ended)?
}

async fn outcome(clients: &Clients, asked: ClientCompatRequest) -> ClientCompatResponse {
    let test_name = asked.test_name.clone();
    let done = match clients.of(&asked) {
        Ok(client) => calls::make(&client, &asked).await,
        Err(error) => Err(error),
    };
    let outcome = match done {
        Ok(result) => Outcome::Response(result),
        Err(error) => Outcome::Error(ClientErrorResult { message: format!("{error:?}") }),
    };
    ClientCompatResponse { test_name, result: Some(outcome) }
}

async fn write(mut outcomes: mpsc::Receiver<ClientCompatResponse>) -> Result<()> {
    let mut stdout = stdout();
    while let Some(outcome) = outcomes.recv().await {
        pipe::write(&mut stdout, &outcome).await?;
    }
    Ok(())
}

fn ended(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::internal("a task of this program ended too early").with_source(error)
}
