use std::fmt::Display;

use serde::ser::{Error, Impossible, Serialize, SerializeMap, Serializer};

use super::any::TYPE;

/// Writes an object as the one below it does, with `@type` in front of its entries.
pub(super) struct Tagged<'a, S> {
    type_url: &'a str,
    serializer: S,
}

impl<'a, S: Serializer> Tagged<'a, S> {
    pub(super) fn new(type_url: &'a str, serializer: S) -> Self {
        Self { type_url, serializer }
    }

    fn no_object<T>(self) -> Result<T, S::Error> {
        Err(S::Error::custom(format_args!(
            "google.protobuf.Any of type `{}`: a message that is not written as an object cannot be inside",
            self.type_url
        )))
    }
}

/// What messages are not: each of these is an error.
macro_rules! no_object {
    ($($name:ident($($argument:ty),*);)*) => {$(
        fn $name(self, $(_: $argument),*) -> Result<S::Ok, S::Error> {
            self.no_object()
        }
    )*};
}

type No<S> = Impossible<<S as Serializer>::Ok, <S as Serializer>::Error>;

impl<S: Serializer> Serializer for Tagged<'_, S> {
    type Ok = S::Ok;
    type Error = S::Error;
    type SerializeMap = S::SerializeMap;
    type SerializeSeq = No<S>;
    type SerializeTuple = No<S>;
    type SerializeTupleStruct = No<S>;
    type SerializeTupleVariant = No<S>;
    type SerializeStruct = No<S>;
    type SerializeStructVariant = No<S>;

    fn serialize_map(self, length: Option<usize>) -> Result<S::SerializeMap, S::Error> {
        let mut map = self.serializer.serialize_map(length.map(|length| length + 1))?;
        map.serialize_entry(TYPE, self.type_url)?;
        Ok(map)
    }

    fn is_human_readable(&self) -> bool {
        self.serializer.is_human_readable()
    }

    no_object! {
        serialize_bool(bool);
        serialize_i8(i8);
        serialize_i16(i16);
        serialize_i32(i32);
        serialize_i64(i64);
        serialize_u8(u8);
        serialize_u16(u16);
        serialize_u32(u32);
        serialize_u64(u64);
        serialize_f32(f32);
        serialize_f64(f64);
        serialize_char(char);
        serialize_str(&str);
        serialize_bytes(&[u8]);
        serialize_none();
        serialize_unit();
        serialize_unit_struct(&'static str);
        serialize_unit_variant(&'static str, u32, &'static str);
    }

    fn serialize_some<T: Serialize + ?Sized>(self, _: &T) -> Result<S::Ok, S::Error> {
        self.no_object()
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: &T,
    ) -> Result<S::Ok, S::Error> {
        self.no_object()
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Result<S::Ok, S::Error> {
        self.no_object()
    }

    fn collect_str<T: Display + ?Sized>(self, _: &T) -> Result<S::Ok, S::Error> {
        self.no_object()
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<No<S>, S::Error> {
        self.no_object()
    }

    fn serialize_tuple(self, _: usize) -> Result<No<S>, S::Error> {
        self.no_object()
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<No<S>, S::Error> {
        self.no_object()
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<No<S>, S::Error> {
        self.no_object()
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<No<S>, S::Error> {
        self.no_object()
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<No<S>, S::Error> {
        self.no_object()
    }
}
