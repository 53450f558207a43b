//! The types are not those of a method.
#![allow(unused)]

use micro::{Context, Result, Sender};

struct Oops;

struct Say;

#[micro::handler]
impl Say {
    pub async fn not_a_context(&self, ctx: &u32, request: u32) -> Result<u32> {
        loop {}
    }
    pub async fn not_a_result(&self, ctx: &Context, request: u32) -> u32 {
        loop {}
    }
    pub async fn not_a_sender(&self, ctx: &Context, request: u32, out: &mut u32) -> Result<()> {
        loop {}
    }
    pub async fn two_answers(&self, ctx: &Context, request: u32, out: &mut Sender<u32>) -> Result<u32> {
        loop {}
    }
    pub async fn not_an_error(&self, ctx: &Context, request: u32) -> std::result::Result<u32, Oops> {
        loop {}
    }
    pub async fn not_a_message(&self, ctx: &Context, request: Oops) -> Result<Oops> {
        loop {}
    }
}

fn main() {}
