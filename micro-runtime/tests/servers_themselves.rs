//! The servers of the tests can be broken and come back.

mod servers;

use servers::{Kind, Server};

async fn survives(kind: Kind) {
    let Some(mut server) = Server::start(kind).await else { return };
    let address = server.address();
    server.kill();
    assert!(tokio::net::TcpStream::connect(&address).await.is_err());
    server.restart().await;
    assert_eq!(server.address(), address);
    server.kill();
    server.wipe();
    server.restart().await;
}

#[tokio::test]
async fn an_etcd_can_be_killed_and_started_again_with_its_data_or_without() {
    survives(Kind::Etcd).await;
}

#[tokio::test]
async fn a_nats_server_can_be_killed_and_started_again_with_its_data_or_without() {
    survives(Kind::Nats).await;
}

#[tokio::test]
async fn a_rabbitmq_can_be_killed_and_started_again_with_its_data_or_without() {
    survives(Kind::RabbitMq).await;
}

#[tokio::test]
async fn a_consul_agent_can_be_killed_and_started_again_with_its_data_or_without() {
    survives(Kind::Consul).await;
}
