//! How an event comes to those who subscribe.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::{BoxFuture, FutureExt as _, join_all};
use tokio::time::{Instant, sleep, timeout};

use super::super::{Guarantee, is_dead_letter};
use super::Shared;
use super::post::Outcome;
use super::targets::{Group, Lane, Topic, choose};
use crate::backoff::Backoff;
use crate::error::{Error, Result};
use crate::registry::View;

/// The pause when all members of a group were tried.
const PAUSE: Backoff = Backoff::new(Duration::from_millis(20), Duration::from_secs(2));

/// A subscription without a group lives as long as its process. It is over when nobody listens there for so long.
const GONE: Duration = Duration::from_secs(3);

/// As good as never.
const FOREVER: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// How often it is looked whether a group has a member again, beside each change in the registry.
const LOOK: Duration = Duration::from_millis(250);

/// An event that is to be delivered.
pub(super) struct Posting<'a> {
    pub(super) shared: &'a Shared,
    pub(super) view: &'a View,
    pub(super) topic: &'a str,
    pub(super) key: Option<&'a str>,
    /// Whether somebody has to take it.
    pub(super) must: bool,
    pub(super) event: Bytes,
}

/// What happened to an event on its way to one subscription or group.
struct Way {
    /// How many attempts there were that came into somebody's hand, or may have.
    attempts: u32,
    /// How often it was sent.
    sent: u32,
    /// How often all there are were tried.
    rounds: u32,
    /// The ids of those that were tried in this round.
    tried: Vec<String>,
    /// Somebody was there who had to take it, so it has to be delivered.
    owed: bool,
    /// How the last attempt failed, and where.
    failure: Option<String>,
    /// Since when nobody listens there, without anything else in between.
    closed: Option<Instant>,
    /// When it is given up. The time in which somebody has it does not count.
    end: Instant,
}

