//! Messages around and beyond the windows.

use micro::codec::Compression;
use micro::server::Limits;
use micro::{Code, Context, Streaming};

use crate::lab::Site;
use crate::soon::soon;

const MIB: usize = 1024 * 1024;

#[tokio::test]
async fn of_1_and_4_mib_and_in_parallel() {
    let site = Site::with(Limits::new().max_message_size(5 * MIB)).await;
    let lab = site.client_with(|client| client.max_message_size(5 * MIB));
    let ctx = Context::new();
    for size in [MIB, 4 * MIB] {
        let text = "x".repeat(size);
        assert!(soon(lab.echo(&ctx, text.clone()).send()).await.unwrap() == text);
        let calls: Vec<_> = (0..6).map(|_| tokio::spawn(lab.echo(&ctx, text.clone()).send())).collect();
        for call in calls {
            assert!(soon(call).await.unwrap().unwrap() == text);
        }
        let three = Streaming::from_iter([text.clone(), text.clone(), text.clone()]);
        assert_eq!(soon(lab.lengths(&ctx, three).send()).await.unwrap(), 3 * size);
        let mut texts = soon(lab.texts(&ctx, (size, 3)).send()).await.unwrap();
        for _ in 0..3 {
            assert_eq!(soon(texts.next()).await.unwrap().unwrap().len(), size);
        }
        assert!(soon(texts.next()).await.unwrap().is_none());
    }
}

#[tokio::test]
async fn with_the_smallest_windows() {
    let limits = Limits::new().call_window(1 << 16).connection_window(1 << 16);
    let site = Site::with(limits).await;
    let lab = site.client_with(|client| client.call_window(1 << 16).connection_window(1 << 16));
    let (ctx, text) = (Context::new(), "x".repeat(MIB));
    let calls: Vec<_> = (0..6).map(|_| tokio::spawn(lab.echo(&ctx, text.clone()).send())).collect();
    for call in calls {
        assert!(soon(call).await.unwrap().unwrap() == text);
    }
    // A window of a call that the one of the connection has no room for.
    let limits = Limits::new().call_window(1 << 30).connection_window(1 << 16);
    let site = Site::with(limits).await;
    let lab = site.client_with(|client| client.call_window(1 << 30).connection_window(1 << 16));
    assert!(soon(lab.echo(&ctx, text.clone()).send()).await.unwrap() == text);
}

#[tokio::test]
async fn of_every_size_around_that_of_a_frame() {
    let site = Site::start().await;
    let (lab, ctx) = (site.client(), Context::new());
    for around in [128 * 1024, 256 * 1024] {
        for size in (around - 200..around + 100).step_by(7) {
            let call = lab.length(&ctx, "x".repeat(size)).metadata("word", "y".repeat(60));
            assert_eq!(soon(call.send()).await.unwrap(), size);
            let letters = soon(lab.letters(&ctx, size).send()).await.unwrap();
            assert_eq!(letters.len(), size);
        }
    }
}

#[tokio::test]
async fn compressed_beyond_the_windows() {
    let site = Site::start().await;
    let lab = site.client_with(|client| client.compression(Compression::Gzip));
    // What does not shrink much.
    let text: String = (0..2 * MIB).map(|at| char::from(b'a' + (at * at / 7 % 25) as u8)).collect();
    let ctx = Context::new();
    assert!(soon(lab.echo(&ctx, text.clone()).send()).await.unwrap() == text);
    assert!(soon(lab.echo(&ctx, "x".repeat(3 * MIB)).send()).await.unwrap().len() == 3 * MIB);
}

#[tokio::test]
async fn beyond_the_limit_of_either_side() {
    let site = Site::with(Limits::new().max_message_size(2 * MIB)).await;
    let lab = site.client_with(|client| client.max_message_size(MIB));
    let ctx = Context::new();
    let error = soon(lab.length(&ctx, "x".repeat(3 * MIB)).send()).await.unwrap_err();
    assert_eq!(error.code(), Code::ResourceExhausted);
    assert!(error.is_remote() && error.message().contains("the limit of 2097152 bytes"), "{error}");
    let error = soon(lab.letters(&ctx, MIB).send()).await.unwrap_err();
    assert_eq!(error.code(), Code::ResourceExhausted);
    assert!(!error.is_remote() && error.message().contains("the limit of 1048576 bytes"), "{error}");
    assert_eq!(soon(lab.length(&ctx, "x".repeat(MIB)).send()).await.unwrap(), MIB);
}

#[tokio::test]
async fn that_together_exceed_what_may_wait_are_refused_with_the_option_to_change() {
    let site = Site::with(Limits::new().max_buffered(1 << 17)).await;
    let (lab, ctx) = (site.client(), Context::new());
    let error = soon(lab.length(&ctx, "x".repeat(3 * MIB)).send()).await.unwrap_err();
    assert_eq!(error.code(), Code::ResourceExhausted);
    assert!(error.message().contains("`max_buffered`"), "{error}");
    assert_eq!(soon(lab.length(&ctx, "x".repeat(MIB / 8)).send()).await.unwrap(), MIB / 8);
}
