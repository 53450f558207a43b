//! A registration as the properties of a TXT record, and back.
//!
//! | Key | Value |
//! |---|---|
//! | `v` | `1`, the version of this layout |
//! | `id` `name` `version` `address` | the node's id, the service, its version, `host:port` as it was registered |
//! | `rev` | a number that grows with every announcement of the node |
//! | `meta` | the node's metadata, a JSON object |
//! | `about` | the service's metadata, a JSON object; absent when empty |
//! | `api` | `greeter.v1.Greeter:Hello,Count*;Say.Hello`: contracts with their methods, `*` for streams, and endpoints without a route by name; absent when there is no room for it |
//! | `gone` | `1` when the node takes leave |
//!
//! One property holds 255 bytes with its key (RFC 6763, 6.1), so a longer value goes on under
//! `meta.1`, `meta.2` and so on, cut anywhere.

use mdns_sd::TxtProperties;

use crate::error::{Error, Result};
use crate::registry::{EndpointRecord, Labels, Node, Registration};

/// The largest record that is sure to arrive: one record has to fit into one packet of at most
/// 9000 bytes (RFC 6762, 17), with the other records of the node. Larger ones arrive empty.
const MAX_RECORD: usize = 8000;

/// The longest `key=value`.
const MAX_PROPERTY: usize = 255;

/// What is announced about one node.
#[derive(Debug)]
pub(super) struct Announcement {
    pub(super) registration: Registration,
    /// Grows with every change, so that an old record that shows up late is known as such.
    pub(super) revision: u64,
    /// The node says goodbye.
    pub(super) gone: bool,
}

pub(super) type Properties = Vec<(String, Vec<u8>)>;

/// The properties of an announcement. Endpoints are left out where they do not fit; anything else
/// that does not fit is an error that says what to shorten.
pub(super) fn encode(announcement: &Announcement) -> Result<Properties> {
    let Announcement { registration, revision, gone } = announcement;
    let mut properties = Properties::new();
    for (key, value) in [
        ("v", "1"),
        ("id", &registration.node.id),
        ("name", &registration.service),
        ("version", &registration.version),
        ("address", &registration.node.address),
        ("rev", &revision.to_string()),
    ] {
        push(&mut properties, key, value);
    }
    if *gone {
        push(&mut properties, "gone", "1");
        return Ok(properties);
    }
    push(&mut properties, "meta", &json(&registration.node.metadata)?);
    if !registration.metadata.is_empty() {
        push(&mut properties, "about", &json(&registration.metadata)?);
    }
    if size(&properties) > MAX_RECORD {
        return Err(too_large(registration, size(&properties)));
    }
    let without_api = properties.len();
    push(&mut properties, "api", &api(&registration.endpoints));
    if size(&properties) > MAX_RECORD {
        properties.truncate(without_api);
    }
    Ok(properties)
}

/// What the properties announce; `None` where they are not of this layout.
pub(super) fn decode(properties: &TxtProperties) -> Option<Announcement> {
    if text(properties, "v")? != "1" {
        return None;
    }
    let labels = |key| match text(properties, key) {
        Some(json) => serde_json::from_str::<Labels>(&json).ok(),
        None => Some(Labels::new()),
    };
    Some(Announcement {
        registration: Registration {
            service: text(properties, "name")?,
            version: text(properties, "version")?,
            metadata: labels("about")?,
            endpoints: text(properties, "api").map(|api| endpoints(&api)).unwrap_or_default(),
            node: Node {
                id: text(properties, "id")?,
                address: text(properties, "address")?,
                metadata: labels("meta")?,
            },
        },
        revision: text(properties, "rev")?.parse().ok()?,
        gone: properties.get("gone").is_some(),
    })
}

fn push(properties: &mut Properties, key: &str, value: &str) {
    let mut rest = value.as_bytes();
    let mut part = 0;
    // An absent value and an empty one read the same; only what is there takes room.
    while !rest.is_empty() {
        let key = if part == 0 { key.to_owned() } else { format!("{key}.{part}") };
        let (now, later) = rest.split_at(rest.len().min(MAX_PROPERTY - key.len() - 1));
        properties.push((key, now.to_owned()));
        rest = later;
        part += 1;
    }
}

fn text(properties: &TxtProperties, key: &str) -> Option<String> {
    let mut value = properties.get(key)?.val()?.to_owned();
    for part in 1.. {
        match properties.get(&format!("{key}.{part}")).and_then(|property| property.val()) {
            Some(more) => value.extend_from_slice(more),
            None => break,
        }
    }
    String::from_utf8(value).ok()
}

