//! Events as messages of AMQP, as go-micro has them: the body is the event's, headers are a table of strings.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use lapin::BasicProperties;
use lapin::types::{AMQPValue, FieldTable, ShortString};
use serde_json::Value;

use super::names::LONGEST;
use crate::broker::check::{LARGEST_HEADERS, MOST_HEADERS, check_headers};
use crate::broker::{Envelope, Headers};
use crate::error::{Error, Result};

/// How deep a value of a foreign header may be nested to be shown.
const DEEPEST: usize = 8;

/// How often quorum queues say that they delivered a message before.
pub(super) const DELIVERY_COUNT: &str = "x-delivery-count";

/// What goes with the body. It is kept on disk (delivery mode 2).
pub(super) fn properties(envelope: &Envelope) -> Result<BasicProperties> {
    let headers = &envelope.headers;
    // They go in one frame, of which a server takes 128 KiB unless it is told otherwise.
    check_headers(headers)?;
    let mut table = FieldTable::default();
    for (name, value) in headers.iter() {
        let name = ShortString::try_new(name).map_err(|_| {
            Error::invalid_argument(format!(
                "RabbitMQ: the name of a header has {} bytes, and {LONGEST} are the most",
                name.len()
            ))
        })?;
        table.insert(name, AMQPValue::LongString(value.into()));
    }
    let published = headers.get(Envelope::CE_TIME).and_then(|time| humantime::parse_rfc3339(time).ok());
    let published = published.unwrap_or_else(SystemTime::now);
    let seconds = published.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    let mut properties =
        BasicProperties::default().with_headers(table).with_delivery_mode(2).with_timestamp(seconds);
    // They are there for others: all that is ours is in the headers.
    if let Some(content_type) =
        headers.get(Envelope::CONTENT_TYPE).and_then(|text| ShortString::try_new(text).ok())
    {
        properties = properties.with_content_type(content_type);
    }
    if let Some(id) = envelope.id().and_then(|text| ShortString::try_new(text).ok()) {
        properties = properties.with_message_id(id);
    }
    Ok(properties)
}

/// The event that came with this routing key.
pub(super) fn envelope(topic: &str, properties: &BasicProperties, body: Vec<u8>) -> Envelope {
    let mut headers = Headers::new();
    let mut bytes = 0;
    let table = properties.headers().as_ref().map(FieldTable::inner).into_iter().flatten();
    for (name, value) in table.filter(|(name, _)| name.as_str() != DELIVERY_COUNT) {
        let Some(value) = text(value) else { continue };
        bytes += name.as_str().len() + value.len();
        if headers.len() >= MOST_HEADERS || bytes > LARGEST_HEADERS {
            tracing::warn!(
                topic,
                "a message of RabbitMQ has too many headers; those that are left over are not seen"
            );
            break;
        }
        headers.set(name.as_str().to_owned(), value);
    }
    let mut otherwise = |name: &'static str, value: Option<String>| {
        if let Some(value) = value
            && headers.get(name).is_none()
        {
            headers.set(name, value);
        }
    };
    otherwise(Envelope::TOPIC, Some(topic.to_owned()));
    otherwise(Envelope::CONTENT_TYPE, properties.content_type().as_ref().map(ToString::to_string));
    otherwise(Envelope::ID, properties.message_id().as_ref().map(ToString::to_string));
    otherwise(Envelope::CE_TIME, properties.timestamp().and_then(time));
    Envelope { headers, body: Bytes::from(body) }
}

/// How often the message was delivered before, as far as anybody knows.
pub(super) fn attempts_before(properties: &BasicProperties, redelivered: bool) -> u32 {
    let count = properties.headers().as_ref().and_then(|headers| headers.inner().get(DELIVERY_COUNT));
    let count = match count {
        Some(AMQPValue::LongLongInt(count)) => u32::try_from(*count).ok(),
        Some(AMQPValue::LongInt(count)) => u32::try_from(*count).ok(),
        Some(AMQPValue::LongUInt(count)) => Some(*count),
        _ => None,
    };
    count.unwrap_or(0).max(u32::from(redelivered))
}

