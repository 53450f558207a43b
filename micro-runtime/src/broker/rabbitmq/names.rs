//! Names of topics, groups and queues.

use uuid::Uuid;

use crate::broker::check;
use crate::error::{Error, Result};

/// The longest name that AMQP can say, in bytes.
pub(super) const LONGEST: usize = 255;

/// Fails for a topic that cannot be one. It becomes a routing key, which a subscriber would take for a pattern where a
/// word of it is `*` or `#` (<https://www.rabbitmq.com/tutorials/tutorial-five-python>).
pub(super) fn check_topic(topic: &str) -> Result<()> {
    check::check_topic(topic)?;
    if topic.split('.').any(|word| matches!(word, "*" | "#")) {
        return Err(Error::invalid_argument(format!(
            "RabbitMQ: the topic `{}` has a word `*` or `#`, which means any word to RabbitMQ: topics are no patterns",
            shown(topic)
        )));
    }
    Ok(())
}

/// The queue of a group. Since groups and topics may have dots, there is a colon between them.
pub(super) fn group_queue(group: &str, topic: &str) -> String {
    let group = group.replace('%', "%25").replace(':', "%3A");
    format!("{group}:{topic}")
}

/// The queue of a subscription without a group.
pub(super) fn own_queue() -> String {
    format!("micro.{}", Uuid::new_v4())
}

/// Fails for a queue that cannot be one.
pub(super) fn check_queue(queue: &str) -> Result<()> {
    let wrong =
        |why: String| Err(Error::invalid_argument(format!("RabbitMQ: the queue `{}` {why}", shown(queue))));
    if queue.is_empty() {
        return Err(Error::invalid_argument("RabbitMQ: the queue has no name"));
    }
    if queue.len() > LONGEST {
        return wrong(format!(
            "has {} bytes in its name, and {LONGEST} are the most: take a shorter group",
            queue.len()
        ));
    }
    if queue.starts_with("amq.") {
        return wrong("begins with `amq.`, which is RabbitMQ's own: name the group differently".to_owned());
    }
    Ok(())
}

/// No more of a name than a line can bear.
fn shown(name: &str) -> String {
    name.chars().take(80).flat_map(char::escape_debug).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;
    use crate::error::Code;

    #[test]
    fn a_topic_is_no_pattern() {
        for good in ["greeted", "a.b.c", "a*b", "#1", "ä ö", "a..b", &"x".repeat(255)] {
            assert!(check_topic(good).is_ok(), "{good}");
        }
        for bad in ["", "*", "a.#", "a.*.b", &"x".repeat(256)] {
            assert_eq!(check_topic(bad).expect_err(bad).code(), Code::InvalidArgument);
        }
        assert!(check_queue(&group_queue("amq.x", "y")).is_err());
        assert!(check_queue(&group_queue(&"g".repeat(200), &"t".repeat(100))).is_err());
        assert_eq!(group_queue("audit", "greeted"), "audit:greeted");
    }

    proptest! {
        #[test]
        fn two_groups_or_topics_have_two_queues(pairs in prop::collection::vec(("[ab.:%3A]{1,4}", "[ab.:%3A]{1,4}"), 1..40)) {
            let mut known = HashMap::new();
            for (group, topic) in pairs {
                let queue = group_queue(&group, &topic);
                let before = known.insert(queue, (group.clone(), topic.clone()));
                prop_assert!(before.is_none_or(|before| before == (group, topic)));
            }
        }
    }
}
