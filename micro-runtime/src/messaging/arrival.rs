use std::sync::Arc;

use bytes::Bytes;

use super::content;
use crate::broker::Delivery;
use crate::codec::Codecs;
use crate::context::{Incoming, Origin};
pub(super) use crate::endpoint::unreadable;
use crate::error::Result;
use crate::event::{About, Envelope, Event};
use crate::events::Stored;
use crate::message::Message;
use crate::metadata::Metadata;

/// An event as a broker brought it, not read yet.
pub(super) struct Arrived {
    about: Arc<About>,
    body: Bytes,
}

impl Arrived {
    pub(super) fn new(delivery: &Delivery, topic: &Arc<str>, attempt: u32) -> Self {
        let envelope = &delivery.envelope;
        let mut about = About::new(topic.clone(), envelope.headers.clone()).again(attempt.saturating_sub(1));
        about.offset = delivery.position.map(|position| position.offset);
        Self { about: Arc::new(about), body: envelope.body.clone() }
    }

    /// How it is encoded, by its own word.
    pub(super) fn content_type(&self) -> Option<&str> {
        self.about.headers.get(Envelope::CONTENT_TYPE)
    }

    pub(super) fn body(&self) -> Bytes {
        self.body.clone()
    }

    /// Reads it. What cannot be read now cannot be read later either, and is not tried again.
    pub(super) fn read<M: Message>(&self, codecs: &Codecs) -> Result<Event<M>> {
        let payload = content::codec(codecs, self.content_type())
            .and_then(|codec| codec.decode(self.body.clone()))
            .map_err(unreadable)?;
        Ok(Event::of(payload, self.about.clone()))
    }

    /// What its handler finds in its context. All headers are metadata, as in go-micro; what cannot be metadata is in
    /// the headers of the event alone.
    pub(super) fn incoming(&self, origin: Arc<Origin>) -> Arc<Incoming> {
        let mut metadata = Metadata::new();
        for (name, value) in self.about.headers.iter() {
            let _ = metadata.append(&name.to_ascii_lowercase(), value);
        }
        Arc::new(Incoming::new(metadata, origin).with_event(self.about.clone()))
    }
}

/// An event that lies in a log.
pub(super) fn stored<M: Message>(stored: Stored, topic: &Arc<str>, codecs: &Codecs) -> Result<Event<M>> {
    let mut about = About::new(topic.clone(), stored.envelope.headers);
    about.offset = Some(stored.offset);
    let arrived = Arrived { about: Arc::new(about), body: stored.envelope.body };
    arrived.read(codecs).map_err(|error| error.context(format_args!("offset {} of `{topic}`", stored.offset)))
}
