//! A message owns what it says.
#![allow(unused)]

#[derive(micro::Message, serde::Serialize, serde::Deserialize)]
struct Request<'a> {
    name: &'a str,
}

fn main() {}
