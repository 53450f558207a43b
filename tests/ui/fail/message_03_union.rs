//! Nothing says what is in a union.

#[derive(micro::Message)]
union Request {
    number: u32,
    flag: bool,
}

fn main() {}
