//! The code that fills the route table.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};

use crate::descriptor::Service;
use crate::method::Method;
use crate::types::projection;

/// Statements that add every method to `binder`. `this` is an `Arc` of what serves, and `path`
/// (`Self` or `<Self as Contract>`) is where its methods are.
pub(crate) fn statements(service: &Service, path: &TokenStream) -> TokenStream {
    let Service { krate, client, methods, .. } = service;
    let methods = methods.iter().map(|method| statement(service, method, path));
    quote! {
        #krate::__private::Binder::service(__micro_binder, #client::DESCRIPTOR);
        #(#methods)*
    }
}

fn statement(service: &Service, method: &Method, path: &TokenStream) -> TokenStream {
    let Service { krate, client, .. } = service;
    let Method { ident, cfgs, out, .. } = method;
    let descriptor = method.descriptor();
    let (context, request) = (method.context_type(krate), method.request_type(krate));
    let outcome = method.outcome_type(krate);
    // Where the future is not `Send`, the compiler points here.
    let place = ident.span();
    let (form, parameters, out_argument, out_value) = match out {
        Some(out) => {
            let sender = projection(krate, &out.ty, "SenderArgument", "Sender");
            let message = projection(krate, &out.ty, "SenderArgument", "Message");
            (
                quote!(pushing),
                quote!(#request, #message, #outcome, _, _),
                quote!(, mut __micro_out: #sender),
                quote!(, &mut __micro_out),
            )
        }
        None => (quote!(returning), quote!(#request, #outcome, _, _), quote!(), quote!()),
    };
    let answer = quote_spanned! {place=>
        async move { #path::#ident(&*__micro_this, &__micro_ctx, __micro_request #out_value).await }
    };
    quote! {
        #(#cfgs)*
        {
            let __micro_this = ::std::sync::Arc::clone(&__micro_self);
            #krate::__private::Binder::endpoint(
                __micro_binder,
                #client::#descriptor,
                #krate::__private::#form::<#parameters>(
                    move |__micro_ctx: #context, __micro_request: #request #out_argument| {
                        let __micro_this = ::std::sync::Arc::clone(&__micro_this);
                        #answer
                    },
                ),
            );
        }
    }
}
