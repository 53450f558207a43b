use super::Codec;

/// The codecs that a server or client knows, by content subtype.
#[derive(Clone, Debug)]
pub struct Codecs(Vec<Codec>);

impl Codecs {
    /// Adds a codec, in place of one with the same name.
    pub fn add(&mut self, codec: Codec) {
        self.0.retain(|known| *known != codec);
        self.0.push(codec);
    }

    /// The codec of this name.
    pub fn find(&self, name: &str) -> Option<&Codec> {
        self.0.iter().find(|codec| codec.name() == name)
    }

    /// All codecs.
    pub fn iter(&self) -> impl Iterator<Item = &Codec> {
        self.0.iter()
    }
}

/// JSON and, with the `protobuf` feature, protobuf.
impl Default for Codecs {
    fn default() -> Self {
        let mut codecs = vec![Codec::JSON];
        if cfg!(feature = "protobuf") {
            codecs.push(Codec::PROTO);
        }
        Self(codecs)
    }
}
