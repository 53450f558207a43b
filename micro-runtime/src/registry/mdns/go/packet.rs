//! The packets of go-micro's mDNS, and what is in them.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use simple_dns::rdata::{A, AAAA, PTR, RData, SRV, TXT};
use simple_dns::{
    CLASS, CharacterString, Name, OPCODE, Packet, PacketFlag, QCLASS, QTYPE, Question, ResourceRecord, TYPE,
};

use super::super::name;
use super::txt;
use crate::registry::Registration;

/// The domain, in place of `local`.
const DOMAIN: &str = "micro";

/// The name that all services are listed under.
const LIST: &str = "_services.micro";

/// How long records are good for, in seconds. go-micro has the same for all of them.
const TTL: u32 = 120;

/// The port in the list of services, where there is no node to be called.
const PORT_OF_NOBODY: u16 = 9999;

/// The most questions of one packet that are answered, and the most records that are looked at.
const MOST: usize = 64;

/// What is announced of one node.
#[derive(Debug)]
pub(super) struct Announced {
    pub(super) service: String,
    pub(super) id: String,
    pub(super) address: SocketAddr,
    host: String,
    text: Vec<String>,
}

impl Announced {
    /// A node as Go programs see it; or why they cannot.
    pub(super) fn new(registration: &Registration) -> Result<Self, &'static str> {
        let node = &registration.node;
        let address = node.address.parse().map_err(|_| "its address is not that of an IP and a port")?;
        let host = format!("{}.local", name::label(registration));
        let text = txt::encode(registration).ok_or("its metadata does not fit into a packet")?;
        let announced =
            Self { service: registration.service.clone(), id: node.id.clone(), address, host, text };
        for name in [announced.instance(), list_instance(&announced.service), announced.service_name()] {
            // The id has the name of the service in it, so that is where it becomes too long.
            Name::new(&name).map_err(|_| "its id and the name of its service are too long for a DNS name")?;
        }
        Ok(announced)
    }

    fn instance(&self) -> String {
        format!("{}.{}", self.id, self.service_name())
    }

    fn service_name(&self) -> String {
        service_name(&self.service)
    }

    /// SRV, address and TXT, in this order: a Go program puts the address to what the SRV record before it said.
    fn records(&self, ttl: u32) -> Vec<ResourceRecord<'static>> {
        let record = |owner: &str, data| ResourceRecord::new(owned(owner), CLASS::IN, ttl, data);
        let instance = self.instance();
        let srv = SRV { priority: 10, weight: 1, port: self.address.port(), target: owned(&self.host) };
        let ip = match self.address.ip() {
            IpAddr::V4(ip) => RData::A(A::from(ip)),
            IpAddr::V6(ip) => RData::AAAA(AAAA::from(ip)),
        };
        let text = self.text.iter().filter_map(|text| CharacterString::new(text.as_bytes()).ok());
        let text = text.fold(TXT::new(), TXT::with_char_string).into_owned();
        vec![record(&instance, RData::SRV(srv)), record(&self.host, ip), record(&instance, RData::TXT(text))]
    }

    /// That the node is there, or is gone. Without a question, as every Go program would answer that.
    pub(super) fn announcement(&self, gone: bool) -> Option<Vec<u8>> {
        let mut packet = Packet::new_reply(0);
        packet.answers = self.records(if gone { 0 } else { TTL });
        packet.build_bytes_vec().ok()
    }
}

/// The questions in a packet; none where it is not one that asks.
pub(super) fn questions(packet: &Packet<'_>) -> Vec<Asked> {
    if packet.has_flags(PacketFlag::RESPONSE) || packet.opcode() != OPCODE::StandardQuery {
        return Vec::new();
    }
    let of = |question: &Question<'_>| Asked {
        name: question.qname.to_string(),
        question: question.clone().into_owned(),
        // A unicast answer has the number of the question, others have none (RFC 6762, 18.1).
        id: if question.unicast_response { packet.id() } else { 0 },
    };
    let mut asked: Vec<Asked> = Vec::new();
    for question in packet.questions.iter().take(MOST).map(of) {
        // What is asked twice is answered once.
        if !asked.iter().any(|known| {
            (&known.name, known.question.qtype, known.id)
                == (&question.name, question.question.qtype, question.id)
        }) {
            asked.push(question);
        }
    }
    asked
}

