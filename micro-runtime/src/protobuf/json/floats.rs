use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Unexpected, Visitor};
use serde::ser::Serializer;

use super::Rule;
use super::decimal;

/// `float`.
#[derive(Debug)]
pub struct Float;

/// `double`.
#[derive(Debug)]
pub struct Double;

impl Rule<f32> for Float {
    fn write<S: Serializer>(value: &f32, serializer: S) -> Result<S::Ok, S::Error> {
        match special(f64::from(*value)) {
            Some(name) => serializer.serialize_str(name),
            None => serializer.serialize_f32(*value),
        }
    }

    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f32, D::Error> {
        let wide = deserializer.deserialize_any(FloatVisitor("float"))?;
        let value = wide as f32;
        if value.is_infinite() && wide.is_finite() {
            return Err(D::Error::invalid_value(Unexpected::Float(wide), &FloatVisitor("float")));
        }
        Ok(value)
    }

    fn is_default(value: &f32) -> bool {
        // `-0.0` is not the default: it is written.
        value.to_bits() == 0
    }
}

impl Rule<f64> for Double {
    fn write<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
        match special(*value) {
            Some(name) => serializer.serialize_str(name),
            None => serializer.serialize_f64(*value),
        }
    }

    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
        deserializer.deserialize_any(FloatVisitor("double"))
    }

    fn is_default(value: &f64) -> bool {
        value.to_bits() == 0
    }
}

/// The name of a value that JSON has no number for.
fn special(value: f64) -> Option<&'static str> {
    if value.is_finite() {
        None
    } else if value.is_nan() {
        Some("NaN")
    } else if value > 0.0 {
        Some("Infinity")
    } else {
        Some("-Infinity")
    }
}

/// Reads a number, or a string that spells one; holds the name of the protobuf type.
struct FloatVisitor(&'static str);

impl<'de> Visitor<'de> for FloatVisitor {
    type Value = f64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a number of type {}, \"NaN\", \"Infinity\" or \"-Infinity\"", self.0)
    }

    fn visit_f64<E>(self, value: f64) -> Result<f64, E> {
        Ok(value)
    }

    fn visit_i64<E>(self, value: i64) -> Result<f64, E> {
        Ok(value as f64)
    }

    fn visit_u64<E>(self, value: u64) -> Result<f64, E> {
        Ok(value as f64)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<f64, E> {
        match text {
            "NaN" => return Ok(f64::NAN),
            "Infinity" => return Ok(f64::INFINITY),
            "-Infinity" => return Ok(f64::NEG_INFINITY),
            _ => {}
        }
        let number = if decimal::is_number(text) { text.parse::<f64>().ok() } else { None };
        number
            .filter(|number| number.is_finite())
            .ok_or_else(|| E::invalid_value(Unexpected::Str(text), &self))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<f64, A::Error> {
        // See the integers.
        let number = serde_json::Number::deserialize(MapAccessDeserializer::new(map))?;
        self.visit_str(&number.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{read, written};
    use super::*;

    #[test]
    fn what_json_has_no_number_for_has_a_name() {
        for (value, text) in [
            (f64::NAN, r#""NaN""#),
            (f64::INFINITY, r#""Infinity""#),
            (f64::NEG_INFINITY, r#""-Infinity""#),
            (1.5, "1.5"),
            (-0.0, "-0.0"),
        ] {
            assert_eq!(written::<Double, _>(&value).unwrap(), text);
            assert_eq!(written::<Float, _>(&(value as f32)).unwrap(), text);
            let back = read::<Double, f64>(text).unwrap();
            assert!(back.to_bits() == value.to_bits() || (back.is_nan() && value.is_nan()));
            assert_eq!(read::<Float, f32>(text).unwrap().is_nan(), value.is_nan());
        }
    }

    #[test]
    fn strings_are_read_in_the_grammar_of_json_numbers() {
        assert_eq!(read::<Double, f64>(r#""-1.5e3""#).unwrap(), -1500.0);
        assert_eq!(read::<Float, f32>("3").unwrap(), 3.0);
        for text in
            [r#""inf""#, r#""nan""#, r#""+1""#, r#"" 1""#, r#""""#, r#""1e999""#, "null", "true", "[]", "{}"]
        {
            assert!(read::<Double, f64>(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_number_too_large_for_a_float_is_an_error() {
        assert!(read::<Float, f32>("3.4e38").is_ok());
        assert!(read::<Float, f32>("1e39").is_err());
        assert!(read::<Float, f32>(r#""-1e39""#).is_err());
    }

    #[test]
    fn only_positive_zero_is_left_out() {
        assert!(<Double as Rule<f64>>::is_default(&0.0));
        assert!(!<Double as Rule<f64>>::is_default(&-0.0));
        assert!(!<Float as Rule<f32>>::is_default(&f32::NAN));
    }
}
