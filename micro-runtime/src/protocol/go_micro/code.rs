//! go-micro's codes, which are HTTP statuses, and the canonical ones.

use crate::error::Code;

/// go-micro's code for one of ours. The second half of the table is not in go-micro, which knows
/// 500 for all of it: a Go caller that looks at the number learns more so.
pub(super) fn to_go_micro(code: Code) -> i32 {
    match code {
        Code::InvalidArgument => 400,
        Code::Unauthenticated => 401,
        Code::PermissionDenied => 403,
        Code::NotFound => 404,
        Code::DeadlineExceeded => 408,
        Code::AlreadyExists => 409,
        Code::FailedPrecondition => 412,
        Code::Internal => 500,
        Code::Unimplemented => 501,
        Code::Unavailable => 503,

        Code::OutOfRange => 416,
        Code::ResourceExhausted => 429,
        Code::Canceled => 499,
        Code::Aborted | Code::Unknown | Code::DataLoss => 500,
    }
}

/// Our code for one of go-micro's; `None` for numbers that neither go-micro nor we give a meaning.
pub(super) fn from_go_micro(code: i32) -> Option<Code> {
    Some(match code {
        400 => Code::InvalidArgument,
        401 => Code::Unauthenticated,
        403 => Code::PermissionDenied,
        404 => Code::NotFound,
        // What `errors.MethodNotAllowed` makes.
        405 => Code::Unimplemented,
        408 => Code::DeadlineExceeded,
        409 => Code::AlreadyExists,
        412 => Code::FailedPrecondition,
        416 => Code::OutOfRange,
        429 => Code::ResourceExhausted,
        499 => Code::Canceled,
        500 => Code::Internal,
        501 => Code::Unimplemented,
        503 => Code::Unavailable,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_comes_back_unless_go_micro_has_no_number_for_it() {
        for code in Code::ALL {
            let due = match code {
                Code::Aborted | Code::Unknown | Code::DataLoss => Code::Internal,
                code => *code,
            };
            assert_eq!(from_go_micro(to_go_micro(*code)), Some(due), "{code}");
        }
    }

    #[test]
    fn numbers_without_a_meaning_have_none() {
        for number in [i32::MIN, -1, 0, 200, 418, 504, 1000, i32::MAX] {
            assert_eq!(from_go_micro(number), None);
        }
    }
}
