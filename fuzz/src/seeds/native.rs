//! Frames of the native wire that are good, and some that are not.

use super::super::frames::HELLO;

const ROUTE: u8 = 2;
const OPEN: u8 = 3;
const HEAD: u8 = 4;
const DATA: u8 = 5;
const END: u8 = 6;
const RESET: u8 = 7;
const CREDIT: u8 = 8;
const PING: u8 = 9;
const GO_AWAY: u8 = 10;

fn frame(kind: u8, flags: u8, call: u8, payload: &[u8]) -> Vec<u8> {
    [&[kind, flags, call, u8::try_from(payload.len()).unwrap_or(u8::MAX)][..], payload].concat()
}

fn text(text: &[u8]) -> Vec<u8> {
    [&[u8::try_from(text.len()).unwrap_or(u8::MAX)][..], text].concat()
}

/// A call with its path in itself.
fn open(flags: u8, call: u8, method: &str, codec: &str, rest: &[u8]) -> Vec<u8> {
    let path = format!("/fuzz.v1.Lab/{method}");
    frame(OPEN, flags, call, &[&[0][..], &text(path.as_bytes()), &text(codec.as_bytes()), rest].concat())
}

/// What clients send.
pub(super) fn calls() -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    let metadata = [&[2][..], &text(b"x-a"), &text(b"1"), &text(b"x-bin"), &text(b"\xff\0")].concat();
    for (codec, message) in [("json", &b"\"abc\""[..]), ("proto", b"\n\x03abc")] {
        for method in ["Echo", "Split", "Join", "Chat", "Fail", "Nothing"] {
            all.push(open(0x09, 1, method, codec, message));
            let around = [&[0x90, 0x4e][..], &metadata, &[1], message].concat();
            all.push(open(0x79, 1, method, codec, &around));
            let pieces =
                [open(0x0a, 1, method, codec, &message[..2]), frame(DATA, 1, 1, &message[2..])].concat();
            all.push(
                [pieces, frame(CREDIT, 0, 1, &[0, 1, 0, 0]), frame(CREDIT, 0, 0, &[0, 1, 0, 0])].concat(),
            );
            let stream = [
                open(0, 1, method, codec, b""),
                frame(DATA, 0, 1, message),
                open(0x09, 2, "Echo", codec, message),
                frame(DATA, 0, 1, message),
                frame(END, 0, 1, b""),
            ];
            all.push(stream.concat());
            let reset =
                [open(8, 1, method, codec, message), frame(RESET, 0, 1, &[0]), frame(GO_AWAY, 0, 0, &[0; 5])];
            all.push(reset.concat());
        }
    }
    let route = [&[1][..], &text(b"/fuzz.v1.Lab/Echo"), &text(b"json")].concat();
    let named = |call| frame(OPEN, 9, call, b"\x01\"abc\"");
    all.push([frame(ROUTE, 0, 0, &route), named(1), frame(PING, 0, 0, &[1; 8]), named(2), named(9)].concat());
    all.push(
        [open(0x0d, 1, "Echo", "json", b"\x01\x1f\x8b\x08\0\0\0\0\0\0\xff"), frame(0x90, 7, 1, b"x")]
            .concat(),
    );
    // Frames, slowly, in pieces, kept open, without reading; and bytes.
    let how = [0, 0b10, 0b110_0110, 0b1011_0010, 0b1000_0110];
    let mut inputs: Vec<_> =
        how.iter().flat_map(|how| all.iter().map(move |frames| [&[*how][..], frames].concat())).collect();
    inputs.push([&[0b1101], HELLO, b"\0\0\x08\x09\0\0\0\0\0ABCDEFGH"].concat());
    inputs
}

/// What servers answer to the calls of this kind: a byte each for the protocol, the method and the rest.
pub(super) fn answers() -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    for method in 0..6 {
        for (codec, message) in [(0, &b"\"abc\""[..]), (1, b"\n\x03abc")] {
            let call = [0, method, codec];
            let metadata = [&[1][..], &text(b"x-a"), &text(b"1")].concat();
            let error =
                [&[5][..], &text(b"gone"), &[1], &text(b"a.B"), &text(b"\x08\x01"), &metadata].concat();
            for frames in [
                frame(DATA, 1, 1, message),
                [frame(HEAD, 0, 1, &metadata), frame(DATA, 0, 1, message), frame(END, 0x20, 1, &metadata)]
                    .concat(),
                [frame(DATA, 2, 1, &message[..2]), frame(DATA, 0, 1, &message[2..]), frame(END, 0, 1, b"")]
                    .concat(),
                [frame(DATA, 0, 1, message), frame(END, 0xa0, 1, &error)].concat(),
                [frame(CREDIT, 0, 1, &[0, 1, 0, 0]), frame(PING, 0, 0, &[0; 8]), frame(RESET, 0, 1, &[1])]
                    .concat(),
                [frame(GO_AWAY, 0, 0, b"\0\0\0\x01\0bye"), frame(DATA, 1, 1, message)].concat(),
                frame(GO_AWAY, 0, 0, b"\0\0\0\0\x06not here"),
            ] {
                for how in [0, 0b10, 0b110_0110] {
                    all.push([&call[..], &[how], &frames].concat());
                }
            }
        }
    }
    all
}
