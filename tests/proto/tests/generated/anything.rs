//! `google.protobuf.Any` that holds messages which were compiled together with the one that has it.

use bytes::Bytes;
use micro::Detail;
use micro::codec::Codec;
use micro::protobuf::Any;
use micro_proto_tests::all::anything::v1::{Carrier, carrier};
use micro_proto_tests::all::common::money::Money;
use micro_proto_tests::all::conformance::v1::{Scalars, Tree};
use micro_proto_tests::all::shop::v1::Order;
use micro_proto_tests::{outside, outside_alone};
use proptest::prelude::*;

use crate::canonical::{refused, same};
use crate::oracle::{Generated, normal, parsed, read, reference_write, write};

fn packed<T: Generated>(message: &T) -> Any {
    Detail::of(message).unwrap().into()
}

#[test]
fn the_fields_of_the_message_inside_stand_beside_its_type() {
    let order = Order { id: "1".into(), ..Order::default() };
    let carrier = Carrier { one: Some(packed(&order)), ..Carrier::default() };
    let json = r#"{"one":{"@type":"type.googleapis.com/shop.v1.Order","id":"1"}}"#;
    assert_eq!(write(&carrier).unwrap(), json);
    assert_eq!(read::<Carrier>(json).unwrap(), carrier);
    let detail = Detail::from(read::<Carrier>(json).unwrap().one.unwrap());
    assert_eq!(detail.decode::<Order>().unwrap().unwrap(), order);
}

#[test]
fn it_is_read_and_written_as_the_reference_does() {
    same::<Carrier>(&[
        r#"{"one":{"@type":"type.googleapis.com/shop.v1.Order","id":"1","total":{"units":"5"}}}"#,
        r#"{"one":{"id":"1","@type":"example.com/x/shop.v1.Order","total":{"currency":"CURRENCY_EUR"}}}"#,
        r#"{"one":{"@type":"t/anything.v1.Carrier.Nested","ratio":0.1,"raw":"AQI="}}"#,
        r#"{"one":{"raw":"AQI","@type":"t/anything.v1.Carrier.Nested","ratio":"NaN"}}"#,
        r#"{"one":{"@type":"t/anything.v1.Carrier","one":{"@type":"t/anything.v1.Carrier","word":"x"}}}"#,
        r#"{"one":{"@type":"t/google.protobuf.Any","value":{"@type":"t/shop.v1.Order","id":"1"}}}"#,
        r#"{"one":{"@type":"t/google.protobuf.Duration","value":"1.5s"}}"#,
        r#"{"one":{"@type":"t/google.protobuf.Struct","value":{"a":[1,null,{"b":true}]}}}"#,
        r#"{"one":{"@type":"t/Unnamed"}}"#,
        r#"{"many":[{"@type":"t/shop.v1.Order"},{"@type":"t/google.protobuf.BoolValue","value":true}]}"#,
        r#"{"byName":{"a":{"@type":"t/conformance.v1.Scalars","int64":"-5","double":1e300}}}"#,
        r#"{"chosen":{"@type":"t/shop.v1.Order","id":"1"}}"#,
        r#"{"one":null,"many":null,"byName":null,"chosen":null}"#,
    ]);
    refused::<Carrier>(&[
        r#"{"one":{"id":"1"}}"#,
        r#"{"one":{"@type":"shop.v1.Order","id":"1"}}"#,
        r#"{"one":{"@type":"t/shop.v1.Nothing"}}"#,
        r#"{"one":{"@type":"t/shop.v1.Order","id":1}}"#,
        r#"{"one":{"@type":"t/google.protobuf.Duration"}}"#,
        r#"{"one":{"@type":1}}"#,
        r#"{"one":"t/shop.v1.Order"}"#,
        r#"{"many":[null]}"#,
        r#"{"word":"x","chosen":{"@type":"t/shop.v1.Order"}}"#,
    ]);
}

