//! The trait is no contract.
#![allow(unused)]

#[derive(Debug)]
struct Polite;

trait Plain {
    fn hello(&self);
}

#[micro::handler]
impl Plain for Polite {
    fn hello(&self) {}
}

fn main() {}
