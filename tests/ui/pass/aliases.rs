//! Unary or stream is decided by types and not by their spelling.

#![deny(warnings)]

use micro::{Client, Context, Error, Sender, Streaming};

type Answer<T> = std::result::Result<T, Error>;
type Numbers = Streaming<u32>;
type Out<T> = Sender<T>;
type NumbersOut = Sender<u32>;
type Total = Answer<u64>;
type Ctx = Context;

/// An error of this crate's own.
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

/// Named as in other crates, with another error.
type Result<T> = std::result::Result<T, Refused>;

#[micro::service]
trait Adder {
    async fn one(&self, ctx: &Ctx, number: u32) -> Answer<u32>;
    async fn sum(&self, ctx: &Context, numbers: Numbers) -> Total;
    async fn count(&self, ctx: &Context, upto: u32, out: &mut Out<u32>) -> Answer<()>;
    async fn double(&self, ctx: &micro::Context, numbers: Numbers, out: &mut NumbersOut) -> Answer<()>;
    async fn list(&self, ctx: &Context, upto: u32) -> Answer<Numbers>;
    async fn refuse(&self, ctx: &Context, _: ()) -> Result<u8>;
    async fn refuse_more(&self, _ctx: &Context, request: (), out: &mut ::micro::Sender<u8>) -> Result<()>;
}

struct Here;

#[micro::handler]
impl Adder for Here {
    async fn one(&self, _: &Context, number: u32) -> Answer<u32> {
        Ok(number)
    }
    async fn sum(&self, _: &Context, mut numbers: Streaming<u32>) -> Answer<u64> {
        let mut sum = 0;
        while let Some(number) = numbers.next().await? {
            sum += u64::from(number);
        }
        Ok(sum)
    }
    async fn count(&self, _: &Context, upto: u32, out: &mut Sender<u32>) -> Answer<()> {
        out.send(upto).await
    }
    async fn double(&self, _: &Context, mut numbers: Numbers, out: &mut NumbersOut) -> Answer<()> {
        while let Some(number) = numbers.next().await? {
            out.send(number * 2).await?;
        }
        Ok(())
    }
    async fn list(&self, _: &Context, upto: u32) -> Answer<Numbers> {
        Ok((1..=upto).collect())
    }
    async fn refuse(&self, _: &Context, (): ()) -> Result<u8> {
        Err(Refused(Error::aborted("no")))
    }
    async fn refuse_more(&self, _: &Context, (): (), out: &mut Sender<u8>) -> Result<()> {
        out.send(1).await?;
        Err(Refused(Error::aborted("no")))
    }
}

#[allow(dead_code)]
async fn calls(client: &Client, ctx: &Context) -> micro::Result<()> {
    let client = AdderClient::new(client);
    let _: u32 = client.one(ctx, 1).await?;
    let _: u64 = client.sum(ctx, Streaming::empty()).await?;
    let _: Streaming<u32> = client.count(ctx, 1).await?;
    let _: Streaming<u32> = client.double(ctx, Streaming::empty()).await?;
    let _: Streaming<u32> = client.list(ctx, 1).await?;
    let _: u8 = client.refuse(ctx, ()).await?;
    let _: Streaming<u8> = client.refuse_more(ctx, ()).await?;
    Adder::refuse(&client, ctx, ()).await?;
    Ok(())
}

pub(crate) fn main() {
    let streams: Vec<_> = AdderClient::DESCRIPTOR
        .methods
        .iter()
        .map(|method| (method.request.stream, method.response.stream))
        .collect();
    let (one, many) = (false, true);
    assert_eq!(
        streams,
        [(one, one), (many, one), (one, many), (many, many), (one, many), (one, one), (one, many)]
    );
}