#[test]
fn an_unknown_type_is_an_error_that_names_it_and_its_place() {
    let error = read::<Carrier>(r#"{"many":[{"@type":"t/shop.v1.Nothing"}]}"#).unwrap_err();
    assert!(error.message().contains("field `many[0]"), "{error}");
    assert!(error.message().contains("holds a `shop.v1.Nothing`, which is not known here"), "{error}");
    let one = Any { type_url: "t/shop.v1.Nothing".into(), value: vec![8, 1] };
    let error = write(&Carrier { one: Some(one), ..Carrier::default() }).unwrap_err();
    assert!(error.message().contains("holds a `shop.v1.Nothing`"), "{error}");
}

#[test]
fn a_wrong_field_of_the_message_inside_is_named() {
    for json in [
        r#"{"one":{"@type":"t/shop.v1.Order","total":{"units":"x"}}}"#,
        r#"{"one":{"total":{"units":"x"},"@type":"t/shop.v1.Order"}}"#,
    ] {
        let error = read::<Carrier>(json).unwrap_err();
        assert!(error.message().contains("field `one"), "{error}");
        assert!(error.message().contains("google.protobuf.Any of type `shop.v1.Order`"), "{error}");
        assert!(error.message().contains("expected an integer of type int64"), "{error}");
    }
}

#[test]
fn a_message_of_another_crate_is_known_where_the_build_script_says_where_it_is() {
    let money = Money { units: 5, ..Money::default() };
    let json = r#"{"content":{"@type":"type.googleapis.com/common.money.Money","units":"5"}}"#;
    let envelope = outside::outside::v1::Envelope { content: Some(packed(&money)), stamp: None };
    assert_eq!(write(&envelope).unwrap(), json);
    assert_eq!(read::<outside::outside::v1::Envelope>(json).unwrap(), envelope);
    let alone = read::<outside_alone::Envelope>(json).unwrap();
    assert_eq!(alone.content, envelope.content);
    // This one was not.
    let order = r#"{"content":{"@type":"type.googleapis.com/shop.v1.Order"}}"#;
    assert!(read::<outside::outside::v1::Envelope>(order).is_err());
}

#[test]
fn a_message_that_is_as_deep_as_it_can_be_is_an_error_and_no_overflow() {
    // As deep as protobuf is read, and in an `Any` again and again.
    let mut any = packed(&Order::default());
    for _ in 0..20 {
        let mut carrier = Carrier { one: Some(any), ..Carrier::default() };
        for _ in 0..95 {
            carrier = Carrier { inside: Some(Box::new(carrier)), ..Carrier::default() };
        }
        any = packed(&carrier);
    }
    let carrier = Carrier { one: Some(any), ..Carrier::default() };
    assert!(write(&carrier).unwrap_err().message().contains("levels deep"));

    let deep = format!("{}{}", r#"{"one":{"@type":"t/anything.v1.Carrier","#.repeat(5000), "}".repeat(9999));
    assert!(read::<Carrier>(&deep.replace(",}", "}")).is_err());
    let deep = format!(r#"{{"one":{}"@type":"t/anything.v1.Carrier"}}"#, r#"{"one":"#.repeat(5000));
    assert!(read::<Carrier>(&deep).is_err());
}

proptest! {
    #[test]
    fn any_bytes_inside_are_written_or_refused_without_a_panic(
        name in prop_oneof![Just("shop.v1.Order"), Just("anything.v1.Carrier"), Just("google.protobuf.Struct"), Just("google.protobuf.Any")],
        value in any::<Vec<u8>>(),
    ) {
        let one = Any { type_url: format!("t/{name}"), value };
        let _ = write(&Carrier { one: Some(one), ..Carrier::default() });
    }

    #[test]
    fn any_text_is_read_or_refused_without_a_panic(text in any::<String>(), name in "[@a-z]{1,5}") {
        let document = serde_json::json!({ "one": { "@type": text, (name): text } }).to_string();
        let _ = read::<Carrier>(&document);
        let _ = Codec::JSON.decode::<Carrier>(Bytes::from(text));
    }

    #[test]
    fn any_message_inside_is_written_as_the_reference_does(
        id in any::<String>(),
        units in any::<i64>(),
        (ratio, raw) in (-1e30_f32..1e30, any::<Vec<u8>>()),
        value in any::<i32>(),
    ) {
        let order = Order { id, total: Some(Money { units, ..Money::default() }), ..Order::default() };
        let nested = carrier::Nested { ratio, raw };
        let tree = Tree { value, ..Tree::default() };
        let scalars = Scalars { float: ratio, int64: units, ..Scalars::default() };
        let carrier = Carrier {
            one: Some(packed(&nested)),
            many: vec![packed(&order), packed(&tree), packed(&scalars)],
            choice: Some(carrier::Choice::Chosen(packed(&order))),
            ..Carrier::default()
        };
        let written = write(&carrier).unwrap();
        prop_assert_eq!(parsed(&written), normal(reference_write(&carrier).unwrap()));
        prop_assert_eq!(read::<Carrier>(&written).unwrap(), carrier);
    }
}
