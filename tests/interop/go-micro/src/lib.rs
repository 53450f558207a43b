//! What our server and our client have in common: the contract, and how cases are told.

use std::fmt::Debug;
use std::process::ExitCode;

use micro::{Code, Result};
use serde::{Deserialize, Serialize};

micro::include_proto!("interop.v1");

/// A message that is no protobuf, as Go's `PlainGreeting`.
#[derive(Clone, Debug, Default, PartialEq, micro::Message, Serialize, Deserialize)]
pub struct PlainGreeting {
    /// Whom it greets.
    pub name: String,
    /// Any number.
    pub number: i64,
    /// Any words, which Go may write as `null`.
    pub tags: Option<Vec<String>>,
    /// Another greeting, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inner: Option<Box<Self>>,
}

/// go-micro's codes, and what they mean here.
pub const CODES: [(i32, Code); 10] = [
    (400, Code::InvalidArgument),
    (401, Code::Unauthenticated),
    (403, Code::PermissionDenied),
    (404, Code::NotFound),
    (408, Code::DeadlineExceeded),
    (409, Code::AlreadyExists),
    (412, Code::FailedPrecondition),
    (500, Code::Internal),
    (501, Code::Unimplemented),
    (503, Code::Unavailable),
];

/// Says how each case ended, in a line of its own.
#[derive(Debug, Default)]
pub struct Report {
    failed: bool,
}

impl Report {
    /// A case that ends well with this value.
    pub fn same<T: Debug + PartialEq>(&mut self, case: &str, got: Result<T>, due: T) {
        self.case(case, matches!(&got, Ok(got) if *got == due), &got);
    }

    /// A case that fails with this code, and this in its message.
    pub fn fails<T: Debug>(&mut self, case: &str, got: Result<T>, code: Code, text: &str) {
        let as_due = matches!(&got, Err(error) if error.code() == code && error.message().contains(text));
        self.case(case, as_due, &got);
    }

    /// A case that is as it should be, or is not.
    pub fn case(&mut self, case: &str, as_due: bool, got: &impl Debug) {
        if as_due {
            println!("ok    {case}");
        } else {
            self.failed = true;
            println!("FAIL  {case}: {got:?}");
        }
    }

    /// What the program ends with.
    pub fn end(self) -> ExitCode {
        if self.failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
    }
}
