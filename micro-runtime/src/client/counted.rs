//! What is counted of the calls of a channel.

use std::pin::Pin;
use std::ptr;
use std::sync::OnceLock;
use std::task::{Context as TaskContext, Poll, ready};

use futures_util::{Stream, StreamExt as _};

use super::call::Response;
use crate::endpoint::{Body, MethodDescriptor, Wrap};
use crate::error::{Error, Result};
use crate::metrics::{Calls, Counting, Metrics, Side};
use crate::stream::Streaming;

/// So many chains of methods there are. Contracts have a few methods, and most calls are of few of them.
const CHAINS: usize = 8;

/// The counters of the methods that were called, found without a lock: what was put here stays, and a method has
/// its place behind those that came before.
#[derive(Default)]
pub(super) struct Counted([Chain; CHAINS]);

type Chain = OnceLock<Box<Link>>;

struct Link {
    method: &'static MethodDescriptor,
    calls: Calls,
    next: Chain,
}

impl Counted {
    /// What is counted of the calls of this method.
    pub(super) fn of(&self, method: &'static MethodDescriptor, metrics: &Metrics) -> &Calls {
        // Descriptors lie side by side, and are larger than this.
        let chain = ptr::from_ref(method).addr() / 64 % CHAINS;
        let mut place = &self.0[chain];
        loop {
            let link = place.get_or_init(|| {
                let calls = metrics.calls(Side::Client, method.service, method.name);
                Box::new(Link { method, calls, next: OnceLock::new() })
            });
            if ptr::eq(link.method, method) {
                return &link.calls;
            }
            place = &link.next;
        }
    }
}

/// Counts how a call ended; a stream does so at its end.
pub(super) fn ended<B: Body>(
    answered: Result<Response<B>>,
    mut counting: Counting<'_>,
) -> Result<Response<B>> {
    match answered {
        Ok(Response { answer, around, heard }) if B::STREAM => {
            let answer = answer.wrapped(Ears(counting.into_owned()));
            let answer = match &around {
                Some(around) => answer.with_around(around),
                None => answer,
            };
            Ok(Response { answer, around, heard })
        }
        Ok(response) => {
            counting.end_at(None, response.heard);
            Ok(response)
        }
        Err(error) => {
            counting.end(Some(error.code()));
            Err(error)
        }
    }
}

/// Hears the end of a stream of answers.
struct Ears(Counting<'static>);

impl Wrap for Ears {
    fn wrap<T: Send + 'static>(self, messages: Streaming<T>) -> Streaming<T> {
        Streaming::from_stream(Heard { messages, ears: self })
    }
}

struct Heard<T> {
    messages: Streaming<T>,
    ears: Ears,
}

impl<T: Send + 'static> Stream for Heard<T> {
    type Item = Result<T>;

    fn poll_next(mut self: Pin<&mut Self>, task: &mut TaskContext<'_>) -> Poll<Option<Result<T>>> {
        let next = ready!(self.messages.poll_next_unpin(task));
        match &next {
            Some(Ok(_)) => {}
            Some(Err(error)) => self.ears.0.end(Some(Error::code(error))),
            None => self.ears.0.end(None),
        }
        Poll::Ready(next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ASK: MethodDescriptor =
        MethodDescriptor::new::<(), ()>("test.v1.Probe", "Ask", "/test.v1.Probe/Ask", "");

    #[test]
    fn every_method_has_counters_of_its_own_however_many_there_are() {
        let names =
            ["A", "B", "C", "D", "E", "F", "G", "H", "I", "J", "K", "L", "M", "N", "O", "P", "Q", "R"];
        let methods = names.map(|name| MethodDescriptor { name, ..ASK });
        let methods: &'static [MethodDescriptor] = Box::leak(Box::new(methods));
        let (metrics, counted) = (Metrics::new(), Counted::default());
        for (index, method) in methods.iter().enumerate() {
            for _ in 0..=index {
                counted.of(method, &metrics).again();
            }
        }
        let snapshot = metrics.snapshot();
        for (index, method) in methods.iter().enumerate() {
            let labels = [("rpc_service", "test.v1.Probe"), ("rpc_method", method.name)];
            assert_eq!(snapshot.value("micro_client_attempts", &labels), Some((index + 1) as f64));
        }
    }
}
