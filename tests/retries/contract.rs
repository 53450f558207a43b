//! What a contract says of its methods.

use std::time::Duration;

use micro::client::Client;
use micro::{Code, Context, Environment, Error, Result};

use crate::lab::Lab;

#[micro::service(package = "test.v1")]
pub trait Tuned {
    #[micro(idempotent, retries = 4)]
    async fn eager(&self, ctx: &Context, request: ()) -> Result<()>;
    #[micro(idempotent, retries = 0)]
    async fn once(&self, ctx: &Context, request: ()) -> Result<()>;
    #[micro(idempotent, retries = 1, attempt_timeout = "1s 500ms", hedge = "20ms")]
    async fn all(&self, ctx: &Context, request: ()) -> Result<()>;
}

struct Failing;

#[micro::handler]
impl Tuned for Failing {
    async fn eager(&self, ctx: &Context, _request: ()) -> Result<()> {
        Err(Error::unavailable(format!("attempt {}", ctx.previous_attempts())))
    }

    async fn once(&self, ctx: &Context, request: ()) -> Result<()> {
        self.eager(ctx, request).await
    }

    async fn all(&self, ctx: &Context, request: ()) -> Result<()> {
        self.eager(ctx, request).await
    }
}

#[test]
fn a_contract_describes_how_often_and_when_its_methods_are_tried_again() {
    let [eager, once, all] = TunedClient::DESCRIPTOR.methods else { panic!("three methods") };
    assert_eq!((eager.retries, eager.hedge, eager.attempt_timeout), (Some(4), None, None));
    assert_eq!(once.retries, Some(0));
    assert_eq!(all.attempt_timeout, Some(Duration::from_millis(1500)));
    assert_eq!(all.hedge, Some(Duration::from_millis(20)));
}

#[tokio::test(start_paused = true)]
async fn a_method_wins_over_the_client_and_the_call_over_the_method() {
    let lab = Lab::new(0).await;
    let service = lab.service("tuned").handle(Failing).start().await.unwrap();
    let client: Client = lab.builder().environment(Environment::empty()).retries(9).build();
    let tuned = TunedClient::new(&client);
    let error = tuned.eager(&Context::new(), ()).await.unwrap_err();
    assert_eq!((error.code(), error.message()), (Code::Unavailable, "attempt 4; 5 attempts were made"));
    assert_eq!(tuned.once(&Context::new(), ()).await.unwrap_err().message(), "attempt 0");
    let error = tuned.once(&Context::new(), ()).retries(1).await.unwrap_err();
    assert_eq!(error.message(), "attempt 1; 2 attempts were made");
    service.stop().await.unwrap();
}
