//! How a call ended, as it stands in the trailers.

use base64::Engine as _;
use http::header::{HeaderMap, HeaderName, HeaderValue};

use super::{details, text};
use crate::error::{Code, Detail, Error, Result};
use crate::metadata::Metadata;
use crate::protocol::go_micro::GoMicroError;
use crate::protocol::head;
use crate::protocol::headers::{self, BASE64};

pub(super) const STATUS: HeaderName = HeaderName::from_static("grpc-status");
const MESSAGE: HeaderName = HeaderName::from_static("grpc-message");
const DETAILS: HeaderName = HeaderName::from_static("grpc-status-details-bin");

/// The longest message that is sent where the trailers are larger than clients take, in bytes.
const LONGEST_MESSAGE: usize = 4 * 1024;

/// The trailers of a call. To a caller that is go-micro, whose name for this call is `go_micro`, an
/// error is one of go-micro's.
///
/// Where they are more than clients take, what made them so is left out.
pub(super) fn trailers(ended: Result<()>, metadata: &Metadata, go_micro: Option<&str>) -> HeaderMap {
    let Err(error) = ended else {
        let mut trailers = HeaderMap::with_capacity(1 + metadata.len());
        trailers.insert(STATUS, HeaderValue::from_static("0"));
        headers::extend(&mut trailers, metadata, "");
        return match head::check(&trailers) {
            Ok(()) => trailers,
            Err(error) => failed(&error, go_micro, usize::MAX),
        };
    };
    let mut trailers = failed(&error, go_micro, usize::MAX);
    headers::extend(&mut trailers, error.metadata(), "");
    headers::extend(&mut trailers, metadata, "");
    match head::check(&trailers) {
        Ok(()) => trailers,
        // What kind of error it is has to arrive in any case.
        Err(_) => failed(&Error::new(error.code(), error.message()), go_micro, LONGEST_MESSAGE),
    }
}

/// The status of an error.
fn failed(error: &Error, go_micro: Option<&str>, longest: usize) -> HeaderMap {
    let mut trailers = HeaderMap::new();
    trailers.insert(STATUS, HeaderValue::from(error.code().number()));
    let status = match go_micro {
        None => {
            if !error.message().is_empty() {
                trailers.insert(MESSAGE, text::write(error.message(), longest));
            }
            details::write(error.code(), error.message(), error.details())
        }
        Some(id) => {
            let mut error_of_go = GoMicroError::of(error, || id.to_owned());
            cut(&mut error_of_go.detail, longest);
            let json = error_of_go.to_json();
            trailers.insert(MESSAGE, text::write(&json, usize::MAX));
            // Its client takes the first detail for an error without asking, and dies of any other.
            let only: Vec<Detail> = error_of_go.to_detail().into_iter().collect();
            details::write(error.code(), &json, &only)
        }
    };
    let status = status.and_then(|status| HeaderValue::try_from(BASE64.encode(status)).ok());
    if let Some(status) = status {
        trailers.insert(DETAILS, status);
    }
    trailers
}

/// Cuts a text off, between two letters.
fn cut(text: &mut String, longest: usize) {
    if text.len() > longest {
        let end = (0..=longest).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
        text.truncate(end);
        text.push_str("...");
    }
}

/// How the call ended, by its trailers; `None` where they do not say. The error has everything but
/// the metadata.
pub(super) fn read(trailers: &HeaderMap) -> Option<Result<()>> {
    let status = trailers.get(STATUS)?;
    let number = status.to_str().ok().and_then(|text| text.trim().parse::<u32>().ok());
    if number == Some(0) {
        return Some(Ok(()));
    }
    Some(Err(read_error(status, number, trailers)))
}

#[cold]
fn read_error(status: &HeaderValue, number: Option<u32>, trailers: &HeaderMap) -> Error {
    let status_details = trailers.get(DETAILS).and_then(|value| {
        let read = BASE64.decode(value.as_bytes()).ok().and_then(|bytes| details::read(&bytes));
        if read.is_none() {
            tracing::debug!("left out details of an error that are malformed");
        }
        read
    });
    let details::Read { message, details } = status_details.unwrap_or_default();
    let message = trailers.get(MESSAGE).map(text::read).unwrap_or(message);
    let Some(code) = number.and_then(Code::from_number) else {
        let status = String::from_utf8_lossy(status.as_bytes());
        return Error::unknown(format!("the server answered with the status `{status}`: {message}"));
    };
    match of_go_micro(&details, &message) {
        Some(error) => {
            // Its server knows no better code for numbers that are not in its table.
            let error = error.into_error(Some(code).filter(|code| *code != Code::Unknown));
            details.into_iter().skip(1).fold(error, Error::with_detail)
        }
        None => details.into_iter().fold(Error::new(code, message), Error::with_detail),
    }
}

/// The error of go-micro that this is, if it is one: its first detail, or else its message.
fn of_go_micro(details: &[Detail], message: &str) -> Option<GoMicroError> {
    match details.first() {
        Some(first) => GoMicroError::of_detail(first),
        None => GoMicroError::parse(message),
    }
}

