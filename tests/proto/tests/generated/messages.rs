//! Generated messages among the messages of the framework.

use crate::oracle::{read, write};
use bytes::BytesMut;
use micro::codec::{Codec, SerdeCodec};
use micro::message::ShapeKind;
use micro::{AnyMessage, Message};
use micro_proto_tests::all::common::money::{Currency, Money};
use micro_proto_tests::all::conformance::v1::{Choice, Color, Lists, Maps, Scalars, Shared, Tree, choice};
use micro_proto_tests::all::shop::v1::Order;
use micro_proto_tests::single::Point;

fn there_and_back<T: Message>(codec: &Codec, message: &T) -> T {
    let mut buffer = BytesMut::new();
    codec.encode(message, &mut buffer).unwrap();
    codec.decode(buffer.freeze()).unwrap()
}

fn order() -> Order {
    let total = Money { currency: Currency::Eur.into(), units: 5 };
    Order {
        id: "1".to_owned(),
        total: Some(total),
        by_item: [("a".to_owned(), total), ("b".to_owned(), Money::default())].into(),
        ..Order::default()
    }
}

#[test]
fn a_generated_message_has_protobuf_and_json_and_prefers_protobuf() {
    let names: Vec<_> = Order::FORMATS.iter().map(|format| format.name).collect();
    assert_eq!(names, ["proto", "json"]);
    for codec in [Codec::PROTO, Codec::JSON] {
        assert_eq!(there_and_back(&codec, &order()), order());
    }
}