/// One question.
#[derive(Debug)]
pub(super) struct Asked {
    name: String,
    question: Question<'static>,
    id: u16,
}

impl Asked {
    /// The packets that answer it with these nodes: one for each, as a Go program takes only one out of a packet.
    pub(super) fn answers<'a>(&self, nodes: impl Iterator<Item = &'a Announced> + Clone) -> Vec<Vec<u8>> {
        let kind = self.question.qtype;
        let for_pointers = matches!(kind, QTYPE::ANY | QTYPE::TYPE(TYPE::PTR));
        if self.name == LIST {
            let mut services: Vec<_> = nodes.map(|node| node.service.as_str()).collect();
            services.sort_unstable();
            services.dedup();
            let services = services.into_iter().filter(|_| for_pointers);
            return services.filter_map(|service| self.reply(in_list(service))).collect();
        }
        let records = nodes.filter_map(|node| {
            if self.name == node.service_name() && for_pointers {
                let pointer = RData::PTR(PTR(owned(&node.instance())));
                let mut records = vec![ResourceRecord::new(owned(&self.name), CLASS::IN, TTL, pointer)];
                records.extend(node.records(TTL));
                return Some(records);
            }
            let for_instance = matches!(kind, QTYPE::ANY | QTYPE::TYPE(TYPE::SRV | TYPE::TXT));
            (for_instance && self.name == node.instance()).then(|| node.records(TTL))
        });
        records.filter_map(|records| self.reply(records)).collect()
    }

    /// With the question in it: Go programs do not take an answer that does not say what it answers.
    fn reply(&self, records: Vec<ResourceRecord<'static>>) -> Option<Vec<u8>> {
        let mut packet = Packet::new_reply(self.id);
        packet.set_flags(PacketFlag::AUTHORITATIVE_ANSWER);
        packet.questions.push(self.question.clone());
        packet.answers = records;
        packet.build_bytes_vec_compressed().ok()
    }
}

/// A service in the list of all. Go programs want an address there as well.
fn in_list(service: &str) -> Vec<ResourceRecord<'static>> {
    let instance = list_instance(service);
    let record = |owner: &str, data| ResourceRecord::new(owned(owner), CLASS::IN, TTL, data);
    let host = format!("{service}.list.local");
    let srv = SRV { priority: 10, weight: 1, port: PORT_OF_NOBODY, target: owned(&host) };
    vec![
        record(LIST, RData::PTR(PTR(owned(&instance)))),
        record(&instance, RData::SRV(srv)),
        record(&host, RData::A(A::from(Ipv4Addr::UNSPECIFIED))),
        record(&instance, RData::TXT(TXT::new())),
    ]
}

/// A question for the nodes of a service.
pub(super) fn ask(service: &str) -> Option<Vec<u8>> {
    question(&service_name(service))
}

/// A question for all services.
pub(super) fn ask_for_list() -> Option<Vec<u8>> {
    question(LIST)
}

fn question(name: &str) -> Option<Vec<u8>> {
    let name = Name::new(name).ok()?;
    let mut packet = Packet::new_query(fastrand::u16(..));
    packet.questions.push(Question::new(name, QTYPE::TYPE(TYPE::PTR), QCLASS::CLASS(CLASS::IN), false));
    packet.build_bytes_vec().ok()
}

/// What a packet says of a node.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Heard {
    pub(super) registration: Registration,
    pub(super) gone: bool,
}