impl Posting<'_> {
    /// Delivers it to everybody. What fails for one does not keep it from the others.
    pub(super) async fn deliver(&self) -> Result<()> {
        let (topic, lost) = (self.now(), self.shared.lost.of(self.topic));
        if is_dead_letter(self.topic) {
            // They are one queue, whoever is subscribed to it.
            return self
                .to_some("", None, || self.now().map(|topic| topic.everybody()).unwrap_or_default())
                .await;
        }
        let (groups, all) = topic.as_deref().map_or((&[][..], &[][..]), |topic| (&topic.groups, &topic.all));
        if let ([group], [], []) = (groups, all, &lost[..]) {
            return self.to_group(&group.name).await;
        }
        let mut ways: Vec<BoxFuture<'_, Result<()>>> = Vec::new();
        ways.extend(groups.iter().map(|group| self.to_group(&group.name).boxed()));
        ways.extend(all.iter().map(|lane| self.to_one(lane).boxed()));
        let others = lost.iter().filter(|lost| groups.iter().all(|group| group.name != **lost));
        ways.extend(others.map(|group| self.to_group(group).boxed()));
        together(join_all(ways).await.into_iter().filter_map(Result::err))
    }

    /// Delivers it to one member of a group.
    async fn to_group(&self, group: &str) -> Result<()> {
        let ordered = self.members(group).iter().any(|lane| lane.ordered);
        let key = self.key.filter(|_| ordered);
        let _turn = match key {
            Some(key) => Some(self.shared.turns.wait(&[self.topic, group, key]).await),
            None => None,
        };
        self.to_some(group, key, || self.members(group)).await
    }

    async fn to_some(
        &self,
        group: &str,
        key: Option<&str>,
        members: impl Fn() -> Vec<Arc<Lane>>,
    ) -> Result<()> {
        let whom = || if group.is_empty() { "anybody".to_owned() } else { format!("the group `{group}`") };
        let mut way = Way::new(self);
        loop {
            let all = members();
            let Some(lane) = choose(&all, &way.tried, key) else {
                if all.is_empty() && !way.owed && !self.shared.lost.has(self.topic, group) {
                    // Who is listed and has ended shows that the registry is behind: there may be another one.
                    if self.is_behind(group) {
                        self.changed().await;
                        continue;
                    }
                    return Ok(());
                }
                if way.is_over() {
                    return Err(self.undelivered(&whom(), &way));
                }
                if all.is_empty() {
                    way.tried.clear();
                    self.changed().await;
                } else {
                    way.next_round().await;
                }
                continue;
            };
            way.tried.push(lane.id().to_owned());
            let outcome = self.send(&lane, &mut way).await?;
            let is_done = matches!(outcome, Outcome::Done | Outcome::Gone);
            if lane.guarantee == Guarantee::AtMostOnce && !is_done && !self.must {
                // Where it surely did not arrive, another one may have it. Nobody waits for that.
                let is_elsewhere =
                    matches!(outcome, Outcome::Unreached(_) | Outcome::Closed(_) | Outcome::Busy);
                if is_elsewhere && choose(&all, &way.tried, None).is_some() {
                    continue;
                }
                self.shared.count_dropped();
                return Ok(());
            }
            match outcome {
                Outcome::Done => {
                    self.shared.lost.found(self.topic, group);
                    return Ok(());
                }
                Outcome::Refused(error) => return Err(self.refused(&whom(), error)),
                Outcome::Gone => self.shared.lost.found(self.topic, group),
                Outcome::Unreached(_) | Outcome::Closed(_) | Outcome::Stranger => {
                    self.shared.lost.note(self.topic, group);
                }
                Outcome::Broken(_) => {
                    way.owed = true;
                    self.shared.lost.note(self.topic, group);
                }
                Outcome::Returned => {
                    way.owed = true;
                    if all.len() == 1 && way.attempts == 1 {
                        // There is nobody else, and it goes back at once.
                        way.tried.clear();
                    }
                }
                Outcome::Busy => way.owed = true,
            }
        }
    }

    /// Delivers it to a subscription without a group, unless that is over.
    async fn to_one(&self, lane: &Arc<Lane>) -> Result<()> {
        let mut way = Way::new(self);
        let _turn = match self.key.filter(|_| lane.ordered) {
            Some(key) => Some(self.shared.turns.wait(&[self.topic, lane.id(), key]).await),
            None => None,
        };
        let is_there = || {
            let known = |topic: Arc<Topic>| topic.all.iter().any(|known| known.id() == lane.id());
            !lane.is_gone() && self.now().is_some_and(known)
        };
        while is_there() {
            let outcome = self.send(lane, &mut way).await?;
            if lane.guarantee == Guarantee::AtMostOnce && !matches!(outcome, Outcome::Done | Outcome::Gone) {
                self.shared.count_dropped();
                return Ok(());
            }
            match outcome {
                Outcome::Done | Outcome::Gone => return Ok(()),
                Outcome::Refused(error) => return Err(self.refused("a subscription without a group", error)),
                Outcome::Closed(_) | Outcome::Stranger if way.is_closed() => {
                    let (topic, address) = (self.topic, lane.address());
                    tracing::debug!(topic, address, "a subscription without a group is gone");
                    return Ok(());
                }
                Outcome::Returned if way.attempts == 1 => continue,
                Outcome::Busy
                | Outcome::Returned
                | Outcome::Broken(_)
                | Outcome::Unreached(_)
                | Outcome::Closed(_)
                | Outcome::Stranger => {}
            }
            if way.is_over() {
                return Err(self.undelivered(&format!("the subscriber at {}", lane.address()), &way));
            }
            way.next_round().await;
        }
        Ok(())
    }

    /// Sends it once, when there is a place on the way.
    async fn send(&self, lane: &Lane, way: &mut Way) -> Result<Outcome> {
        if lane.secure {
            return Err(Error::unimplemented(format!(
                "the subscriber at {} to `{}` wants HTTPS, which the http broker does not speak: run it without TLS, or use \
                 another broker",
                lane.address(),
                self.topic
            )));
        }
        let begun = Instant::now();
        // A place is never taken away, so this waits at most for others to be answered.
        let _place = lane.places.acquire().await;
        let placed = Instant::now();
        let outcome = self.shared.post.send(lane, self.event.clone(), way.attempts).await;
        way.sent += 1;
        way.closed = match outcome {
            Outcome::Closed(_) | Outcome::Stranger => way.closed.or_else(|| Some(Instant::now())),
            _ => None,
        };
        let free = match outcome {
            // There was somebody who had it.
            Outcome::Returned | Outcome::Broken(_) => Instant::now(),
            _ => placed,
        };
        way.end = way.end.checked_add(free - begun).unwrap_or(way.end);
        let (at, topic) = (lane.address(), self.topic);
        match &outcome {
            Outcome::Unreached(reason) | Outcome::Closed(reason) | Outcome::Broken(reason) => {
                tracing::debug!(topic, at, reason, "an event did not arrive");
                lane.note_unreached();
                self.view.suspect(lane.candidate());
                way.failure = Some(format!("{reason} at {at}"));
                way.attempts += u32::from(matches!(outcome, Outcome::Broken(_)));
                return Ok(outcome);
            }
            Outcome::Returned => {
                way.attempts += 1;
                way.failure = Some(format!("given back at {at}"));
            }
            Outcome::Busy => way.failure = Some(format!("no room at {at}")),
            Outcome::Gone => {
                lane.note_gone();
                way.failure = Some(format!("no such subscription at {at} any more"));
            }
            Outcome::Stranger => {
                way.failure = Some(format!("somebody else answers at {at}"));
                return Ok(outcome);
            }
            Outcome::Done | Outcome::Refused(_) => {}
        }
        lane.note_reached();
        Ok(outcome)
    }

    /// Who subscribes now.
    fn now(&self) -> Option<Arc<Topic>> {
        self.shared.targets.of(self.view, self.topic)
    }

    fn members(&self, group: &str) -> Vec<Arc<Lane>> {
        self.now().map(|topic| topic.members(group)).unwrap_or_default()
    }

    /// Whether the registry still lists a member of the group that has just ended.
    fn is_behind(&self, group: &str) -> bool {
        let is_it =
            |known: &Group| known.name == group && known.members.iter().any(|lane| lane.has_just_gone());
        self.now().is_some_and(|topic| topic.groups.iter().any(is_it))
    }

    /// Waits for a change in the registry, or a moment.
    async fn changed(&self) {
        let nodes = self.view.nodes();
        let _ = timeout(LOOK, self.view.until(|now| !std::ptr::eq(now, &*nodes))).await;
    }

    #[cold]
    fn undelivered(&self, whom: &str, way: &Way) -> Error {
        let patience = humantime::format_duration(self.shared.settings.patience);
        let (topic, sent) = (self.topic, way.sent);
        let last = way
            .failure
            .as_deref()
            .unwrap_or("there is no subscriber, and there was one that did not say goodbye");
        Error::unavailable(format!(
            "an event of `{topic}` was not delivered to {whom} within {patience}; it was sent {sent} times, and in the end: {last}"
        ))
    }

    #[cold]
    fn refused(&self, whom: &str, error: Error) -> Error {
        error.context(format!("an event of `{}` was refused by {whom}", self.topic))
    }
}

