use http::StatusCode;
use serde::{Deserialize, Serialize};

use super::code::{from_go_micro, to_go_micro};
use crate::error::{Code, Detail, Error};

/// The full name of go-micro's error as a protobuf message.
#[cfg(any(feature = "protobuf", test))]
const TYPE_NAME: &str = "errors.Error";

/// An error of go-micro. On the wire it is this JSON, or a protobuf message with the same fields.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "protobuf", derive(prost::Message))]
#[cfg_attr(not(feature = "protobuf"), derive(Debug, Default))]
#[serde(default, deny_unknown_fields)]
pub(crate) struct GoMicroError {
    /// Who made it, in dotted words: `greeter.Say.Hello`.
    #[serde(skip_serializing_if = "String::is_empty")]
    #[cfg_attr(feature = "protobuf", prost(string, tag = "1"))]
    pub(crate) id: String,
    /// An HTTP status.
    #[serde(skip_serializing_if = "is_zero")]
    #[cfg_attr(feature = "protobuf", prost(int32, tag = "2"))]
    pub(crate) code: i32,
    /// The text for people.
    #[serde(skip_serializing_if = "String::is_empty")]
    #[cfg_attr(feature = "protobuf", prost(string, tag = "3"))]
    pub(crate) detail: String,
    /// The words of the HTTP status.
    #[serde(skip_serializing_if = "String::is_empty")]
    #[cfg_attr(feature = "protobuf", prost(string, tag = "4"))]
    pub(crate) status: String,
}

impl GoMicroError {
    /// An error of ours as go-micro writes it. One that came from go-micro goes on as it came.
    pub(crate) fn of(error: &Error, id: impl FnOnce() -> String) -> Self {
        if let Some(known) = error.details().iter().find_map(Self::of_detail) {
            return known;
        }
        let code = to_go_micro(error.code());
        let status = u16::try_from(code).ok().and_then(|code| StatusCode::from_u16(code).ok());
        let status = status.and_then(|status| status.canonical_reason()).unwrap_or_default();
        Self { id: id(), code, detail: error.message().to_owned(), status: status.to_owned() }
    }

    /// The error that this text is, if it is one: an object of these fields alone, with a code.
    /// Any other text is the message of somebody who does not use go-micro's errors.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok().filter(|error: &Self| error.code > 0)
    }

    /// The text that go-micro reads.
    pub(crate) fn to_json(&self) -> String {
        // Writing strings and a number to memory does not fail.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// An error of ours with what this one says, and this one as its detail. Its code is `known`
    /// where the protocol says it too, and else what go-micro's number means.
    pub(crate) fn into_error(self, known: Option<Code>) -> Error {
        let code = known.or_else(|| from_go_micro(self.code)).unwrap_or(Code::Unknown);
        let detail = self.to_detail();
        let message = if self.detail.is_empty() { self.status } else { self.detail };
        let error = Error::new(code, message);
        match detail {
            Some(detail) => error.with_detail(detail),
            None => error,
        }
    }

    /// The protobuf message.
    #[cfg(feature = "protobuf")]
    pub(crate) fn to_detail(&self) -> Option<Detail> {
        Some(Detail::new(TYPE_NAME, prost::Message::encode_to_vec(self)))
    }

    #[cfg(not(feature = "protobuf"))]
    pub(crate) fn to_detail(&self) -> Option<Detail> {
        None
    }

    /// The error in a detail, where it is one of go-micro.
    #[cfg(feature = "protobuf")]
    pub(crate) fn of_detail(detail: &Detail) -> Option<Self> {
        let value = (detail.type_name() == TYPE_NAME).then(|| detail.value().clone())?;
        prost::Message::decode(value).ok()
    }

    #[cfg(not(feature = "protobuf"))]
    pub(crate) fn of_detail(_: &Detail) -> Option<Self> {
        None
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
fn is_zero(code: &i32) -> bool {
    *code == 0
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn id() -> String {
        "greeter.Say.Hello".to_owned()
    }

    #[test]
    fn the_json_is_that_of_go_micro() {
        let error = GoMicroError::of(&Error::not_found("no such user"), id);
        let json = r#"{"id":"greeter.Say.Hello","code":404,"detail":"no such user","status":"Not Found"}"#;
        assert_eq!(error.to_json(), json);
        assert_eq!(GoMicroError::parse(json), Some(error));
        // Go leaves out what is empty, and so do we.
        assert_eq!(GoMicroError { code: 7, ..GoMicroError::default() }.to_json(), r#"{"code":7}"#);
    }

    #[test]
    fn a_text_that_is_no_error_of_go_micro_is_none() {
        for text in ["", "boom", "{}", "[]", "null", "5", r#"{"code":0}"#, r#"{"code":-1}"#] {
            assert_eq!(GoMicroError::parse(text), None, "{text}");
        }
        assert_eq!(GoMicroError::parse(r#"{"code":5,"message":"of another system"}"#), None);
        assert_eq!(GoMicroError::parse(r#"{"code":"404"}"#), None);
    }

    #[test]
    fn its_detail_is_our_message() {
        let error = GoMicroError::parse(r#"{"id":"x","code":404,"detail":"no such user"}"#).unwrap();
        let error = error.into_error(None);
        assert_eq!(error.to_string(), "not_found: no such user");
        let odd = GoMicroError { code: 999, detail: "odd".to_owned(), ..GoMicroError::default() };
        assert_eq!(odd.clone().into_error(Some(Code::Aborted)).code(), Code::Aborted);
        assert_eq!(odd.into_error(None).code(), Code::Unknown);
    }

    #[cfg(feature = "protobuf")]
    #[test]
    fn one_that_came_from_go_micro_goes_on_as_it_came() {
        let first = GoMicroError { id: "first".to_owned(), code: 418, ..GoMicroError::default() };
        let error = first.clone().into_error(None);
        assert_eq!(GoMicroError::of(&error, id), first);
        let detail = &error.details()[0];
        assert_eq!((detail.type_name(), &detail.value()[..]), (TYPE_NAME, &b"\x0a\x05first\x10\xa2\x03"[..]));
    }

    proptest! {
        #[test]
        fn any_error_comes_out_of_its_json_as_it_went_in(
            id in any::<String>(), code in 1..=i32::MAX, detail in any::<String>(), status in any::<String>(),
        ) {
            let error = GoMicroError { id, code, detail, status };
            prop_assert_eq!(GoMicroError::parse(&error.to_json()), Some(error));
        }

        #[test]
        fn any_text_is_an_error_or_none(text in r#"[{}\[\]":, a-z0-9]{0,40}|.*"#) {
            let _ = GoMicroError::parse(&text);
        }

        #[test]
        fn any_detail_is_an_error_or_none(value in vec(any::<u8>(), 0..40)) {
            let _ = GoMicroError::of_detail(&Detail::new(TYPE_NAME, value));
        }
    }
}
