//! `impl Contract for Type`.

use proc_macro2::TokenStream;
use quote::{ToTokens as _, quote, quote_spanned};
use syn::spanned::Spanned as _;
use syn::{ItemImpl, Path};

use super::{also, handler_impl};
use crate::errors::Errors;
use crate::items::{Function, Member};
use crate::service_options::{HANDLER, ServiceOptions};

pub(super) fn expand(
    options: TokenStream,
    header: &ItemImpl,
    members: &[Member],
    mut errors: Errors,
) -> TokenStream {
    let place = "`#[micro::handler(…)]` on `impl Contract for Type`";
    let options = ServiceOptions::read(place, HANDLER, options, &mut errors);
    for member in members {
        if let Member::Function(function) = member {
            check(function, &mut errors);
        }
    }
    let block = block(header, members);
    let Some((contract, _)) = &header.trait_ else { return block };
    let (first, others) = (bind(contract), also(&options.also));
    let handler = handler_impl(&options.krate, header, &quote!(#first #others));
    let errors = errors.into_tokens();
    quote!(#errors #block #handler)
}

/// Adds a contract to the table. Where the path is no contract, the error stands at the path.
pub(super) fn bind(contract: &Path) -> TokenStream {
    let place = contract.segments.last().map_or_else(|| contract.span(), |last| last.ident.span());
    let bind = quote_spanned!(place=> __micro_service);
    quote! {
        <Self as #contract>::#bind(::std::sync::Arc::clone(&__micro_self), __micro_binder);
    }
}

/// The impl as it was written, without our attributes.
pub(super) fn block(header: &ItemImpl, members: &[Member]) -> TokenStream {
    let ItemImpl { attrs, modifiers, unsafety, impl_token, generics, trait_, self_ty, .. } = header;
    let (parameters, _, where_clause) = generics.split_for_impl();
    let defaultness = modifiers.defaultness;
    let polarity = modifiers.polarity;
    let contract = trait_.as_ref().map(|(path, for_token)| quote!(#polarity #path #for_token));
    // `split_for_impl` drops what only a declaration may have; an impl has nothing of that.
    quote! {
        #(#attrs)*
        #defaultness #unsafety #impl_token #parameters #contract #self_ty #where_clause {
            #(#members)*
        }
    }
}

fn check(function: &Function, errors: &mut Errors) {
    for subscribe in &function.attributes.subscribe {
        errors.add(
            subscribe,
            "a method of a contract cannot be a subscriber: its caller waits for an answer\n\
             put the subscriber into a plain `impl Type { … }` block under `#[micro::handler]`",
        );
    }
    for options in &function.attributes.micro {
        errors.add(
            options.to_token_stream(),
            "options belong to the contract, where the callers see them, and not to one of its implementations\n\
             put `#[micro(…)]` on the method in the trait",
        );
    }
}