/// The nodes of services that are `wanted` that an answer or an announcement tells of. Of others nothing is taken in: anybody may
/// say much in a few bytes.
pub(super) fn nodes(packet: &Packet<'_>, wanted: impl Fn(&str) -> bool) -> Vec<Heard> {
    if !packet.has_flags(PacketFlag::RESPONSE) {
        return Vec::new();
    }
    let records = || packet.answers.iter().chain(&packet.additional_records).take(MOST);
    let mut addresses: HashMap<String, IpAddr> = HashMap::new();
    let mut texts = HashMap::new();
    for record in records() {
        let owner = || record.name.to_string();
        match &record.rdata {
            // An IPv4 address is the better one, as it is for Go programs.
            RData::A(a) => drop(addresses.insert(owner(), IpAddr::V4(a.address.into()))),
            RData::AAAA(a) => drop(addresses.entry(owner()).or_insert(IpAddr::V6(a.address.into()))),
            RData::TXT(text) => drop(texts.insert(owner(), text)),
            _ => {}
        }
    }
    let mut of = |record: &ResourceRecord<'_>| {
        let RData::SRV(srv) = &record.rdata else { return None };
        let instance = record.name.to_string();
        let ip = addresses.get(&srv.target.to_string()).filter(|ip| !ip.is_unspecified())?;
        if !is_of_any(&instance, &wanted) {
            return None;
        }
        // One text is of one node, and so it is read once.
        let text = texts.remove(&instance)?;
        let mut registration = txt::decode(text.iter_raw().map(|(key, _)| key))?;
        // What is asked for has to be what answers.
        let id = instance.strip_suffix(&service_name(&registration.service))?.strip_suffix('.')?;
        if !wanted(&registration.service) || id.is_empty() || srv.port == 0 {
            return None;
        }
        registration.node.id = id.to_owned();
        registration.node.address = SocketAddr::new(*ip, srv.port).to_string();
        Some(Heard { registration, gone: record.ttl == 0 })
    };
    records().filter_map(&mut of).collect()
}

/// Whether this is a name of a node of a service that is wanted. Where its id ends is not to be seen: both may have dots.
fn is_of_any(instance: &str, wanted: impl Fn(&str) -> bool) -> bool {
    let Some(name) = instance.strip_suffix(DOMAIN).and_then(|name| name.strip_suffix('.')) else {
        return false;
    };
    name.match_indices('.').filter_map(|(dot, _)| name.get(dot + 1..)).any(wanted)
}

/// The services that a list tells of.
pub(super) fn listed(packet: &Packet<'_>) -> Vec<String> {
    if !packet.has_flags(PacketFlag::RESPONSE) {
        return Vec::new();
    }
    let names = packet.answers.iter().take(MOST).filter_map(|record| match &record.rdata {
        RData::PTR(instance) if record.name.to_string() == LIST => {
            instance.to_string().strip_suffix(LIST)?.strip_suffix('.').map(str::to_owned)
        }
        _ => None,
    });
    names.collect()
}

fn service_name(service: &str) -> String {
    format!("{service}.{DOMAIN}")
}

fn list_instance(service: &str) -> String {
    format!("{service}.{LIST}")
}

