//! Nodes are found in DNS, against a server of the test's own.

#![cfg(feature = "dns")]

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use micro_runtime::registry::{Discovery, Dns, Node, Registration, Registry, View};
use micro_runtime::{Code, Error, Result};
use simple_dns::rdata::{A, AAAA, RData, SRV};
use simple_dns::{CLASS, Name, Packet, PacketFlag, QTYPE, RCODE, ResourceRecord, TYPE};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, UdpSocket};
use tokio::task::JoinSet;
use tokio::time::timeout;

/// Long enough for what takes a second or two.
const SOON: Duration = Duration::from_secs(10);

#[derive(Clone, Debug)]
enum Data {
    Address(IpAddr),
    /// Priority, weight, port and host.
    Srv(u16, u16, u16, &'static str),
}

/// What the server says.
#[derive(Debug, Default)]
struct Zone {
    names: HashMap<String, Vec<Data>>,
    /// Answers with this code, in place of what it knows.
    fault: Option<RCODE>,
    /// The one name that it fails with.
    broken: Option<&'static str>,
    /// Says nothing at all.
    silent: bool,
    /// Puts the addresses of the hosts of SRV records beside them.
    glue: bool,
    /// How often each name was asked for.
    asked: BTreeMap<String, usize>,
}

/// A server on loopback, over UDP and TCP. The time to live of all that it says is one second.
struct Server {
    zone: Arc<Mutex<Zone>>,
    address: SocketAddr,
    _tasks: JoinSet<()>,
}

impl Server {
    async fn start() -> Self {
        let (udp, tcp) = loop {
            let udp = UdpSocket::bind("127.0.0.1:0").await.expect("a free port");
            let address = udp.local_addr().expect("it has one");
            // The same port may be taken for TCP.
            if let Ok(tcp) = TcpListener::bind(address).await {
                break (udp, tcp);
            }
        };
        let address = udp.local_addr().expect("it has one");
        let zone = Arc::new(Mutex::new(Zone::default()));
        let mut tasks = JoinSet::new();
        let known = zone.clone();
        tasks.spawn(async move {
            let mut buffer = [0; 4096];
            while let Ok((length, from)) = udp.recv_from(&mut buffer).await {
                if let Some(answer) = answer(&known, &buffer[..length], 1232) {
                    let _ = udp.send_to(&answer, from).await;
                }
            }
        });
        let known = zone.clone();
        tasks.spawn(async move {
            while let Ok((mut stream, _)) = tcp.accept().await {
                while let Ok(length) = stream.read_u16().await {
                    let mut question = vec![0; length.into()];
                    let read = stream.read_exact(&mut question).await;
                    let Some(answer) = answer(&known, &question, usize::from(u16::MAX)) else { break };
                    let framed =
                        [&u16::try_from(answer.len()).expect("it fits").to_be_bytes()[..], &answer].concat();
                    if read.is_err() || stream.write_all(&framed).await.is_err() {
                        break;
                    }
                }
            }
        });
        Self { zone, address, _tasks: tasks }
    }

    fn change(&self, change: impl FnOnce(&mut Zone)) {
        change(&mut self.zone.lock().expect("no test panicked"));
    }

    fn set(&self, name: &str, data: impl IntoIterator<Item = Data>) {
        self.change(|zone| drop(zone.names.insert(name.to_owned(), data.into_iter().collect())));
    }

