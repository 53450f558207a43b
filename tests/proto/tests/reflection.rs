//! What a server says about itself, put together again by the reference library.

#![allow(clippy::unwrap_used, missing_docs)]

use std::collections::BTreeSet;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use micro::{Code, Context, Result, Running, Sender, Service, Streaming};
use micro_proto_tests::all::contract::v1::{Event, FindRequest, Imported, Shop};
use micro_proto_tests::all::shop::v1::Order;
use prost::Message as _;
use prost_reflect::DescriptorPool;
use prost_reflect::prost_types::{FileDescriptorProto, FileDescriptorSet};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::time::timeout;

/// The standard service as another program would write it down.
#[micro::service(package = "grpc.reflection.v1", name = "ServerReflection")]
trait Standard {
    #[micro(name = "ServerReflectionInfo")]
    async fn ask(
        &self,
        ctx: &Context,
        questions: Streaming<serde_json::Value>,
        out: &mut Sender<serde_json::Value>,
    ) -> Result<()>;
}

/// The same under its older name.
#[micro::service(package = "grpc.reflection.v1alpha", name = "ServerReflection")]
trait Older {
    #[micro(name = "ServerReflectionInfo")]
    async fn ask(
        &self,
        ctx: &Context,
        questions: Streaming<serde_json::Value>,
        out: &mut Sender<serde_json::Value>,
    ) -> Result<()>;
}

struct Store;

#[micro::handler(also(Counter))]
impl Shop for Store {
    async fn find(&self, _ctx: &Context, _request: FindRequest) -> Result<Order> {
        Ok(Order::default())
    }

    async fn list(&self, _ctx: &Context, (): (), _out: &mut Sender<Order>) -> Result<()> {
        Ok(())
    }

    async fn import(&self, _ctx: &Context, _orders: Streaming<Order>) -> Result<Imported> {
        Ok(Imported::default())
    }

    async fn track(
        &self,
        _ctx: &Context,
        _orders: Streaming<FindRequest>,
        _out: &mut Sender<Event>,
    ) -> Result<()> {
        Ok(())
    }

    async fn later(
        &self,
        _ctx: &Context,
        request: micro::protobuf::Timestamp,
    ) -> Result<micro::protobuf::Timestamp> {
        Ok(request)
    }

    async fn shout(&self, _ctx: &Context, request: String) -> Result<String> {
        Ok(request)
    }

    async fn old(&self, _ctx: &Context, (): ()) -> Result<()> {
        Ok(())
    }
}

/// A contract that was written in Rust, with a generated message, and a serde type of a name that
/// the files have already.
#[micro::service(package = "shop.v1")]
trait Counter {
    async fn weigh(&self, ctx: &Context, request: Order) -> Result<Weight>;
    async fn money(&self, ctx: &Context, request: own::Order) -> Result<()>;
}

#[derive(micro::Message, Serialize, Deserialize)]
struct Weight {
    grams: f64,
    of: Vec<own::Order>,
}

mod own {
    #[derive(micro::Message, serde::Serialize, serde::Deserialize)]
    pub(crate) struct Order {
        pub(crate) count: u32,
    }
}

impl Counter for Store {
    async fn weigh(&self, _ctx: &Context, _request: Order) -> Result<Weight> {
        Ok(Weight { grams: 1.0, of: Vec::new() })
    }

    async fn money(&self, _ctx: &Context, _request: own::Order) -> Result<()> {
        Ok(())
    }
}

async fn start() -> Running {
    Service::new("shop").handle(Store).in_memory().await.unwrap()
}

/// The answers to questions of one stream.
async fn ask(service: &Running, questions: &[serde_json::Value]) -> Vec<serde_json::Value> {
    let client = StandardClient::with_name(&service.client(), "shop");
    let questions = Streaming::from_iter(questions.to_vec());
    client.ask(&Context::new(), questions).await.unwrap().collect().await.unwrap()
}

fn files(answer: &serde_json::Value) -> Vec<FileDescriptorProto> {
    let files = answer["fileDescriptorResponse"]["fileDescriptorProto"].as_array();
    let decode = |file: &serde_json::Value| {
        FileDescriptorProto::decode(STANDARD.decode(file.as_str().unwrap()).unwrap().as_slice()).unwrap()
    };
    files.unwrap_or_else(|| panic!("{answer}")).iter().map(decode).collect()
}

/// All that the server tells of these, as the reference understands it.
async fn pool(service: &Running, symbols: &[&str]) -> DescriptorPool {
    let questions: Vec<_> = symbols.iter().map(|name| json!({ "fileContainingSymbol": name })).collect();
    let mut file = Vec::new();
    for answer in ask(service, &questions).await {
        for found in files(&answer) {
            if file.iter().all(|known: &FileDescriptorProto| known.name() != found.name()) {
                file.push(found);
            }
        }
    }
    DescriptorPool::from_file_descriptor_set(FileDescriptorSet { file }).unwrap()
}

#[tokio::test]
async fn all_services_are_listed_the_standard_ones_included() {
    let service = start().await;
    let answers = ask(&service, &[json!({ "host": "here", "listServices": "*" })]).await;
    let listed = answers[0]["listServicesResponse"]["service"].as_array().unwrap();
    let names: Vec<_> = listed.iter().map(|service| service["name"].as_str().unwrap()).collect();
    assert_eq!(
        names,
        [
            "contract.v1.Shop",
            "grpc.health.v1.Health",
            "grpc.reflection.v1.ServerReflection",
            "grpc.reflection.v1alpha.ServerReflection",
            "shop.v1.Counter",
        ]
    );
    assert_eq!(answers[0]["validHost"], "here");
    assert_eq!(answers[0]["originalRequest"]["listServices"], "*");
    // Each of them can be looked at.
    let pool = pool(&service, &names).await;
    for name in names {
        assert!(pool.get_service_by_name(name).is_some(), "{name}");
    }
    service.stop().await.unwrap();
}

