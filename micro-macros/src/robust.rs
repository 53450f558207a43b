//! Whatever is typed, and however little of it, the macros neither panic nor lose it.

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};

use crate::{contract, handler, message};

/// The inputs of the golden tests, which have everything in them.
const INPUTS: [&str; 5] = [
    include_str!("../tests/golden/contract.in.rs"),
    include_str!("../tests/golden/contract_handler.in.rs"),
    include_str!("../tests/golden/code_first.in.rs"),
    include_str!("../tests/golden/message.in.rs"),
    include_str!("../tests/golden/wrong.in.rs"),
];

/// How many tokens there are, groups and what is in them.
fn count(tokens: &TokenStream) -> usize {
    let inside = |token| match token {
        TokenTree::Group(group) => count(&group.stream()),
        _ => 0,
    };
    tokens.clone().into_iter().map(|token| 1 + inside(token)).sum()
}

/// The tokens without the one at `index`; with the group that it is.
fn without(tokens: TokenStream, index: &mut usize) -> TokenStream {
    let mut rest = TokenStream::new();
    for token in tokens {
        let here = *index == 0;
        *index = index.wrapping_sub(1);
        match token {
            _ if here => {}
            TokenTree::Group(group) => {
                let inside = without(group.stream(), index);
                rest.extend([TokenTree::Group(Group::new(group.delimiter(), inside))]);
            }
            token => rest.extend([token]),
        }
    }
    rest
}

#[test]
fn no_missing_token_makes_a_macro_panic() {
    for input in INPUTS {
        let tokens: TokenStream = input.parse().expect("the golden inputs are tokens");
        for index in 0..count(&tokens) {
            let tokens = without(tokens.clone(), &mut { index });
            for expanded in [
                contract::expand(TokenStream::new(), tokens.clone()),
                handler::expand(TokenStream::new(), tokens.clone()),
                message::expand(tokens.clone()),
                contract::expand(tokens.clone(), INPUTS[0].parse().expect("tokens")),
                handler::expand(tokens.clone(), INPUTS[2].parse().expect("tokens")),
            ] {
                drop(expanded);
            }
        }
    }
}

#[test]
fn a_half_typed_body_is_expanded_with_its_contract() {
    let item = "trait Greeter {
        async fn hello(&self, ctx: &Context, request: Request) -> Result<Reply> { request. }
        async fn other(&self, ctx: &Context, request: Request) -> Result<Reply>;
    }";
    let expanded = contract::expand(TokenStream::new(), item.parse().expect("tokens")).to_string();
    assert!(expanded.contains("{ request . }"), "{expanded}");
    assert!(expanded.contains("struct GreeterClient"), "{expanded}");
    assert!(!expanded.contains("compile_error"), "{expanded}");
}

#[test]
fn an_item_that_cannot_be_read_is_in_the_output() {
    let item: TokenStream =
        "trait Greeter { async fn hello(&self, : ) -> Result<Reply>; }".parse().expect("tokens");
    let expanded: Vec<_> = contract::expand(TokenStream::new(), item.clone()).into_iter().collect();
    assert!(matches!(&expanded[2], TokenTree::Group(body) if body.delimiter() == Delimiter::Brace));
    let expanded: TokenStream = expanded.into_iter().collect();
    assert!(expanded.to_string().starts_with(&item.to_string()));
    assert!(expanded.to_string().contains("compile_error"));
}