/// Seconds since 1970 as RFC 3339, where there is such a date.
fn time(seconds: u64) -> Option<String> {
    // The last moment of the year 9999.
    const LAST: u64 = 253_402_300_799;
    (seconds <= LAST).then(|| {
        humantime::format_rfc3339_seconds(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)).to_string()
    })
}

/// A header's value as text. What is made of parts becomes JSON.
fn text(value: &AMQPValue) -> Option<String> {
    match value {
        AMQPValue::LongString(text) => Some(String::from_utf8_lossy(text.as_bytes()).into_owned()),
        AMQPValue::ShortString(text) => Some(text.to_string()),
        AMQPValue::ByteArray(bytes) => Some(String::from_utf8_lossy(bytes.as_slice()).into_owned()),
        AMQPValue::Void => Some(String::new()),
        other => json(other, DEEPEST).map(|value| value.to_string()),
    }
}

fn json(value: &AMQPValue, deeper: usize) -> Option<Value> {
    Some(match value {
        AMQPValue::Boolean(value) => Value::from(*value),
        AMQPValue::ShortShortInt(value) => Value::from(*value),
        AMQPValue::ShortShortUInt(value) => Value::from(*value),
        AMQPValue::ShortInt(value) => Value::from(*value),
        AMQPValue::ShortUInt(value) => Value::from(*value),
        AMQPValue::LongInt(value) => Value::from(*value),
        AMQPValue::LongUInt(value) => Value::from(*value),
        AMQPValue::LongLongInt(value) => Value::from(*value),
        AMQPValue::Timestamp(value) => Value::from(*value),
        AMQPValue::Float(value) => Value::from(*value),
        AMQPValue::Double(value) => Value::from(*value),
        AMQPValue::DecimalValue(value) => {
            Value::from(f64::from(value.value) / 10_f64.powi(i32::from(value.scale)))
        }
        AMQPValue::FieldArray(values) => {
            let deeper = deeper.checked_sub(1)?;
            values.as_slice().iter().map(|value| json(value, deeper)).collect::<Option<Vec<_>>>()?.into()
        }
        AMQPValue::FieldTable(table) => {
            let deeper = deeper.checked_sub(1)?;
            let pairs = table.into_iter().map(|(name, value)| Some((name.to_string(), json(value, deeper)?)));
            Value::Object(pairs.collect::<Option<_>>()?)
        }
        AMQPValue::Void => Value::Null,
        AMQPValue::ShortString(_) | AMQPValue::LongString(_) | AMQPValue::ByteArray(_) => text(value)?.into(),
    })
}

#[cfg(test)]
mod tests {
    use lapin::types::{ByteArray, DecimalValue, FieldArray, LongString};
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_event_has_the_properties_that_others_look_at() -> Result<()> {
        let event = Envelope::new("x")
            .with(Envelope::CONTENT_TYPE, "application/json")
            .with(Envelope::ID, "1")
            .with(Envelope::CE_TIME, "2024-02-29T12:00:00Z");
        let properties = properties(&event)?;
        assert_eq!(*properties.delivery_mode(), Some(2));
        assert_eq!(
            properties.content_type().as_ref().map(ToString::to_string).as_deref(),
            Some("application/json")
        );
        assert_eq!(properties.message_id().as_ref().map(ToString::to_string).as_deref(), Some("1"));
        assert_eq!(*properties.timestamp(), Some(1_709_208_000));
        Ok(())
    }

    #[test]
    fn what_a_foreign_message_does_not_say_in_headers_is_taken_from_its_properties() {
        let properties = BasicProperties::default()
            .with_content_type("text/plain".into())
            .with_message_id("7".into())
            .with_timestamp(1_709_208_000);
        let event = envelope("greeted", &properties, vec![1]);
        assert_eq!(event.headers.get(Envelope::TOPIC), Some("greeted"));
        assert_eq!(event.headers.get(Envelope::CONTENT_TYPE), Some("text/plain"));
        assert_eq!(event.id(), Some("7"));
        assert_eq!(event.headers.get(Envelope::CE_TIME), Some("2024-02-29T12:00:00Z"));
        let far = BasicProperties::default().with_timestamp(u64::MAX);
        assert_eq!(envelope("greeted", &far, vec![]).headers.get(Envelope::CE_TIME), None);
    }

