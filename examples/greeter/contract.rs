//! The contract: what the server and its clients agree on. It is all that they share.

use micro::{Context, Result, Sender, Streaming};
use serde::{Deserialize, Serialize};

/// Greets people, in all four shapes that a method can have.
#[micro::service(package = "greeter.v1")]
pub trait Greeter {
    /// Greets one person.
    #[micro(idempotent, timeout = "2s")]
    async fn hello(&self, ctx: &Context, request: HelloRequest) -> Result<HelloReply>;

    /// Counts up to a number: one request, a stream of answers.
    async fn count(&self, ctx: &Context, upto: Upto, out: &mut Sender<Number>) -> Result<()>;

    /// Adds numbers: a stream of requests, one answer.
    async fn sum(&self, ctx: &Context, numbers: Streaming<Number>) -> Result<Number>;

    /// Answers every line as it comes: a stream both ways.
    async fn chat(&self, ctx: &Context, lines: Streaming<Line>, out: &mut Sender<Line>) -> Result<()>;
}

/// Who is to be greeted.
#[derive(Debug, micro::Message, Serialize, Deserialize)]
pub struct HelloRequest {
    /// The name of the person.
    pub name: String,
}

/// A greeting.
#[derive(Debug, micro::Message, Serialize, Deserialize)]
pub struct HelloReply {
    /// The words.
    pub message: String,
}

/// Where to stop counting.
#[derive(Debug, micro::Message, Serialize, Deserialize)]
pub struct Upto {
    /// The last number.
    pub last: u32,
}

/// A number.
#[derive(Debug, micro::Message, Serialize, Deserialize)]
pub struct Number {
    /// Its value.
    pub value: u32,
}

/// A line of a conversation.
#[derive(Debug, micro::Message, Serialize, Deserialize)]
pub struct Line {
    /// What is said.
    pub text: String,
}
