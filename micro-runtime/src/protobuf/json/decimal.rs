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
    use super::*;

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
