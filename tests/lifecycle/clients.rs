//! The client of a service, and one that it was given.

use micro::registry::Memory;
use micro::{Client, Context, Environment, Result, Running, Service};

use super::{Work, WorkClient, nodes, service};

async fn quick(client: &Client) -> Result<()> {
    WorkClient::new(client).quick(&Context::new(), ()).await
}

async fn in_memory_with(client: &Client, name: &str) -> Running {
    Service::new(name).with_client(client.clone()).handle(Work::default()).in_memory().await.unwrap()
}

#[tokio::test]
async fn a_client_that_was_given_stays_as_it_is() {
    let real = service(&Memory::new()).handle(Work::default()).start().await.unwrap();
    let client = Client::builder().address(real.address()).build();
    let building = Service::new("other")
        .with_client(client.clone())
        .environment(Environment::empty())
        .registry(Memory::new())
        .transport(micro::transport::Memory::new());
    quick(&building.client()).await.unwrap();
    let _other = building.start().await.unwrap();
    let _in_memory = in_memory_with(&client, "another").await;
    quick(&client).await.unwrap();
}

#[tokio::test]
async fn services_in_memory_that_share_a_client_are_each_reached_by_their_own() {
    let shared = Client::builder().registry(Memory::new()).build();
    let first = in_memory_with(&shared, "work").await;
    let second = in_memory_with(&shared, "work").await;
    quick(&first.client()).await.unwrap();
    first.stop().await.unwrap();
    quick(&second.client()).await.unwrap();
}

#[tokio::test]
async fn a_service_is_registered_where_the_client_finds_services_that_it_was_given() {
    let registry = Memory::new();
    let client = Client::builder().registry(registry.clone()).build();
    let running = Service::new("work")
        .environment(Environment::empty())
        .with_client(client.clone())
        .handle(Work::default())
        .start()
        .await
        .unwrap();
    assert_eq!(nodes(&registry).await, 1);
    quick(&client).await.unwrap();
    quick(&running.client()).await.unwrap();
}
