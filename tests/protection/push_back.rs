//! When to try again, as the client hears it in every protocol.

use std::time::Duration;

use micro::admission::Protection;
use micro::{Code, Context};

use crate::lab::Site;

#[tokio::test]
async fn when_to_try_again_survives_every_protocol() {
    let site = Site::with(Protection::new()).await;
    for (protocol, client) in site.clients() {
        let error = client.busy(&Context::new(), Some(1500)).await.unwrap_err();
        assert_eq!(error.code(), Code::Unavailable, "{protocol:?}");
        assert_eq!(error.retry_after(), Some(Duration::from_millis(1500)), "{protocol:?}");
        assert!(!error.forbids_retry(), "{protocol:?}");
        let error = client.busy(&Context::new(), None).await.unwrap_err();
        assert!(error.forbids_retry() && error.retry_after().is_none(), "{protocol:?}");
    }
}

#[tokio::test]
async fn that_a_handler_saw_nothing_of_a_call_survives_every_protocol() {
    let protection = Protection::new().max_calls_of("Lab/Wait", 1);
    let site = Site::with(protection.clone()).await;
    let first = site.client(None);
    let running = tokio::spawn(async move { first.wait(&Context::new(), "first".to_owned()).await });
    site.lab.waiting(1).await;
    let mut refused = 0;
    for (protocol, client) in site.clients() {
        let error = client.wait(&Context::new(), String::new()).await.unwrap_err();
        assert_eq!(error.code(), Code::ResourceExhausted, "{protocol:?}: {error}");
        assert!(error.was_never_processed(), "{protocol:?}: {error}");
        let after = error.retry_after().unwrap();
        assert!((50..=151).contains(&after.as_millis()), "{protocol:?}: {after:?}");
        assert!(error.message().contains("1 calls at a time"), "{protocol:?}: {error}");
        refused += 1;
        assert!(protection.counts().refused_by_limit >= refused);
    }
    site.lab.go(1);
    assert_eq!(running.await.unwrap().unwrap(), "first");
}
