//! What is generated, apart from how: packages with their messages, enums and services, in the
//! words of Rust. It is made from descriptors here and turned into text in [`generate`](crate::generate).

mod build;
mod check;
mod externs;
mod types;

pub(crate) use build::build;
pub(crate) use externs::{Extern, externs};
pub(crate) use types::{Resolved, Types, WellKnown};

/// A package, from however many files.
#[derive(Debug)]
pub(crate) struct Package {
    /// `greeter.v1`; empty for the package without a name.
    pub(crate) name: String,
    /// The modules it is in: `["greeter", "v1"]`.
    pub(crate) modules: Vec<String>,
    pub(crate) messages: Vec<Message>,
    pub(crate) enums: Vec<Enum>,
    pub(crate) services: Vec<Service>,
    /// Another package that it uses types of, if any.
    pub(crate) needs: Option<String>,
}

/// A message; nested ones are listed beside those that they are nested in.
#[derive(Debug)]
pub(crate) struct Message {
    /// `greeter.v1.HelloRequest`
    pub(crate) full_name: String,
    /// The path from the module of the package: `hello_request::Part`.
    pub(crate) path: String,
    pub(crate) doc: String,
    pub(crate) members: Vec<Member>,
}

impl Package {
    /// Whether one of its messages holds a `google.protobuf.Any`.
    pub(crate) fn has_any(&self) -> bool {
        self.messages.iter().any(Message::has_any)
    }
}

impl Message {
    pub(crate) fn has_any(&self) -> bool {
        let is_any = |field: &Field| matches!(field.shape.kind(), Kind::WellKnown(WellKnown::Any));
        self.members.iter().any(|member| match member {
            Member::Field(field) => is_any(field),
            Member::Oneof(oneof) => oneof.fields.iter().any(is_any),
        })
    }
}

impl Shape {
    pub(crate) fn kind(&self) -> &Kind {
        match self {
            Self::Plain(kind)
            | Self::Required(kind)
            | Self::Optional(kind)
            | Self::List(kind)
            | Self::Map(kind) => kind,
        }
    }
}

#[derive(Debug)]
pub(crate) enum Member {
    Field(Field),
    Oneof(Oneof),
}

#[derive(Debug)]
pub(crate) struct Field {
    /// The name in the file.
    pub(crate) name: String,
    pub(crate) json_name: String,
    /// The name of the field, or of the variant in a `oneof`.
    pub(crate) rust_name: String,
    pub(crate) doc: String,
    pub(crate) shape: Shape,
}

#[derive(Debug)]
pub(crate) struct Oneof {
    pub(crate) name: String,
    pub(crate) rust_name: String,
    /// The path of its type from the module of the package.
    pub(crate) path: String,
    /// The shape of each is [`Shape::Required`].
    pub(crate) fields: Vec<Field>,
}

#[derive(Debug)]
pub(crate) enum Shape {
    /// Without presence.
    Plain(Kind),
    /// Always there: `required` in proto2, and the members of a `oneof`.
    Required(Kind),
    /// With presence.
    Optional(Kind),
    List(Kind),
    /// A map to values of the kind; the type of the key needs no word, Rust knows it.
    Map(Kind),
}

#[derive(Clone, Debug)]
pub(crate) enum Kind {
    Bool,
    Int32,
    Int64,
    Uint32,
    Uint64,
    Float,
    Double,
    String,
    Bytes,
    /// An enum, by its path from the module of the package.
    Enum(String),
    /// A message, by its path from the module of the package.
    Message(String),
    WellKnown(WellKnown),
}

#[derive(Debug)]
pub(crate) struct Enum {
    pub(crate) full_name: String,
    /// The path from the module of the package.
    pub(crate) path: String,
    pub(crate) doc: String,
    /// Aliases included.
    pub(crate) values: Vec<EnumValue>,
}

#[derive(Debug)]
pub(crate) struct EnumValue {
    pub(crate) name: String,
    pub(crate) number: i32,
    pub(crate) doc: String,
}

#[derive(Debug)]
pub(crate) struct Service {
    /// The name in the file.
    pub(crate) name: String,
    pub(crate) rust_name: String,
    pub(crate) doc: String,
    pub(crate) deprecated: bool,
    pub(crate) methods: Vec<Method>,
}

#[derive(Debug)]
pub(crate) struct Method {
    /// The name in the file.
    pub(crate) name: String,
    pub(crate) rust_name: String,
    pub(crate) doc: String,
    pub(crate) deprecated: bool,
    pub(crate) idempotent: bool,
    /// It is idempotent, and has side effects.
    pub(crate) no_get: bool,
    /// The Rust type of the request.
    pub(crate) request: String,
    pub(crate) request_stream: bool,
    /// The Rust type of the response.
    pub(crate) response: String,
    pub(crate) response_stream: bool,
}