fn owned(name: &str) -> Name<'static> {
    Name::new_unchecked(name).into_owned()
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::registry::Node;

    fn node(service: &str, id: &str, address: &str) -> Registration {
        let mut node = Registration::new(service, Node::new(id, address));
        node.node.metadata.insert("protocol".into(), "mucp".into());
        node
    }

    fn asked(packet: &[u8]) -> Vec<Asked> {
        questions(&Packet::parse(packet).unwrap())
    }

    #[test]
    fn a_question_for_a_service_is_answered_with_one_packet_per_node_that_repeats_it() {
        let all = [
            node("greeter", "greeter-1", "127.0.0.1:7001"),
            node("greeter", "greeter.2", "[::1]:7002"),
            node("other", "other-1", "127.0.0.1:7003"),
        ];
        let announced: Vec<_> = all.iter().map(|node| Announced::new(node).unwrap()).collect();
        let asked = asked(&ask("greeter").unwrap());
        let answers = asked[0].answers(announced.iter());
        assert_eq!(answers.len(), 2);
        for (answer, node) in answers.iter().zip(&all) {
            let packet = Packet::parse(answer).unwrap();
            assert_eq!((packet.id(), packet.questions[0].qname.to_string().as_str()), (0, "greeter.micro"));
            assert!(packet.has_flags(PacketFlag::RESPONSE | PacketFlag::AUTHORITATIVE_ANSWER));
            let kinds: Vec<_> = packet.answers.iter().map(|record| record.rdata.type_code()).collect();
            assert!(
                matches!(kinds[..], [TYPE::PTR, TYPE::SRV, TYPE::A | TYPE::AAAA, TYPE::TXT]),
                "{kinds:?}"
            );
            assert_eq!(nodes(&packet, |_| true), [Heard { registration: node.clone(), gone: false }]);
            // An answer is no question.
            assert!(questions(&packet).is_empty());
        }
    }

    #[test]
    fn a_node_is_announced_without_a_question_and_says_goodbye_with_a_time_of_zero() {
        let registration = node("greeter", "greeter-1", "127.0.0.1:7001");
        let announced = Announced::new(&registration).unwrap();
        for gone in [false, true] {
            let bytes = announced.announcement(gone).unwrap();
            let packet = Packet::parse(&bytes).unwrap();
            assert!(packet.questions.is_empty());
            assert!(packet.answers.iter().all(|record| record.ttl == if gone { 0 } else { TTL }));
            assert_eq!(nodes(&packet, |_| true), [Heard { registration: registration.clone(), gone }]);
        }
    }

    #[test]
    fn nodes_of_services_that_nobody_wants_are_passed_over() {
        let announced = Announced::new(&node("a.b", "c.d-1", "10.0.0.1:1")).unwrap();
        let bytes = announced.announcement(false).unwrap();
        let packet = Packet::parse(&bytes).unwrap();
        for (wanted, count) in [("a.b", 1), ("b", 0), ("d-1.a.b", 0), ("c.d-1.a.b", 0), ("", 0)] {
            assert_eq!(nodes(&packet, |service| service == wanted).len(), count, "{wanted}");
        }
    }

    #[test]
    fn one_text_is_read_once_however_many_addresses_it_is_said_to_have() {
        let announced = Announced::new(&node("greeter", "greeter-1", "10.0.0.1:1")).unwrap();
        let mut packet = Packet::new_reply(0);
        packet.answers = announced.records(TTL);
        packet.answers.extend(vec![packet.answers[0].clone(); MOST]);
        let bytes = packet.build_bytes_vec().unwrap();
        assert_eq!(nodes(&Packet::parse(&bytes).unwrap(), |_| true).len(), 1);
    }

    #[test]
    fn what_is_asked_twice_is_answered_once() {
        let mut packet = Packet::new_query(7);
        for kind in [TYPE::PTR, TYPE::PTR, TYPE::SRV, TYPE::PTR] {
            let name = Name::new("greeter.micro").unwrap();
            packet.questions.push(Question::new(name, QTYPE::TYPE(kind), QCLASS::CLASS(CLASS::IN), false));
        }
        assert_eq!(asked(&packet.build_bytes_vec().unwrap()).len(), 2);
    }

    #[test]
    fn all_services_are_listed_once() {
        let all =
            [node("a.b", "1", "10.0.0.1:1"), node("a.b", "2", "10.0.0.1:2"), node("c", "3", "10.0.0.1:3")];
        let announced: Vec<_> = all.iter().map(|node| Announced::new(node).unwrap()).collect();
        let answers = asked(&ask_for_list().unwrap())[0].answers(announced.iter());
        let services: Vec<_> =
            answers.iter().flat_map(|answer| listed(&Packet::parse(answer).unwrap())).collect();
        assert_eq!(services, ["a.b", "c"]);
        assert!(answers.iter().all(|answer| nodes(&Packet::parse(answer).unwrap(), |_| true).is_empty()));
    }

    #[test]
    fn what_a_go_program_could_not_find_is_refused_with_the_reason() {
        let long = "x".repeat(60);
        for (node, reason) in [
            (node("greeter", "greeter-1", "greeter.example:80"), "IP"),
            (node("greeter", "greeter-1", "unix:/run/a.sock"), "IP"),
            (node(&long, &format!("{long}-1234"), "127.0.0.1:1"), "too long"),
        ] {
            let error = Announced::new(&node).err().unwrap_or_default();
            assert!(error.contains(reason), "{error}");
        }
    }

    proptest! {
        #[test]
        fn any_packet_is_harmless(
            bytes in vec(any::<u8>(), 0..200),
            flips in vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        ) {
            let announced = Announced::new(&node("greeter", "greeter-1", "127.0.0.1:7001")).unwrap();
            let ours = [announced.announcement(false), ask("greeter"), ask_for_list()];
            for mut bytes in ours.into_iter().flatten().chain([bytes]) {
                for (index, byte) in &flips {
                    if !bytes.is_empty() {
                        *index.get_mut(&mut bytes) = *byte;
                    }
                }
                let Ok(packet) = Packet::parse(&bytes) else { continue };
                for heard in nodes(&packet, |_| true) {
                    prop_assert!(heard.registration.node.address.parse::<SocketAddr>().is_ok());
                }
                listed(&packet);
                for asked in questions(&packet) {
                    prop_assert!(asked.answers([&announced].into_iter()).len() <= 1);
                }
            }
        }
    }
}
