//! A contract from a `.proto` file, served and called, in protobuf and in JSON.

#![allow(clippy::unwrap_used)]

use micro::protobuf::Timestamp;
use micro::{Code, Context, Error, Message as _, Result, Running, Sender, Service, Streaming};
use micro_proto_tests::all::common::money::{Currency, Money};
use micro_proto_tests::all::contract::v1::{Event, FindRequest, Imported, Shop, ShopClient, event};
use micro_proto_tests::all::shop::v1::Order;

struct Store;

fn order(id: &str) -> Order {
    let total = Money { currency: Currency::Eur.into(), units: i64::MAX };
    Order { id: id.to_owned(), total: Some(total), ..Order::default() }
}

#[micro::handler]
impl Shop for Store {
    async fn find(&self, _ctx: &Context, request: FindRequest) -> Result<Order> {
        match request.id.as_str() {
            "" => Err(Error::invalid_argument("`id` is empty")),
            id => Ok(order(id)),
        }
    }

    async fn list(&self, _ctx: &Context, (): (), out: &mut Sender<Order>) -> Result<()> {
        for id in ["a", "b"] {
            out.send(order(id)).await?;
        }
        Ok(())
    }

    async fn import(&self, _ctx: &Context, mut orders: Streaming<Order>) -> Result<Imported> {
        let mut imported = Imported::default();
        while orders.next().await?.is_some() {
            imported.count += 1;
        }
        Ok(imported)
    }

    async fn track(
        &self,
        _ctx: &Context,
        mut orders: Streaming<FindRequest>,
        out: &mut Sender<Event>,
    ) -> Result<()> {
        while let Some(FindRequest { id }) = orders.next().await? {
            let what = Some(if id == "x" {
                event::What::Lost(true)
            } else {
                event::What::ShippedWith("a ship".into())
            });
            out.send(Event { order_id: id, at: Some(Timestamp { seconds: 1, nanos: 500_000_000 }), what })
                .await?;
        }
        Ok(())
    }

    async fn later(&self, _ctx: &Context, request: Timestamp) -> Result<Timestamp> {
        Ok(Timestamp { seconds: request.seconds + 3600, ..request })
    }

    async fn shout(&self, _ctx: &Context, request: String) -> Result<String> {
        Ok(request.to_uppercase())
    }

    async fn old(&self, _ctx: &Context, (): ()) -> Result<()> {
        Ok(())
    }
}

async fn start() -> (Running, ShopClient) {
    let service = Service::new("shop").handle(Store).in_memory().await.unwrap();
    let client = ShopClient::new(&service.client());
    (service, client)
}

#[tokio::test]
async fn every_shape_works_in_protobuf_and_in_json() {
    let (_service, shop) = start().await;
    let ctx = Context::new();
    for codec in ["proto", "json"] {
        let request = FindRequest { id: "a".into() };
        assert_eq!(shop.find(&ctx, request).codec(codec).await.unwrap(), order("a"));
        let listed = shop.list(&ctx, ()).codec(codec).await.unwrap().collect().await.unwrap();
        assert_eq!(listed, [order("a"), order("b")]);
        let orders = Streaming::from_iter(["a", "b", "c"].map(order));
        assert_eq!(shop.import(&ctx, orders).codec(codec).await.unwrap().count, 3);
        let asked = Streaming::from_iter(["a", "x"].map(|id| FindRequest { id: id.into() }));
        let events = shop.track(&ctx, asked).codec(codec).await.unwrap().collect().await.unwrap();
        assert_eq!(events[0].what, Some(event::What::ShippedWith("a ship".into())));
        assert_eq!(events[1].what, Some(event::What::Lost(true)));
        let later = shop.later(&ctx, Timestamp { seconds: 1, nanos: 2 }).codec(codec).await.unwrap();
        assert_eq!(later, Timestamp { seconds: 3601, nanos: 2 });
        assert_eq!(shop.shout(&ctx, "ada".to_owned()).codec(codec).await.unwrap(), "ADA");
        let error = shop.find(&ctx, FindRequest::default()).codec(codec).await.unwrap_err();
        assert_eq!((error.code(), error.message()), (Code::InvalidArgument, "`id` is empty"));
    }
}

#[tokio::test]
async fn the_contract_keeps_the_names_the_docs_and_the_options_of_the_file() {
    let methods = ShopClient::DESCRIPTOR.methods;
    let paths: Vec<_> = methods.iter().map(|method| method.path).collect();
    assert_eq!(paths[0], "/contract.v1.Shop/Find");
    assert_eq!(paths[4], "/contract.v1.Shop/later", "as it is written in the file");
    assert_eq!(ShopClient::DESCRIPTOR.doc, "Sells things.");
    assert_eq!(methods[0].doc, "The order with this id.");
    assert!(methods[0].idempotent && !methods[1].idempotent);
    assert!(methods[6].deprecated && !methods[0].deprecated);
    assert!(methods[1].response.stream && !methods[1].request.stream);
    assert_eq!(Order::SHAPE.name, "shop.v1.Order");
    let formats: Vec<_> = methods[0].response.formats().collect();
    assert_eq!(formats, ["proto", "json"], "protobuf is preferred");
}
