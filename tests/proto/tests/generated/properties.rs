//! Any message: what is written is what the reference writes, and is read as the same message.

use crate::oracle::{Generated, normal, parsed, read, reference_write, write};
use micro::protobuf::{Duration, Timestamp};
use micro_proto_tests::all::conformance::v1::{Choice, Lists, Maps, Optionals, Scalars, WellKnown, choice};
use proptest::prelude::*;

fn check<T: Generated>(message: &T) {
    let written = write(message).unwrap();
    assert_eq!(parsed(&written), normal(reference_write(message).unwrap()));
    // As bytes, because NaN is not equal to itself.
    assert_eq!(read::<T>(&written).unwrap().encode_to_vec(), message.encode_to_vec(), "{written}");
}

/// Any but negative zero, which protobuf itself does not keep.
fn double() -> impl Strategy<Value = f64> {
    any::<f64>().prop_map(|number| {
        if number == 0.0 {
            0.0
        } else if number.is_nan() {
            f64::NAN
        } else {
            number
        }
    })
}

fn float() -> impl Strategy<Value = f32> {
    any::<f32>().prop_map(|number| {
        if number == 0.0 {
            0.0
        } else if number.is_nan() {
            f32::NAN
        } else {
            number
        }
    })
}

prop_compose! {
    fn scalars()(
        (double, float, int32, int64, uint32, uint64) in (double(), float(), any::<i32>(), any::<i64>(), any::<u32>(), any::<u64>()),
        (sint32, sint64, fixed32, fixed64, sfixed32, sfixed64) in any::<(i32, i64, u32, u64, i32, i64)>(),
        (bool, string, bytes, color) in any::<(bool, String, Vec<u8>, i32)>(),
    ) -> Scalars {
        Scalars {
            double, float, int32, int64, uint32, uint64, sint32, sint64, fixed32, fixed64, sfixed32,
            sfixed64, bool, string, bytes, color,
        }
    }
}

proptest! {
    #[test]
    fn any_scalars(message in scalars()) {
        check(&message);
    }

    #[test]
    fn any_optionals(
        (double, float) in (prop::option::of(double()), prop::option::of(float())),
        (int32, int64, uint32, uint64) in any::<(Option<i32>, Option<i64>, Option<u32>, Option<u64>)>(),
        (bool, string, bytes) in any::<(Option<bool>, Option<String>, Option<Vec<u8>>)>(),
        color in prop::option::of(-3..4),
        message in prop::option::of(scalars()),
    ) {
        check(&Optionals { double, float, int32, int64, uint32, uint64, bool, string, bytes, color, message });
    }

    #[test]
    fn any_lists(
        (doubles, floats) in (prop::collection::vec(double(), 0..4), prop::collection::vec(float(), 0..4)),
        (int32s, int64s, uint64s, bools) in any::<(Vec<i32>, Vec<i64>, Vec<u64>, Vec<bool>)>(),
        (strings, bytes_list, colors) in any::<(Vec<String>, Vec<Vec<u8>>, Vec<i32>)>(),
        messages in prop::collection::vec(scalars(), 0..3),
    ) {
        check(&Lists { doubles, floats, int32s, int64s, uint64s, bools, strings, bytes_list, colors, messages });
    }

    #[test]
    fn any_maps(
        strings in prop::collection::btree_map(any::<String>(), any::<String>(), 0..4),
        numbers in prop::collection::btree_map(any::<i32>(), any::<i64>(), 0..4),
        large in prop::collection::btree_map(any::<u64>(), double(), 0..4),
        flags in prop::collection::btree_map(any::<bool>(), any::<Vec<u8>>(), 0..3),
        colors in prop::collection::btree_map(any::<String>(), any::<i32>(), 0..4),
    ) {
        check(&Maps { strings, numbers, large, flags, colors, ..Maps::default() });
    }

    #[test]
    fn any_choice(
        choice in prop_oneof![
            any::<String>().prop_map(choice::Choice::Word),
            any::<i64>().prop_map(choice::Choice::Number),
            any::<Vec<u8>>().prop_map(choice::Choice::Raw),
            any::<i32>().prop_map(choice::Choice::Color),
            any::<i64>().prop_map(choice::Choice::Wrapped),
            Just(choice::Choice::Nothing(0)),
            Just(choice::Choice::Empty(())),
        ],
        after in any::<String>(),
    ) {
        check(&Choice { choice: Some(choice), after });
    }

    #[test]
    fn any_times(
        seconds in -62_135_596_800_i64..=253_402_300_799,
        nanos in 0..1_000_000_000,
        duration in -315_576_000_000_i64..=315_576_000_000,
    ) {
        let sign = if duration < 0 { -1 } else { 1 };
        check(&WellKnown {
            timestamp: Some(Timestamp { seconds, nanos }),
            duration: Some(Duration { seconds: duration, nanos: sign * nanos }),
            ..WellKnown::default()
        });
    }

    #[test]
    fn any_text_is_read_or_refused_without_a_panic(text in any::<String>(), name in "[a-z0-9]{1,6}") {
        let document = serde_json::json!({ (name): text }).to_string();
        let _ = read::<Scalars>(&document);
        let _ = read::<WellKnown>(&document);
        for field in ["int32", "uint64", "double", "bytes", "timestamp", "duration", "mask"] {
            let document = serde_json::json!({ (field): text }).to_string();
            let _ = read::<Scalars>(&document);
            let _ = read::<WellKnown>(&document);
        }
    }
}
