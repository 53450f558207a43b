//! Numbers as text, in the grammar of JSON numbers.

/// The parts of a number that is spelled as JSON spells numbers.
struct Parts<'a> {
    negative: bool,
    whole: &'a str,
    fraction: &'a str,
    exponent: &'a str,
}

/// Whether the text is a number as JSON spells it: no blanks, no leading `+` or `0`, no `inf`.
pub(super) fn is_number(text: &str) -> bool {
    split(text).is_some()
}

/// The integer that the text spells, exactly: `100`, `100.0` and `1e2` are the same. `None` where it
/// is not a number, not whole, or larger than any protobuf integer.
pub(super) fn integer(text: &str) -> Option<i128> {
    let parts = split(text)?;
    let digits = format!("{}{}", parts.whole, parts.fraction);
    let significant = digits.trim_end_matches('0');
    if significant.is_empty() {
        return Some(0);
    }
    let exponent: i64 = if parts.exponent.is_empty() { 0 } else { parts.exponent.parse().ok()? };
    let dropped = i64::try_from(digits.len() - significant.len()).ok()?;
    let scale = exponent.checked_sub(i64::try_from(parts.fraction.len()).ok()?)?.checked_add(dropped)?;
    let scale = u32::try_from(scale).ok()?;
    let magnitude = significant.parse::<i128>().ok()?.checked_mul(10_i128.checked_pow(scale)?)?;
    Some(if parts.negative { -magnitude } else { magnitude })
}

fn split(text: &str) -> Option<Parts<'_>> {
    let (negative, rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (mantissa, exponent) = match rest.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => {
            let magnitude = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
            are_digits(magnitude).then_some((mantissa, exponent))?
        }
        None => (rest, ""),
    };
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((whole, fraction)) => are_digits(fraction).then_some((whole, fraction))?,
        None => (mantissa, ""),
    };
    let leading_zero = whole.len() > 1 && whole.starts_with('0');
    (are_digits(whole) && !leading_zero).then_some(Parts { negative, whole, fraction, exponent })
}

fn are_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_whole_number_is_the_same_however_it_is_spelled(
            number in prop_oneof![any::<i64>().prop_map(i128::from), any::<u64>().prop_map(i128::from)],
            zeros in 0..30_usize,
        ) {
            let fraction = "0".repeat(zeros);
            let text = number.to_string();
            // `-1234` as `-123.4e1`, unless there is but one digit.
            let (whole, last) = text.split_at(text.len() - 1);
            let shifted = if whole.trim_start_matches('-').is_empty() {
                text.clone()
            } else {
                format!("{whole}.{last}e1")
            };
            for text in [format!("{text}.{fraction}0"), format!("{text}{fraction}E-{zeros}"), shifted, text] {
                let digits = text.trim_start_matches('-');
                let leading_zero = digits.starts_with('0') && digits.as_bytes().get(1).is_some_and(u8::is_ascii_digit);
                prop_assert_eq!(integer(&text), Some(number).filter(|_| !leading_zero), "{}", text);
            }
        }

        #[test]
        fn any_text_is_a_number_where_json_has_it_so(text in "-?[0-9]{0,3}([.][0-9]{0,3})?([eE][+-]?[0-9]{0,3})?|.{0,8}") {
            let json = serde_json::from_str::<serde_json::Value>(&text);
            // JSON alone allows blanks around it, and no number that is out of range.
            let of_json = !text.contains(char::is_whitespace) && json.is_ok_and(|value| value.is_number());
            prop_assert!(!of_json || is_number(&text), "{}", text);
            prop_assert!(integer(&text).is_none() || is_number(&text));
            if is_number(&text) {
                prop_assert!(text.parse::<f64>().is_ok());
            }
        }
    }

    #[test]
    fn whole_numbers_are_exact_in_every_spelling() {
        for (text, number) in [
            ("0", 0),
            ("-0", 0),
            ("100", 100),
            ("100.0", 100),
            ("1e2", 100),
            ("1.5E+1", 15),
            ("-1200e-2", -12),
            ("0e999999999999", 0),
            ("9007199254740993", 9_007_199_254_740_993),
            ("9007199254740993.0", 9_007_199_254_740_993),
            ("18446744073709551615", 18_446_744_073_709_551_615),
        ] {
            assert_eq!(integer(text), Some(number), "{text}");
        }
    }

    #[test]
    fn what_is_no_whole_number_is_refused() {
        for text in [
            "",
            " 1",
            "1 ",
            "+1",
            "01",
            "1.",
            ".5",
            "1.5",
            "1e-1",
            "1e",
            "1e+",
            "--1",
            "0x10",
            "NaN",
            "1e99999999999999999999",
            "1e40",
            "1_000",
        ] {
            assert_eq!(integer(text), None, "{text}");
        }
    }
}
