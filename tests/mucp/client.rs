//! The generated client, which is told to speak go-micro's own RPC.

use std::time::Duration;

use micro::client::Protocol;
use micro::{Client, Code, Context};

use crate::shop::{Order, ShopClient, Site};

fn client(site: &Site) -> ShopClient {
    ShopClient::new(&Client::builder().address(site.address()).protocol(Protocol::Mucp).build())
}

#[tokio::test]
async fn a_client_makes_calls_in_json_and_in_protobuf() {
    let site = Site::start().await;
    let (shop, ctx) = (client(&site), Context::new());
    let order = shop.order(&ctx, Order { item: "tea".into(), count: 1 }).await.unwrap();
    assert_eq!(order, Order { item: "tea".into(), count: 2 });
    for codec in ["json", "proto"] {
        assert_eq!(shop.echo(&ctx, "Käse".into()).codec(codec).await.unwrap(), "Käse");
        shop.nothing(&ctx, ()).codec(codec).await.unwrap();
    }
}

#[tokio::test]
async fn an_error_arrives_with_its_code_its_text_and_its_metadata() {
    let site = Site::start().await;
    let shop = client(&site);
    for name in ["invalid_argument", "not_found", "already_exists", "unavailable", "internal"] {
        let error = shop.fail(&Context::new(), name.into()).await.unwrap_err();
        assert_eq!((error.code().as_str(), error.message()), (name, &*format!("{name}, as you wish: ü")));
        assert_eq!(error.metadata().get("reason"), Some("wished"));
        assert_eq!(error.origin().as_deref(), Some("Shop/Fail"));
        assert!(error.is_remote());
    }
    // For which go-micro has no code of its own.
    let error = shop.fail(&Context::new(), "aborted".into()).await.unwrap_err();
    assert_eq!(error.code(), Code::Internal);
}

#[tokio::test]
async fn metadata_goes_both_ways() {
    let site = Site::start().await;
    let shop = client(&site);
    let answer =
        shop.carry(&Context::new(), "tenant".into()).metadata("Tenant", "acme").response().await.unwrap();
    assert_eq!(answer.get_ref(), "acme");
    assert_eq!((answer.headers().get("x-head"), answer.headers().get("x-tail")), (Some("h"), Some("t")));
}

#[tokio::test]
async fn a_deadline_holds() {
    let site = Site::start().await;
    let call = client(&site).hang(&Context::new(), ()).timeout(Duration::from_millis(50));
    assert_eq!(call.await.unwrap_err().code(), Code::DeadlineExceeded);
}

#[tokio::test]
async fn a_call_that_streams_names_the_way_out() {
    let site = Site::start().await;
    let error = client(&site).count(&Context::new(), 3).await.unwrap_err();
    assert_eq!(error.code(), Code::Unimplemented);
    assert!(error.message().contains("gRPC plugin"), "{error}");
}
