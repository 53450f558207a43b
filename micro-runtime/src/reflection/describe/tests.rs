use prost_reflect::{DescriptorPool, Kind};
use prost_types::FileDescriptorSet;

use super::*;
use crate::Streaming;
use crate::message::{Field, Format, Message, Variant};

/// A message of this shape, in the place of what the derive writes.
macro_rules! shaped {
    ($($ty:ident = $name:literal $kind:expr;)*) => {$(
        struct $ty;

        impl Message for $ty {
            const FORMATS: &'static [Format<Self>] = &[];
            const SHAPE: &'static Shape = &Shape { name: $name, doc: "", kind: $kind };
        }
    )*};
}

macro_rules! fields {
    ($($name:literal: $ty:ty),*) => {
        &[$(Field { name: $name, doc: "", shape: || <$ty as Message>::SHAPE }),*]
    };
}

macro_rules! variants {
    ($($name:literal $fields:expr),*) => { &[$(Variant { name: $name, doc: "", fields: $fields }),*] };
}

/// Stands for a list, a map or an option of a shape.
macro_rules! around {
    ($($ty:ident: $kind:ident of $of:ty;)*) => {$(
        shaped! { $ty = "around" ShapeKind::$kind(|| <$of as Message>::SHAPE); }
    )*};
}

around! {
    Tags: List of String;
    Grid: List of Tags;
    Scores: Map of Address;
    MaybeText: Optional of String;
    MaybeTree: Optional of Tree;
    MaybeTags: Optional of Tags;
    Holes: List of MaybeText;
    Trees: List of Tree;
}

shaped! {
    Person = "Person" ShapeKind::Struct(fields!["fullName": String, "age": u8, "address": Address, "mood": Mood, "nick-name": MaybeText]);
    Address = "people.v1.Address" ShapeKind::Struct(fields!["city": String]);
    Mood = "Mood" ShapeKind::Enum(variants!["good" &[], "bad" &[]]);
    Light = "Light" ShapeKind::Enum(variants!["good" &[], "off" &[]]);
    Tree = "Tree" ShapeKind::Struct(fields!["label": String, "left": MaybeTree, "all": Trees]);
    Figure = "Figure" ShapeKind::Enum(variants!["nothing" &[], "circle" fields!["radius": f64], "named" fields!["0": Person], "pair" fields!["0": f64, "1": f64]]);
    Lists = "Lists" ShapeKind::Struct(fields!["tags": Tags, "grid": Grid, "scores": Scores, "maybe_tags": MaybeTags, "holes": Holes, "any": serde_json::Value, "light": Light, "unit": ()]);
    OtherTree = "Tree" ShapeKind::Struct(fields!["height": i64]);
    Odd = "Odd" ShapeKind::Struct(fields!["user_id": u64, "userId": u64, "": u32, "3d": bool, "größe": f32, "grid": Point]);
    Point = "Point" ShapeKind::Struct(fields!["0": f64, "1": f64]);
    Here = "here.v1.Here" ShapeKind::Struct(fields!["there": There]);
    There = "there.v1.There" ShapeKind::Struct(fields!["here": Here]);
}

static PEOPLE: ServiceDescriptor = ServiceDescriptor::new(
    "people.v1.People",
    "",
    &[
        MethodDescriptor::new::<Person, Tree>("people.v1.People", "Find", "/people.v1.People/Find", "")
            .idempotent(),
        MethodDescriptor::new::<Streaming<Figure>, Streaming<Lists>>(
            "people.v1.People",
            "Draw",
            "/people.v1.People/Draw",
            "",
        )
        .deprecated(),
        MethodDescriptor::new::<String, ()>("people.v1.People", "Say", "/people.v1.People/Say", ""),
        MethodDescriptor::new::<Tags, Mood>("people.v1.People", "Sort", "/people.v1.People/Sort", ""),
        MethodDescriptor::new::<OtherTree, Odd>("people.v1.People", "Odd", "/people.v1.People/Odd", ""),
    ],
);

static PLACES: ServiceDescriptor = ServiceDescriptor::new(
    "Places",
    "",
    &[MethodDescriptor::new::<Here, Tree>("Places", "Go", "/Places/Go", "")],
);

