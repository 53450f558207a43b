//! What the derive says about messages, and that it says what serde does.

#![allow(clippy::unwrap_used)]
// Types are named in themselves, as their authors may.
#![allow(clippy::use_self)]

use micro::Message;
use micro::message::{Shape, ShapeKind};
use serde::{Deserialize, Serialize};

fn encode<T: Message>(message: &T) -> String {
    let mut buffer = micro::__private::bytes::BytesMut::new();
    (T::FORMATS[0].encode)(message, &mut buffer).unwrap();
    String::from_utf8(buffer.to_vec()).unwrap()
}

fn decode<T: Message>(text: &'static str) -> micro::Result<T> {
    (T::FORMATS[0].decode)(text.as_bytes().into())
}

/// The fields of a shape, each with the name of its own shape.
fn fields(shape: &Shape) -> Vec<(&'static str, &'static str)> {
    match shape.kind {
        ShapeKind::Struct(fields) => fields.iter().map(|field| (field.name, (field.shape)().name)).collect(),
        kind => panic!("{} is {kind:?}", shape.name),
    }
}

fn variants(shape: &Shape) -> Vec<(&'static str, Vec<(&'static str, &'static str)>)> {
    let ShapeKind::Enum(variants) = shape.kind else { panic!("{} is {:?}", shape.name, shape.kind) };
    let fields = |fields: &'static [micro::message::Field]| {
        fields.iter().map(|field| (field.name, (field.shape)().name)).collect()
    };
    variants.iter().map(|variant| (variant.name, fields(variant.fields))).collect()
}

struct Foreign;

/// A person.
///
/// Or somebody.
#[derive(Message, Serialize, Deserialize, Default)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
struct Person {
    /// What they are called.
    full_name: String,
    #[serde(rename = "years")]
    age: u32,
    #[serde(rename(serialize = "mail", deserialize = "mail"), alias = "email")]
    mail_address: Option<String>,
    r#type: Vec<u8>,
    #[serde(skip)]
    #[allow(dead_code)]
    secret: Option<Foreign>,
    #[serde(skip_serializing_if = "Option::is_none")]
    friend: Option<Box<Person>>,
    #[serde(skip_serializing)]
    only_read: bool,
    #[serde(with = "as_text")]
    custom: u16,
}

