//! Messages in JSON and in protobuf.

use bytes::{Bytes, BytesMut};
use micro::Message;
use micro::codec::Codec;

use crate::input::Input;
use crate::lab::messages::{Choice, Lists, Maps, Names, Optionals, Scalars, Tree, WellKnown, Wide, Wrappers};

/// Reads a message. The first byte is its type, and whether the rest is protobuf and not JSON.
///
/// What is read from JSON is written as JSON that is read as the same message. What is read from
/// protobuf and has a form in JSON has it again after that; it may have lost what JSON does not keep,
/// unknown fields in a `google.protobuf.Any` for example.
pub fn message(input: &[u8]) {
    let mut input = Input(input);
    let kind = input.byte();
    let bytes = Bytes::copy_from_slice(input.0);
    let codec = if kind & 0x80 == 0 { Codec::JSON } else { Codec::PROTO };
    match kind & 0x7f {
        0 => check::<Scalars>(&codec, bytes),
        1 => check::<Optionals>(&codec, bytes),
        2 => check::<Lists>(&codec, bytes),
        3 => check::<Maps>(&codec, bytes),
        4 => check::<Choice>(&codec, bytes),
        5 => check::<WellKnown>(&codec, bytes),
        6 => check::<Wrappers>(&codec, bytes),
        7 => check::<Names>(&codec, bytes),
        8 => check::<Tree>(&codec, bytes),
        9 => check::<Wide>(&codec, bytes),
        10 => check::<String>(&codec, bytes),
        11 => check::<()>(&codec, bytes),
        12 => check::<f64>(&codec, bytes),
        _ => check::<WellKnown>(&codec, bytes),
    }
}

fn check<T: Message>(codec: &Codec, bytes: Bytes) {
    let Ok(message) = codec.decode::<T>(bytes) else { return };
    let json = match written(&Codec::JSON, &message) {
        Ok(json) => json,
        // Protobuf can hold what JSON cannot: a time of the year 10000, for example.
        Err(_) if *codec == Codec::PROTO => return,
        Err(error) => panic!("what was read from JSON cannot be written: {error}"),
    };
    let text = json.escape_ascii();
    let again: T = match Codec::JSON.decode(json.clone()) {
        Ok(again) => again,
        Err(error) => panic!("what was written is not read: {error}: {text}"),
    };
    let proto = |message| written(&Codec::PROTO, message).expect("protobuf takes everything");
    if *codec == Codec::JSON {
        assert_eq!(proto(&message), proto(&again), "another message came back: {text}");
    }
    let json_again = written(&Codec::JSON, &again).expect("it was written before");
    if *codec == Codec::JSON {
        assert_eq!(json, json_again, "it is written in another way");
    } else {
        // Protobuf can hold a `NullValue` that is not 0. In JSON there is one null, and it means 0, which
        // is left out the next time.
        let third: T = Codec::JSON.decode(json_again.clone()).expect("what was written is read");
        assert_eq!(json_again, written(&Codec::JSON, &third).expect("it was written before"));
    }
    let from_proto: T = Codec::PROTO.decode(proto(&message)).expect("what was written is read");
    assert_eq!(proto(&message), proto(&from_proto), "another message came back from protobuf");
}

fn written<T: Message>(codec: &Codec, message: &T) -> micro::Result<Bytes> {
    let mut buffer = BytesMut::new();
    codec.encode(message, &mut buffer)?;
    Ok(buffer.freeze())
}
