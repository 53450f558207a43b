use crate::Result;
use crate::suites::{Suite, Suites};

/// What a test case is about. The fields are in the order of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Case {
    pub(crate) protocol: &'static str,
    pub(crate) http: &'static str,
    pub(crate) shape: usize,
    pub(crate) encoding: usize,
    pub(crate) tls: bool,
    pub(crate) certificates: bool,
    pub(crate) get: bool,
}

/// The stream types, as the suite and as the table has them.
pub(crate) const SHAPES: [(&str, &str); 5] = [
    ("STREAM_TYPE_UNARY", "unary"),
    ("STREAM_TYPE_SERVER_STREAM", "server stream"),
    ("STREAM_TYPE_CLIENT_STREAM", "client stream"),
    ("STREAM_TYPE_HALF_DUPLEX_BIDI_STREAM", "both ways, in turn"),
    ("STREAM_TYPE_FULL_DUPLEX_BIDI_STREAM", "both ways, at once"),
];

/// The codecs with their compressions.
pub(crate) const ENCODINGS: [(&str, &str, &str); 6] = [
    ("CODEC_PROTO", "COMPRESSION_IDENTITY", "protobuf"),
    ("CODEC_PROTO", "COMPRESSION_GZIP", "protobuf, gzip"),
    ("CODEC_PROTO", "COMPRESSION_ZSTD", "protobuf, zstd"),
    ("CODEC_JSON", "COMPRESSION_IDENTITY", "JSON"),
    ("CODEC_JSON", "COMPRESSION_GZIP", "JSON, gzip"),
    ("CODEC_JSON", "COMPRESSION_ZSTD", "JSON, zstd"),
];

impl Case {
    /// Takes a name apart: the suite, features with their values, perhaps whose peer it is for, and
    /// the name of the case in the suite.
    pub(crate) fn of(name: &str, suites: &Suites) -> Result<Self> {
        let (suite, mut rest) = name.split_once('/').ok_or_else(|| format!("`{name}` is of no suite"))?;
        let suite = suites.get(suite)?;
        let mut named = Vec::new();
        while let Some((part, behind)) = rest.split_once('/')
            && let Some(feature) = part.split_once(':')
        {
            named.push(feature);
            rest = behind;
        }
        // The peer stands in front of the last part of the name, where it is not the usual one.
        let case: Vec<_> = rest.split('/').filter(|part| !part.ends_with(" impl)")).collect();
        Self::from(suite, &named, &case.join("/")).map_err(|error| format!("`{name}`: {error}"))
    }

    fn from(suite: &Suite, named: &[(&str, &str)], case: &str) -> Result<Self> {
        let feature = |name: &str, list: &str| match named.iter().find(|(known, _)| *known == name) {
            Some((_, value)) => Ok((*value).to_owned()),
            None => suite.only(list).map(str::to_owned),
        };
        let protocol = match feature("Protocol", "relevantProtocols")?.as_str() {
            "PROTOCOL_CONNECT" => "Connect",
            "PROTOCOL_GRPC" => "gRPC",
            "PROTOCOL_GRPC_WEB" => "gRPC-Web",
            other => return Err(format!("`{other}` is not in the table")),
        };
        let http = match feature("HTTPVersion", "relevantHttpVersions")?.as_str() {
            "1" | "HTTP_VERSION_1" => "1.1",
            "2" | "HTTP_VERSION_2" => "2",
            other => return Err(format!("HTTP version `{other}` is not in the table")),
        };
        let codec = feature("Codec", "relevantCodecs")?;
        let compression = feature("Compression", "relevantCompressions")?;
        let encoding = ENCODINGS.iter().position(|known| (known.0, known.1) == (&codec, &compression));
        let shape = suite.shape(case)?;
        let shape_index = SHAPES.iter().position(|known| known.0 == shape);
        let tls = named.iter().find(|(name, _)| *name == "TLS").map(|(_, value)| *value == "true");
        Ok(Self {
            protocol,
            http,
            shape: shape_index.ok_or_else(|| format!("`{shape}` is not in the table"))?,
            encoding: encoding.ok_or_else(|| format!("{codec} with {compression} is not in the table"))?,
            tls: tls.unwrap_or(suite.needs_tls),
            certificates: suite.needs_certificates,
            get: suite.needs_get,
        })
    }
}
