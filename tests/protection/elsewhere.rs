//! Where a call goes that a busy node refuses.

use std::sync::Arc;

use micro::admission::Protection;
use micro::client::Protocol;
use micro::registry::{Discovery, Memory};
use micro::selector::Random;
use micro::{Client, Code, Context, Environment};

use crate::lab::{LabClient, Site};

#[tokio::test]
async fn a_call_that_a_busy_node_refuses_is_served_by_another_one_in_every_protocol() {
    let protocols = [Protocol::Connect, Protocol::Grpc, Protocol::GrpcWeb, Protocol::Mucp, Protocol::Native];
    for protocol in protocols.into_iter().map(Some).chain([None]) {
        let registry = Discovery::new(Arc::new(Memory::new()));
        let node = || async {
            let of_node =
                Client::builder().environment(Environment::empty()).discovery(registry.clone()).build();
            let protection = Protection::new().max_calls(1);
            Site::of(|service| service.with_client(of_node).protect(protection)).await
        };
        let (busy, idle) = (node().await, node().await);
        let direct = busy.client(Some(Protocol::Native));
        let running = tokio::spawn(async move { direct.wait(&Context::new(), String::new()).await });
        busy.lab.waiting(1).await;
        let client = Client::builder().environment(Environment::empty()).selector(Random::new());
        let client = client.discovery(registry.clone());
        let client = match protocol {
            Some(protocol) => client.protocol(protocol),
            None => client,
        };
        let client = LabClient::new(&client.build());
        for _ in 0..20 {
            client.echo(&Context::new(), String::new()).await.unwrap();
        }
        // And where all are busy the caller hears of it.
        let other = idle.client(Some(Protocol::Native));
        let other = tokio::spawn(async move { other.wait(&Context::new(), String::new()).await });
        idle.lab.waiting(1).await;
        let error = client.echo(&Context::new(), String::new()).await.unwrap_err();
        assert_eq!(error.code(), Code::ResourceExhausted, "{protocol:?}");
        busy.lab.go(1);
        idle.lab.go(1);
        running.await.unwrap().unwrap();
        other.await.unwrap().unwrap();
    }
}
