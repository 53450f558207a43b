//! `#[micro::handler]`: a type serves.

mod code_first;
mod contract;
mod subscribe;
mod subscription;

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Item, ItemImpl, Path};

use crate::attributes::Attributes;
use crate::errors::Errors;
use crate::items;

/// The impl block, and what makes its type a handler.
pub(crate) fn expand(options: TokenStream, item: TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let Some((mut header, members)) = items::read_impl(&item, &mut errors) else {
        explain_item(&item, &mut errors);
        let errors = errors.into_tokens();
        return quote!(#item #errors);
    };
    let attributes = Attributes::split(std::mem::take(&mut header.attrs), &mut errors);
    for tokens in attributes.stray() {
        errors.add(
            tokens,
            "this attribute is for methods\noptions of the block stand in `#[micro::handler(…)]`",
        );
    }
    header.attrs = attributes.kept;
    if header.trait_.is_some() {
        contract::expand(options, &header, &members, errors)
    } else {
        code_first::expand(options, &header, members, errors)
    }
}

/// `impl Handler`, from statements that use `__micro_self` and `__micro_binder`.
fn handler_impl(krate: &Path, header: &ItemImpl, statements: &TokenStream) -> TokenStream {
    let (parameters, _, where_clause) = header.generics.split_for_impl();
    let ty = &header.self_ty;
    let cfgs = header.attrs.iter().filter(|attribute| attribute.path().is_ident("cfg"));
    quote! {
        #(#cfgs)*
        #[allow(deprecated, non_local_definitions, clippy::all, clippy::pedantic, clippy::nursery)]
        #[automatically_derived]
        impl #parameters #krate::__private::OneHandlerPerTypeWithOtherContractsInAlso for #ty #where_clause {
            fn bind(
                self: ::std::sync::Arc<Self>,
                __micro_binder: &mut #krate::__private::Binder,
            ) {
                let __micro_self = self;
                #statements
            }
        }
    }
}

/// Statements that add the contracts in `also`.
fn also(paths: &[Path]) -> TokenStream {
    let binds = paths.iter().map(contract::bind);
    quote!(#(#binds)*)
}

/// What stands under `#[micro::subscribe]` where no handler reads it.
pub(crate) fn explain_subscribe(item: TokenStream) -> TokenStream {
    let error = syn::Error::new(
        proc_macro2::Span::call_site(),
        "`#[subscribe(…)]` is for a method of a handler, and nobody reads it here\n\
         write `#[micro::handler]` above the `impl Type { … }` block that the method is in",
    );
    let error = error.into_compile_error();
    // Which is an item in a module, and as good in an `impl` block.
    quote!(#item #error)
}

fn explain_item(item: &TokenStream, errors: &mut Errors) {
    match syn::parse2::<Item>(item.clone()) {
        Ok(Item::Trait(contract)) => {
            let (token, ident) = (&contract.trait_token, &contract.ident);
            errors.add(
                quote!(#token #ident),
                "`#[micro::handler]` goes on an `impl` block, which says how calls are served\n\
                 on the trait, which says what can be called, write `#[micro::service]`",
            );
        }
        Ok(_) => errors.add(
            item.clone().into_iter().next(),
            "`#[micro::handler]` goes on an `impl` block, which says how calls are served\n\
             write it above `impl Contract for Type { … }`, or above `impl Type { … }` to serve without a contract",
        ),
        Err(error) if errors.is_empty() => errors.push(error),
        Err(_) => {}
    }
}
