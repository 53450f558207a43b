//! Nothing says what is in a union.
#![allow(unused)]

#[derive(micro::Message)]
union Request {
    number: u32,
    flag: bool,
}

fn main() {}
