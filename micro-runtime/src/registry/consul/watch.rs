use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use tokio::time::{Instant, sleep_until};

use super::health::{self, Entry};
use super::http::Http;
use crate::error::Result;
use crate::registry::{Change, Registration, Watch};

/// How long the agent waits for news. It answers that there are none after up to a sixteenth more. Short enough that an agent
/// that does not answer any more is noticed soon.
const WAIT: Duration = Duration::from_secs(10);

/// The shortest time between two questions: a service whose nodes change all the time does not keep everybody busy.
const PAUSE: Duration = Duration::from_millis(50);

/// Follows a service with questions that wait for news, "blocking queries":
/// <https://developer.hashicorp.com/consul/api-docs/features/blocking>.
pub(super) async fn begin(http: Arc<Http>, service: &str) -> Result<Watch> {
    let what = format!("look for `{service}`");
    let following = Following {
        http,
        what,
        path: health::path(service),
        service: service.to_owned(),
        index: 0,
        told: None,
        next: Instant::now(),
    };
    // What is known now is asked for at once, so that an agent that is not there is an error at once.
    let (first, following) = following.next().await;
    let rest = stream::unfold(following, |following| async move { Some(following?.next().await) });
    Ok(stream::iter([Ok(first?)]).chain(rest).boxed())
}

/// The question for what is newer than an index.
pub(super) fn newer(path: &str, index: u64, wait: Duration) -> String {
    match index {
        0 => path.to_owned(),
        _ => format!("{path}&index={index}&wait={}ms", wait.as_millis().max(1)),
    }
}

struct Following {
    http: Arc<Http>,
    what: String,
    path: String,
    service: String,
    index: u64,
    told: Option<Vec<Arc<Registration>>>,
    /// When the agent may be asked again.
    next: Instant,
}

impl Following {
    /// What is new, and what comes after it: nothing after an error.
    async fn next(mut self) -> (Result<Change>, Option<Self>) {
        loop {
            match self.ask().await {
                Ok(Some(nodes)) => return (Ok(Change::Snapshot(nodes)), Some(self)),
                Ok(None) => {}
                Err(error) => return (Err(error), None),
            }
        }
    }

    /// Asks once, and returns the nodes where they changed.
    async fn ask(&mut self) -> Result<Option<Vec<Arc<Registration>>>> {
        sleep_until(self.next).await;
        self.next = Instant::now() + PAUSE;
        // The agent adds up to a sixteenth, so that those who asked together do not ask together again.
        let limit = if self.index == 0 { Duration::ZERO } else { WAIT + WAIT / 16 };
        let answer = self.http.wait(&self.what, &newer(&self.path, self.index, WAIT), limit).await?;
        let nodes = health::nodes(&self.service, answer.json::<Vec<Entry>>(&self.what)?);
        self.index = following(self.index, answer.index);
        if self.told.as_ref() == Some(&nodes) {
            return Ok(None);
        }
        self.told = Some(nodes.clone());
        Ok(Some(nodes))
    }
}

/// The index of the next question. One that goes backwards, after a server lost its data, begins anew; and so does zero, with
/// which the agent would not wait.
fn following(before: u64, now: u64) -> u64 {
    if now < before { 0 } else { now }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_that_goes_backwards_begins_anew() {
        assert_eq!((following(0, 7), following(7, 7), following(7, 9), following(9, 3)), (7, 7, 9, 0));
        assert_eq!(newer("/a?stale", 0, WAIT), "/a?stale");
        assert_eq!(newer("/a?stale", 7, WAIT), "/a?stale&index=7&wait=10000ms");
    }
}
