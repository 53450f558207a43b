//! A service with any number of methods.
//!
//! Nobody writes a contract with ten thousand of them, so they are made in a loop, with what the macros make of
//! a contract.

use std::sync::Arc;

use micro::endpoint::{Binder, Handler, MethodDescriptor, returning};
use micro::{Context, Result};

use crate::generated::Note;

/// This many methods, each of which gives back what it gets.
pub(crate) struct Many(pub(crate) usize);

impl Handler for Many {
    fn bind(self: Arc<Self>, binder: &mut Binder) {
        for number in 0..self.0 {
            // They are there until the process ends, as those of a contract are.
            let name: &str = Box::leak(format!("Method{number}").into_boxed_str());
            let path: &str = Box::leak(format!("/peers.v1.Many/{name}").into_boxed_str());
            let method = MethodDescriptor::new::<Note, Note>("peers.v1.Many", name, path, "");
            binder.endpoint(Box::leak(Box::new(method)), returning(echo));
        }
    }
}

async fn echo(_ctx: Context, note: Note) -> Result<Note> {
    Ok(note)
}