impl Way {
    fn new(posting: &Posting<'_>) -> Self {
        // A time too far away to be counted is as good as none.
        let now = Instant::now();
        let end = now.checked_add(posting.shared.settings.patience).unwrap_or(now + FOREVER);
        let (attempts, sent, rounds) = (0, 0, 0);
        Self {
            attempts,
            sent,
            rounds,
            tried: Vec::new(),
            owed: posting.must,
            failure: None,
            closed: None,
            end,
        }
    }

    /// Whether nobody has listened there for so long that it is no start of a program.
    fn is_closed(&self) -> bool {
        self.closed.is_some_and(|since| since.elapsed() >= GONE)
    }

    fn is_over(&self) -> bool {
        Instant::now() >= self.end
    }

    /// Waits, and begins with all of them again.
    async fn next_round(&mut self) {
        self.rounds += 1;
        self.tried.clear();
        sleep(PAUSE.wait(self.rounds)).await;
    }
}

/// What to say where it failed for these.
fn together(mut failures: impl Iterator<Item = Error>) -> Result<()> {
    let Some(first) = failures.next() else { return Ok(()) };
    let others: Vec<_> = failures.map(|error| error.message().to_owned()).collect();
    if others.is_empty() {
        return Err(first);
    }
    Err(Error::new(first.code(), format!("{}; {}", first.message(), others.join("; "))).with_source(first))
}
