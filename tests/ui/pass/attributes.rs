//! What goes with methods: conditions, deprecation, raw names, bodies, supertraits.

#![deny(warnings)]

use std::fmt::Debug;

use micro::{Context, Result, Sender, Streaming};

#[derive(Clone, Debug, micro::Message, serde::Serialize, serde::Deserialize)]
#[deprecated = "there is another one"]
struct Old {
    r#type: String,
}

/// A contract.
#[micro::service(package = "attributes.v1", name = "Attributes")]
trait Contract: Debug + Clone
where
    Self: Sized,
{
    #[deprecated(note = "call `new_one`")]
    async fn old_one(&self, ctx: &Context, request: u32) -> Result<u32>;

    #[allow(deprecated)]
    async fn with_old(&self, ctx: &Context, request: Old) -> Result<Old>;

    /// Raw.
    ///
    ///   Indented.
    async fn r#match(&self, ctx: &Context, r#type: u32) -> Result<u32>;

    #[cfg(any())]
    async fn not_there(&self, ctx: &Context, request: NotThere) -> Result<NotThere>;

    #[cfg(not(any()))]
    async fn there(&self, ctx: &Context, request: u32) -> Result<u32>;

    #[cfg(not(any()))]
    async fn one_of_two(&self, ctx: &Context, request: u32) -> Result<u32>;

    #[cfg(any())]
    async fn one_of_two(&self, ctx: &Context, request: NotThere) -> Result<u32>;

    #[cfg_attr(all(), doc = "Documented.")]
    #[micro(name = "Renamed", idempotent)]
    #[micro(timeout = "1m")]
    async fn several_options(&self, ctx: &Context, request: u32) -> Result<u32>;

    /// A body that borrows, returns early and uses `?`.
    async fn with_body(&self, ctx: &Context, mut request: Vec<u32>) -> Result<u32> {
        let Some(last) = request.pop() else {
            return Ok(0);
        };
        if last == 0 {
            Err(micro::Error::invalid_argument("zero"))?;
        }
        self.there(ctx, last).await
    }

    /// A body that answers nothing else.
    async fn not_yet(&self, _ctx: &Context, _request: u32) -> Result<u32> {
        Err(micro::Error::unimplemented("not yet"))
    }

    async fn streaming_body(
        &self,
        ctx: &Context,
        mut numbers: Streaming<u32>,
        out: &mut Sender<u32>,
    ) -> Result<()> {
        while let Some(number) = numbers.next().await? {
            out.send(self.there(ctx, number).await?).await?;
        }
        Ok(())
    }

    #[allow(unreachable_code)]
    async fn never(&self, _ctx: &Context, _: ()) -> Result<()> {
        panic!("nobody calls this")
    }
}

#[derive(Clone, Debug)]
struct Here;

#[micro::handler]
#[allow(deprecated)]
impl Contract for Here {
    async fn old_one(&self, _: &Context, request: u32) -> Result<u32> {
        Ok(request)
    }
    async fn with_old(&self, _: &Context, request: Old) -> Result<Old> {
        Ok(request)
    }
    async fn r#match(&self, _: &Context, request: u32) -> Result<u32> {
        Ok(request)
    }
    async fn there(&self, _: &Context, request: u32) -> Result<u32> {
        Ok(request + 1)
    }
    async fn one_of_two(&self, _: &Context, request: u32) -> Result<u32> {
        Ok(request)
    }
    async fn several_options(&self, _: &Context, request: u32) -> Result<u32> {
        Ok(request)
    }
}

struct CodeFirst;

#[micro::handler]
impl CodeFirst {
    pub const LIMIT: u32 = 1;

    #[deprecated]
    pub async fn old(&self, _: &Context, request: u32) -> Result<u32> {
        Ok(request.min(Self::LIMIT))
    }

    #[cfg(any())]
    pub async fn not_there(&self, _: &Context, request: NotThere) -> Result<NotThere> {
        Ok(request)
    }

    #[cfg(any())]
    #[subscribe(topic = "nothing")]
    async fn on_nothing(&self, _: &Context, _: NotThere) -> Result<()> {
        Ok(())
    }

    #[subscribe(topic = "something", group = "these")]
    async fn on_something(&self, _: &Context, _: u32) -> Result<()> {
        Ok(())
    }

    pub async fn r#match(&self, _: &Context, (): ()) -> Result<()> {
        Ok(())
    }
}

struct OnlySubscribes;

#[micro::handler]
impl OnlySubscribes {
    #[subscribe(topic = "something")]
    async fn on_something(&self, _: &Context, _: u32) -> Result<()> {
        Ok(())
    }
}

/// A contract that is not there, and neither is what goes with it.
#[micro::service]
#[cfg(any())]
trait NotThere {
    async fn hello(&self, ctx: &Context, request: u32) -> Result<u32>;
}

#[deprecated]
#[micro::service]
trait Deprecated {
    async fn hello(&self, ctx: &Context, request: u32) -> Result<u32>;
}

#[micro::service]
trait Empty {}

fn handles(_: impl micro::endpoint::Handler) {}

pub(crate) fn main() {
    handles(Here);
    handles(CodeFirst);
    handles(OnlySubscribes);
    let methods = ContractClient::DESCRIPTOR.methods;
    let names: Vec<_> = methods.iter().map(|method| method.name).collect();
    assert_eq!(
        names,
        [
            "OldOne",
            "WithOld",
            "Match",
            "There",
            "OneOfTwo",
            "Renamed",
            "WithBody",
            "NotYet",
            "StreamingBody",
            "Never"
        ]
    );
    assert!(methods[0].deprecated && !methods[1].deprecated);
    assert_eq!(methods[2].doc, "Raw.\n\n  Indented.");
    assert_eq!(methods[5].path, "/attributes.v1.Attributes/Renamed");
    assert_eq!(methods[5].timeout, Some(std::time::Duration::from_secs(60)));
    assert!(methods[5].idempotent);
}
