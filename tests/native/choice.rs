//! When the native wire is spoken, and what is spoken where it cannot be.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use micro::client::{ClientBuilder, HttpVersion, Protocol};
use micro::registry::{Memory, Node, Registration, Registry as _};
use micro::{Client, Code, Context, Environment, Error};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tower::layer::util::Identity;

use crate::authority::Authority;
use crate::lab::{LabClient, Site, client};
use crate::soon::soon;
use crate::wire::{NOT_HERE, PREFACE, VERSION, Wire, go_away, hello};

/// Stands in front of a service, and sees how connections to it begin.
struct Recorder {
    address: String,
    openings: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Recorder {
    async fn before(site: &Site) -> Self {
        Self::with(site, |_| None).await
    }

    /// What `instead` says to an opening is said in place of the service.
    async fn with(site: &Site, instead: impl Fn(&[u8]) -> Option<Vec<u8>> + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, service) = (listener.local_addr().unwrap().to_string(), site.address().to_owned());
        let openings = Arc::<Mutex<Vec<_>>>::default();
        let seen = openings.clone();
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let mut first = vec![0; 4096];
                let Ok(length) = client.read(&mut first).await else { continue };
                first.truncate(length);
                seen.lock().unwrap().push(first.clone());
                if let Some(answer) = instead(&first) {
                    let _ = client.write_all(&answer).await;
                    let _ = client.shutdown().await;
                    let _ = client.read_to_end(&mut first).await;
                    continue;
                }
                let mut server = TcpStream::connect(&service).await.unwrap();
                tokio::spawn(async move {
                    let _ = server.write_all(&first).await;
                    let _ = copy_bidirectional(&mut client, &mut server).await;
                });
            }
        });
        Self { address, openings }
    }

    /// A client that finds a record of the service that lists these protocols.
    async fn client(
        &self,
        protocols: &str,
        options: impl FnOnce(ClientBuilder) -> ClientBuilder,
    ) -> LabClient {
        let registry = Memory::new();
        let mut node = Node::new("lab-1", self.address.as_str());
        node.metadata.insert("protocols".to_owned(), protocols.to_owned());
        registry.register(&Registration::new("lab", node), Duration::from_secs(600)).await.unwrap();
        let client = Client::builder().environment(Environment::empty()).registry(registry);
        LabClient::with_name(&options(client).build(), "lab")
    }

    /// How the connections began: with the native wire, or with HTTP/2, or with something else.
    fn spoken(&self) -> Vec<&'static str> {
        let openings = self.openings.lock().unwrap();
        let spoken = |opening: &Vec<u8>| match opening {
            opening if opening.starts_with(PREFACE) => "native",
            opening if opening.starts_with(b"PRI * HTTP/2.0") => "http2",
            _ => "other",
        };
        openings.iter().map(spoken).collect()
    }
}

async fn echo(lab: &LabClient) -> Result<String, Error> {
    soon(lab.echo(&Context::new(), "Ada".to_owned()).send()).await
}

#[tokio::test]
async fn a_node_whose_record_lists_it_is_called_so() {
    let site = Site::start().await;
    let recorder = Recorder::before(&site).await;
    let lab = recorder.client("connect, native", |client| client).await;
    for _ in 0..3 {
        assert_eq!(echo(&lab).await.unwrap(), "Ada");
    }
    assert_eq!(recorder.spoken(), ["native"]);
}

#[tokio::test]
async fn a_record_without_it_and_a_fixed_address_are_called_over_http() {
    let site = Site::start().await;
    let recorder = Recorder::before(&site).await;
    assert_eq!(echo(&recorder.client("connect,grpc", |client| client).await).await.unwrap(), "Ada");
    let fixed = Client::builder().environment(Environment::empty()).address(&recorder.address);
    assert_eq!(echo(&LabClient::new(&fixed.build())).await.unwrap(), "Ada");
    assert_eq!(recorder.spoken(), ["http2", "http2"]);
}

#[tokio::test]
async fn options_that_only_http_has_switch_it_off() {
    let site = Site::start().await;
    let recorder = Recorder::before(&site).await;
    let lab = recorder.client("native,connect", |client| client.http_version(HttpVersion::Http2)).await;
    assert_eq!(echo(&lab).await.unwrap(), "Ada");
    let lab = recorder.client("native,connect", |client| client.http_get(true)).await;
    assert_eq!(echo(&lab).await.unwrap(), "Ada");
    assert_eq!(recorder.spoken(), ["http2", "http2"]);
}

