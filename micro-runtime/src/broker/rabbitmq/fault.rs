//! What went wrong, for people.

use lapin::ErrorKind;

use crate::error::{Code, Error};

/// The number of a reply that a server ends a channel or a connection with, where it did
/// (<https://www.rabbitmq.com/amqp-0-9-1-reference#constants>).
pub(super) fn reply(error: &lapin::Error) -> Option<u16> {
    match error.kind() {
        ErrorKind::ProtocolError(error) => Some(error.get_id()),
        _ => None,
    }
}

/// It is not allowed: to log in, or to touch something.
pub(super) const ACCESS_REFUSED: u16 = 403;
/// There is no exchange or queue of this name.
pub(super) const NOT_FOUND: u16 = 404;
/// It is there, and is different; or something is larger than the server takes.
pub(super) const PRECONDITION_FAILED: u16 = 406;
/// The virtual host is not there, or not for this user.
const NOT_ALLOWED: u16 = 530;
/// Somebody else has it for itself.
const RESOURCE_LOCKED: u16 = 405;
const CONTENT_TOO_LARGE: u16 = 311;
const RESOURCE_ERROR: u16 = 506;

/// What went wrong, while doing something.
#[cold]
pub(super) fn fault(error: lapin::Error, doing: impl std::fmt::Display) -> Error {
    let code = match reply(&error) {
        Some(ACCESS_REFUSED) => Code::PermissionDenied,
        Some(NOT_FOUND | RESOURCE_LOCKED | PRECONDITION_FAILED | NOT_ALLOWED) => Code::FailedPrecondition,
        Some(CONTENT_TOO_LARGE) => Code::InvalidArgument,
        Some(RESOURCE_ERROR) => Code::ResourceExhausted,
        _ => Code::Unavailable,
    };
    Error::new(code, format!("RabbitMQ: {doing}: {}", said(&error))).with_source(error)
}

/// The words of the server, where they are its words.
pub(super) fn said(error: &lapin::Error) -> String {
    match error.kind() {
        ErrorKind::ProtocolError(error) => error.get_message().to_string(),
        ErrorKind::IOError(error) => error.to_string(),
        ErrorKind::InvalidConnectionState(_)
        | ErrorKind::InvalidChannelState(..)
        | ErrorKind::InvalidChannel(_) => "the connection is lost".to_owned(),
        _ => error.to_string(),
    }
}
