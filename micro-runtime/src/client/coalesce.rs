//! Calls that ask the same thing at the same time, and share one answer.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tokio::sync::OnceCell;

use super::limit::hold;
use super::retry::{self, Given};
use crate::codec::Codec;
use crate::endpoint::{Inbound, Outbound};
use crate::error::{Code, Error, Result};
use crate::metadata::{Around, Metadata};
use crate::protocol::{Answer, Outgoing};

/// Calls with the same of all this are the same call. Metadata is part of it: who may see what is decided by it.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Question {
    path: &'static str,
    codec: String,
    metadata: Vec<(String, Bytes)>,
    message: Bytes,
}

/// What comes of a call, for all who wait for it.
type Shared = Result<(Option<Arc<Around>>, Bytes)>;

type Asked = HashMap<Question, Arc<OnceCell<Shared>>>;

/// The calls to one service that others may join.
#[derive(Default)]
pub(super) struct Coalesced(Mutex<Asked>);

impl Coalesced {
    /// The call that asks this, which may be under way.
    fn join(&self, question: Question) -> Joined<'_> {
        let mut asked = self.lock();
        let call = asked.entry(question.clone()).or_default();
        // What is answered is answered: who comes now wants to know how it is now.
        if call.initialized() {
            *call = Arc::default();
        }
        Joined { all: self, call: call.clone(), question }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Asked> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Coalesced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Coalesced").field("calls", &self.lock().len()).finish()
    }
}

/// A call among those that share it. The last one to leave takes it away.
struct Joined<'a> {
    all: &'a Coalesced,
    question: Question,
    call: Arc<OnceCell<Shared>>,
}

impl Drop for Joined<'_> {
    fn drop(&mut self) {
        let mut asked = self.all.lock();
        // It goes while the list is held: of two who leave at once the second one sees that it is the last.
        let mine = std::mem::take(&mut self.call);
        let known = asked.get(&self.question).is_some_and(|call| Arc::ptr_eq(call, &mine));
        // One is here, and one is in the list.
        if known && (mine.initialized() || Arc::strong_count(&mine) <= 2) {
            asked.remove(&self.question);
        }
    }
}

/// Whether a call may share the answer of another one; then its message is written. On the path of every call.
#[inline]
pub(super) fn applies(given: &Given<'_>, outgoing: &mut Outgoing) -> bool {
    let wish = given.wishes.and_then(|wishes| wishes.coalesce);
    let asked = wish.unwrap_or(outgoing.method.coalesce);
    asked
        && outgoing.method.idempotent
        && outgoing.method.is_unary()
        // Nodes of another version may answer otherwise.
        && outgoing.route.wanted().is_empty()
        && written(outgoing)
}

/// Writes a message that could have stayed in the process, since what is not written cannot be compared. What cannot
/// be written shares nothing.
#[cold]
fn written(outgoing: &mut Outgoing) -> bool {
    if let Outbound::Carried(carried) = &outgoing.body
        && let Ok(Some(message)) = carried.copied(&outgoing.codec)
    {
        outgoing.body = Outbound::One(message);
    }
    matches!(outgoing.body, Outbound::One(_))
}

/// Makes a call, or waits for the answer of the same one. Where who made it gives up or has no more time, the next
/// who waits makes it.
pub(super) fn ask<'a>(given: Given<'a>, outgoing: &'a mut Outgoing) -> BoxFuture<'a, Result<Answer>> {
    async move {
        let target = given.core.target(given.channel);
        let joined = target.coalesced.join(question(outgoing));
        let mut mine = false;
        let first = joined.call.get_or_try_init(|| {
            mine = true;
            make(given, outgoing)
        });
        let shared = hold(given.limit, first).await;
        if !mine {
            target.shared();
        }
        match shared? {
            Ok((around, message)) => {
                Ok(Answer { around: around.clone(), body: Inbound::One(message.clone()) })
            }
            Err(error) => Err(error.copied()),
        }
    }
    .boxed()
}

/// Makes the call. The inner error is for all who wait, and the outer one for its own caller alone.
async fn make(given: Given<'_>, outgoing: &mut Outgoing) -> Result<Shared> {
    given.begin()?;
    let sent = if given.sources().races(outgoing) {
        retry::race(given, outgoing).await
    } else {
        retry::first(given, outgoing).await
    };
    match sent {
        Ok((Answer { around, body: Inbound::One(message) }, _)) => Ok(Ok((around, message))),
        Ok(_) => Err(Error::internal("the answer of a call that is shared is no message")),
        Err(error) if matches!(error.code(), Code::DeadlineExceeded | Code::Canceled) => Err(error),
        Err(error) => Ok(Err(error)),
    }
}

fn question(outgoing: &Outgoing) -> Question {
    let entries =
        |metadata: &Metadata| metadata.iter().map(|(name, value)| (name.to_owned(), value.clone())).collect();
    let message = match &outgoing.body {
        Outbound::One(message) => message.clone(),
        // Such calls are not shared.
        Outbound::Many(_) | Outbound::Carried(_) => Bytes::new(),
    };
    Question {
        path: outgoing.method.path,
        codec: Codec::name(&outgoing.codec).to_owned(),
        metadata: entries(&outgoing.metadata),
        message,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question(message: &'static str) -> Question {
        Question {
            path: "/test.v1.Probe/Read",
            codec: "json".to_owned(),
            metadata: Vec::new(),
            message: message.into(),
        }
    }

    #[tokio::test]
    async fn a_call_is_known_as_long_as_somebody_waits_for_it_and_no_longer() {
        let all = Coalesced::default();
        let (one, same, other) = (all.join(question("a")), all.join(question("a")), all.join(question("b")));
        assert!(Arc::ptr_eq(&one.call, &same.call) && !Arc::ptr_eq(&one.call, &other.call));
        drop(one);
        assert!(Arc::ptr_eq(&same.call, &all.join(question("a")).call));
        drop((same, other));
        assert!(all.lock().is_empty());
    }

    #[tokio::test]
    async fn what_was_answered_is_asked_anew() {
        let all = Coalesced::default();
        let one = all.join(question("a"));
        one.call.set(Ok((None, Bytes::new()))).unwrap();
        let next = all.join(question("a"));
        assert!(!Arc::ptr_eq(&one.call, &next.call));
        drop(one);
        assert_eq!(all.lock().len(), 1, "it is that of the next one");
        drop(next);
        assert!(all.lock().is_empty());
    }
}
