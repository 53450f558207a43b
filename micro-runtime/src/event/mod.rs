//! What is published: the topics that events have, the headers and the bytes that travel, and the event as a
//! subscriber is given it. Who carries it, and who publishes and handles it, stands above.

mod about;
mod envelope;
mod headers;
mod time;
mod topic;
mod typed;

pub(crate) use about::About;
pub use envelope::Envelope;
pub use headers::Headers;
pub use topic::{NamedTopic, ToTopic, Topic};
pub use typed::Event;
