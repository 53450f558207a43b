//! Figures as people read them.

/// With a comma between thousands: `1,294,844`.
pub(super) fn whole(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) && !out.ends_with('-') {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// With as many places as matter: `0.25`, `13.7`, `1,542`.
pub(super) fn short(number: f64) -> String {
    match number.abs() {
        size if size < 10.0 => format!("{number:.2}"),
        size if size < 100.0 => format!("{number:.1}"),
        _ => whole(number),
    }
}

/// As [`short`], or a dash where there is none.
pub(super) fn perhaps(number: Option<f64>) -> String {
    number.map_or_else(|| "–".to_owned(), short)
}

/// In MiB.
pub(super) fn mebibytes(bytes: Option<f64>) -> String {
    perhaps(bytes.map(|bytes| bytes / f64::from(1 << 20)))
}

/// In KiB.
pub(super) fn kibibytes(bytes: Option<f64>) -> String {
    perhaps(bytes.map(|bytes| bytes / 1024.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_told_apart() {
        assert_eq!(whole(0.0), "0");
        assert_eq!(whole(999.4), "999");
        assert_eq!(whole(1_294_844.0), "1,294,844");
        assert_eq!(whole(-123_456.0), "-123,456");
    }

    #[test]
    fn places_are_left_away_where_they_do_not_matter() {
        assert_eq!([0.254, 13.69, 1542.2].map(short), ["0.25", "13.7", "1,542"]);
        assert_eq!(perhaps(None), "–");
        assert_eq!(mebibytes(Some(5_242_880.0)), "5.00");
    }
}