    fn registry(&self, template: &str) -> Dns {
        Dns::parse(&format!("dns://{}/{template}", self.address)).expect("a template")
    }
}

fn answer(zone: &Mutex<Zone>, question: &[u8], most: usize) -> Option<Vec<u8>> {
    let question = Packet::parse(question).ok()?;
    let asked = question.questions.first()?.clone();
    let (name, kind) = (asked.qname.to_string().to_lowercase(), asked.qtype);
    let mut zone = zone.lock().expect("no test panicked");
    *zone.asked.entry(name.clone()).or_default() += 1;
    if zone.silent {
        return None;
    }
    let mut answer = Packet::new_reply(question.id());
    answer.set_flags(PacketFlag::AUTHORITATIVE_ANSWER | PacketFlag::RECURSION_AVAILABLE);
    answer.questions.push(asked.clone());
    let of_kind = |data: &&Data| match data {
        Data::Address(IpAddr::V4(_)) => kind == QTYPE::TYPE(TYPE::A),
        Data::Address(IpAddr::V6(_)) => kind == QTYPE::TYPE(TYPE::AAAA),
        Data::Srv(..) => kind == QTYPE::TYPE(TYPE::SRV),
    };
    match (zone.fault, zone.names.get(&name)) {
        (Some(code), _) => *answer.rcode_mut() = code,
        _ if zone.broken == Some(name.as_str()) => *answer.rcode_mut() = RCODE::ServerFailure,
        (None, None) => *answer.rcode_mut() = RCODE::NameError,
        (None, Some(data)) => {
            for data in data.iter().filter(of_kind) {
                answer.answers.push(record(asked.qname.clone(), data));
                if let (Data::Srv(.., host), true) = (data, zone.glue) {
                    let addresses = zone.names.get(*host).into_iter().flatten();
                    let owner = || Name::new_unchecked(host).into_owned();
                    answer.additional_records.extend(addresses.map(|data| record(owner(), data)));
                }
            }
        }
    }
    let bytes = answer.build_bytes_vec_compressed().ok()?;
    if bytes.len() <= most {
        return Some(bytes);
    }
    answer.set_flags(PacketFlag::TRUNCATION);
    (answer.answers, answer.additional_records) = (Vec::new(), Vec::new());
    answer.build_bytes_vec().ok()
}

fn record(owner: Name<'_>, data: &Data) -> ResourceRecord<'static> {
    let data = match data {
        Data::Address(IpAddr::V4(ip)) => RData::A(A::from(*ip)),
        Data::Address(IpAddr::V6(ip)) => RData::AAAA(AAAA::from(*ip)),
        Data::Srv(priority, weight, port, host) => {
            let target = Name::new_unchecked(host);
            RData::SRV(SRV { priority: *priority, weight: *weight, port: *port, target })
        }
    };
    ResourceRecord::new(owner.into_owned(), CLASS::IN, 1, data)
}

fn four(last: u8) -> Data {
    Data::Address(Ipv4Addr::new(10, 0, 0, last).into())
}

fn six(last: u16) -> Data {
    Data::Address(Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, last).into())
}

fn addresses(view: &View) -> Vec<String> {
    view.nodes().iter().map(|node| node.node().address.clone()).collect()
}

async fn until(view: &View, wanted: &[&str]) -> Result<()> {
    let is = |nodes: &micro_runtime::registry::Snapshot| {
        nodes.iter().map(|node| node.node().address.as_str()).eq(wanted.iter().copied())
    };
    let there = timeout(SOON, view.until(is)).await;
    there.map(drop).map_err(|_| Error::deadline_exceeded(format!("{:?} and not {wanted:?}", addresses(view))))
}

#[tokio::test]
async fn the_addresses_of_a_name_are_the_nodes_and_change_with_it() -> Result<()> {
    let server = Server::start().await;
    server.set("greeter.default.svc.cluster.local", [four(1), four(2), six(9)]);
    let discovery = Discovery::new(Arc::new(server.registry("{service}.default.svc.cluster.local:8080")));
    let view = discovery.view("greeter")?;
    view.ready(None).await?;
    // A node with both kinds of addresses is one node.
    assert_eq!(addresses(&view), ["10.0.0.1:8080", "10.0.0.2:8080"]);
    let kept = view.nodes()[1].clone();

    server.set("greeter.default.svc.cluster.local", [four(2), four(3)]);
    until(&view, &["10.0.0.2:8080", "10.0.0.3:8080"]).await?;
    assert!(Arc::ptr_eq(&kept, &view.nodes()[0]), "what is known of a node stays known");
    server.set("greeter.default.svc.cluster.local", [six(9)]);
    until(&view, &["[fd00::9]:8080"]).await?;

    // The pods are gone, and then the service.
    server.set("greeter.default.svc.cluster.local", []);
    until(&view, &[]).await?;
    server.change(|zone| zone.names.clear());
    let nobody = discovery.view("nobody")?;
    nobody.ready(None).await?;
    assert!(nobody.nodes().is_empty() && !nobody.is_stale());
    Ok(())
}

#[tokio::test]
async fn srv_records_give_ports_and_weights_of_the_best_priority() -> Result<()> {
    let server = Server::start().await;
    for glue in [false, true] {
        server.change(|zone| {
            zone.glue = glue;
            zone.asked.clear();
        });
        server.set(
            "_grpc._tcp.greeter.example",
            [
                Data::Srv(1, 10, 7001, "a.example"),
                Data::Srv(1, 30, 7002, "b.example"),
                Data::Srv(2, 10, 7003, "spare.example"),
                Data::Srv(1, 10, 7004, "gone.example"),
            ],
        );
        server.set("a.example", [four(1)]);
        server.set("b.example", [four(2)]);
        server.set("spare.example", [four(3)]);
        let registry = server.registry("{service}.example:80");
        let discovery = Discovery::new(Arc::new(registry.clone()));
        let view = discovery.view("greeter")?;
        view.ready(None).await?;
        assert_eq!(addresses(&view), ["10.0.0.1:7001", "10.0.0.2:7002"]);
        let weights: Vec<_> =
            view.nodes().iter().map(|node| node.node().metadata["weight"].clone()).collect();
        assert_eq!(weights, ["10", "30"]);
        let asked = server.zone.lock().expect("no test panicked").asked.contains_key("a.example");
        assert_eq!(asked, !glue, "addresses that came along are not asked for");
        assert_eq!(registry.services().await?[0].nodes.len(), 2);
    }
    // Another prefix, and none.
    server.set("_http._tcp.greeter.example", [Data::Srv(0, 0, 9000, "a.example")]);
    server.set("greeter.example", [four(9)]);
    for (registry, wanted) in [
        (server.registry("{service}.example:80").srv("_http._tcp"), "10.0.0.1:9000"),
        (server.registry("_http._tcp.{service}.example"), "10.0.0.1:9000"),
        (server.registry("{service}.example:80").srv(""), "10.0.0.9:80"),
    ] {
        let view = Discovery::new(Arc::new(registry));
        let followed = view.view("greeter")?;
        until(&followed, &[wanted]).await?;
        assert!(followed.nodes()[0].node().metadata.is_empty());
    }
    Ok(())
}

#[tokio::test]
async fn a_host_of_an_srv_record_that_cannot_be_looked_up_takes_no_other_with_it() -> Result<()> {
    let server = Server::start().await;
    let hosts = [Data::Srv(1, 1, 7001, "a.example"), Data::Srv(1, 1, 7002, "b.example")];
    server.set("_grpc._tcp.greeter.example", hosts);
    server.set("a.example", [four(1)]);
    server.set("b.example", [four(2)]);
    server.change(|zone| zone.broken = Some("b.example"));
    let discovery = Discovery::new(Arc::new(server.registry("{service}.example:80")));
    let view = discovery.view("greeter")?;
    until(&view, &["10.0.0.1:7001"]).await?;
    server.change(|zone| zone.broken = None);
    until(&view, &["10.0.0.1:7001", "10.0.0.2:7002"]).await
}

#[tokio::test]
async fn a_server_that_fails_changes_nothing_and_is_asked_again() -> Result<()> {
    let server = Server::start().await;
    server.set("greeter.example", [four(1)]);
    let discovery = Discovery::new(Arc::new(server.registry("{service}.example:80")));
    let view = discovery.view("greeter")?;
    until(&view, &["10.0.0.1:80"]).await?;
    for fault in [RCODE::ServerFailure, RCODE::Refused] {
        server.change(|zone| zone.fault = Some(fault));
        let stale = async {
            while !view.is_stale() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(SOON, stale).await.map_err(|_| Error::internal("it is never stale"))?;
        assert_eq!(addresses(&view), ["10.0.0.1:80"]);
        server.change(|zone| zone.fault = None);
        server.set("greeter.example", [four(1), four(2)]);
        until(&view, &["10.0.0.1:80", "10.0.0.2:80"]).await?;
        server.set("greeter.example", [four(1)]);
        until(&view, &["10.0.0.1:80"]).await?;
    }
    // Who never had an answer gets the reason.
    server.change(|zone| zone.fault = Some(RCODE::ServerFailure));
    let error = discovery.view("other")?.ready(None).await.expect_err("there is no answer");
    assert_eq!(error.code(), Code::Unavailable, "{error}");
    assert!(error.message().contains("other.example"), "{error}");
    Ok(())
}

#[tokio::test]
async fn a_server_that_is_silent_is_waited_for_and_not_for_ever() -> Result<()> {
    let server = Server::start().await;
    server.change(|zone| zone.silent = true);
    let discovery = Discovery::new(Arc::new(server.registry("{service}.example:80").srv("")));
    let view = discovery.view("greeter")?;
    let error =
        timeout(SOON * 2, view.ready(None)).await.map_err(|_| Error::internal("it waits for ever"))?;
    assert_eq!(error.expect_err("there is no answer").code(), Code::Unavailable);
    Ok(())
}

#[tokio::test]
async fn an_answer_that_does_not_fit_into_a_packet_is_fetched_over_tcp() -> Result<()> {
    let server = Server::start().await;
    server.set("greeter.example", (0..=250).map(four));
    let discovery = Discovery::new(Arc::new(server.registry("{service}.example:80").srv("")));
    let view = discovery.view("greeter")?;
    view.ready(None).await?;
    assert_eq!(view.nodes().len(), 251);
    Ok(())
}

#[tokio::test]
async fn addresses_without_a_port_are_an_error_that_says_where_to_write_it() -> Result<()> {
    let server = Server::start().await;
    server.set("greeter.example", [four(1)]);
    let registry = server.registry("{service}.example");
    let error = registry.watch("greeter").await.err().expect("there is no port");
    assert_eq!(error.code(), Code::FailedPrecondition, "{error}");
    assert!(error.message().contains("`{service}.example:8080`"), "{error}");
    let error = registry.watch("grüße").await.err().expect("no name in DNS");
    assert_eq!(error.code(), Code::InvalidArgument, "{error}");

    let own = Registration::new("greeter", Node::new("greeter-1", "127.0.0.1:7000"));
    registry.register(&own, Duration::from_secs(90)).await?;
    registry.deregister(&own).await
}
