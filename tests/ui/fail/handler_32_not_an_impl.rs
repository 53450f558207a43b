//! The attribute is on something that is no `impl` block.
#![allow(unused)]

#[micro::handler]
trait Greeter {
    fn hello(&self);
}

#[micro::handler]
struct Other;

fn main() {
    let _ = Other;
}