#[tokio::test]
async fn a_generated_contract_is_told_as_it_was_compiled() {
    let service = start().await;
    let told = pool(&service, &["contract.v1.Shop", "contract.v1.Shop.Find", "shop.v1.Order.by_item"]).await;
    let compiled =
        DescriptorPool::decode(include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin")).as_slice())
            .unwrap();
    for file in told.files() {
        let mut original = compiled
            .files()
            .find(|known| known.name() == file.name())
            .unwrap()
            .file_descriptor_proto()
            .clone();
        original.source_code_info = None;
        assert_eq!(*file.file_descriptor_proto(), original);
    }
    service.stop().await.unwrap();
}

#[tokio::test]
async fn a_contract_written_in_rust_refers_to_generated_messages_with_their_own_numbers() {
    let service = start().await;
    let pool = pool(&service, &["shop.v1.Counter"]).await;
    let counter = pool.get_service_by_name("shop.v1.Counter").unwrap();
    let types: Vec<_> = counter
        .methods()
        .map(|method| (method.input().full_name().to_owned(), method.output().full_name().to_owned()))
        .collect();
    assert_eq!(types[0], ("shop.v1.Order".to_owned(), "shop.v1.Weight".to_owned()));
    assert_eq!(types[1], ("shop.v1.Order2".to_owned(), "google.protobuf.Empty".to_owned()));
    assert_eq!(pool.get_message_by_name("shop.v1.Order").unwrap().parent_file().name(), "shop/shop.proto");
    let weight = pool.get_message_by_name("shop.v1.Weight").unwrap();
    assert_eq!(weight.parent_file().name(), "micro/shop.v1.proto");
    service.stop().await.unwrap();
}

#[tokio::test]
async fn a_file_comes_with_its_imports_and_each_import_once_in_a_stream() {
    let service = start().await;
    let of = |name: &str| json!({ "fileByFilename": name });
    let answers = ask(&service, &[of("shop/shop.proto"), of("shop/money.proto"), of("contract.proto")]).await;
    let names = |answer| files(answer).iter().map(|file| file.name().to_owned()).collect::<BTreeSet<_>>();
    assert_eq!(files(&answers[0])[0].name(), "shop/shop.proto");
    let first = names(&answers[0]);
    assert!(first.contains("shop/money.proto") && first.contains("shop/page.proto"), "{first:?}");
    assert_eq!(names(&answers[1]), BTreeSet::from(["shop/money.proto".to_owned()]), "asked for again");
    let third = names(&answers[2]);
    assert!(third.contains("contract.proto") && third.is_disjoint(&first), "{third:?}");
    service.stop().await.unwrap();
}

#[tokio::test]
async fn what_is_not_known_is_an_answer_and_not_the_end() {
    let service = start().await;
    let answers = ask(
        &service,
        &[
            json!({ "fileByFilename": "nothing.proto" }),
            json!({ "fileContainingSymbol": "shop.v1.Nothing" }),
            json!({ "allExtensionNumbersOfType": "shop.v1.Nothing" }),
            json!({ "fileContainingExtension": { "containingType": "shop.v1.Order", "extensionNumber": 5 } }),
            json!({}),
            json!({ "allExtensionNumbersOfType": "shop.v1.Order" }),
        ],
    )
    .await;
    let codes: Vec<_> = answers.iter().map(|answer| answer["errorResponse"]["errorCode"].as_i64()).collect();
    assert_eq!(codes, [Some(5), Some(5), Some(5), Some(5), Some(3), None]);
    assert_eq!(answers[1]["errorResponse"]["errorMessage"], "there is no symbol `shop.v1.Nothing`");
    assert_eq!(answers[5]["allExtensionNumbersResponse"], json!({ "baseTypeName": "shop.v1.Order" }));
    service.stop().await.unwrap();
}

#[tokio::test]
async fn the_older_name_answers_the_same() {
    let service = start().await;
    let client = OlderClient::with_name(&service.client(), "shop");
    let question = json!({ "listServices": "" });
    let answers = client.ask(&Context::new(), Streaming::from_iter([question.clone()])).await.unwrap();
    assert_eq!(answers.collect().await.unwrap(), ask(&service, &[question]).await);
    service.stop().await.unwrap();
}

#[tokio::test]
async fn who_asks_on_and_on_does_not_hold_a_stop_up() {
    let service = start().await;
    let client = StandardClient::with_name(&service.client(), "shop");
    let (mut questions, asked) = Streaming::channel();
    questions.send(json!({ "listServices": "" })).await.unwrap();
    let mut answers = client.ask(&Context::new(), asked).await.unwrap();
    assert!(answers.next().await.unwrap().is_some());
    timeout(Duration::from_secs(10), service.stop()).await.expect("it stops").unwrap();
    assert!(answers.next().await.unwrap().is_none());
}

#[tokio::test]
async fn a_service_can_keep_to_itself_what_it_serves() {
    let service = Service::new("shop").handle(Store).reflection(false).in_memory().await.unwrap();
    let client = StandardClient::with_name(&service.client(), "shop");
    let question = Streaming::from_iter([json!({ "listServices": "" })]);
    let error = match client.ask(&Context::new(), question).await {
        Ok(mut answers) => answers.next().await.unwrap_err(),
        Err(error) => error,
    };
    assert_eq!(error.code(), Code::Unimplemented);
    service.stop().await.unwrap();
}
