//! The messages that a call sends.

use std::time::Duration;

use micro::{Error, Message, Result, Sender, Streaming};
use micro_conformance::convert::unpack;
use micro_conformance::proto::ClientCompatRequest;
use tokio::time::sleep;

/// The one message of a call that sends no stream.
pub(crate) fn only<A: Message>(asked: &ClientCompatRequest) -> Result<A> {
    match asked.request_messages.as_slice() {
        [message] => unpack(message),
        messages => Err(Error::invalid_argument(format!("{} messages where one is due", messages.len()))),
    }
}

/// The messages of a call that sends a stream.
pub(crate) struct Requests<A> {
    messages: std::vec::IntoIter<A>,
    delay: Duration,
    sender: Sender<A>,
    unsent: i32,
}

impl<A: Message> Requests<A> {
    /// The messages, and the stream that they are sent to.
    pub(crate) fn of(asked: &ClientCompatRequest) -> Result<(Self, Streaming<A>)> {
        let messages: Vec<A> = asked.request_messages.iter().map(unpack).collect::<Result<_>>()?;
        let (sender, stream) = Streaming::channel();
        let delay = Duration::from_millis(asked.request_delay_ms.into());
        Ok((Self { messages: messages.into_iter(), delay, sender, unsent: 0 }, stream))
    }

    /// Sends the next one and says whether that was possible.
    pub(crate) async fn next(&mut self) -> bool {
        let left = self.messages.len();
        let Some(message) = self.messages.next() else { return false };
        sleep(self.delay).await;
        if self.sender.send(message).await.is_ok() {
            return true;
        }
        self.unsent = i32::try_from(left).unwrap_or(i32::MAX);
        self.messages = Vec::new().into_iter();
        false
    }

    /// How many could not be sent because the call was over.
    pub(crate) fn unsent(&self) -> i32 {
        self.unsent
    }
}
