//! A crate with strict lints that uses everything the macros make: what they generate is
//! documented and causes no warning. `cargo clippy --all-targets` checks the lints of clippy.

#![deny(
    missing_docs,
    missing_debug_implementations,
    unused,
    unreachable_pub,
    warnings,
    clippy::all,
    clippy::pedantic,
    clippy::nursery
)]
// Asked of whoever writes an API for others in this file, and this file has none.
#![allow(clippy::missing_errors_doc)]
// Asks for the opposite of `unreachable_pub`.
#![allow(clippy::redundant_pub_crate)]

/// A crate's public face.
pub mod api {
    use micro::{Context, Event, Result, Sender, Streaming, Topic};

    /// What to greet.
    #[derive(Clone, Debug, PartialEq, Eq, micro::Message, serde::Serialize, serde::Deserialize)]
    #[serde(rename_all = "camelCase")]
    pub struct Request {
        /// Who is greeted.
        pub full_name: String,
        /// How.
        pub manner: Manner,
    }

    /// A way to greet.
    #[derive(Clone, Debug, PartialEq, Eq, micro::Message, serde::Serialize, serde::Deserialize)]
    pub enum Manner {
        /// As one does.
        Plain,
        /// With these words.
        Words(Vec<String>),
    }

    /// Several of something.
    #[derive(Clone, Debug, PartialEq, Eq, micro::Message, serde::Serialize, serde::Deserialize)]
    pub struct Several<T> {
        /// All of them.
        pub all: Vec<T>,
    }

    /// Greets people.
    #[micro::service(package = "strict.v1")]
    pub trait Greeter {
        /// Greets one person.
        #[micro(idempotent, timeout = "2s")]
        async fn hello(&self, ctx: &Context, request: Request) -> Result<String>;

        /// Greets in another way.
        #[deprecated(since = "1.0.0", note = "call `hello`")]
        async fn old(&self, _ctx: &Context, _: Several<Request>) -> Result<Several<String>>;

        /// Counts.
        async fn count(&self, ctx: &Context, upto: u32, out: &mut Sender<u32>) -> Result<()> {
            for number in 0..upto {
                out.send(number).await?;
            }
            let _ = ctx;
            Ok(())
        }

        /// Adds.
        async fn sum(&self, ctx: &Context, numbers: Streaming<u32>) -> Result<u64>;

        /// Does nothing.
        async fn nothing(&self, ctx: &Context, (): ()) -> Result<()>;
    }

    /// Who greets.
    #[derive(Debug, Default)]
    pub struct Polite;

    #[micro::handler]
    impl Greeter for Polite {
        async fn hello(&self, _ctx: &Context, request: Request) -> Result<String> {
            Ok(format!("Hello {}", request.full_name))
        }

        async fn old(&self, ctx: &Context, request: Several<Request>) -> Result<Several<String>> {
            let mut all = Vec::new();
            for one in request.all {
                all.push(self.hello(ctx, one).await?);
            }
            Ok(Several { all })
        }

        async fn sum(&self, _ctx: &Context, mut numbers: Streaming<u32>) -> Result<u64> {
            let mut sum = 0;
            while let Some(number) = numbers.next().await? {
                sum += u64::from(number);
            }
            Ok(sum)
        }

        async fn nothing(&self, _ctx: &Context, (): ()) -> Result<()> {
            Ok(())
        }
    }

    /// What was said elsewhere.
    pub const SAID: Topic<String> = Topic::new("said");

    const GROUP: &str = "echo";

    /// Who says things without a contract.
    #[derive(Debug, Default)]
    pub struct Say {
        words: String,
    }

    #[micro::handler(package = "strict.v1")]
    impl Say {
        /// Somebody with nothing to say.
        #[must_use]
        pub const fn new() -> Self {
            Self { words: String::new() }
        }

        /// Says it.
        #[micro(idempotent)]
        pub async fn hello(&self, _ctx: &Context, request: Request) -> Result<String> {
            Ok(format!("{}{}", self.words, request.full_name))
        }

        /// Says it many times.
        pub async fn repeat(&self, ctx: &Context, request: Request, out: &mut Sender<String>) -> Result<()> {
            for _ in 0..3 {
                let said = self.hello(ctx, request.clone()).await?;
                out.send(said).await?;
            }
            Ok(())
        }

        /// Hears it from afar.
        #[subscribe(topic = SAID, group = GROUP, attempts = 3, concurrency = 4, ordered, timeout = "1s")]
        async fn on_said_elsewhere(&self, _ctx: &Context, said: Event<String>) -> Result<()> {
            if said.is_redelivered() && said.payload == self.words {
                return Err(micro::Error::aborted("an echo"));
            }
            Ok(())
        }

        /// Hears it.
        #[subscribe(topic = "said")]
        async fn on_said(&self, _ctx: &Context, said: String) -> Result<()> {
            if said == self.words {
                return Err(micro::Error::aborted("an echo"));
            }
            Ok(())
        }
    }
}

mod binary {
    use micro::{Context, Result};

    /// A service that is used only here, by its client alone: nothing of it is dead code.
    #[micro::service]
    trait Far {
        async fn away(&self, ctx: &Context, request: ()) -> Result<()>;
    }

    pub(super) async fn call(client: &micro::Client) -> Result<()> {
        FarClient::new(client).away(&Context::new(), ()).await
    }
}

#[test]
fn the_client_is_described_and_serves_as_the_contract() {
    const fn contract<T: api::Greeter>() {}
    contract::<api::GreeterClient>();
    contract::<api::Polite>();
    assert_eq!(api::GreeterClient::DESCRIPTOR.name, "strict.v1.Greeter");
    assert_eq!(api::SayClient::DESCRIPTOR.methods[1].path, "/strict.v1.Say/Repeat");
    let _ = binary::call;
}
