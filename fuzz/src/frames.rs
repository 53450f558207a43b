//! Frames of the native wire, made of an input.

use crate::input::Input;

/// How either side opens a connection.
pub(crate) const PREFACE: &[u8] = b"\xa9micro\r\n";

/// A `Hello` of version 1 without settings, behind the preface.
pub(crate) const HELLO: &[u8] = b"\xa9micro\r\n\0\0\x02\x01\0\0\0\0\0\x01\x01";

/// The same with the smallest windows and frames.
pub(crate) const SMALL_HELLO: &[u8] =
    b"\xa9micro\r\n\0\0\x0e\x01\0\0\0\0\0\x01\x01\x02\x80\x80\x04\x03\x80\x80\x04\x04\x80\x80\x01";

/// The frames that an input says, until it ends: a byte each for the kind, the flags, the call and the length
/// of the payload, and then that. So a changed input still is made of frames.
pub(crate) fn frames(mut input: Input<'_>) -> Vec<u8> {
    let mut frames = Vec::new();
    while !input.0.is_empty() {
        let (kind, flags, call) = (input.byte(), input.byte(), input.byte());
        let payload = input.short();
        let length = u8::try_from(payload.len()).unwrap_or_default();
        frames.extend([0, 0, length, kind, flags, 0, 0, 0, call]);
        frames.extend(payload);
    }
    frames
}
