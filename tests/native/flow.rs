//! Flow control: nobody sends more than was granted, and who does not read holds up nobody else.

use std::time::Duration;

use micro::{Context, Streaming};
use tokio::time::timeout;

use crate::lab::Site;
use crate::soon::soon;
use crate::wire::{CREDIT, DATA, END, Frame, LAST, MORE, OVERHEAD, Wire, ask, frame};

/// So long nothing may come before it is taken for nothing at all.
const QUIET: Duration = Duration::from_millis(200);

/// All frames that come until there are none for a while.
async fn until_quiet(wire: &mut Wire) -> Vec<Frame> {
    let mut frames = Vec::new();
    while let Ok(frame) = timeout(QUIET, wire.next()).await {
        frames.push(frame);
    }
    frames
}

/// What the messages in these frames count.
fn cost(frames: &[Frame]) -> usize {
    frames.iter().filter(|frame| frame.kind == DATA).map(|frame| frame.payload.len() + OVERHEAD).sum()
}

fn credit(call: u32, amount: usize) -> Vec<u8> {
    frame(CREDIT, 0, call, u32::try_from(amount).unwrap().to_be_bytes())
}

#[tokio::test]
async fn a_server_sends_no_more_of_a_call_than_it_is_granted() {
    let site = Site::start().await;
    let mut wire = Wire::open_with(&site, &[(2, 65536)]).await;
    wire.send(ask(1, "Texts", "[1000,500]")).await;
    let mut all = cost(&until_quiet(&mut wire).await);
    assert!(all <= 65536 && all > 32768, "{all}");
    // A grant for the connection is none for the call.
    wire.send(credit(0, 1 << 20)).await;
    assert_eq!(until_quiet(&mut wire).await, []);
    wire.works(2).await;
    for granted in 1..=3 {
        wire.send(credit(1, 40_000)).await;
        all += cost(&until_quiet(&mut wire).await);
        assert!(all <= 65536 + granted * 40_000, "{all}");
        assert!(all > 32768 + (granted - 1) * 40_000, "{all}");
    }
    wire.send(credit(1, 1 << 20)).await;
    while wire.next().await.kind != END {}
}

#[tokio::test]
async fn a_server_sends_no_more_on_a_connection_than_it_is_granted() {
    let site = Site::start().await;
    let mut wire = Wire::open_with(&site, &[(3, 65536)]).await;
    wire.send(
        [ask(1, "Texts", "[1000,100]"), ask(2, "Texts", "[1000,100]"), ask(3, "Letters", "5000")].concat(),
    )
    .await;
    let all = cost(&until_quiet(&mut wire).await);
    assert!(all <= 65536 && all > 32768, "{all}");
    wire.send(credit(1, 1 << 20)).await;
    assert_eq!(cost(&until_quiet(&mut wire).await), 0);
    wire.send(credit(0, 1 << 20)).await;
    let rest = cost(&until_quiet(&mut wire).await);
    assert_eq!(all + rest, 200 * (1002 + OVERHEAD) + 5002 + OVERHEAD);
}

#[tokio::test]
async fn empty_grants_and_grants_for_calls_that_are_over_are_nothing() {
    let site = Site::start().await;
    let mut wire = Wire::open_with(&site, &[(2, 65536)]).await;
    wire.send(ask(1, "Texts", "[1000,100]")).await;
    until_quiet(&mut wire).await;
    wire.send([credit(1, 0), credit(77, 5000), credit(0, 0)].concat()).await;
    assert_eq!(until_quiet(&mut wire).await, []);
}

#[tokio::test]
async fn a_message_that_is_larger_than_its_window_comes_in_pieces_as_it_is_granted() {
    let site = Site::start().await;
    let mut wire = Wire::open_with(&site, &[(2, 65536), (4, 16384)]).await;
    wire.send(ask(1, "Letters", "200000")).await;
    let (mut frames, mut length) = (Vec::new(), 0);
    while length < 200_002 {
        let frame = wire.next_of(DATA).await;
        assert!(frame.payload.len() <= 16384);
        length += frame.payload.len();
        wire.send([credit(1, frame.payload.len() + OVERHEAD)].concat()).await;
        frames.push(frame);
    }
    let last = frames.pop().unwrap();
    assert_eq!(last.flags, LAST & last.flags);
    assert!(frames.iter().all(|frame| frame.flags == MORE));
    assert_eq!(length, 200_002);
}

#[tokio::test]
async fn who_does_not_read_a_stream_holds_its_handler_up_and_no_other_call() {
    let site = Site::start().await;
    let (lab, ctx) = (site.client(), Context::new());
    let mut texts = soon(lab.texts(&ctx, (1000, 1_000_000)).send()).await.unwrap();
    assert_eq!(soon(texts.next()).await.unwrap().unwrap().len(), 1000);
    let mut sent = 0;
    while site.sent() != sent {
        sent = site.sent();
        tokio::time::sleep(QUIET).await;
    }
    // The window of the call, and what a sender prepares.
    assert!(sent < 600, "{sent} messages of 1 kB were sent, and one was read");
    for _ in 0..100 {
        assert_eq!(soon(lab.echo(&ctx, "Ada".to_owned()).send()).await.unwrap(), "Ada");
    }
    // It goes on where somebody reads on.
    for _ in 0..2000 {
        soon(texts.next()).await.unwrap().unwrap();
    }
    assert!(site.sent() > sent);
    drop(texts);
    site.handlers(0).await;
}

#[tokio::test]
async fn a_handler_that_does_not_read_holds_its_caller_up_and_no_other_call() {
    let site = Site::start().await;
    let (lab, ctx) = (site.client(), Context::new());
    let (mut sender, numbers) = Streaming::channel();
    let call = tokio::spawn(lab.stuck(&ctx, numbers).send());
    site.handlers(1).await;
    let mut sent = 0;
    while timeout(QUIET, sender.send(sent)).await.is_ok_and(|sent| sent.is_ok()) {
        sent += 1;
        assert!(sent < 100_000, "nothing holds it up");
    }
    for _ in 0..100 {
        assert_eq!(soon(lab.echo(&ctx, "Ada".to_owned()).send()).await.unwrap(), "Ada");
    }
    call.abort();
    site.handlers(0).await;
}
