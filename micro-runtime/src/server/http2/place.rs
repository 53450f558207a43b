//! Room for the answers of calls while they are made. A future of that is a few kilobytes large, and most are
//! needed for a moment only, so that each thread has room for one that it uses over and over. A connection has
//! none: thousands of them may be silent.

use std::any::Any;
use std::cell::Cell;
use std::pin::Pin;
use std::task::{Context as TaskContext, Poll};

type Room<F> = Pin<Box<Option<F>>>;

thread_local! {
    /// An `Option<Room<F>>` of the kind of future that was run here last.
    static SPARE: Cell<Option<Box<dyn Any>>> = const { Cell::new(None) };
}

/// A future in its room.
pub(super) struct Place<F>(Room<F>);

impl<F: Future + 'static> Place<F> {
    pub(super) fn of(future: F) -> Self {
        let mut room = with_spare(Option::take).unwrap_or_else(|| Box::pin(None));
        room.set(Some(future));
        Self(room)
    }

    pub(super) fn poll(&mut self, task: &mut TaskContext<'_>) -> Poll<F::Output> {
        match self.0.as_mut().as_pin_mut() {
            Some(future) => future.poll(task),
            None => Poll::Pending,
        }
    }

    /// Drops the future, and leaves its room to the next one on this thread.
    pub(super) fn clear(self) {
        let Self(mut room) = self;
        room.set(None);
        with_spare(|spare| {
            spare.get_or_insert(room);
            None
        });
    }
}

/// Looks at the spare room of this thread.
fn with_spare<F: 'static>(look: impl FnOnce(&mut Option<Room<F>>) -> Option<Room<F>>) -> Option<Room<F>> {
    // A thread that ends has none any more.
    SPARE
        .try_with(|place| {
            let mut spare = place.take().filter(|spare| spare.is::<Option<Room<F>>>());
            let kept = spare.get_or_insert_with(|| Box::new(None::<Room<F>>));
            let found = kept.downcast_mut().and_then(look);
            place.set(spare);
            found
        })
        .ok()
        .flatten()
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};
    use std::ptr;

    use super::*;

    fn address<F>(place: &Place<F>) -> *const () {
        ptr::from_ref(&*place.0).cast()
    }

    #[test]
    fn room_is_used_again_by_futures_of_the_same_kind() {
        let first = Place::of(ready(1));
        let second = Place::of(ready(2));
        let room = address(&first);
        assert_ne!(room, address(&second), "the first is still there");
        first.clear();
        let mut third = Place::of(ready(3));
        assert_eq!(address(&third), room);
        let mut task = TaskContext::from_waker(std::task::Waker::noop());
        assert_eq!(third.poll(&mut task), Poll::Ready(3));
        third.clear();
        Place::of(pending::<()>()).clear();
        let mut other = Place::of(ready(4));
        assert_eq!(other.poll(&mut task), Poll::Ready(4));
    }
}
