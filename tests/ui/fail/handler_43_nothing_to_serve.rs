//! Nothing here can be called.
#![allow(unused)]

struct Say;

#[micro::handler]
impl Say {
    pub fn new() -> Self {
        Self
    }
    async fn hello(&self) {}
}

fn main() {
    let _ = Say::new().hello();
}
