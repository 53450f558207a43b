//! Whole expansions, each beside its input in `tests/golden/`. `UPDATE_GOLDEN=1 cargo test` writes
//! them anew; the change is then to be read, because users' crates are made of it.

#![allow(clippy::unwrap_used)]

use std::path::Path;

use proc_macro2::TokenStream;

/// Expands every item of `name.in.rs` that has the attribute, and compares with `name.out.rs`.
fn check(name: &str, expand: impl Fn(&syn::Item) -> Option<TokenStream>) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let input = std::fs::read_to_string(folder.join(format!("{name}.in.rs"))).unwrap();
    let input = syn::parse_file(&input).unwrap();
    let output: TokenStream = input
        .items
        .iter()
        .map(|item| expand(item).unwrap_or_else(|| quote::ToTokens::to_token_stream(item)))
        .collect();
    let output = prettyplease::unparse(&syn::parse2(output).unwrap());
    let path = folder.join(format!("{name}.out.rs"));
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &output).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        output == expected,
        "the expansion of {name} changed; see what to with `UPDATE_GOLDEN=1 cargo test -p micro-macros` and git diff"
    );
}

/// The options of the attribute `#[micro::name(…)]`, and the item without it.
fn attributed(name: &str, item: &syn::Item) -> Option<(TokenStream, TokenStream)> {
    let mut item = item.clone();
    let attributes = match &mut item {
        syn::Item::Trait(item) => &mut item.attrs,
        syn::Item::Impl(item) => &mut item.attrs,
        _ => return None,
    };
    let is_ours = |attribute: &syn::Attribute| attribute.path().segments.last().unwrap().ident == name;
    let attribute = attributes.remove(attributes.iter().position(is_ours)?);
    let options = match attribute.meta {
        syn::Meta::List(list) => list.tokens,
        _ => TokenStream::new(),
    };
    Some((options, quote::ToTokens::to_token_stream(&item)))
}

#[test]
fn a_contract_expands_as_recorded() {
    check("contract", |item| {
        attributed("service", item).map(|(options, item)| crate::contract::expand(options, item))
    });
}

#[test]
fn a_handler_of_a_contract_expands_as_recorded() {
    check("contract_handler", |item| {
        attributed("handler", item).map(|(options, item)| crate::handler::expand(options, item))
    });
}

#[test]
fn a_code_first_handler_expands_as_recorded() {
    check("code_first", |item| {
        attributed("handler", item).map(|(options, item)| crate::handler::expand(options, item))
    });
}

#[test]
fn messages_expand_as_recorded() {
    check("message", |item| {
        let tokens = quote::ToTokens::to_token_stream(item);
        let implementation = crate::message::expand(tokens);
        Some(implementation)
    });
}

#[test]
fn a_wrong_item_is_in_the_output_all_the_same() {
    check("wrong", |item| {
        attributed("service", item).map(|(options, item)| crate::contract::expand(options, item))
    });
}