mod as_text {
    pub(super) fn serialize<S: serde::Serializer>(number: &u16, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&number.to_string())
    }

    pub(super) fn deserialize<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<u16, D::Error> {
        let text: String = serde::Deserialize::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[test]
fn a_struct_is_described_by_the_names_that_serde_writes() {
    let shape = Person::SHAPE;
    assert_eq!(shape.name, "Person");
    assert_eq!(shape.doc, "A person.\n\nOr somebody.");
    assert_eq!(
        fields(shape),
        [
            ("fullName", "string"),
            ("years", "uint32"),
            ("mail", "optional"),
            ("type", "list"),
            ("friend", "optional"),
            ("onlyRead", "bool"),
            ("custom", "any")
        ]
    );
    let ShapeKind::Struct(fields) = shape.kind else { panic!() };
    assert_eq!(fields[0].doc, "What they are called.");
}

#[test]
fn a_message_is_written_and_read_by_serde() {
    let person = Person { full_name: "Ada".into(), custom: 7, ..Person::default() };
    let text = encode(&person);
    assert_eq!(text, r#"{"fullName":"Ada","years":0,"mail":null,"type":[],"custom":"7"}"#);
    let read: Person = decode(r#"{"fullName":"Ada","friend":{"years":36}}"#).unwrap();
    assert_eq!(read.friend.unwrap().age, 36);
    let error = decode::<Person>(r#"{"friend":{"years":"old"}}"#).map(drop).unwrap_err();
    assert!(error.message().contains("friend.years"), "{error}");
    assert!(person.as_serde().is_some());
}

/// A tree.
#[derive(Message, Serialize, Deserialize)]
struct Tree {
    left: Option<Box<Tree>>,
    all: Vec<Tree>,
    by_name: std::collections::BTreeMap<String, Tree>,
}

#[test]
fn a_message_may_contain_itself() {
    let ShapeKind::Struct(fields) = Tree::SHAPE.kind else { panic!() };
    let ShapeKind::Optional(left) = (fields[0].shape)().kind else { panic!() };
    assert_eq!(left().name, "Tree");
    let ShapeKind::List(all) = (fields[1].shape)().kind else { panic!() };
    assert_eq!(all().name, "Tree");
    let ShapeKind::Map(by_name) = (fields[2].shape)().kind else { panic!() };
    assert_eq!(by_name().doc, "A tree.");
}

#[derive(Message, Serialize, Deserialize)]
struct Id(u64);

#[derive(Message, Serialize, Deserialize)]
struct Forest(Vec<Forest>);

#[derive(Message, Serialize, Deserialize)]
struct Pair(u32, String);

#[derive(Message, Serialize, Deserialize)]
struct Unit;

#[derive(Message, Serialize, Deserialize)]
#[serde(transparent)]
struct Transparent {
    inner: Id,
}

#[derive(Message, Serialize, Deserialize, Clone)]
#[serde(into = "String", try_from = "String")]
struct Name(String);

impl From<Name> for String {
    fn from(name: Name) -> Self {
        name.0
    }
}

impl TryFrom<String> for Name {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        if name.is_empty() { Err("a name is not empty".into()) } else { Ok(Self(name)) }
    }
}

#[test]
fn a_type_that_is_written_as_another_is_described_as_the_other() {
    assert_eq!(Id::SHAPE.name, "uint64");
    assert_eq!(Transparent::SHAPE.name, "uint64");
    assert_eq!(Name::SHAPE.name, "string");
    let ShapeKind::List(of) = Forest::SHAPE.kind else { panic!() };
    assert_eq!(of().name, "list");
    assert_eq!(fields(Pair::SHAPE), [("0", "uint32"), ("1", "string")]);
    assert_eq!(fields(Unit::SHAPE), []);
    assert_eq!(encode(&Id(7)), "7");
}

/// A shape.
#[derive(Message, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", rename_all_fields = "camelCase", tag = "kind")]
#[micro(name = "drawing.v1.Figure")]
enum Figure {
    /// Nothing at all.
    NotThere,
    HTTPCircle {
        outer_radius: f64,
    },
    #[serde(rename = "box", rename_all = "SCREAMING-KEBAB-CASE")]
    Rectangle {
        side_a: f32,
        #[serde(rename = "b")]
        side_b: f32,
    },
    Named(Person),
    #[serde(skip)]
    #[allow(dead_code)]
    Hidden(String),
}

#[test]
fn an_enum_is_described_by_the_names_that_serde_writes() {
    let shape = Figure::SHAPE;
    assert_eq!(shape.name, "drawing.v1.Figure");
    assert_eq!(
        variants(shape),
        [
            ("not_there", vec![]),
            ("h_t_t_p_circle", vec![("outerRadius", "double")]),
            ("box", vec![("SIDE-A", "float"), ("b", "float")]),
            ("named", vec![("0", "Person")]),
        ]
    );
    let text = encode(&Figure::Rectangle { side_a: 1.0, side_b: 2.0 });
    assert_eq!(text, r#"{"kind":"box","SIDE-A":1.0,"b":2.0}"#);
    assert_eq!(
        encode(&Figure::HTTPCircle { outer_radius: 1.0 }),
        r#"{"kind":"h_t_t_p_circle","outerRadius":1.0}"#
    );
    assert_eq!(encode(&Figure::NotThere), r#"{"kind":"not_there"}"#);
    assert!(encode(&Figure::Named(Person::default())).starts_with(r#"{"kind":"named","#));
}

/// One page.
#[derive(Message, Serialize, Deserialize)]
struct Page<T, const N: usize = 3>
where
    T: Clone,
{
    items: Vec<T>,
    first: Option<T>,
    next: Option<Box<Page<T, N>>>,
}

#[derive(Message, Serialize, Deserialize, Clone)]
struct Item {
    name: String,
}

#[test]
fn a_generic_message_describes_what_it_is_generic_over() {
    let ShapeKind::Struct(fields) = Page::<Item>::SHAPE.kind else { panic!() };
    let ShapeKind::List(items) = (fields[0].shape)().kind else { panic!() };
    assert_eq!(items().name, "Item");
    let ShapeKind::Optional(first) = (fields[1].shape)().kind else { panic!() };
    assert_eq!(first().name, "Item");
    let ShapeKind::Optional(next) = (fields[2].shape)().kind else { panic!() };
    assert_eq!(next().name, "Page");
    let page: Page<Item> = decode(r#"{"items":[{"name":"a"}],"first":null,"next":null}"#).unwrap();
    assert_eq!(page.items[0].name, "a");
}

/// Flattens, and contains itself by both its names.
#[derive(Message, Serialize, Deserialize)]
struct FlatTree {
    left: Option<Box<Self>>,
    right: Option<Box<FlatTree>>,
    #[serde(flatten)]
    item: Item,
}

/// Has the fields of another.
#[derive(Message, Serialize, Deserialize)]
struct Flat {
    id: u32,
    #[serde(flatten)]
    item: Item,
    #[serde(flatten)]
    rest: std::collections::HashMap<String, String>,
    last: u8,
}

#[test]
fn a_flattened_field_is_described_by_its_fields() {
    let flat = Flat { id: 1, item: Item { name: "a".into() }, rest: Default::default(), last: 2 };
    assert_eq!(encode(&flat), r#"{"id":1,"name":"a","last":2}"#);
    assert_eq!(fields(Flat::SHAPE), [("id", "uint32"), ("name", "string"), ("last", "uint32")]);
    assert_eq!(fields(FlatTree::SHAPE), [("left", "optional"), ("right", "optional"), ("name", "string")]);
}
