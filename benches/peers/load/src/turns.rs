//! Streams both ways with a fixed number of messages under way.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use futures_util::Stream;

use crate::tally::Tally;

/// When to send the next message of a stream: as long as fewer than a fixed number are under way.
///
/// It is a stream with one item for every message to be sent. Clones are the same turns, so that one half of
/// a stack takes them and the other tells what [has come back](Turns::back).
#[derive(Clone)]
pub struct Turns(Arc<Shared>);

struct Shared {
    tally: Arc<Tally>,
    /// The bytes in the payload of each message.
    size: usize,
    window: usize,
    state: Mutex<State>,
}

struct State {
    left: u32,
    sent: VecDeque<Instant>,
    waiting: Option<Waker>,
    /// What came back was not what had been sent.
    wrong: Option<String>,
}

impl Turns {
    pub(crate) fn new(tally: Arc<Tally>, window: usize, count: u32, size: usize) -> Self {
        let state = State { left: count, sent: VecDeque::with_capacity(window), waiting: None, wrong: None };
        Self(Arc::new(Shared { tally, size, window, state: Mutex::new(state) }))
    }

    /// A message has come back, with this many bytes of payload.
    pub fn back(&self, size: usize) {
        let mut state = self.0.lock();
        if size != self.0.size && state.wrong.is_none() {
            state.wrong = Some(format!("{size} bytes came back where {} had been sent", self.0.size));
        }
        let Some(sent) = state.sent.pop_front() else {
            state.wrong.get_or_insert_with(|| "more came back than had been sent".to_owned());
            return;
        };
        let waiting = state.waiting.take();
        drop(state);
        self.0.tally.ended(sent.elapsed());
        if let Some(waiting) = waiting {
            waiting.wake();
        }
    }

    /// What is wrong with a chat that has ended, if something is.
    pub(crate) fn check(&self) -> crate::Result<()> {
        let state = self.0.lock();
        match &state.wrong {
            Some(wrong) => Err(wrong.clone().into()),
            None if !state.sent.is_empty() => {
                Err(format!("the stream ended and {} messages had not come back", state.sent.len()).into())
            }
            None => Ok(()),
        }
    }
}

impl Stream for Turns {
    type Item = ();

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<()>> {
        let mut state = self.0.lock();
        if state.left == 0 || self.0.tally.is_over() {
            return Poll::Ready(None);
        }
        if state.sent.len() >= self.0.window {
            state.waiting = Some(context.waker().clone());
            return Poll::Pending;
        }
        state.left -= 1;
        state.sent.push_back(Instant::now());
        Poll::Ready(Some(()))
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Turns {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Turns").field("window", &self.0.window).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use futures_util::{FutureExt as _, StreamExt as _};

    use super::*;

    #[test]
    fn no_more_messages_are_under_way_than_the_window() {
        let mut turns = Turns::new(Arc::default(), 2, 3, 8);
        assert_eq!(turns.next().now_or_never(), Some(Some(())));
        assert_eq!(turns.next().now_or_never(), Some(Some(())));
        assert_eq!(turns.next().now_or_never(), None);
        turns.clone().back(8);
        assert_eq!(turns.next().now_or_never(), Some(Some(())));
        assert_eq!(turns.next().now_or_never(), Some(None), "three were wished");
        turns.back(8);
        assert!(turns.check().unwrap_err().to_string().contains("1 messages had not come back"));
        turns.back(8);
        turns.check().unwrap();
    }

    #[test]
    fn an_answer_of_another_size_is_told() {
        let mut turns = Turns::new(Arc::default(), 2, 3, 8);
        assert_eq!(turns.next().now_or_never(), Some(Some(())));
        turns.back(7);
        assert!(turns.check().unwrap_err().to_string().contains("7 bytes came back where 8"));
    }
}