/// The bytes on the wire: one for the length of each property, one for its `=`.
fn size(properties: &Properties) -> usize {
    properties.iter().map(|(key, value)| key.len() + value.len() + 2).sum()
}

fn json(labels: &Labels) -> Result<String> {
    serde_json::to_string(labels).map_err(|error| Error::internal("cannot write metadata").with_source(error))
}

#[cold]
fn too_large(registration: &Registration, size: usize) -> Error {
    let largest = |labels: &Labels| {
        labels.iter().map(|(key, value)| (key.len() + value.len(), key.clone())).max().unwrap_or_default()
    };
    let node = ("node", largest(&registration.node.metadata));
    let service = ("service", largest(&registration.metadata));
    let (whose, (bytes, key)) = if node.1 > service.1 { node } else { service };
    Error::invalid_argument(format!(
        "`{}` needs {size} bytes in an mDNS record and {MAX_RECORD} is the limit: shorten its metadata, \
         above all `{key}` of the {whose}, which has {bytes} bytes",
        registration.service
    ))
}

fn api(endpoints: &[EndpointRecord]) -> String {
    let mut api = String::new();
    let mut last = None;
    for endpoint in endpoints {
        let route = endpoint.metadata.get(EndpointRecord::PATH).and_then(|path| route(path));
        let name = match route {
            Some((contract, method)) if endpoint.name == endpoint_name(contract, method) => {
                if last == Some(contract) {
                    api.push(',');
                } else {
                    separate(&mut api);
                    api.push_str(contract);
                    api.push(':');
                    last = Some(contract);
                }
                method
            }
            _ => {
                separate(&mut api);
                last = None;
                &endpoint.name
            }
        };
        api.push_str(name);
        if endpoint.metadata.contains_key(EndpointRecord::STREAM) {
            api.push('*');
        }
    }
    api
}

fn separate(api: &mut String) {
    if !api.is_empty() {
        api.push(';');
    }
}

/// `/greeter.v1.Greeter/Hello`, in its two parts.
fn route(path: &str) -> Option<(&str, &str)> {
    path.strip_prefix('/')?.split_once('/')
}

fn endpoint_name(contract: &str, method: &str) -> String {
    format!("{}.{method}", contract.rsplit('.').next().unwrap_or(contract))
}

