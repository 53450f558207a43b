//! How often a caller may call.

use std::time::Duration;

use micro::admission::{Adaptive, Protection, RateLimit};
use micro::{Code, Context};

use crate::lab::Site;

#[tokio::test]
async fn a_caller_that_calls_too_often_is_told_when_the_next_call_is_due_in_every_protocol() {
    let limit = || {
        let limit = RateLimit::new(1, Duration::from_secs(3600)).burst(2);
        limit.key(|ctx| ctx.metadata().get("tenant").map(str::to_owned))
    };
    let protection = Protection::new().rate_limit(limit());
    let site = Site::with(protection.clone()).await;
    for (number, (protocol, client)) in site.clients().into_iter().enumerate() {
        let call = |tenant: String| client.echo(&Context::new(), String::new()).metadata("tenant", tenant);
        for _ in 0..2 {
            call(format!("tenant-{number}")).await.unwrap();
        }
        let error = call(format!("tenant-{number}")).await.unwrap_err();
        assert_eq!(error.code(), Code::ResourceExhausted, "{protocol:?}");
        let after = error.retry_after().unwrap();
        assert!((3500..=3600).contains(&after.as_secs()), "{protocol:?}: {after:?}");
        // Another node is not to be asked instead.
        assert!(!error.was_never_processed(), "{protocol:?}");
        // Who has no key is not limited.
        for _ in 0..5 {
            client.echo(&Context::new(), String::new()).await.unwrap();
        }
    }
    assert_eq!((protection.counts().rate_limited, protection.counts().admitted), (7, 7 * 7));
}

#[tokio::test]
async fn callers_are_addresses_unless_told_and_calls_inside_the_process_are_free() {
    let site = Site::with(Protection::new().rate_limit(RateLimit::per_minute(3))).await;
    let mut clients = site.clients();
    let (_, inside) = clients.pop().unwrap();
    let mut answers = Vec::new();
    for (_, client) in clients {
        answers.push(client.echo(&Context::new(), String::new()).await.is_ok());
    }
    // All are of one address.
    assert_eq!(answers, [true, true, true, false, false, false]);
    for _ in 0..10 {
        inside.echo(&Context::new(), String::new()).await.unwrap();
    }
}

#[tokio::test]
async fn an_idle_service_with_every_protection_serves_as_one_without() {
    let protection =
        Protection::new().max_calls(4).adaptive(Adaptive::new()).rate_limit(RateLimit::per_second(1000));
    let site = Site::with(protection.clone()).await;
    for (_, client) in site.clients() {
        for _ in 0..20 {
            client.echo(&Context::new(), "a".to_owned()).await.unwrap();
        }
    }
    assert_eq!((protection.counts().admitted, protection.counts().refused()), (140, 0));
}
