use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use tokio::time::{Instant, sleep_until};

use super::health::{self, Entries};
use super::http::Http;
use crate::error::{Error, Result};
use crate::registry::{Change, Registration, Watch};

/// How long the agent waits for news. It answers that there are none after up to a sixteenth more. Short enough that an agent
/// that does not answer any more is noticed soon.
const WAIT: Duration = Duration::from_secs(10);

/// The shortest time between two questions: a service whose nodes change all the time does not keep everybody busy.
const PAUSE: Duration = Duration::from_millis(50);

/// The same where the agent does not wait for news because its answers have no index, as behind some proxies.
pub(super) const WITHOUT_INDEX: Duration = Duration::from_secs(1);

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
        warned: false,
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
    /// Whether it is said that there is something that cannot be read.
    warned: bool,
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
        // The agent adds up to a sixteenth, so that those who asked together do not ask together again.
        let limit = if self.index == 0 { Duration::ZERO } else { WAIT + WAIT / 16 };
        let answer = self.http.wait(&self.what, &newer(&self.path, self.index, WAIT), limit).await?;
        let entries = answer.json::<Entries>(&self.what)?;
        if answer.index < self.index {
            // Servers that lost their data, or others. What they do not know is not what somebody took back.
            return Err(Error::unavailable(format!(
                "cannot {} any longer: the index of Consul went backwards",
                self.what
            )));
        }
        self.index = answer.index;
        self.next = Instant::now() + if self.index == 0 { WITHOUT_INDEX } else { PAUSE };
        if let Some(error) = entries.odd.as_deref().filter(|_| !self.warned) {
            self.warned = true;
            tracing::warn!(service = self.service, error, "left out a node in Consul that cannot be read");
        }
        let nodes = health::nodes(&self.service, entries.readable);
        if self.told.as_ref() == Some(&nodes) {
            return Ok(None);
        }
        self.told = Some(nodes.clone());
        Ok(Some(nodes))
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    #[test]
    fn the_first_question_does_not_wait() {
        assert_eq!(newer("/a?stale", 0, WAIT), "/a?stale");
        assert_eq!(newer("/a?stale", 7, WAIT), "/a?stale&index=7&wait=10000ms");
    }

    /// An agent that gives these answers, one after the other, with an index each.
    async fn agent(answers: Vec<(&'static str, &'static str)>) -> Arc<Http> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        tokio::spawn(async move {
            for (index, body) in answers {
                let (mut connection, _) = listener.accept().await.unwrap();
                let mut asked = Vec::new();
                while !asked.ends_with(b"\r\n\r\n") {
                    asked.push(connection.read_u8().await.unwrap());
                }
                let length = body.len();
                let answer = format!(
                    "HTTP/1.1 200 OK\r\n{index}connection: close\r\ncontent-length: {length}\r\n\r\n{body}"
                );
                connection.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        Arc::new(Http::new(address, None))
    }

    const NODE: &str = r#"[{"Service":{"ID":"a-1","Service":"a","Address":"b","Port":1}},
        {"Service":{"ID":"a-2","Service":"a","Address":"b","Port":"http"}}]"#;

    #[tokio::test]
    async fn an_index_that_goes_backwards_is_the_end_and_takes_nobody_away() {
        let http = agent(vec![("x-consul-index: 9\r\n", NODE), ("x-consul-index: 3\r\n", "[]")]).await;
        let mut watch = begin(http, "a").await.unwrap();
        assert!(matches!(watch.next().await, Some(Ok(Change::Snapshot(nodes))) if nodes.len() == 1));
        let error = watch.next().await.and_then(Result::err).unwrap();
        assert!(error.message().contains("backwards"), "{error}");
        assert!(watch.next().await.is_none());
    }

    #[tokio::test]
    async fn a_question_that_waits_is_not_asked_again_behind_the_back_of_who_watches() {
        let http = agent(vec![("x-consul-index: 3\r\n", NODE)]).await;
        let mut watch = begin(http, "a").await.unwrap();
        assert!(matches!(watch.next().await, Some(Ok(_))));
        assert!(matches!(watch.next().await, Some(Err(_))));
    }
}