fn endpoints(api: &str) -> Vec<EndpointRecord> {
    let of = |contract: Option<&str>, written: &str| {
        let method = written.trim_end_matches('*');
        let mut endpoint = EndpointRecord::default();
        endpoint.name = match contract {
            Some(contract) => {
                endpoint.metadata.insert(EndpointRecord::PATH.to_owned(), format!("/{contract}/{method}"));
                endpoint_name(contract, method)
            }
            None => method.to_owned(),
        };
        if method != written {
            endpoint.metadata.insert(EndpointRecord::STREAM.to_owned(), "true".to_owned());
        }
        endpoint
    };
    let parts = api.split(';').filter(|part| !part.is_empty());
    parts
        .flat_map(|part| match part.split_once(':') {
            Some((contract, methods)) => {
                methods.split(',').map(|method| of(Some(contract), method)).collect()
            }
            None => vec![of(None, part)],
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::collection::{btree_map, vec};
    use proptest::prelude::*;

    use super::*;

    fn announcement() -> Announcement {
        let mut registration = Registration::new("greeter", Node::new("greeter-1", "10.0.0.5:7000"));
        registration.node.metadata.insert("protocol".into(), "mucp".into());
        for (path, stream) in
            [("/greeter.v1.Greeter/Hello", false), ("/greeter.v1.Greeter/Count", true), ("/a.B/C", false)]
        {
            let (contract, method) = route(path).unwrap_or_default();
            let mut endpoint = EndpointRecord { name: endpoint_name(contract, method), ..Default::default() };
            endpoint.metadata.insert("path".into(), path.into());
            if stream {
                endpoint.metadata.insert("stream".into(), "true".into());
            }
            registration.endpoints.push(endpoint);
        }
        registration.endpoints.push(EndpointRecord { name: "Say.Hello".into(), ..Default::default() });
        Announcement { registration, revision: 7, gone: false }
    }

    fn there_and_back(announcement: &Announcement) -> Result<Announcement> {
        let properties = encode(announcement)?;
        // As they come from the network.
        let mut wire = Vec::new();
        for (key, value) in properties {
            let length = u8::try_from(key.len() + 1 + value.len());
            wire.push(length.map_err(|_| Error::internal("a property is longer than 255 bytes"))?);
            wire.extend_from_slice(key.as_bytes());
            wire.push(b'=');
            wire.extend_from_slice(&value);
        }
        decode(&TxtProperties::from(&wire[..])).ok_or_else(|| Error::internal("not decoded"))
    }

    #[test]
    fn a_registration_survives_the_record() -> Result<()> {
        let announcement = announcement();
        let back = there_and_back(&announcement)?;
        assert_eq!(back.registration, announcement.registration);
        assert_eq!((back.revision, back.gone), (7, false));
        Ok(())
    }

    #[test]
    fn a_value_longer_than_a_property_is_cut_anywhere_and_joined() -> Result<()> {
        let mut announcement = announcement();
        announcement.registration.node.metadata.insert("dünn=\"".into(), "ü\n".repeat(900));
        assert_eq!(there_and_back(&announcement)?.registration, announcement.registration);
        Ok(())
    }

    #[test]
    fn too_much_metadata_is_an_error_that_names_the_largest() {
        let mut announcement = announcement();
        announcement.registration.node.metadata.insert("notes".into(), "x".repeat(9000));
        let error = encode(&announcement).expect_err("too large");
        assert!(error.message().contains("`notes` of the node"), "{error}");
    }

    #[test]
    fn endpoints_that_do_not_fit_are_left_out() -> Result<()> {
        let mut announcement = announcement();
        for index in 0..1000 {
            let name = format!("Say.Hello{index}");
            announcement.registration.endpoints.push(EndpointRecord { name, ..Default::default() });
        }
        assert!(there_and_back(&announcement)?.registration.endpoints.is_empty());
        Ok(())
    }

    proptest! {
        #[test]
        fn any_registration_survives_the_record(
            texts in prop::array::uniform4("\\PC{1,300}"),
            (meta, about) in (
                btree_map(any::<String>(), any::<String>(), 0..4),
                btree_map(any::<String>(), any::<String>(), 0..4),
            ),
            methods in vec(("([a-z]{1,5}[.])?[A-Z][a-z]{0,5}", "[A-Z][a-z]{1,5}", any::<(bool, bool)>()), 0..6),
            (revision, gone) in any::<(u64, bool)>(),
        ) {
            let [id, name, version, address] = texts;
            let mut node = Node::new(id, address);
            node.metadata = meta;
            let mut registration = Registration::new(name, node);
            (registration.version, registration.metadata) = (version, about);
            for (contract, method, (has_route, stream)) in methods {
                let mut endpoint =
                    EndpointRecord { name: endpoint_name(&contract, &method), ..Default::default() };
                if has_route {
                    endpoint.metadata.insert("path".into(), format!("/{contract}/{method}"));
                }
                if stream {
                    endpoint.metadata.insert("stream".into(), "true".into());
                }
                registration.endpoints.push(endpoint);
            }
            let announcement = Announcement { registration: registration.clone(), revision, gone };
            let back = there_and_back(&announcement).unwrap();
            prop_assert_eq!((back.revision, back.gone), (revision, gone));
            if gone {
                // It says who goes, and no more.
                prop_assert_eq!(back.registration.node.id, registration.node.id);
            } else {
                prop_assert_eq!(back.registration, registration);
            }
        }

        #[test]
        fn any_properties_are_a_node_or_none(
            properties in vec(("(v|id|name|version|address|rev|meta|about|api|gone)([.][0-9])?", "1|[{}\":,;*./a]{0,12}|.{0,8}"), 0..14),
            flips in vec((any::<prop::sample::Index>(), any::<u8>()), 0..2),
        ) {
            let mut wire = Vec::new();
            for (key, value) in &properties {
                let property = format!("{key}={value}");
                wire.push(u8::try_from(property.len()).unwrap());
                wire.extend_from_slice(property.as_bytes());
            }
            for (index, byte) in flips {
                if !wire.is_empty() {
                    *index.get_mut(&mut wire) = byte;
                }
            }
            if let Some(announcement) = decode(&TxtProperties::from(&wire[..])) {
                // All of it was in there.
                let Registration { service, version, endpoints, .. } = &announcement.registration;
                prop_assert!(service.len() + version.len() + endpoints.len() <= wire.len());
            }
        }
    }

    #[test]
    fn a_foreign_record_is_not_a_node() {
        assert!(decode(&TxtProperties::from(&b"\x05a=bcd"[..])).is_none());
        assert!(decode(&TxtProperties::from(&b""[..])).is_none());
    }
}
