//! What matters more goes first.

use std::collections::HashMap;

use micro::admission::Protection;
use micro::{Context, Environment, Priority, Service};

use crate::lab::{Front, FrontClient, Site};

#[tokio::test]
async fn the_lowest_is_refused_first_in_every_protocol() {
    for index in 0..7 {
        let site = Site::with(Protection::new().max_calls(10)).await;
        let (protocol, client) = site.clients().swap_remove(index);
        let mut running = Vec::new();
        let mut room = HashMap::new();
        for priority in Priority::ALL {
            let ctx = Context::new().with_priority(priority);
            loop {
                // One that is let in waits.
                let (waiting, own) = (client.clone(), ctx.clone());
                if client.echo(&ctx, String::new()).retries(0).await.is_err() {
                    break;
                }
                running.push(tokio::spawn(async move { waiting.wait(&own, String::new()).await }));
                *room.entry(priority).or_insert(0) += 1;
                site.lab.waiting(running.len()).await;
            }
        }
        let due = HashMap::from([(Priority::Low, 8), (Priority::Normal, 1), (Priority::High, 1)]);
        assert_eq!(room, due, "{protocol:?}");
        site.lab.go(running.len());
        for call in running {
            call.await.unwrap().unwrap();
        }
    }
}

#[tokio::test]
async fn the_priority_goes_on_to_nested_calls_unless_a_handler_gives_another_one() {
    let site = Site::with(Protection::new()).await;
    for (protocol, client) in site.clients() {
        let front = Service::new("front").environment(Environment::empty()).handle(Front(client));
        let front = front.in_memory().await.unwrap();
        let client = FrontClient::new(&front.client());
        let ctx = Context::new().with_priority(Priority::Critical);
        assert_eq!(client.ask(&ctx, false).await.unwrap(), "critical", "{protocol:?}");
        assert_eq!(client.ask(&ctx, true).await.unwrap(), "low", "{protocol:?}");
        assert_eq!(client.ask(&Context::new(), false).await.unwrap(), "normal", "{protocol:?}");
    }
}

#[tokio::test]
async fn a_service_at_the_edge_decides_itself() {
    let protection = Protection::new().max_calls(10).priority(|_| Priority::Low);
    let site = Site::with(protection).await;
    let client = site.client(None);
    let ctx = Context::new().with_priority(Priority::Critical);
    let mut running = Vec::new();
    for count in 1..=8 {
        let (client, ctx) = (client.clone(), ctx.clone());
        running.push(tokio::spawn(async move { client.wait(&ctx, String::new()).await }));
        site.lab.waiting(count).await;
    }
    assert!(client.echo(&ctx, String::new()).await.is_err());
    site.lab.go(8);
}
