//! The example of `docs/wire.md`, byte by byte.

use std::time::Duration;

use micro::client::Protocol;
use micro::registry::Memory;
use micro::{Client, Context, Environment, Result, Service};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::soon::soon;

const PAGE: &str = include_str!("../../docs/wire.md");

#[micro::service(package = "greeter.v1")]
pub trait Greeter {
    async fn hello(&self, ctx: &Context, name: String) -> Result<String>;
}

struct Polite;

#[micro::handler]
impl Greeter for Polite {
    async fn hello(&self, _ctx: &Context, name: String) -> Result<String> {
        Ok(format!("Hello, {name}"))
    }
}

/// The bytes of the block behind these words: in each line what stands before three spaces.
fn block(words: &str) -> Vec<u8> {
    let (_, rest) = PAGE.split_once("## An example").unwrap().1.split_once(words).unwrap();
    let (_, rest) = rest.split_once("```text\n").unwrap();
    let (block, _) = rest.split_once("```").unwrap();
    let hex = block.lines().map(|line| line.trim_start().split("   ").next().unwrap());
    let bytes = hex.flat_map(str::split_whitespace).map(|byte| u8::from_str_radix(byte, 16).unwrap());
    bytes.collect()
}

/// Bytes as a page has them, for when the example is to be written anew.
fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ")
}

#[tokio::test]
async fn a_client_sends_what_the_page_says_and_reads_the_answer() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = Client::builder()
        .environment(Environment::empty())
        .address(listener.local_addr().unwrap().to_string())
        .protocol(Protocol::Native)
        .timeout(Duration::MAX);
    let greeter = GreeterClient::new(&client.build());
    let call = tokio::spawn(greeter.hello(&Context::new(), "Ada".to_owned()).send());
    let (mut server, _) = listener.accept().await.unwrap();
    let (expected, answer) = (block("The client:"), block("The server:"));
    // The server's hello, and then the rest when there was a call.
    let hello = 8 + 9 + usize::from(answer[10]);
    let mut asked = vec![0; 8 + 9 + usize::from(expected[10])];
    soon(server.read_exact(&mut asked)).await.unwrap();
    server.write_all(&answer[..hello]).await.unwrap();
    let mut rest = vec![0; expected.len().saturating_sub(asked.len()).max(1)];
    soon(server.read_exact(&mut rest)).await.unwrap();
    asked.extend(rest);
    assert_eq!(hex(&asked), hex(&expected));
    server.write_all(&answer[hello..]).await.unwrap();
    assert_eq!(soon(call).await.unwrap().unwrap(), "Hello, Ada");
}

#[tokio::test]
async fn a_server_answers_that_with_what_the_page_says() {
    let service = Service::new("greeter").environment(Environment::empty()).registry(Memory::new());
    let running = service.handle(Polite).start().await.unwrap();
    let mut client = TcpStream::connect(running.address()).await.unwrap();
    client.write_all(&block("The client:")).await.unwrap();
    let expected = block("The server:");
    let mut answer = vec![0; expected.len()];
    soon(client.read_exact(&mut answer)).await.unwrap();
    assert_eq!(hex(&answer), hex(&expected));
}
