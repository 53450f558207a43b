//! The messages of the services that every server has.
//!
//! They are written by hand, so that nothing has to be generated to build this crate: prost derives
//! their protobuf form, and this gives them what `micro-build` gives to generated ones.

/// The JSON of a message, and its place among the messages of the framework.
///
/// For each field: how it is written (`plain`, `optional`, `list`, `map`), by which rule, the field,
/// its name in JSON, and in protobuf; for a `oneof`: its field, its type, and the same for each member.
macro_rules! standard_message {
    (
        $ty:ident is $name:literal
        $(, $how:ident $rule:ty: $field:ident $json:literal $original:literal)*
        $(; one of $oneof:ident: $of:ident { $($variant:ident $member:ty: $member_json:literal $member_original:literal),* })?
        $(,)?
    ) => {
        impl serde::Serialize for $ty {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                #[allow(unused_mut, reason = "a message may have no fields")]
                let mut out = crate::protobuf::json::Writer::new(serializer)?;
                $(standard_message!(@write out, self, $how $rule: $field $json);)*
                $(match &self.$oneof {
                    $(Some($of::$variant(value)) => out.entry::<$member, _>($member_json, value)?,)*
                    None => {}
                })?
                out.end()
            }
        }

        impl<'de> serde::Deserialize<'de> for $ty {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                crate::protobuf::json::read_message(deserializer)
            }
        }

        impl crate::protobuf::json::Fields for $ty {
            const NAME: &'static str = $name;
            const NAMES: &'static [&'static str] = &[$($json,)* $($($member_json,)*)?];

            fn find(name: &str) -> Option<usize> {
                const ORIGINAL: &[&str] = &[$($original,)* $($($member_original,)*)?];
                let index = |names: &[&str]| names.iter().position(|known| *known == name);
                index(Self::NAMES).or_else(|| index(ORIGINAL))
            }

            #[allow(unused_variables, reason = "a message may have no fields")]
            fn read<'de, A: serde::de::MapAccess<'de>>(
                &mut self,
                field: usize,
                map: &mut A,
            ) -> Result<(), A::Error> {
                match Self::NAMES.get(field).copied() {
                    $(Some($json) => standard_message!(@read map, self, $how $rule: $field),)*
                    $($(Some($member_json) => crate::protobuf::json::member::<$member, _, _, _>(
                        map, &mut self.$oneof, stringify!($oneof), $of::$variant,
                    ),)*)?
                    _ => Ok(()),
                }
            }
        }

        impl crate::message::Message for $ty {
            const FORMATS: &'static [crate::message::Format<Self>] =
                &[crate::message::Format::proto(), crate::message::Format::json()];
            const SHAPE: &'static crate::message::Shape = &crate::message::Shape {
                name: $name,
                doc: "",
                kind: crate::message::ShapeKind::Struct(&[
                    $(crate::message::Field {
                        name: $json,
                        doc: "",
                        shape: standard_message!(@shape $how $rule),
                    },)*
                    $($(crate::message::Field {
                        name: $member_json,
                        doc: "",
                        shape: crate::protobuf::json::optional_shape::<$member>,
                    },)*)?
                ]),
            };

            fn as_serde(&self) -> Option<&dyn erased_serde::Serialize> {
                Some(self)
            }

            fn from_serde(
                deserializer: &mut dyn erased_serde::Deserializer<'_>,
            ) -> Option<Result<Self, erased_serde::Error>> {
                Some(erased_serde::deserialize(deserializer))
            }
        }
    };
    (@write $out:ident, $self:ident, map $rule:ty: $field:ident $json:literal) => {
        $out.map::<$rule, _, _, _>($json, &$self.$field)?
    };
    (@write $out:ident, $self:ident, $how:ident $rule:ty: $field:ident $json:literal) => {
        $out.$how::<$rule, _>($json, &$self.$field)?
    };
    (@read $map:ident, $self:ident, map $rule:ty: $field:ident) => {
        crate::protobuf::json::map::<$rule, _, _, _, _>($map, &mut $self.$field)
    };
    (@read $map:ident, $self:ident, $how:ident $rule:ty: $field:ident) => {
        crate::protobuf::json::$how::<$rule, _, _>($map, &mut $self.$field)
    };
    (@shape plain $rule:ty) => { crate::protobuf::json::plain_shape::<$rule> };
    (@shape optional $rule:ty) => { crate::protobuf::json::optional_shape::<$rule> };
    (@shape list $rule:ty) => { crate::protobuf::json::list_shape::<$rule> };
    (@shape map $rule:ty) => { crate::protobuf::json::map_shape::<$rule> };
}

pub(crate) use standard_message;
