//! The reference: what `prost-reflect` makes of the same JSON and the same messages.

use std::sync::LazyLock;

use bytes::{Bytes, BytesMut};
use micro::codec::Codec;
use prost_reflect::{DescriptorPool, DeserializeOptions, DynamicMessage, MessageDescriptor};
use serde_json::Value;

static POOL: LazyLock<DescriptorPool> = LazyLock::new(|| {
    let bytes = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
    DescriptorPool::decode(bytes.as_slice()).unwrap()
});

/// A generated message.
pub(crate) trait Generated: micro::Message + prost::Message + Default + Clone + PartialEq {}

impl<T: micro::Message + prost::Message + Default + Clone + PartialEq> Generated for T {}

fn descriptor<T: Generated>() -> MessageDescriptor {
    POOL.get_message_by_name(T::SHAPE.name).unwrap()
}

/// Reads JSON as the framework does.
pub(crate) fn read<T: Generated>(json: &str) -> micro::Result<T> {
    Codec::JSON.decode(Bytes::copy_from_slice(json.as_bytes()))
}

/// Writes JSON as the framework does.
pub(crate) fn write<T: Generated>(message: &T) -> micro::Result<String> {
    let mut buffer = BytesMut::new();
    Codec::JSON.encode(message, &mut buffer)?;
    Ok(String::from_utf8(buffer.to_vec()).unwrap())
}

/// Reads JSON as the reference does.
pub(crate) fn reference_read<T: Generated>(json: &str) -> Result<T, String> {
    let mut reader = serde_json::Deserializer::from_str(json);
    let options = DeserializeOptions::new().deny_unknown_fields(false);
    let message = DynamicMessage::deserialize_with_options(descriptor::<T>(), &mut reader, &options)
        .map_err(|error| error.to_string())?;
    reader.end().map_err(|error| error.to_string())?;
    message.transcode_to().map_err(|error| error.to_string())
}

/// Writes JSON as the reference does.
pub(crate) fn reference_write<T: Generated>(message: &T) -> Result<Value, String> {
    let mut dynamic = DynamicMessage::new(descriptor::<T>());
    dynamic.transcode_from(message).map_err(|error| error.to_string())?;
    // Not `to_value`, which makes doubles of floats.
    let text = serde_json::to_string(&dynamic).map_err(|error| error.to_string())?;
    serde_json::from_str(&text).map_err(|error| error.to_string())
}

/// JSON in which `1` and `1.0` are the same.
pub(crate) fn parsed(json: &str) -> Value {
    normal(serde_json::from_str(json).unwrap())
}

/// See [`parsed`].
pub(crate) fn normal(value: Value) -> Value {
    match value {
        Value::Number(number) => Value::from(number.as_f64().unwrap()),
        Value::Array(items) => items.into_iter().map(normal).collect(),
        Value::Object(fields) => fields.into_iter().map(|(name, value)| (name, normal(value))).collect(),
        other => other,
    }
}