#[tokio::test]
async fn the_environment_forces_or_forbids_it_and_the_option_wins() {
    let site = Site::start().await;
    let recorder = Recorder::before(&site).await;
    let told = |name| Environment::from_iter([("MICRO_PROTOCOL", name)]);
    let lab = recorder.client("native,connect", |client| client.environment(told("connect"))).await;
    assert_eq!(echo(&lab).await.unwrap(), "Ada");
    let fixed = Client::builder().address(&recorder.address).environment(told("native"));
    assert_eq!(echo(&LabClient::new(&fixed.build())).await.unwrap(), "Ada");
    let both = Client::builder().address(&recorder.address).environment(told("native"));
    assert_eq!(echo(&LabClient::new(&both.protocol(Protocol::Connect).build())).await.unwrap(), "Ada");
    assert_eq!(recorder.spoken(), ["http2", "native", "http2"]);
}

#[tokio::test]
async fn a_service_says_whether_it_speaks_it() {
    for (layers, protocols) in [(false, "native,connect"), (true, "connect,grpc")] {
        let registry = Memory::new();
        let site = Site::of(|service| {
            let service = service.registry(registry.clone());
            if layers { service.layer(Identity::new()) } else { service }
        })
        .await;
        let record = registry.services().await.unwrap().remove(0);
        assert!(record.nodes[0].metadata["protocols"].starts_with(protocols), "{record:?}");
        let lab = LabClient::with_name(&site.running.client(), "lab");
        assert_eq!(echo(&lab).await.unwrap(), "Ada");
    }
}

#[tokio::test]
async fn a_service_with_layers_turns_it_away_and_gets_the_call_over_http() {
    let site = Site::of(|service| service.layer(Identity::new())).await;
    let mut wire = Wire::connect(&site).await;
    wire.send(hello(&[1], &[])).await;
    let frame = wire.opening().await;
    assert_eq!(frame.payload[4], NOT_HERE);
    assert!(String::from_utf8_lossy(&frame.payload[5..]).contains("the service has layers"));

    let recorder = Recorder::before(&site).await;
    let lab = recorder.client("native,connect", |client| client).await;
    for _ in 0..3 {
        assert_eq!(echo(&lab).await.unwrap(), "Ada");
    }
    // It is not asked again with every call.
    assert_eq!(recorder.spoken(), ["native", "http2"]);
    let error = echo(&site.client()).await.unwrap_err();
    assert_eq!(error.code(), Code::Unavailable);
    assert!(error.message().contains("the service has layers"), "{error}");
}

#[tokio::test]
async fn where_something_else_answers_the_call_goes_over_http() {
    let site = Site::start().await;
    let bad: [&[u8]; 5] = [
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"",
        b"\xa9mic",
        b"\xa9micro\r\n\0\0\0\x05\0\0\0\0\0",
        b"220 mail\r\n",
    ];
    for answer in bad {
        let recorder =
            Recorder::with(&site, |opening| opening.starts_with(PREFACE).then(|| answer.to_vec())).await;
        let lab = recorder.client("native,connect", |client| client).await;
        assert_eq!(echo(&lab).await.unwrap(), "Ada");
        assert_eq!(echo(&lab).await.unwrap(), "Ada");
        assert_eq!(recorder.spoken(), ["native", "http2"], "{answer:?}");
        // Who was told to speak it hears what to do.
        let error = echo(&client(&recorder.address, |client| client)).await.unwrap_err();
        assert_eq!(error.code(), Code::Unavailable);
        assert!(error.message().contains("does not speak the native wire"), "{error}");
        assert!(error.message().contains("`MICRO_PROTOCOL=connect`"), "{error}");
    }
}

#[tokio::test]
async fn nodes_without_a_common_version_speak_http() {
    let site = Site::start().await;
    let refusal = [PREFACE, &go_away(0, VERSION, "this side speaks the versions [7]")].concat();
    for answer in [refusal, hello(&[7], &[]), hello(&[1, 7], &[])] {
        let recorder =
            Recorder::with(&site, move |opening| opening.starts_with(PREFACE).then(|| answer.clone())).await;
        let lab = recorder.client("native,connect", |client| client).await;
        assert_eq!(echo(&lab).await.unwrap(), "Ada");
        let error = echo(&client(&recorder.address, |client| client)).await.unwrap_err();
        assert!(error.message().contains("versions") && error.message().contains('7'), "{error}");
    }
}

#[tokio::test]
async fn with_tls_it_is_offered_in_the_handshake() {
    let authority = Authority::new();
    let site = Site::of(|service| service.tls(authority.server())).await;
    let recorder = Recorder::before(&site).await;
    let lab = recorder.client("native,connect", |client| client.tls(authority.client())).await;
    assert_eq!(echo(&lab).await.unwrap(), "Ada");
    let openings = recorder.openings.lock().unwrap().clone();
    assert_eq!(openings.len(), 1);
    assert!(openings[0].windows(8).any(|window| window == b"\x07micro/1"));
}

#[tokio::test]
async fn a_service_with_tls_does_not_answer_without() {
    let authority = Authority::new();
    let site = Site::of(|service| service.tls(authority.server())).await;
    let error = echo(&site.client()).await.unwrap_err();
    assert_eq!(error.code(), Code::Unavailable);
}
