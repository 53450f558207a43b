//! Text in a header: percent-encoded UTF-8.

use http::HeaderValue;
use percent_encoding::{AsciiSet, CONTROLS, percent_decode, percent_encode, utf8_percent_encode};

/// What cannot stand for itself: all but visible ASCII and the space.
const ESCAPED: &AsciiSet = &CONTROLS.add(b'%');

/// What cannot stand for itself at the ends, where a space would get lost.
const ESCAPED_AT_ENDS: &AsciiSet = &ESCAPED.add(b' ');

/// A text as the value of a header, cut off after about `most` bytes.
pub(super) fn write(text: &str, most: usize) -> HeaderValue {
    let mut escaped = String::with_capacity(text.len().min(most));
    let last = text.len().saturating_sub(1);
    for (at, letter) in text.char_indices() {
        if escaped.len() > most {
            escaped.push_str("...");
            break;
        }
        let mut bytes = [0; 4];
        let letter = letter.encode_utf8(&mut bytes);
        if at == 0 || at == last {
            escaped.extend(percent_encode(letter.as_bytes(), ESCAPED_AT_ENDS));
        } else {
            escaped.extend(utf8_percent_encode(letter, ESCAPED));
        }
    }
    // Only visible ASCII and spaces are left.
    HeaderValue::try_from(escaped).unwrap_or(HeaderValue::from_static(""))
}

/// The text that a header holds. What is no escape stands for itself, and what is not UTF-8 is
/// replaced: a damaged text is better than none.
pub(super) fn read(value: &HeaderValue) -> String {
    percent_decode(value.as_bytes()).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn written(text: &str) -> String {
        write(text, 1000).to_str().unwrap().to_owned()
    }

    #[test]
    fn text_is_escaped_as_grpc_has_it() {
        assert_eq!(written("not found: no user `ada`!"), "not found: no user `ada`!");
        assert_eq!(written("100% schön\n"), "100%25 sch%C3%B6n%0A");
        assert_eq!(written(" in the middle "), "%20in the middle%20");
    }

    #[test]
    fn what_is_no_escape_stands_for_itself() {
        let read = |value: &[u8]| read(&HeaderValue::from_bytes(value).unwrap());
        assert_eq!(read(b"100%"), "100%");
        assert_eq!(read(b"%zz%4"), "%zz%4");
        assert_eq!(read(b"%41%c3%b6"), "Aö");
        assert_eq!(read(b"%ff\xfe"), "\u{fffd}\u{fffd}");
    }

    #[test]
    fn a_long_text_is_cut_off() {
        let cut = write(&"ö".repeat(100), 60);
        assert!(cut.len() < 80);
        assert!(read(&cut).ends_with("ö..."));
    }

    proptest! {
        #[test]
        fn any_text_comes_back(text in any::<String>()) {
            prop_assert_eq!(read(&write(&text, usize::MAX)), text);
        }

        #[test]
        fn any_value_is_a_text(value in vec(any::<u8>(), 0..40)) {
            if let Ok(value) = HeaderValue::from_bytes(&value) {
                let _ = read(&value);
            }
        }
    }
}