/// What is described is what protobuf can be, or this would fail.
fn described(services: &[&'static ServiceDescriptor]) -> DescriptorPool {
    let file = describe(services, &Files::default());
    DescriptorPool::from_file_descriptor_set(FileDescriptorSet { file }).unwrap()
}

fn proto(pool: &DescriptorPool, message: &str) -> Vec<String> {
    let message = pool.get_message_by_name(message).unwrap_or_else(|| panic!("{message}"));
    let field = |field: prost_reflect::FieldDescriptor| {
        let kind = match field.kind() {
            Kind::Message(entry) if field.is_map() => match entry.map_entry_value_field().kind() {
                Kind::Message(of) => format!("map {}", of.full_name()),
                other => format!("map {other:?}"),
            },
            Kind::Message(of) => of.full_name().to_owned(),
            Kind::Enum(of) => of.full_name().to_owned(),
            other => format!("{other:?}"),
        };
        let label = if field.is_list() {
            "repeated "
        } else if field.field_descriptor_proto().proto3_optional() {
            "optional "
        } else {
            ""
        };
        format!("{label}{kind} {} = {}", field.json_name(), field.number())
    };
    message.fields().map(field).collect()
}

#[test]
fn a_message_has_its_fields_in_the_order_they_are_written() {
    let pool = described(&[&PEOPLE]);
    assert_eq!(
        proto(&pool, "people.v1.Person"),
        [
            "string fullName = 1",
            "uint32 age = 2",
            "people.v1.Address address = 3",
            "people.v1.Mood mood = 4",
            "optional string nick-name = 5"
        ]
    );
    assert_eq!(
        proto(&pool, "people.v1.Tree"),
        ["string label = 1", "people.v1.Tree left = 2", "repeated people.v1.Tree all = 3"]
    );
}

#[test]
fn what_protobuf_has_no_word_for_is_any_json_of_its_kind() {
    assert_eq!(
        proto(&described(&[&PEOPLE]), "people.v1.Lists"),
        [
            "repeated string tags = 1",
            "repeated google.protobuf.ListValue grid = 2",
            "map people.v1.Address scores = 3",
            "repeated string maybe_tags = 4",
            "repeated google.protobuf.Value holes = 5",
            "google.protobuf.Value any = 6",
            "people.v1.Light light = 7",
            "google.protobuf.Empty unit = 8"
        ]
    );
}

#[test]
fn an_enum_that_holds_something_is_one_of_several_fields() {
    let pool = described(&[&PEOPLE]);
    assert_eq!(
        proto(&pool, "people.v1.Figure"),
        [
            "google.protobuf.Empty nothing = 1",
            "people.v1.Figure.Circle circle = 2",
            "people.v1.Person named = 3",
            "google.protobuf.ListValue pair = 4"
        ]
    );
    assert_eq!(proto(&pool, "people.v1.Figure.Circle"), ["double radius = 1"]);
    let oneofs: Vec<_> = pool
        .get_message_by_name("people.v1.Figure")
        .unwrap()
        .oneofs()
        .map(|oneof| oneof.fields().len())
        .collect();
    assert_eq!(oneofs, [4]);
    let values = |name: &str| -> Vec<_> {
        pool.get_enum_by_name(name).unwrap().values().map(|value| value.name().to_owned()).collect()
    };
    assert_eq!(values("people.v1.Mood"), ["good", "bad"]);
    assert_eq!(values("people.v1.Light"), ["Light_good", "Light_off"], "`good` is taken");
}

#[test]
fn methods_keep_their_shape_and_options() {
    let pool = described(&[&PEOPLE]);
    let service = pool.get_service_by_name("people.v1.People").unwrap();
    let methods: Vec<_> = service.methods().collect();
    let types: Vec<_> = methods
        .iter()
        .map(|method| (method.input().full_name().to_owned(), method.output().full_name().to_owned()))
        .collect();
    assert_eq!(types[0], ("people.v1.Person".into(), "people.v1.Tree".into()));
    assert_eq!(types[2], ("google.protobuf.StringValue".into(), "google.protobuf.Empty".into()));
    assert_eq!(types[3], ("google.protobuf.ListValue".into(), "google.protobuf.Value".into()));
    assert!(
        methods[1].is_client_streaming()
            && methods[1].is_server_streaming()
            && !methods[0].is_server_streaming()
    );
    let options = |index: usize| methods[index].method_descriptor_proto().options.clone().unwrap();
    assert_eq!(options(0).idempotency_level(), IdempotencyLevel::NoSideEffects);
    assert!(options(1).deprecated());
}

#[test]
fn two_types_of_one_name_are_two_and_odd_names_become_identifiers() {
    let pool = described(&[&PEOPLE]);
    assert_eq!(proto(&pool, "people.v1.Tree2"), ["int64 height = 1"]);
    let odd = pool.get_message_by_name("people.v1.Odd").unwrap();
    let names: Vec<_> = odd.fields().map(|field| field.name().to_owned()).collect();
    assert_eq!(names, ["user_id", "userId2", "x", "x3d", "gr__e", "grid"]);
    assert_eq!(proto(&pool, "people.v1.Odd")[5], "google.protobuf.ListValue grid = 6");
}

#[test]
fn packages_import_each_other_and_never_in_a_circle() {
    let pool = described(&[&PEOPLE, &PLACES]);
    assert_eq!(proto(&pool, "here.v1.Here"), ["there.v1.There there = 1"]);
    assert_eq!(proto(&pool, "there.v1.There"), ["google.protobuf.Value here = 1"]);
    assert_eq!(proto(&pool, "Tree").len(), 3, "each package has its own");
    let names: Vec<_> = pool.files().map(|file| file.name().to_owned()).collect();
    assert!(names.contains(&"micro/_.proto".to_owned()), "{names:?}");
}

#[test]
fn the_well_known_types_are_what_they_are() {
    let files: Vec<_> = ["any", "duration", "timestamp", "empty", "field_mask", "wrappers", "struct"]
        .map(|name| known::file(&format!("google/protobuf/{name}.proto")))
        .into();
    let ours = DescriptorPool::from_file_descriptor_set(FileDescriptorSet { file: files }).unwrap();
    let reference = DescriptorPool::global();
    assert_eq!(ours.all_messages().len(), 18);
    for message in ours.all_messages() {
        let other = reference.get_message_by_name(message.full_name()).unwrap();
        assert_eq!(message.parent_file().name(), other.parent_file().name());
        assert_eq!(proto(&ours, message.full_name()), proto(&reference, message.full_name()));
        let oneofs = |message: &prost_reflect::MessageDescriptor| -> Vec<_> {
            message.oneofs().map(|oneof| (oneof.name().to_owned(), oneof.fields().len())).collect()
        };
        assert_eq!(oneofs(&message), oneofs(&other));
    }
}
