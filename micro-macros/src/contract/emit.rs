//! The trait as the compiler gets it.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::{FnArg, Generics, ItemTrait, Pat, ReturnType, Signature, Type, TypeParamBound, parse_quote};

use crate::bind;
use crate::descriptor::Service;
use crate::items::{Function, Member};

/// The trait with its methods returning futures that are `Send`, its supertraits, and the hidden
/// method by which `#[micro::handler]` finds what to serve.
pub(crate) fn contract(mut header: ItemTrait, members: &[Member], service: &Service) -> TokenStream {
    let bounds: [TypeParamBound; 3] =
        [parse_quote!(::core::marker::Send), parse_quote!(::core::marker::Sync), parse_quote!('static)];
    header.supertraits.extend(bounds);
    let ItemTrait { attrs, vis, modifiers, unsafety, trait_token, ident, generics, supertraits, .. } =
        &header;
    let auto = modifiers.auto_token;
    let where_clause = &generics.where_clause;
    let members = members.iter().map(member);
    let bind = bind_method(service);
    quote! {
        #(#attrs)*
        // Its methods are there for callers that the compiler does not see.
        #[allow(dead_code)]
        #vis #unsafety #auto #trait_token #ident #generics: #supertraits #where_clause {
            #(#members)*
            #bind
        }
    }
}

/// The function of the client by which a value that serves the contract fills the route table. It
/// stands there because the signatures of the methods are in reach there.
pub(crate) fn bind(service: &Service, generics: &Generics) -> TokenStream {
    let Service { krate, ident, .. } = service;
    let (_, arguments, _) = generics.split_for_impl();
    let mut parameters = generics.clone();
    parameters.where_clause = None;
    parameters.params.push(parse_quote!(__MicroServed: #ident #arguments));
    let statements = bind::statements(service, &quote!(<__MicroServed as #ident #arguments>));
    quote! {
        #[doc(hidden)]
        fn __micro_service #parameters (
            __micro_self: ::std::sync::Arc<__MicroServed>,
            __micro_binder: &mut #krate::__private::Binder,
        ) {
            #statements
        }
    }
}

/// The method of the trait, which hands itself to the client.
fn bind_method(service: &Service) -> TokenStream {
    let Service { krate, client, .. } = service;
    quote! {
        #[doc(hidden)]
        #[allow(deprecated)]
        fn __micro_service(
            self: ::std::sync::Arc<Self>,
            __micro_binder: &mut #krate::__private::Binder,
        ) where
            Self: ::core::marker::Sized,
        {
            #client::__micro_service(self, __micro_binder);
        }
    }
}

fn member(member: &Member) -> TokenStream {
    match member {
        Member::Function(function) if function.signature.asyncness.is_some() => method(function),
        other => quote!(#other),
    }
}

/// `async fn f(…) -> R` as `fn f(…) -> impl Future<Output = R> + Send`.
fn method(function: &Function) -> TokenStream {
    let Function { attributes, visibility, defaultness, signature, body } = function;
    let kept = &attributes.kept;
    let output: Type = match &signature.output {
        ReturnType::Default => parse_quote!(()),
        ReturnType::Type(_, ty) => (**ty).clone(),
    };
    let mut rewritten = Signature { asyncness: None, ..signature.clone() };
    rewritten.output = parse_quote!(
        -> impl ::core::future::Future<Output = #output> + ::core::marker::Send
    );
    if !function.has_body() {
        // A pattern was reported, and is not to be reported by the compiler as well.
        for argument in &mut rewritten.inputs {
            if let FnArg::Typed(argument) = argument
                && !matches!(&*argument.pat, Pat::Ident(_) | Pat::Wild(_))
            {
                *argument.pat = parse_quote!(_);
            }
        }
        return quote!(#(#kept)* #visibility #defaultness #rewritten #body);
    }
    let rebound = rebind(&mut rewritten);
    let place = signature.ident.span();
    let future = quote_spanned! {place=>
        async move {
            // Tells the compiler the type before it reads the body, for `?` and `return` in it.
            if let ::core::option::Option::Some(__micro_answer) = ::core::option::Option::None::<#output> {
                return __micro_answer;
            }
            #(#rebound)*
            let __micro_answer: #output = #body;
            #[allow(unreachable_code)]
            __micro_answer
        }
    };
    quote! {
        #(#kept)*
        #[allow(clippy::manual_async_fn, clippy::diverging_sub_expression, clippy::let_and_return)]
        #visibility #defaultness #rewritten { #future }
    }
}

/// Gives the arguments to the future as a whole, where the patterns of the user take them. As in an
/// `async fn`, they live as long as the future even where the body does not use them.
fn rebind(signature: &mut Signature) -> Vec<TokenStream> {
    let mut statements = Vec::new();
    for argument in &mut signature.inputs {
        let FnArg::Typed(argument) = argument else { continue };
        let Pat::Ident(pattern) = &mut *argument.pat else { continue };
        let written = pattern.clone();
        pattern.mutability = None;
        let name = &pattern.ident;
        statements.push(quote!(let #written = #name;));
    }
    statements
}
