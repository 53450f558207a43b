//! Where contracts and handlers may stand: in modules, in functions, under another name of the
//! framework, for generic types, two on one type.

#![deny(warnings)]
#![allow(dead_code, unreachable_pub)]

use std::sync::Arc;

use micro::{Context, Result};

mod private {
    use micro::{Context, Result};

    #[micro::service]
    pub trait Greeter {
        async fn hello(&self, ctx: &Context, request: String) -> Result<String>;
    }

    pub(crate) mod deeper {
        use micro::Context;

        #[micro::service]
        pub(super) trait Hidden {
            async fn hello(&self, ctx: &Context, request: super::super::Plain) -> micro::Result<u32>;
        }

        #[micro::service]
        pub(in super::super) trait AlsoHidden {
            async fn hello(&self, ctx: &Context, request: u32) -> micro::Result<u32>;
        }
    }
}

#[derive(micro::Message, serde::Serialize, serde::Deserialize)]
struct Plain {
    number: u32,
}

#[micro::service]
trait Admin {
    async fn stop(&self, ctx: &Context, request: ()) -> Result<()>;
}

/// Two contracts on one type.
struct Polite;

#[micro::handler(also(Admin))]
impl private::Greeter for Polite {
    async fn hello(&self, _ctx: &Context, request: String) -> Result<String> {
        Ok(request)
    }
}

impl Admin for Polite {
    async fn stop(&self, _ctx: &Context, (): ()) -> Result<()> {
        Ok(())
    }
}

/// A contract and methods of its own.
struct Both;

#[micro::handler(also(Admin, private::Greeter), package = "both.v1", name = "Own", client = "OwnClient")]
impl Both {
    pub async fn own(&self, _ctx: &Context, request: Plain) -> Result<Plain> {
        Ok(request)
    }
}

impl Admin for Both {
    async fn stop(&self, _ctx: &Context, (): ()) -> Result<()> {
        Ok(())
    }
}

impl private::Greeter for Both {
    async fn hello(&self, _ctx: &Context, request: String) -> Result<String> {
        Ok(request)
    }
}

/// A generic type that serves by what it is made of.
struct Logged<'a, G: ?Sized, const N: usize>(&'a str, Arc<G>);

#[micro::handler]
impl<G, const N: usize> private::Greeter for Logged<'static, G, N>
where
    G: private::Greeter,
{
    async fn hello(&self, ctx: &Context, request: String) -> Result<String> {
        let answer = self.1.hello(ctx, request).await?;
        Ok(format!("{}: {answer} {N}", self.0))
    }
}

/// The framework under another name.
mod facade {
    pub use micro as renamed;
}

#[micro::service(crate = "facade::renamed")]
trait Renamed {
    async fn hello(&self, ctx: &Context, request: RenamedMessage) -> Result<()>;
}

#[derive(micro::Message, serde::Serialize, serde::Deserialize)]
#[micro(crate = "facade::renamed", name = "renamed.v1.Message")]
struct RenamedMessage;

#[micro::handler(crate = "facade::renamed")]
impl Renamed for Polites {
    async fn hello(&self, _ctx: &Context, _request: RenamedMessage) -> Result<()> {
        Ok(())
    }
}

struct Polites;

struct RenamedSay;

#[micro::handler(crate = "facade::renamed")]
impl RenamedSay {
    pub async fn hello(&self, _ctx: &Context, _request: RenamedMessage) -> Result<()> {
        Ok(())
    }
}

fn handles(_: impl micro::endpoint::Handler) {}

pub(crate) fn main() {
    /// A contract inside a function.
    #[micro::service]
    trait Local {
        async fn hello(&self, ctx: &Context, request: LocalMessage) -> Result<LocalMessage>;
    }

    #[derive(micro::Message, serde::Serialize, serde::Deserialize)]
    struct LocalMessage(u32);

    struct Here;

    #[micro::handler]
    impl Local for Here {
        async fn hello(&self, _ctx: &Context, request: LocalMessage) -> Result<LocalMessage> {
            Ok(request)
        }
    }

    struct LocalSay;

    #[micro::handler]
    impl LocalSay {
        pub async fn hello(&self, _ctx: &Context, request: LocalMessage) -> Result<LocalMessage> {
            Ok(request)
        }
    }

    handles(Here);
    handles(LocalSay);
    handles(Polite);
    handles(Both);
    handles(Polites);
    handles(RenamedSay);
    handles(Logged::<_, 3>("logged", Arc::new(Polite)));
    handles(Arc::new(Polite));
    let _ = LocalClient::new;
    assert_eq!(OwnClient::DESCRIPTOR.name, "both.v1.Own");
    assert_eq!(<RenamedMessage as micro::Message>::SHAPE.name, "renamed.v1.Message");
}
