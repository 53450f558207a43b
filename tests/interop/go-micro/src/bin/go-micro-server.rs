//! The server that go-micro's clients call. It prints where it listens and runs until its input ends.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use micro::registry::Memory;
use micro::{Context, Error, Result, Sender, Service, Streaming};
use micro_interop_go_micro::{CODES, Carried, Greeting, Names, Nothing, Number, PlainGreeting, Say, Wish};
use tokio::io::{AsyncReadExt as _, stdin};

struct Polite;

#[micro::handler]
impl Say for Polite {
    async fn hello(&self, _ctx: &Context, request: Greeting) -> Result<Greeting> {
        Ok(Greeting { name: format!("Hello {}", request.name), ..request })
    }

    async fn fail(&self, _ctx: &Context, wish: Wish) -> Result<Nothing> {
        assert!(!wish.panic, "as wished");
        let code = CODES.iter().find(|(number, _)| *number == wish.code);
        Err(match code {
            Some((_, code)) => Error::new(*code, wish.detail),
            None => Error::unknown(wish.detail),
        })
    }

    async fn carry(&self, ctx: &Context, request: Names) -> Result<Carried> {
        let known = request.names.into_iter();
        let values: HashMap<_, _> = known
            .filter_map(|name| ctx.metadata().get(&name).map(str::to_owned).map(|value| (name, value)))
            .collect();
        Ok(Carried { values: values.into_iter().collect() })
    }

    async fn ping(&self, _ctx: &Context, _request: Nothing) -> Result<Nothing> {
        Ok(Nothing {})
    }

    async fn sleep(&self, _ctx: &Context, _request: Nothing) -> Result<Nothing> {
        std::future::pending().await
    }

    async fn count(&self, _ctx: &Context, request: Number, out: &mut Sender<Number>) -> Result<()> {
        for value in 1..=request.value {
            out.send(Number { value }).await?;
        }
        Ok(())
    }

    async fn sum(&self, _ctx: &Context, mut request: Streaming<Number>) -> Result<Number> {
        let mut value = 0;
        while let Some(number) = request.next().await? {
            value += number.value;
        }
        Ok(Number { value })
    }

    async fn double(
        &self,
        _ctx: &Context,
        mut request: Streaming<Number>,
        out: &mut Sender<Number>,
    ) -> Result<()> {
        while let Some(number) = request.next().await? {
            if number.value < 0 {
                return Err(Error::invalid_argument(format!("{} is negative", number.value)));
            }
            out.send(Number { value: 2 * number.value }).await?;
        }
        Ok(())
    }
}

struct Plain;

#[micro::handler]
impl Plain {
    /// Greets.
    pub async fn hello(&self, _ctx: &Context, request: PlainGreeting) -> Result<PlainGreeting> {
        Ok(PlainGreeting { name: format!("Hello {}", request.name), ..request })
    }
}

/// Remembers the events it was given.
#[derive(Default)]
struct Audit(Mutex<Vec<String>>);

#[micro::handler]
impl Audit {
    /// What it was given so far, which it forgets.
    pub async fn heard(&self, _ctx: &Context, _request: PlainGreeting) -> Result<PlainGreeting> {
        let heard = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        Ok(PlainGreeting { tags: Some(heard), ..PlainGreeting::default() })
    }

    #[subscribe(topic = "said")]
    async fn on_said(&self, _ctx: &Context, event: Greeting) -> Result<()> {
        if event.loud {
            return Err(Error::invalid_argument("too loud"));
        }
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(event.name);
        Ok(())
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let service = Service::new("interop").registry(Memory::new());
    let running = service.handle(Polite).handle(Plain).handle(Audit::default()).start().await?;
    println!("mucp {0}\ngrpc {0}", running.address());
    // Nothing is expected to come before the end.
    let _ = stdin().read(&mut [0]).await;
    running.stop().await
}
