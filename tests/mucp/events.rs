//! Events, which are handed to subscribers.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use micro::call::{Invocation, Next};

use crate::shop::Site;
use crate::soon::soon;
use crate::wire::{Answer, JSON, Wire};

async fn publish(wire: &mut Wire, topic: &str, headers: &[(&str, &str)], event: &str) -> Answer {
    let headers = [&[("Micro-Topic", topic)], headers].concat();
    wire.send("POST / HTTP/1.1", &headers, event).await;
    let answer = wire.answer().await;
    assert_eq!(answer.body, "");
    answer
}

async fn given(site: &mut Site, count: usize) -> Vec<String> {
    let mut given = Vec::new();
    for _ in 0..count {
        given.push(soon(site.events.recv()).await.unwrap());
    }
    given.sort();
    given
}

#[tokio::test]
async fn every_subscriber_of_a_topic_is_given_the_event_and_its_metadata() {
    let mut site = Site::start().await;
    let mut wire = Wire::open(&site).await;
    let event = r#"{"item":"tea","count":2}"#;
    let answer = publish(&mut wire, "ordered", &[JSON, ("Tenant", "acme")], event).await;
    assert_eq!(answer.header("micro-error"), None);
    assert_eq!(given(&mut site, 2).await, ["audit: tea for acme", "stock: 2 times tea"]);
}

#[tokio::test]
async fn a_subscriber_is_given_the_event_with_what_its_publisher_said_of_it() {
    let mut site = Site::start().await;
    let mut wire = Wire::open(&site).await;
    let headers = [JSON, ("Micro-Id", "7"), ("Tenant", "acme")];
    let answer = publish(&mut wire, "packed", &headers, r#"{"item":"tea"}"#).await;
    assert_eq!(answer.header("micro-error"), None);
    assert_eq!(given(&mut site, 1).await, [r#"1 tea in packed, Some("7"), Some("acme")"#]);
}

#[tokio::test]
async fn an_event_that_nobody_waits_for_is_no_error() {
    let site = Site::start().await;
    let mut wire = Wire::open(&site).await;
    for headers in [&[JSON][..], &[("Content-Type", "text/plain")], &[("Micro-Endpoint", "Shop.Panic")]] {
        assert_eq!(publish(&mut wire, "opened", headers, "{}").await.header("micro-error"), None);
    }
}

#[tokio::test]
async fn an_error_of_a_subscriber_is_told_and_the_others_are_given_the_event() {
    let mut site = Site::start().await;
    let mut wire = Wire::open(&site).await;
    let error = publish(&mut wire, "ordered", &[JSON], r#"{"item":"tea"}"#).await.error(500);
    assert_eq!(error["id"], "go.micro.server");
    assert_eq!(error["detail"], "subscriber error: nothing was ordered");
    assert_eq!(given(&mut site, 1).await, ["audit: tea for nobody"]);
    let panicked = publish(&mut wire, "closed", &[JSON], "{}").await.detail(500);
    assert!(panicked.contains("Audit/OnClosed panicked"), "{panicked}");
}

#[tokio::test]
async fn an_event_that_cannot_be_read_is_an_error() {
    let site = Site::start().await;
    let mut wire = Wire::open(&site).await;
    let malformed = publish(&mut wire, "ordered", &[JSON], "{").await.detail(500);
    assert!(malformed.contains("malformed JSON"), "{malformed}");
    let unknown = publish(&mut wire, "ordered", &[], "{}").await.detail(500);
    assert!(unknown.contains("application/json"), "{unknown}");
    let large = publish(&mut wire, "ordered", &[JSON], &" ".repeat(2000)).await.detail(429);
    assert!(large.contains("1024"), "{large}");
}

#[tokio::test]
async fn interceptors_see_events_as_they_see_calls() {
    let seen = Arc::new(AtomicUsize::new(0));
    let counted = seen.clone();
    let count = move |call: Invocation, next: Next| {
        counted.fetch_add(usize::from(call.method.name == "OnOrdered"), Ordering::SeqCst);
        next.run(call)
    };
    let mut site = Site::of(|service| service.intercept(count)).await;
    let mut wire = Wire::open(&site).await;
    publish(&mut wire, "ordered", &[JSON], r#"{"item":"tea","count":1}"#).await;
    given(&mut site, 2).await;
    assert_eq!(seen.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn the_registry_lists_subscribers_as_go_micro_does() {
    let site = Site::start().await;
    let record = site.record().await;
    let subscribers: Vec<_> =
        record.endpoints.iter().filter(|endpoint| endpoint.metadata.contains_key("subscriber")).collect();
    let names: Vec<_> = subscribers.iter().map(|subscriber| subscriber.name.as_str()).collect();
    assert_eq!(names, ["Audit.OnPacked", "Audit.OnOrdered", "Audit.Stock", "Audit.OnClosed"]);
    let first = subscribers[0];
    assert_eq!((&*first.metadata["topic"], &*first.metadata["subscriber"]), ("packed", "true"));
    assert_eq!(first.response, None);
    assert_eq!(first.request.as_ref().unwrap().kind, "Order");
    assert_eq!(record.nodes[0].metadata["protocol"], "mucp");
}