#[test]
fn a_codec_of_the_user_takes_generated_messages() {
    #[derive(Debug)]
    struct Shouting;

    impl SerdeCodec for Shouting {
        fn name(&self) -> &str {
            "shouting"
        }

        fn encode(
            &self,
            message: &dyn micro::__private::erased_serde::Serialize,
            buffer: &mut BytesMut,
        ) -> micro::Result<()> {
            let text = serde_json::to_string(message).unwrap();
            buffer.extend_from_slice(format!("{text}!").as_bytes());
            Ok(())
        }

        fn decode(
            &self,
            bytes: &[u8],
            read: &mut dyn FnMut(
                &mut dyn micro::__private::erased_serde::Deserializer<'_>,
            ) -> micro::Result<()>,
        ) -> micro::Result<()> {
            let mut json = serde_json::Deserializer::from_slice(bytes.strip_suffix(b"!").unwrap());
            read(&mut <dyn micro::__private::erased_serde::Deserializer<'_>>::erase(&mut json))
        }
    }

    let codec = Codec::custom(Shouting);
    assert_eq!(there_and_back(&codec, &order()), order());
    let tree = read::<Tree>(r#"{"left":{"value":1},"named":{"x":{}}}"#).unwrap();
    assert_eq!(there_and_back(&codec, &tree), tree);
    let lists =
        read::<Lists>(r#"{"int64s":["1"],"colors":["COLOR_RED"],"messages":[{"bytes":"AQ=="}]}"#).unwrap();
    assert_eq!(there_and_back(&codec, &lists), lists);
}

#[test]
fn an_error_in_json_names_the_field_and_the_place() {
    for (json, expected) in [
        (r#"{"left":{"more":[{},{"value":"x"}]}}"#, "field `left.more[1].value`"),
        (r#"{"named":{"x":{"value":1.5}}}"#, "field `named.x.value`"),
    ] {
        let error = read::<Tree>(json).unwrap_err();
        assert_eq!(error.code(), micro::Code::InvalidArgument);
        assert!(error.message().contains(expected), "{error}");
        assert!(error.message().contains("expected an integer of type int32 at line 1 column"), "{error}");
    }
    let error = read::<Scalars>(r#"{"bytes":"!"}"#).unwrap_err();
    assert!(error.message().contains("field `bytes`: invalid base64"), "{error}");
    let error = read::<Scalars>("[]").unwrap_err();
    assert!(error.message().contains("expected an object of type conformance.v1.Scalars"), "{error}");
}

#[test]
fn a_deep_message_is_an_error_and_no_overflow() {
    let json = format!("{}{}", r#"{"left":"#.repeat(10_000), "}".repeat(10_000));
    assert!(read::<Tree>(&json).unwrap_err().message().contains("recursion limit"));
}

#[test]
fn a_message_describes_itself() {
    let ShapeKind::Struct(fields) = Choice::SHAPE.kind else { panic!("{:?}", Choice::SHAPE) };
    assert_eq!(Choice::SHAPE.name, "conformance.v1.Choice");
    assert_eq!(Choice::SHAPE.doc, "With `oneof` and types inside.");
    assert_eq!((fields[0].name, fields[0].doc), ("word", "A word."));

    let again = fields.iter().find(|field| field.name == "again").unwrap();
    let ShapeKind::Optional(choice) = (again.shape)().kind else { panic!("{:?}", (again.shape)()) };
    assert_eq!(choice().name, Choice::SHAPE.name);

    let color = fields.iter().find(|field| field.name == "color").unwrap();
    let ShapeKind::Optional(color) = (color.shape)().kind else { panic!("{:?}", (color.shape)()) };
    let ShapeKind::Enum(values) = color().kind else { panic!("{:?}", color()) };
    assert_eq!(color().name, "conformance.v1.Color");
    assert_eq!(values.iter().map(|value| value.name).next(), Some("COLOR_UNSPECIFIED"));

    let ShapeKind::Struct(fields) = Maps::SHAPE.kind else { panic!("{:?}", Maps::SHAPE) };
    let shapes: Vec<_> = fields
        .iter()
        .map(|field| match (field.shape)().kind {
            ShapeKind::Map(values) => values().name,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(
        shapes,
        [
            "string",
            "int64",
            "double",
            "bytes",
            "conformance.v1.Color",
            "conformance.v1.Scalars",
            "google.protobuf.Duration",
            "google.protobuf.Value"
        ]
    );

    assert_eq!(Point::SHAPE.doc, "A point on the map, see https://example.com/points [1].");
    let ShapeKind::Struct(fields) = Point::SHAPE.kind else { panic!("{:?}", Point::SHAPE) };
    assert_eq!(fields[0].doc, "Degrees.\n\nNorth is positive.");
}

#[test]
fn an_interceptor_sees_a_generated_message_as_json() {
    let json = AnyMessage::new(order()).to_json().unwrap();
    assert_eq!(json["total"]["units"], "5");
}

#[test]
fn options_of_the_build_script_are_in_the_code() {
    // A derive that was asked for.
    let (south, north) = (Point { latitude: -1.0, longitude: 0.0 }, Point { latitude: 1.0, longitude: 0.0 });
    assert!(south < north);
    // Bytes that are shared.
    let shared = Shared { bytes: bytes::Bytes::from_static(b"x") };
    assert_eq!(there_and_back(&Codec::PROTO, &shared), shared);
    // Maps in order, which `Debug` shows as well.
    let maps = read::<Maps>(r#"{"strings":{"b":"2","a":"1"}}"#).unwrap();
    assert_eq!(maps.strings.keys().collect::<Vec<_>>(), ["a", "b"]);
    assert!(
        format!("{maps:?}").starts_with(r#"Maps { strings: {"a": "1", "b": "2"}, numbers: {}"#),
        "{maps:?}"
    );
}

#[test]
fn enums_and_oneofs_are_rust_enums() {
    let choice = Choice { choice: Some(choice::Choice::Color(Color::Blue.into())), ..Choice::default() };
    assert_eq!(write(&choice).unwrap(), r#"{"color":"COLOR_BLUE"}"#);
    assert_eq!(Color::try_from(-2), Ok(Color::Blue));
    assert_eq!(Color::Red.as_str_name(), "COLOR_RED");
}
