//! A field that serde does not know.

struct Foreign;

#[derive(micro::Message, serde::Serialize, serde::Deserialize)]
struct Request {
    foreign: Foreign,
}

fn main() {}
