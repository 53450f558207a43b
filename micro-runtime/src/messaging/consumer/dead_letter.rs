//! What becomes of events that nobody could handle.

use std::time::{Duration, SystemTime};

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::Terms;
use super::work::while_extending;
use crate::backoff::Backoff;
use crate::broker::{DEAD_LETTER, Delivery, Envelope, is_dead_letter};
use crate::error::{Code, Error};

/// Why it is one: the code of the error and its text.
pub const REASON: &str = "Micro-Dead-Reason";
/// The topic that it was published to.
pub const TOPIC: &str = "Micro-Dead-Topic";
/// The group that could not handle it, where it had one.
pub const GROUP: &str = "Micro-Dead-Group";
/// How often it was tried.
pub const ATTEMPTS: &str = "Micro-Dead-Attempts";
/// When it was given up (RFC 3339).
pub const TIME: &str = "Micro-Dead-Time";

/// So much of the reason goes with a dead letter, in bytes.
const LONGEST_REASON: usize = 1024;

/// How long to wait for a broker that does not take the dead letter.
const PATIENCE: Backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(10));

/// The topic that dead letters of this topic go to: `orders.dead-letter` for `orders`.
pub fn dead_letter_topic(topic: &str) -> String {
    format!("{topic}{DEAD_LETTER}")
}

/// Puts an event where people look for those that could not be handled. While the broker is away the event is held;
/// where nobody would keep it, the broker is told so.
pub(super) async fn bury(
    terms: &Terms,
    delivery: Delivery,
    attempts: u32,
    error: &Error,
    stop: &CancellationToken,
) {
    let topic = terms.source.topic();
    tracing::warn!(
        topic,
        group = terms.source.group(),
        id = delivery.envelope.id(),
        attempts,
        %error,
        "an event could not be handled"
    );
    // One that nobody can handle there either is not a letter to a third place.
    if is_dead_letter(topic) {
        delivery.refuse(error).await;
        return;
    }
    let mut letter = letter(terms, &delivery.envelope, attempts, error);
    let (place, mut is_whole) = (dead_letter_topic(topic), true);
    for number in 1.. {
        let kept = terms.source.bury(&place, letter.clone());
        let kept = tokio::select! {
            // Dropped, it goes back to where it came from.
            () = stop.cancelled() => return,
            kept = while_extending(terms, &delivery, kept) => kept,
        };
        match kept {
            Ok(()) => {
                super::work::acknowledge(terms, delivery).await;
                return;
            }
            Err(problem) if is_passing(&problem) => {
                tracing::warn!(topic, error = %problem, "a dead letter is held: the broker does not take it");
                tokio::select! {
                    () = stop.cancelled() => return,
                    () = while_extending(terms, &delivery, sleep(PATIENCE.wait(number))) => {}
                }
            }
            // It was as large as an event may be before there was a reason in it.
            Err(problem) if problem.code() == Code::InvalidArgument && is_whole => {
                tracing::warn!(topic, error = %problem, "a dead letter goes without the headers of its event");
                is_whole = false;
                letter = stripped(letter);
            }
            Err(problem) => {
                tracing::warn!(topic, error = %problem, "nobody keeps the dead letter");
                delivery.refuse(error).await;
                return;
            }
        }
    }
}

/// The letter with nothing but what is needed to know what it is.
fn stripped(letter: Envelope) -> Envelope {
    let needed =
        [Envelope::CONTENT_TYPE, Envelope::CE_ID, Envelope::ID, REASON, TOPIC, GROUP, ATTEMPTS, TIME];
    let header = |name: &'static str| Some((name, letter.headers.get(name)?.to_owned()));
    Envelope { headers: needed.into_iter().filter_map(header).collect(), body: letter.body.clone() }
}

fn is_passing(problem: &Error) -> bool {
    matches!(problem.code(), Code::Unavailable | Code::DeadlineExceeded | Code::ResourceExhausted)
}

fn letter(terms: &Terms, envelope: &Envelope, attempts: u32, error: &Error) -> Envelope {
    let mut letter = envelope.clone();
    let headers = &mut letter.headers;
    headers.set(REASON, reason(error));
    headers.set(TOPIC, terms.source.topic());
    if let Some(group) = terms.source.group() {
        headers.set(GROUP, group);
    }
    headers.set(ATTEMPTS, attempts.to_string());
    headers.set(TIME, humantime::format_rfc3339_millis(SystemTime::now()).to_string());
    letter
}

/// On one line, and not too long for a header.
fn reason(error: &Error) -> String {
    let text = format!("{}: {}", error.code().as_str(), error.message());
    let mut reason: String = text.chars().map(|sign| if sign.is_control() { ' ' } else { sign }).collect();
    while reason.len() > LONGEST_REASON {
        reason.pop();
    }
    reason
}
