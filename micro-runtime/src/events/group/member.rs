use std::sync::Arc;

use async_trait::async_trait;
use tokio::time::{Instant, sleep_until};

use super::Group;
use super::hold::Hold;
use super::state::{Step, Taken};
use super::table::Standby;
use crate::broker::{Delivery, Position, Subscription};
use crate::error::Result;
use crate::events::ConsumeOptions;

/// One that consumes.
pub(super) enum Member {
    /// It is a member of a group that this process has.
    In(Seat),
    /// Another process has the group.
    Standby(Standby),
    Ended,
}

/// A place in a group.
pub(super) struct Seat {
    group: Arc<Group>,
    number: u64,
}

impl Seat {
    pub(super) fn new(group: Arc<Group>, options: &ConsumeOptions) -> Self {
        let number = group.state().join(options.in_hand.get());
        Self { group, number }
    }

    async fn next(&mut self) -> Option<Delivery> {
        let mut next = self.group.next.clone();
        loop {
            let changed = self.group.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            next.mark_unchanged();
            let step = self.group.state().take(self.number, Instant::now());
            self.group.refill();
            let until = match step {
                Step::Deliver(taken) => {
                    if self.group.state().others_should_look() {
                        self.group.changed.notify_waiters();
                    }
                    return Some(self.delivery(*taken));
                }
                Step::Over => return None,
                Step::Wait(until) => until,
            };
            let mut idle = Idle::new(&self.group, self.number);
            let later = async {
                match until {
                    Some(until) => sleep_until(until).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = changed => {}
                changed = next.changed() => {
                    if changed.is_err() {
                        return None;
                    }
                }
                () = later => {}
            }
            idle.woken = true;
        }
    }

    fn delivery(&self, taken: Taken) -> Delivery {
        let Taken { stored, attempts_before, hold } = taken;
        let hold = Hold {
            group: self.group.clone(),
            offset: stored.offset,
            number: hold,
            attempts_before,
            open: true,
        };
        Delivery::new(stored.envelope, hold)
            .again(attempts_before)
            .at(Position { offset: stored.offset, time: stored.time })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.group.state().leave(self.number);
        self.group.changed.notify_waiters();
        self.group.retire();
    }
}

#[async_trait]
impl Subscription for Member {
    async fn next(&mut self) -> Option<Delivery> {
        loop {
            match self {
                Self::In(seat) => return seat.next().await,
                Self::Ended => return None,
                Self::Standby(standby) => match standby.seat().await {
                    Some(seat) => *self = Self::In(seat),
                    None => *self = Self::Ended,
                },
            }
        }
    }

    async fn end(&mut self) -> Result<()> {
        *self = Self::Ended;
        Ok(())
    }
}

/// That a member waits, as long as it does.
struct Idle<'a> {
    group: &'a Group,
    member: u64,
    woken: bool,
}

impl<'a> Idle<'a> {
    fn new(group: &'a Group, member: u64) -> Self {
        group.state().set_idle(member, true);
        Self { group, member, woken: false }
    }
}

impl Drop for Idle<'_> {
    fn drop(&mut self) {
        self.group.state().set_idle(self.member, false);
        if !self.woken {
            // An event may have been left for this one, which does not wait any more.
            self.group.changed.notify_waiters();
        }
    }
}
