//! What those are told who are not let in.

use std::time::Duration;

use crate::context::Priority;
use crate::error::Error;

/// How long the callers of a busy node are asked to stay away from it, half of this more or less, so that they
/// do not all come back together.
const PAUSE: Duration = Duration::from_millis(100);

/// As many calls run as may.
#[cold]
pub(super) fn full(of: &str, max: usize, priority: Priority) -> Error {
    busy(format!("{of} serves {max} calls at a time, and has no room for one of priority `{priority}`"))
}

/// No call ended while this one waited for its turn.
#[cold]
pub(super) fn waited(of: &str, max: usize, wait: Duration) -> Error {
    let wait = humantime::format_duration(wait);
    busy(format!("{of} serves {max} calls at a time, and none of them was done within {wait}"))
}

/// A call of a higher priority took the place of this one among those that wait.
#[cold]
pub(super) fn displaced(of: &str, max: usize, priority: Priority) -> Error {
    busy(format!(
        "{of} serves {max} calls at a time, and one that matters more than `{priority}` waits in place of this one"
    ))
}

/// Calls have become slow.
#[cold]
pub(super) fn shed(of: &str, limit: usize, priority: Priority) -> Error {
    busy(format!(
        "{of} has become slow, serves {limit} calls at a time until it recovers, and has no room for one of \
         priority `{priority}`"
    ))
}

/// A caller calls too often.
#[cold]
pub(super) fn too_often(after: Duration) -> Error {
    let text = humantime::format_duration(Duration::from_millis(
        u64::try_from(after.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX),
    ))
    .to_string();
    Error::resource_exhausted(format!("this caller calls too often: try again in {text}"))
        .with_retry_after(after)
}

fn busy(text: String) -> Error {
    let pause = PAUSE.mul_f64(0.5 + fastrand::f64());
    Error::resource_exhausted(text).with_retry_after(pause).refused_unseen()
}
