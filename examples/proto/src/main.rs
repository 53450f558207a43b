//! A contract from a `.proto` file: the same as a trait that is written by hand.
//!
//! Run it with `cargo run`; it starts the service, calls each method, and ends.

use micro::{Context, Error, Result, Sender, Streaming};

micro::include_proto!("greeter.v1");

struct Polite;

#[micro::handler]
impl Greeter for Polite {
    async fn hello(&self, _ctx: &Context, request: HelloRequest) -> Result<HelloReply> {
        if request.name.is_empty() {
            return Err(Error::invalid_argument("`name` is empty: say who is to be greeted"));
        }
        let greeting = match request.tone() {
            Tone::Friendly => "Hello, dear",
            Tone::Unspecified => "Hello,",
        };
        Ok(HelloReply { text: format!("{greeting} {}!", request.name) })
    }

    async fn count(&self, _ctx: &Context, request: CountRequest, out: &mut Sender<Number>) -> Result<()> {
        for value in 1..=request.up_to {
            out.send(Number { value: value.into() }).await?;
        }
        Ok(())
    }

    async fn sum(&self, _ctx: &Context, mut numbers: Streaming<Number>) -> Result<Total> {
        let mut total = Total::default();
        while let Some(number) = numbers.next().await? {
            total.sum += number.value;
            total.count += 1;
        }
        Ok(total)
    }

    async fn chat(&self, _ctx: &Context, mut lines: Streaming<Line>, out: &mut Sender<Line>) -> Result<()> {
        while let Some(line) = lines.next().await? {
            out.send(Line { text: format!("You said: {}", line.text) }).await?;
        }
        Ok(())
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let service = micro::Service::new("greeter").handle(Polite).start().await?;
    let greeter = GreeterClient::new(&service.client());
    let ctx = Context::new();

    let request = HelloRequest { name: "Ada".to_owned(), tone: Tone::Friendly.into() };
    println!("hello: {}", greeter.hello(&ctx, request).await?.text);

    let mut numbers = greeter.count(&ctx, CountRequest { up_to: 3 }).await?;
    while let Some(number) = numbers.next().await? {
        println!("count: {}", number.value);
    }

    let numbers = Streaming::from_iter((1..=4).map(|value| Number { value }));
    let total = greeter.sum(&ctx, numbers).await?;
    println!("sum: {} numbers add up to {}", total.count, total.sum);

    let lines =
        Streaming::from_iter(["Good morning", "Good night"].map(|text| Line { text: text.to_owned() }));
    let mut answers = greeter.chat(&ctx, lines).await?;
    while let Some(answer) = answers.next().await? {
        println!("chat: {}", answer.text);
    }

    service.stop().await
}
