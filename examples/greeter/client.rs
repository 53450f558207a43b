//! Calls the contract, in all four shapes. Start the server first.

pub mod contract;

use std::time::Duration;

use contract::{Greeter, GreeterClient, HelloRequest, Line, Number, Upto};
use micro::{Client, Code, Context, Error, Result, Streaming};

#[tokio::main]
async fn main() -> Result<()> {
    let greeter = GreeterClient::new(&Client::new());
    let ctx = Context::new();

    // One request, one answer; options are chained.
    let ada = HelloRequest { name: "Ada".to_owned() };
    let reply = greeter.hello(&ctx, ada).timeout(Duration::from_secs(5)).await?;
    println!("hello: {}", reply.message);

    // An error has a code, a message, and the name of who answered with it.
    let refused = greeter.hello(&ctx, HelloRequest { name: String::new() }).await;
    if let Err(error) = refused {
        assert_eq!(error.code(), Code::InvalidArgument);
        println!("hello: {error}");
    }

    // A stream of answers.
    let mut numbers = greeter.count(&ctx, Upto { last: 3 }).await?;
    while let Some(number) = numbers.next().await? {
        println!("count: {}", number.value);
    }

    // A stream of requests.
    let total = greeter.sum(&ctx, Streaming::from_iter([1, 2, 3].map(|value| Number { value }))).await?;
    println!("sum: {}", total.value);

    // Both at once: one side of a channel is the request, the answers come as they are made.
    let (mut lines, requests) = Streaming::channel();
    let mut replies = greeter.chat(&ctx, requests).await?;
    let talk = async {
        for name in ["Grace", "Barbara"] {
            lines.send(Line { text: name.to_owned() }).await?;
        }
        drop(lines); // the end of the stream
        Ok::<_, Error>(())
    };
    let listen = async {
        while let Some(reply) = replies.next().await? {
            println!("chat: {}", reply.text);
        }
        Ok(())
    };
    tokio::try_join!(talk, listen)?;

    // The client implements the contract, so code can be written for either side.
    println!("anyone: {}", greet_anyone(&greeter, &ctx).await?);
    Ok(())
}

/// Works with a local implementation, a remote one, or a mock.
async fn greet_anyone(greeter: &impl Greeter, ctx: &Context) -> Result<String> {
    let reply = greeter.hello(ctx, HelloRequest { name: "whoever you are".to_owned() }).await?;
    Ok(reply.message)
}
