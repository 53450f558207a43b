//! What the macros generate, at work: the client as the contract, several contracts on one type,
//! errors and names of a user's own.

#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use micro::{Code, Context, Error, Result, Sender, Service, Streaming};

/// An error of this crate's own.
#[derive(Debug)]
struct Refused(Error);

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        Self(error)
    }
}

impl From<Refused> for Error {
    fn from(refused: Refused) -> Self {
        refused.0
    }
}

#[micro::service(package = "contracts.v1")]
trait Counter {
    async fn next(&self, ctx: &Context, number: u32) -> Result<u32>;

    /// Has a body, which calls the other method of whatever implements the contract.
    async fn after_next(&self, ctx: &Context, number: u32) -> Result<u32> {
        let next = self.next(ctx, number).await?;
        self.next(ctx, next).await
    }

    async fn upto(&self, ctx: &Context, upto: u32, out: &mut Sender<u32>) -> Result<()>;

    #[micro(name = "Times")]
    async fn r#loop(
        &self,
        ctx: &Context,
        numbers: Streaming<u32>,
    ) -> std::result::Result<Streaming<u32>, Refused>;

    async fn refuse(&self, ctx: &Context, _: (), out: &mut Sender<u32>) -> std::result::Result<(), Refused>;
}

#[micro::service]
trait Admin {
    async fn name(&self, ctx: &Context, _: ()) -> Result<String>;
}

struct Here;

#[micro::handler(also(Admin))]
impl Counter for Here {
    async fn next(&self, _ctx: &Context, number: u32) -> Result<u32> {
        Ok(number + 1)
    }

    async fn upto(&self, ctx: &Context, upto: u32, out: &mut Sender<u32>) -> Result<()> {
        let mut number = 0;
        while number < upto {
            number = self.next(ctx, number).await?;
            out.send(number).await?;
        }
        Ok(())
    }

    async fn r#loop(
        &self,
        _: &Context,
        numbers: Streaming<u32>,
    ) -> std::result::Result<Streaming<u32>, Refused> {
        Ok(numbers.map(|number| Ok(number * 2)))
    }

    async fn refuse(&self, _: &Context, (): (), out: &mut Sender<u32>) -> std::result::Result<(), Refused> {
        out.send(1).await?;
        Err(Refused(Error::aborted("enough")))
    }
}

impl Admin for Here {
    async fn name(&self, _ctx: &Context, (): ()) -> Result<String> {
        Ok("here".to_owned())
    }
}

/// Serves a contract by what is behind it: here, or another service.
struct Forward<C>(C);

#[micro::handler]
impl<C: Counter> Counter for Forward<C> {
    async fn next(&self, ctx: &Context, number: u32) -> Result<u32> {
        self.0.next(ctx, number).await
    }

    async fn upto(&self, ctx: &Context, upto: u32, out: &mut Sender<u32>) -> Result<()> {
        self.0.upto(ctx, upto, out).await
    }

    async fn r#loop(
        &self,
        ctx: &Context,
        numbers: Streaming<u32>,
    ) -> std::result::Result<Streaming<u32>, Refused> {
        self.0.r#loop(ctx, numbers).await
    }

    async fn refuse(&self, ctx: &Context, (): (), out: &mut Sender<u32>) -> std::result::Result<(), Refused> {
        self.0.refuse(ctx, (), out).await
    }
}

struct Say;

#[micro::handler(package = "contracts.v1", name = "Speaker", client = "Speaker")]
impl Say {
    pub async fn hello(&self, _ctx: &Context, name: String) -> Result<String> {
        Ok(self.greet(&name))
    }

    pub async fn spell(&self, _ctx: &Context, name: String, out: &mut Sender<char>) -> Result<()> {
        for letter in name.chars() {
            out.send(letter).await?;
        }
        Ok(())
    }

    fn greet(&self, name: &str) -> String {
        format!("Hello {name}")
    }
}

/// Everything that the contract promises, of a value that is here or far away.
async fn keeps_its_promises(counter: &impl Counter, refusal: Code) -> Result<()> {
    let ctx = Context::new();
    assert_eq!(counter.next(&ctx, 1).await?, 2);
    assert_eq!(counter.after_next(&ctx, 1).await?, 3);
    let (mut out, numbers) = Streaming::channel();
    counter.upto(&ctx, 3, &mut out).await?;
    drop(out);
    assert_eq!(numbers.collect().await?, [1, 2, 3]);
    let doubled = counter.r#loop(&ctx, Streaming::from_iter([1, 2])).await.map_err(|refused| refused.0)?;
    assert_eq!(doubled.collect().await?, [2, 4]);
    let (mut out, mut numbers) = Streaming::channel();
    let refused = counter.refuse(&ctx, (), &mut out).await.unwrap_err();
    assert_eq!(refused.0.code(), refusal);
    assert_eq!(numbers.next().await?, Some(1), "what was sent before the error arrived");
    Ok(())
}

#[tokio::test]
async fn a_contract_is_kept_here_there_and_through_another_service() -> Result<()> {
    keeps_its_promises(&Here, Code::Aborted).await?;
    let first = Service::new("counter").handle(Here).in_memory().await?;
    let there = CounterClient::new(&first.client());
    keeps_its_promises(&there, Code::Aborted).await?;
    let second = Service::new("counter").handle(Arc::new(Forward(there))).in_memory().await?;
    // What another service refuses is no answer of this one's.
    keeps_its_promises(&CounterClient::new(&second.client()), Code::Internal).await?;
    second.stop().await?;
    first.stop().await
}

#[tokio::test]
async fn a_type_serves_the_contracts_that_it_lists() -> Result<()> {
    let service = Service::new("both").handle(Here).in_memory().await?;
    let ctx = Context::new();
    assert_eq!(CounterClient::with_name(&service.client(), "both").next(&ctx, 1).await?, 2);
    assert_eq!(AdminClient::with_name(&service.client(), "both").name(&ctx, ()).await?, "here");
    service.stop().await
}

#[tokio::test]
async fn a_plain_impl_block_has_a_client_of_its_own() -> Result<()> {
    let service = Service::new("speaker").handle(Say).in_memory().await?;
    let speaker = Speaker::new(&service.client());
    let ctx = Context::new();
    assert_eq!(speaker.hello(&ctx, "Ada".to_owned()).await?, "Hello Ada");
    assert_eq!(speaker.spell(&ctx, "Ada".to_owned()).await?.collect().await?, ['A', 'd', 'a']);
    assert_eq!(Speaker::DESCRIPTOR.methods[0].path, "/contracts.v1.Speaker/Hello");
    service.stop().await
}

#[test]
fn names_on_the_wire_are_those_that_are_asked_for() {
    let names: Vec<_> = CounterClient::DESCRIPTOR.methods.iter().map(|method| method.name).collect();
    assert_eq!(names, ["Next", "AfterNext", "Upto", "Times", "Refuse"]);
}
