//! Errors in Connect's JSON.

use base64::Engine as _;
use serde::{Deserialize, Deserializer, Serialize};

use crate::endpoint::MethodDescriptor;
use crate::error::{Code, Detail, Error};
use crate::protocol::headers::BASE64;

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct WireError {
    #[serde(deserialize_with = "or_null")]
    code: String,
    #[serde(skip_serializing_if = "String::is_empty", deserialize_with = "or_null")]
    message: String,
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "or_null")]
    details: Vec<WireDetail>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct WireDetail {
    #[serde(rename = "type")]
    type_name: String,
    value: String,
}

impl From<&Error> for WireError {
    fn from(error: &Error) -> Self {
        let details = error.details().iter().map(|detail| WireDetail {
            type_name: detail.type_name().to_owned(),
            value: BASE64.encode(detail.value()),
        });
        Self {
            code: error.code().as_str().to_owned(),
            message: error.message().to_owned(),
            details: details.collect(),
        }
    }
}

impl WireError {
    /// The error of a body, where it looks like one.
    pub(super) fn read(body: &[u8]) -> Option<Self> {
        serde_json::from_slice(body).ok()
    }

    /// Whether it is an error of Connect. Any other JSON is somebody else's: a proxy's, for example.
    pub(super) fn is_connect(&self) -> bool {
        self.code.parse::<Code>().is_ok()
    }

    pub(super) fn message(&self) -> &str {
        &self.message
    }

    /// The error that a response carries; `fallback` is the code where it names none that is
    /// known, which is what a proxy's own error page looks like.
    pub(super) fn into_error(self, fallback: Code, method: &MethodDescriptor) -> Error {
        let code = self.code.parse().unwrap_or(fallback);
        let error = Error::new(code, self.message).with_origin(method.service, method.name);
        // A detail that is not valid base64 is left out; the error itself is worth more.
        let details = self.details.into_iter().filter_map(|detail| {
            BASE64.decode(&detail.value).ok().map(|value| Detail::new(detail.type_name, value))
        });
        details.fold(error, Error::with_detail)
    }
}

/// `null` is what some write in place of nothing.
pub(super) fn or_null<'de, D, T>(deserializer: D) -> std::result::Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    const METHOD: MethodDescriptor =
        MethodDescriptor::new::<(), ()>("test.v1.Probe", "Ask", "/test.v1.Probe/Ask", "");

    #[test]
    fn null_is_as_good_as_nothing() {
        let error = WireError::read(br#"{"code": "aborted", "message": null, "details": null}"#).unwrap();
        assert!(error.is_connect());
        let error = error.into_error(Code::Unknown, &METHOD);
        assert_eq!((error.code(), error.message(), error.details()), (Code::Aborted, "", &[][..]));
        assert!(WireError::read(b"null").is_none());
    }

    #[test]
    fn json_of_somebody_else_is_told_from_an_error_of_connect() {
        for body in [r#"{"message": "no route"}"#, r#"{"code": null, "message": "no route"}"#] {
            let error = WireError::read(body.as_bytes()).unwrap();
            assert!(!error.is_connect());
            assert_eq!(error.message(), "no route");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_an_error_or_none(bytes in vec(any::<u8>(), 0..100)) {
            let _ = WireError::read(&bytes);
        }

        #[test]
        fn an_error_has_the_code_that_it_names_or_that_of_its_status(
            name in prop_oneof![
                proptest::sample::select(Code::ALL).prop_map(|code| code.as_str().to_owned()),
                any::<String>(),
            ],
            message in any::<String>(),
            details in vec(("[a-z.]{1,6}", "[A-Za-z0-9+/=]{0,8}|.{0,8}"), 0..4),
        ) {
            let all: Vec<_> = details
                .iter()
                .map(|(name, value)| serde_json::json!({ "type": name, "value": value, "debug": {} }))
                .collect();
            let json = serde_json::json!({ "code": name, "message": message, "details": all });
            let error = WireError::read(json.to_string().as_bytes()).unwrap();
            let known = name.parse::<Code>();
            prop_assert_eq!(error.is_connect(), known.is_ok());
            let error = error.into_error(Code::DataLoss, &METHOD);
            prop_assert_eq!((error.code(), error.message()), (known.unwrap_or(Code::DataLoss), &message[..]));
            let good = details.iter().filter(|(_, value)| BASE64.decode(value).is_ok()).count();
            prop_assert_eq!(error.details().len(), good);
        }
    }
}
