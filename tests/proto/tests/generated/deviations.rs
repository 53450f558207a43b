//! Where the JSON of generated messages is meant to differ from that of the reference library, and
//! why.

use crate::oracle::{Generated, read, reference_read, write};
use micro::protobuf::{Duration, Timestamp, Value, value};
use micro_proto_tests::all::conformance::v1::{Choice, Maps, Scalars, WellKnown, Wide, Wrappers};

/// Only the reference reads the document.
#[track_caller]
fn stricter<T: Generated>(documents: &[&str]) {
    for json in documents {
        assert!(reference_read::<T>(json).is_ok(), "the reference refuses {json}");
        assert!(read::<T>(json).is_err(), "{json}");
    }
}

/// Only we read the document.
#[track_caller]
fn more_lenient<T: Generated>(documents: &[&str]) {
    for json in documents {
        assert!(reference_read::<T>(json).is_err(), "the reference takes {json}");
        assert!(read::<T>(json).is_ok(), "{json}");
    }
}

/// The specification: "the same field twice" is not valid; the reference takes the last one.
#[test]
fn a_field_or_key_that_is_there_twice_is_an_error() {
    stricter::<Scalars>(&[r#"{"int32":1,"int32":2}"#, r#"{"int32":1,"int32":null}"#]);
    stricter::<Wide>(&[r#"{"f65":1,"f65":2}"#]);
    stricter::<Maps>(&[r#"{"strings":{"a":"x","a":"y"}}"#, r#"{"numbers":{"1":1,"1":2}}"#]);
    stricter::<WellKnown>(&[r#"{"struct":{"a":1,"a":2}}"#]);

    let error = read::<Scalars>(r#"{"int32":1,"int32":2}"#).unwrap_err();
    assert!(error.message().contains("duplicate field `int32`"), "{error}");
    let error = read::<Choice>(r#"{"word":"x","number":1}"#).unwrap_err();
    assert!(error.message().contains("only one field of `choice` can be set"), "{error}");
}

/// Binary protobuf keeps an enum value that it does not know, because it is a number. A name cannot
/// be kept, and to drop it would change what the message says.
#[test]
fn an_unknown_name_of_an_enum_is_an_error() {
    stricter::<Scalars>(&[r#"{"color":"COLOR_PINK"}"#, r#"{"color":"color_red"}"#]);
    stricter::<WellKnown>(&[r#"{"null":"x"}"#]);

    let error = read::<Scalars>(r#"{"color":"COLOR_PINK"}"#).unwrap_err().to_string();
    let known = "known: COLOR_UNSPECIFIED, COLOR_RED, COLOR_CRIMSON, COLOR_BLUE, COLOR_OLD";
    assert!(error.contains("field `color`: `COLOR_PINK` is not a value of conformance.v1.Color"), "{error}");
    assert!(error.contains(known), "{error}");
}

/// The specification allows exponents in strings too.
#[test]
fn integers_in_strings_may_have_exponents() {
    more_lenient::<Scalars>(&[r#"{"int32":"1e2"}"#, r#"{"uint64":"1.0"}"#]);
    more_lenient::<Wrappers>(&[r#"{"int64":"1e2"}"#]);
}

/// Numbers in strings follow the grammar of JSON numbers.
#[test]
fn numbers_in_strings_are_spelled_as_json_spells_them() {
    stricter::<Scalars>(&[
        r#"{"int32":"+1"}"#,
        r#"{"int32":"01"}"#,
        r#"{"double":"inf"}"#,
        r#"{"double":"nan"}"#,
        r#"{"double":"+1"}"#,
        r#"{"double":"1e999"}"#,
        r#"{"float":"1e39"}"#,
    ]);
    stricter::<Maps>(&[r#"{"numbers":{"+1":1}}"#]);
}

/// 2^64 does not fit; the reference makes it 2^64 - 1.
#[test]
fn a_number_just_too_large_is_refused() {
    stricter::<Scalars>(&[r#"{"uint64":18446744073709551616.0}"#, r#"{"int64":9223372036854775808.0}"#]);
}

/// This is how the largest float is written, rounded to nine digits.
#[test]
fn the_largest_float_can_be_read() {
    more_lenient::<Scalars>(&[r#"{"float":3.4028235e38}"#]);
    let message = Scalars { float: f32::MAX, ..Scalars::default() };
    assert_eq!(read::<Scalars>(&write(&message).unwrap()).unwrap(), message);
}

/// A list that is `null` is empty, whatever its elements are; the reference makes it a list of one.
#[test]
fn null_is_the_empty_list_also_of_values() {
    let message = read::<WellKnown>(r#"{"values":null,"nulls":null}"#).unwrap();
    assert_eq!(message, WellKnown::default());
}

/// Fractions of nanoseconds would be lost.
#[test]
fn times_have_at_most_nine_fractional_digits() {
    stricter::<WellKnown>(&[
        r#"{"timestamp":"1970-01-01T00:00:00.0000000001Z"}"#,
        r#"{"duration":"0.0000000001s"}"#,
    ]);
}

/// The reference tidies up what is out of range, or writes `null`.
#[test]
fn what_has_no_json_is_an_error_when_written() {
    let number = |number| Value { kind: Some(value::Kind::NumberValue(number)) };
    for message in [
        WellKnown { duration: Some(Duration { seconds: 1, nanos: -1 }), ..WellKnown::default() },
        WellKnown { timestamp: Some(Timestamp { seconds: 0, nanos: -1 }), ..WellKnown::default() },
        WellKnown { timestamp: Some(Timestamp { seconds: i64::MAX, nanos: 0 }), ..WellKnown::default() },
        WellKnown { value: Some(number(f64::NAN)), ..WellKnown::default() },
    ] {
        let error = write(&message).unwrap_err();
        assert_eq!(error.code(), micro::Code::Internal, "{error}");
    }
}

/// `-0.0` is not the default; protobuf itself loses it, JSON need not.
#[test]
fn negative_zero_is_written() {
    let message = Scalars { double: -0.0, ..Scalars::default() };
    assert_eq!(write(&message).unwrap(), r#"{"double":-0.0}"#);
}

/// The reference writes `null` for these wrappers, which it reads as "not set".
#[test]
fn a_wrapper_holds_what_json_has_no_number_for() {
    let message = Wrappers { double: Some(f64::NEG_INFINITY), ..Wrappers::default() };
    let json = r#"{"double":"-Infinity"}"#;
    assert_eq!(write(&message).unwrap(), json);
    assert_eq!(read::<Wrappers>(json).unwrap(), message);
}

/// Numbers in a `Value` that are whole look so, as in the other implementations.
#[test]
fn a_whole_number_in_a_value_has_no_fraction() {
    let json = r#"{"value":{"a":1,"b":1.5,"c":-9007199254740991,"d":1e300}}"#;
    assert_eq!(write(&read::<WellKnown>(json).unwrap()).unwrap(), json.replace("1e300", "1e+300"));
}
