//! A call that calls: retries are not multiplied.

use micro::{Code, Context, Error, Result, Running};

use crate::lab::{Lab, ProbeClient, Step};

/// Asks the service behind it.
struct Front(ProbeClient);

#[micro::handler]
impl Front {
    #[micro(idempotent)]
    pub async fn ask(&self, ctx: &Context, name: String) -> Result<String> {
        self.0.read(ctx, name).await
    }

    #[micro(idempotent)]
    pub async fn forward(&self, ctx: &Context, name: String) -> Result<String> {
        self.0.read(ctx, name).await.map_err(Error::forward)
    }

    /// Fails by itself after the first answer from behind.
    #[micro(idempotent)]
    pub async fn stumble(&self, ctx: &Context, name: String) -> Result<String> {
        let answer = self.0.read(ctx, name).await?;
        if ctx.previous_attempts() == 0 { Err(Error::unavailable("stumbled")) } else { Ok(answer) }
    }
}

async fn front(lab: &Lab) -> (Running, FrontClient) {
    let running = lab.service("front").handle(Front(lab.client())).start().await.unwrap();
    (running, FrontClient::new(&lab.builder().build()))
}

#[tokio::test(start_paused = true)]
async fn retries_are_not_multiplied_down_a_chain_of_calls() {
    let lab = Lab::new(1).await;
    let (_front, client) = front(&lab).await;
    lab.always(Code::Unavailable);
    let error = client.ask(&Context::new(), "it".to_owned()).await.unwrap_err();
    assert_eq!(lab.arrived().len(), 3, "not nine");
    assert!(error.forbids_retry());
    assert_eq!(error.message(), "a call to test.v1.Probe/Read failed with unavailable");
    client.forward(&Context::new(), "it".to_owned()).await.unwrap_err();
    assert_eq!(lab.arrived().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn what_is_made_for_a_retry_is_not_tried_again() {
    let lab = Lab::new(1).await;
    let (_front, client) = front(&lab).await;
    // The first attempt gets through, and then its own handler fails; the second one fails behind.
    lab.steps([Step::Slow(std::time::Duration::ZERO), Step::unavailable()]);
    let error = client.stumble(&Context::new(), "it".to_owned()).await.unwrap_err();
    assert_eq!(lab.arrived().len(), 2);
    assert!(error.forbids_retry());
    // Without a failure behind, the second attempt is as good as any.
    client.stumble(&Context::new(), "it".to_owned()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_failure_that_a_retry_mends_is_not_seen_above() {
    let lab = Lab::new(2).await;
    let (_front, client) = front(&lab).await;
    lab.steps([Step::unavailable(), Step::unavailable()]);
    client.ask(&Context::new(), "it".to_owned()).await.unwrap();
    assert_eq!(lab.arrived().len(), 3);
}
