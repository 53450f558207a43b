use std::fmt;

use serde::de::{Deserializer, Visitor};
use serde::ser::{Error as _, Serializer};

use super::Rule;

/// `google.protobuf.FieldMask`: paths in lowerCamelCase with commas between them.
#[derive(Debug)]
pub struct FieldMask;

impl Rule<prost_types::FieldMask> for FieldMask {
    fn write<S: Serializer>(value: &prost_types::FieldMask, serializer: S) -> Result<S::Ok, S::Error> {
        let mut text = String::new();
        for path in &value.paths {
            if !text.is_empty() {
                text.push(',');
            }
            let path = camel_case(path).ok_or_else(|| {
                S::Error::custom(format_args!("the path `{path}` of a field mask has no JSON form"))
            })?;
            text.push_str(&path);
        }
        serializer.serialize_str(&text)
    }

    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<prost_types::FieldMask, D::Error> {
        deserializer.deserialize_str(MaskVisitor)
    }
}

struct MaskVisitor;

impl Visitor<'_> for MaskVisitor {
    type Value = prost_types::FieldMask;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a field mask such as \"user.displayName,photo\"")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<prost_types::FieldMask, E> {
        let mut mask = prost_types::FieldMask::default();
        for path in text.split(',').filter(|path| !path.is_empty()) {
            let path = snake_case(path).ok_or_else(|| {
                E::custom(format_args!("`{path}` is not a lowerCamelCase path of a field mask"))
            })?;
            mask.paths.push(path);
        }
        Ok(mask)
    }
}

/// `None` where the way back would not lead to the same path.
fn camel_case(path: &str) -> Option<String> {
    let mut camel = String::with_capacity(path.len());
    let mut after_underscore = false;
    for c in path.chars() {
        match c {
            'a'..='z' if after_underscore => {
                camel.push(c.to_ascii_uppercase());
                after_underscore = false;
            }
            _ if after_underscore || c.is_ascii_uppercase() => return None,
            '_' => after_underscore = true,
            _ => camel.push(c),
        }
    }
    (!after_underscore).then_some(camel)
}

fn snake_case(path: &str) -> Option<String> {
    let mut snake = String::with_capacity(path.len() + 4);
    for c in path.chars() {
        match c {
            '_' => return None,
            'A'..='Z' => {
                snake.push('_');
                snake.push(c.to_ascii_lowercase());
            }
            _ => snake.push(c),
        }
    }
    Some(snake)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::testing::{read, written};
    use super::*;

    proptest! {
        #[test]
        fn any_path_comes_back_or_is_not_written(paths in prop::collection::vec("[a-z_.A-Z0-9]{1,8}|[^,]{1,8}", 0..4)) {
            let mask = prost_types::FieldMask { paths };
            if let Ok(text) = written::<FieldMask, _>(&mask) {
                prop_assert_eq!(read::<FieldMask, prost_types::FieldMask>(&text).unwrap(), mask);
            }
        }

        #[test]
        fn any_text_is_a_mask_that_can_be_written_or_an_error(text in "[a-zA-Z_.,0-9]{0,16}|.{0,16}") {
            let json = serde_json::to_string(&text).unwrap();
            if let Ok(mask) = read::<FieldMask, prost_types::FieldMask>(&json) {
                let again = written::<FieldMask, _>(&mask).unwrap();
                prop_assert_eq!(read::<FieldMask, prost_types::FieldMask>(&again).unwrap(), mask);
            }
        }
    }

    fn mask(paths: &[&str]) -> prost_types::FieldMask {
        prost_types::FieldMask { paths: paths.iter().map(|&path| path.to_owned()).collect() }
    }

    #[test]
    fn paths_are_camel_case_in_json_and_snake_case_in_the_message() {
        for (paths, text) in [
            (&[][..], r#""""#),
            (&["photo"][..], r#""photo""#),
            (&["user.display_name", "photo_url"][..], r#""user.displayName,photoUrl""#),
        ] {
            assert_eq!(written::<FieldMask, _>(&mask(paths)).unwrap(), text);
            assert_eq!(read::<FieldMask, prost_types::FieldMask>(text).unwrap(), mask(paths));
        }
    }

    #[test]
    fn a_path_that_would_not_come_back_is_an_error() {
        for path in ["displayName", "display__name", "display_", "_1", "a_3"] {
            assert!(written::<FieldMask, _>(&mask(&[path])).is_err(), "{path}");
        }
        assert!(read::<FieldMask, prost_types::FieldMask>(r#""display_name""#).is_err());
    }
}
