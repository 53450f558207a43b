//! Errors as the value of a header.

use std::fmt::Write as _;

use http::HeaderValue;

use crate::endpoint::MethodDescriptor;
use crate::error::{Code, Error};
use crate::protocol::go_micro::GoMicroError;

/// Who made an error that no method made.
const SERVER: &str = "go.micro.server";

/// The longest detail that is sent, in bytes of the header: a head must fit into the 16 KiB that
/// clients take.
const LONGEST: usize = 4 * 1024;

/// An error as it is sent. `method` is the one that failed, if the call got so far.
pub(super) fn to_header(error: &Error, method: Option<&MethodDescriptor>) -> HeaderValue {
    let id = || method.map_or(SERVER.to_owned(), |method| format!("{}.{}", method.service, method.name));
    of(GoMicroError::of(error, id))
}

/// Writes an error in ASCII without controls, which is what every peer and proxy reads.
pub(super) fn of(mut error: GoMicroError) -> HeaderValue {
    for text in [&mut error.detail, &mut error.id, &mut error.status] {
        clip(text);
    }
    // ASCII is a value of a header.
    HeaderValue::try_from(ascii(&error.to_json())).unwrap_or(HeaderValue::from_static(r#"{"code":500}"#))
}

/// The error that a header tells: JSON of go-micro, or any text, which is what a handler in Go makes
/// of an error that is not go-micro's.
pub(super) fn read(value: &HeaderValue, method: &MethodDescriptor) -> Error {
    let text = String::from_utf8_lossy(value.as_bytes());
    let error = match GoMicroError::parse(&text) {
        Some(error) => error.into_error(None),
        None => Error::new(code_of(&text), text),
    };
    error.with_origin(method.service, method.name)
}

/// go-micro's server says in plain text what it cannot route.
fn code_of(text: &str) -> Code {
    let unknown = ["rpc: can't find service ", "rpc: can't find method "];
    if unknown.iter().any(|start| text.starts_with(start)) { Code::Unimplemented } else { Code::Unknown }
}

/// Cuts a text that would be too long once it is written.
fn clip(text: &mut String) {
    let mut length = 0;
    let end = text.char_indices().find(|(_, letter)| {
        // A quotation mark takes two bytes, and no letter takes more than twelve: two halves of four
        // hexadecimal digits each.
        length += if letter.is_ascii_graphic() || *letter == ' ' { 2 } else { 12 };
        length > LONGEST
    });
    if let Some((end, _)) = end {
        text.truncate(end);
        text.push('…');
    }
}

/// The same JSON in ASCII.
fn ascii(json: &str) -> String {
    let mut ascii = String::with_capacity(json.len());
    for letter in json.chars() {
        if (' '..='~').contains(&letter) {
            ascii.push(letter);
            continue;
        }
        for unit in letter.encode_utf16(&mut [0; 2]) {
            // Writing to memory does not fail.
            let _ = write!(ascii, "\\u{unit:04x}");
        }
    }
    ascii
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HELLO: MethodDescriptor =
        MethodDescriptor::new::<(), ()>("greeter.v1.Greeter", "Hello", "/greeter.v1.Greeter/Hello", "");

    #[test]
    fn an_error_is_what_go_micro_writes() {
        let error = to_header(&Error::not_found("kein Käse 🧀"), Some(&HELLO));
        let json = r#"{"id":"greeter.v1.Greeter.Hello","code":404,"detail":"kein K\u00e4se \ud83e\uddc0","status":"Not Found"}"#;
        assert_eq!(error, json);
        let read = read(&error, &HELLO);
        assert_eq!((read.code(), read.message()), (Code::NotFound, "kein Käse 🧀"));
        assert_eq!(read.origin().as_deref(), Some("greeter.v1.Greeter/Hello"));
        assert!(to_header(&Error::internal("x"), None).to_str().unwrap().contains("go.micro.server"));
    }

    #[test]
    fn any_other_text_is_the_message() {
        let of =
            |text: &'static [u8]| read(&HeaderValue::from_static(std::str::from_utf8(text).unwrap()), &HELLO);
        assert_eq!((of(b"boom").code(), of(b"boom").message()), (Code::Unknown, "boom"));
        assert_eq!(of(b"rpc: can't find method Bye").code(), Code::Unimplemented);
        assert_eq!(of(b"rpc: can't find service Greeter").code(), Code::Unimplemented);
    }

    proptest! {
        #[test]
        fn any_error_fits_into_a_header_and_comes_out_as_it_went_in(detail in any::<String>()) {
            let error = GoMicroError { code: 404, detail: detail.clone(), ..GoMicroError::default() };
            let value = of(error);
            prop_assert!(value.as_bytes().iter().all(|byte| (b' '..=b'~').contains(byte)));
            prop_assert_eq!(GoMicroError::parse(value.to_str().unwrap()).unwrap().detail, detail);
        }

        #[test]
        fn a_long_error_is_cut(letter in any::<char>(), length in 1000..3000_usize) {
            let detail = letter.to_string().repeat(length * 5);
            let value = of(GoMicroError { code: 404, detail: detail.clone(), ..GoMicroError::default() });
            prop_assert!(value.len() <= LONGEST + 100, "{}", value.len());
            let read = GoMicroError::parse(value.to_str().unwrap()).unwrap().detail;
            prop_assert!(detail.starts_with(read.trim_end_matches('…')));
        }

        #[test]
        fn any_value_is_an_error(value in proptest::collection::vec(any::<u8>(), 0..60)) {
            if let Ok(value) = HeaderValue::from_bytes(&value) {
                let _ = read(&value, &HELLO);
            }
        }
    }
}
