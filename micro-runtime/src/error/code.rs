use std::fmt;
use std::str::FromStr;

use http::StatusCode;

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $number:literal, $name:literal, $http:literal;)*) => {
        /// The canonical codes, as gRPC and Connect define and number them
        /// (<https://grpc.io/docs/guides/status-codes/>, <https://connectrpc.com/docs/protocol/#error-codes>).
        ///
        /// The number is gRPC's, the name is Connect's, and the HTTP status is Connect's table.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum Code {
            $($(#[$doc])* $variant = $number,)*
        }

        impl Code {
            /// All codes, in the order of their numbers.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The name on the wire, `invalid_argument` for example.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }

            /// The code with this gRPC number; `None` for 0 (no error) and for unknown numbers.
            pub fn from_number(number: u32) -> Option<Self> {
                match number { $($number => Some(Self::$variant),)* _ => None }
            }

            /// The HTTP status that carries this code.
            pub fn http_status(self) -> StatusCode {
                let status = match self { $(Self::$variant => $http),* };
                StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
            }
        }
    };
}

codes! {
    /// The caller gave up waiting.
    Canceled = 1, "canceled", 499;
    /// The failure has no known kind, often an error of a foreign peer without a code.
    Unknown = 2, "unknown", 500;
    /// The request is wrong whatever the state of the system.
    InvalidArgument = 3, "invalid_argument", 400;
    /// The deadline passed before there was an answer. The work may still have been done.
    DeadlineExceeded = 4, "deadline_exceeded", 504;
    /// What the request names does not exist.
    NotFound = 5, "not_found", 404;
    /// What the request wants to create exists.
    AlreadyExists = 6, "already_exists", 409;
    /// The caller is known and may not do this.
    PermissionDenied = 7, "permission_denied", 403;
    /// A limit, quota or capacity is used up.
    ResourceExhausted = 8, "resource_exhausted", 429;
    /// The state of the system has to change before this can work; do not just try again.
    FailedPrecondition = 9, "failed_precondition", 400;
    /// A conflict with something concurrent; retry at a higher level.
    Aborted = 10, "aborted", 409;
    /// The operation went past the valid range, which may be valid later.
    OutOfRange = 11, "out_of_range", 400;
    /// Nobody here serves this method or feature.
    Unimplemented = 12, "unimplemented", 501;
    /// Something the service relies on is broken: a bug.
    Internal = 13, "internal", 500;
    /// The service cannot answer now; trying again, elsewhere or later, makes sense.
    Unavailable = 14, "unavailable", 503;
    /// Data is lost or corrupt and will not come back.
    DataLoss = 15, "data_loss", 500;
    /// There are no valid credentials for this call.
    Unauthenticated = 16, "unauthenticated", 401;
}

impl Code {
    /// The number of the code in gRPC.
    pub fn number(self) -> u32 {
        self as u32
    }

    /// The code for an HTTP status whose body does not say better, by Connect's table.
    pub fn from_http_status(status: StatusCode) -> Self {
        match status.as_u16() {
            400 => Self::Internal,
            401 => Self::Unauthenticated,
            403 => Self::PermissionDenied,
            404 => Self::Unimplemented,
            429 | 502 | 503 | 504 => Self::Unavailable,
            _ => Self::Unknown,
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Code {
    type Err = super::Error;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .iter()
            .copied()
            .find(|code| code.as_str() == name)
            .ok_or_else(|| super::Error::invalid_argument(format!("`{name}` is not the name of a code")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_survives_its_number_and_its_name() {
        assert_eq!(Code::ALL.len(), 16);
        for (index, code) in Code::ALL.iter().enumerate() {
            assert_eq!(code.number() as usize, index + 1);
            assert_eq!(Code::from_number(code.number()), Some(*code));
            assert_eq!(code.as_str().parse::<Code>().ok(), Some(*code));
        }
        assert_eq!(Code::from_number(0), None);
        assert_eq!(Code::from_number(17), None);
    }
}