#[cfg(test)]
#[cfg(feature = "protobuf")]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn back(error: Error, go_micro: Option<&str>) -> Error {
        read(&trailers(Err(error), &Metadata::new(), go_micro)).unwrap().unwrap_err()
    }

    #[test]
    fn a_success_has_nothing_but_its_status_and_its_metadata() {
        let mut metadata = Metadata::new();
        metadata.append("tail", "last").unwrap();
        let trailers = trailers(Ok(()), &metadata, None);
        assert_eq!(trailers.len(), 2);
        assert_eq!(
            (&trailers["grpc-status"], &trailers["tail"]),
            (&"0".parse().unwrap(), &"last".parse().unwrap())
        );
        assert!(read(&trailers).unwrap().is_ok());
    }

    #[test]
    fn an_error_without_details_has_none() {
        let trailers = trailers(Err(Error::not_found("gone")), &Metadata::new(), None);
        assert_eq!(trailers.len(), 2);
        assert_eq!(trailers["grpc-message"], "gone");
    }

    #[test]
    fn go_micro_gets_its_own_error_and_no_other_detail() {
        let error = Error::not_found("gone").with_detail(Detail::new("google.rpc.BadRequest", vec![1]));
        let trailers = trailers(Err(error), &Metadata::new(), Some("greeter.Greeter.Hello"));
        let json = r#"{"id":"greeter.Greeter.Hello","code":404,"detail":"gone","status":"Not Found"}"#;
        assert_eq!(trailers["grpc-message"], json);
        let status = BASE64.decode(trailers[DETAILS].as_bytes()).unwrap();
        let status = details::read(&status).unwrap();
        assert_eq!(status.details.len(), 1);
        assert_eq!(GoMicroError::of_detail(&status.details[0]), GoMicroError::parse(json));
    }

    #[test]
    fn an_error_of_go_micro_is_read_as_one() {
        let error = back(Error::not_found("gone"), Some("greeter.Greeter.Hello"));
        assert_eq!(error.to_string(), "not_found: gone");
        assert_eq!(error.details()[0].type_name(), "errors.Error");
        // Without the detail, as its stream handlers may answer.
        let mut trailers = trailers(Err(Error::not_found("gone")), &Metadata::new(), Some("x"));
        trailers.remove(DETAILS);
        assert_eq!(read(&trailers).unwrap().unwrap_err().to_string(), "not_found: gone");
    }

    #[test]
    fn a_status_that_nobody_knows_is_unknown_and_named() {
        for status in ["17", "-1", "", "ok", "4294967296"] {
            let mut trailers = HeaderMap::new();
            trailers.insert(STATUS, HeaderValue::from_static(status));
            trailers.insert(MESSAGE, HeaderValue::from_static("why"));
            let error = read(&trailers).unwrap().unwrap_err();
            assert_eq!(error.code(), Code::Unknown);
            assert!(error.message().contains(&format!("`{status}`: why")), "{error}");
        }
        assert!(read(&HeaderMap::new()).is_none());
    }

    #[test]
    fn an_error_that_is_too_large_arrives_with_its_code_and_the_start_of_its_message() {
        let long = "ö".repeat(20_000);
        for go_micro in [None, Some("greeter.Greeter.Hello")] {
            let error = Error::aborted(&long).with_detail(Detail::new("big", vec![0; 20_000]));
            let error = back(error, go_micro);
            assert_eq!(error.code(), Code::Aborted);
            assert!(error.message().starts_with("öö") && error.message().ends_with("..."), "{error}");
        }
        let mut metadata = Metadata::new();
        metadata.append("big", vec![b'x'; 20_000]).unwrap();
        let error = read(&trailers(Ok(()), &metadata, None)).unwrap().unwrap_err();
        assert!(error.message().contains("`big`"), "{error}");
    }

    proptest! {
        #[test]
        fn an_error_comes_out_as_it_went_in(
            code in proptest::sample::select(Code::ALL),
            message in any::<String>(),
            details in vec(("[a-z.]{1,10}", vec(any::<u8>(), 0..10)), 0..3),
        ) {
            let mut error = Error::new(code, message.clone());
            for (name, value) in &details {
                error = error.with_detail(Detail::new(name.clone(), value.clone()));
            }
            let given = error.details().to_vec();
            let back = back(error, None);
            prop_assert_eq!((back.code(), back.message()), (code, &message[..]));
            prop_assert_eq!(back.details(), given);
        }

        #[test]
        fn any_trailers_are_a_status_or_none(
            entries in vec((proptest::sample::select(vec![STATUS, MESSAGE, DETAILS]), vec(any::<u8>(), 0..30)), 0..6),
        ) {
            let mut trailers = HeaderMap::new();
            for (name, value) in entries {
                if let Ok(value) = HeaderValue::from_bytes(&value) {
                    trailers.append(name, value);
                }
            }
            let _ = read(&trailers);
        }

        #[test]
        fn any_bytes_are_details_or_none(bytes in vec(any::<u8>(), 0..60)) {
            let _ = details::read(&bytes);
        }
    }
}
