use std::cell::Cell;

/// How many `google.protobuf.Any` may be in one another when they are written.
///
/// Each is decoded anew and may be as deep as protobuf allows, which is 100 levels, and costs no more
/// than a few bytes; all of it is on the stack while it is written.
const MOST: usize = 8;

thread_local! {
    /// Writing is one call on one thread, and what it is called with has no room for a number.
    static DEPTH: Cell<usize> = const { Cell::new(0) };
}

/// One level further down, for as long as it lives.
pub(super) struct Deeper;

impl Deeper {
    pub(super) fn enter() -> Result<Self, String> {
        let depth = DEPTH.get();
        if depth == MOST {
            return Err(format!(
                "google.protobuf.Any in google.protobuf.Any is more than {MOST} levels deep"
            ));
        }
        DEPTH.set(depth + 1);
        Ok(Self)
    }
}

impl Drop for Deeper {
    fn drop(&mut self) {
        DEPTH.set(DEPTH.get() - 1);
    }
}