    #[test]
    fn an_event_with_more_headers_than_fit_is_refused_and_a_message_with_more_is_cut() {
        let headers = (0..257).map(|number| (format!("name-{number:03}"), "v")).collect();
        let event = Envelope { headers, body: Bytes::new() };
        assert!(properties(&event).is_err());
        assert!(properties(&Envelope::new("").with("a", "b".repeat(70_000))).is_err());
        let long: &'static str = "n".repeat(256).leak();
        assert!(properties(&Envelope::new("").with(long, "b")).is_err());
        let mut table = FieldTable::default();
        for (name, value) in event.headers.iter() {
            table.insert(name.into(), AMQPValue::LongString(value.into()));
        }
        let event = envelope("t", &BasicProperties::default().with_headers(table), vec![]);
        // The topic comes on top.
        assert_eq!(event.headers.len(), MOST_HEADERS + 1);
    }

    #[test]
    fn how_often_a_message_was_delivered_is_counted_where_the_queue_counts() {
        let counted = |value| {
            let mut table = FieldTable::default();
            table.insert(DELIVERY_COUNT.into(), value);
            BasicProperties::default().with_headers(table)
        };
        assert_eq!(attempts_before(&BasicProperties::default(), false), 0);
        assert_eq!(attempts_before(&BasicProperties::default(), true), 1);
        assert_eq!(attempts_before(&counted(AMQPValue::LongLongInt(3)), true), 3);
        assert_eq!(attempts_before(&counted(AMQPValue::LongLongInt(-3)), true), 1);
        assert_eq!(attempts_before(&counted(AMQPValue::LongString("3".into())), false), 0);
        assert!(
            envelope("t", &counted(AMQPValue::LongLongInt(3)), vec![]).headers.get(DELIVERY_COUNT).is_none()
        );
    }

    fn value() -> impl Strategy<Value = AMQPValue> {
        let leaf = prop_oneof![
            any::<bool>().prop_map(AMQPValue::Boolean),
            any::<i64>().prop_map(AMQPValue::LongLongInt),
            any::<u64>().prop_map(AMQPValue::Timestamp),
            any::<f64>().prop_map(AMQPValue::Double),
            any::<f32>().prop_map(AMQPValue::Float),
            any::<(u8, u32)>()
                .prop_map(|(scale, value)| AMQPValue::DecimalValue(DecimalValue { scale, value })),
            any::<Vec<u8>>().prop_map(|bytes| AMQPValue::LongString(LongString::from(bytes))),
            any::<Vec<u8>>().prop_map(|bytes| AMQPValue::ByteArray(ByteArray::from(bytes))),
            Just(AMQPValue::Void),
        ];
        leaf.prop_recursive(12, 64, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4)
                    .prop_map(|values| AMQPValue::FieldArray(FieldArray::from(values))),
                prop::collection::btree_map("[a-z]{0,3}".prop_map(ShortString::from), inner, 0..4)
                    .prop_map(|table| AMQPValue::FieldTable(FieldTable::from(table))),
            ]
        })
    }

    proptest! {
        #[test]
        fn an_event_comes_back_as_it_went(
            headers in prop::collection::btree_map("[a-zA-Z-]{1,12}", ".{0,12}", 0..6),
            body in any::<Vec<u8>>(),
        ) {
            let sent = Envelope { headers: headers.into_iter().collect(), body: body.clone().into() };
            let came = envelope("topic", &properties(&sent).expect("it fits"), body);
            prop_assert_eq!(&came.body, &sent.body);
            for (name, value) in sent.headers.iter() {
                prop_assert_eq!(came.headers.get(name), Some(value));
            }
        }

        #[test]
        fn any_table_of_headers_can_be_read(
            table in prop::collection::btree_map(".{0,20}".prop_map(ShortString::from), value(), 0..6),
        ) {
            let properties = BasicProperties::default().with_headers(FieldTable::from(table));
            let event = envelope("topic", &properties, vec![]);
            prop_assert!(event.headers.get(Envelope::TOPIC).is_some());
            attempts_before(&properties, true);
        }
    }
}
