//! How often a call allocates memory, client and server together, in each protocol:
//! `cargo bench --bench allocations`.
//!
//! An allocation too many in the path of a call does not show in a test and hardly in a measurement of time, and
//! they add up. Here they are counted, and more than there are to be is a failure. Who adds one on purpose says so
//! in the table; who takes one away lowers the number.

use std::process::ExitCode;

use micro::client::{ClientBuilder, HttpVersion, Protocol};
use micro::registry::Memory as Registry;
use micro::transport::Memory;
use micro::{Client, Context, Error, Result, Service};

/// Echoes.
#[micro::service(package = "bench.v1")]
trait Echo {
    /// Says the same.
    async fn echo(&self, ctx: &Context, text: String) -> Result<String>;
}

struct Parrot;

#[micro::handler]
impl Echo for Parrot {
    async fn echo(&self, _ctx: &Context, text: String) -> Result<String> {
        Ok(text)
    }
}

/// So many calls are counted, after as many that open the connection and fill what is kept.
const CALLS: u64 = 1000;

/// A way to make calls, and how often one may allocate.
struct Way {
    name: &'static str,
    most: u64,
    /// `None` is the service's own client.
    client: Option<fn(ClientBuilder) -> ClientBuilder>,
}

const WAYS: &[Way] = &[
    Way { name: "native", most: 15, client: Some(|client| client.protocol(Protocol::Native)) },
    Way { name: "gRPC", most: 34, client: Some(|client| client.protocol(Protocol::Grpc)) },
    Way { name: "Connect, HTTP/2", most: 37, client: Some(|client| client.protocol(Protocol::Connect)) },
    Way {
        name: "Connect, HTTP/1.1",
        most: 36,
        client: Some(|client| client.protocol(Protocol::Connect).http_version(HttpVersion::Http1)),
    },
    Way { name: "in the process", most: 9, client: None },
];

fn main() -> ExitCode {
    match measure() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Prints what each way takes, and returns whether that is no more than there is to be.
fn measure() -> Result<bool> {
    // One thread: what it allocates is counted.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Error::internal("there is no runtime").with_source(error))?;
    let transport = Memory::new();
    let service = Service::new("echo")
        .registry(Registry::new())
        .transport(transport.clone())
        .address("echo")
        .handle(Parrot);
    let own = service.client();
    let running = runtime.block_on(service.start())?;
    println!("{:<20} {:>18} {:>14}", "way", "allocations/call", "bytes/call");
    let mut fine = true;
    for Way { name, most, client } in WAYS {
        let remote = || Client::builder().address(running.address()).transport(transport.clone());
        let client = client.map_or_else(|| own.clone(), |options| options(remote()).build());
        let echo = EchoClient::with_name(&client, "echo");
        runtime.block_on(calls(&echo))?;
        let mut made = Ok(());
        let counted = allocation_counter::measure(|| made = runtime.block_on(calls(&echo)));
        made?;
        let (count, bytes) = (counted.count_total / CALLS, counted.bytes_total / CALLS);
        let over = if count > *most { format!("  more than {most}") } else { String::new() };
        println!("{name:<20} {count:>18} {bytes:>14}{over}");
        fine &= over.is_empty();
    }
    runtime.block_on(running.stop())?;
    Ok(fine)
}

async fn calls(echo: &EchoClient) -> Result<()> {
    let ctx = Context::new();
    for _ in 0..CALLS {
        echo.echo(&ctx, "Polly".to_owned()).await?;
    }
    Ok(())
}
