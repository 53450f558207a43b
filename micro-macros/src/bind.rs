//! The code that fills the route table.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};

use crate::descriptor::Service;
use crate::method::Method;
use crate::types::respanned;

/// Statements that add every method to `__micro_binder`. `__micro_self` is an `Arc` of what serves,
/// and `path` (a type, or `<T as Contract>`) is where its methods are.
pub(crate) fn statements(service: &Service, path: &TokenStream) -> TokenStream {
    let Service { krate, client, methods, .. } = service;
    let methods = methods.iter().map(|method| statement(service, method, path));
    quote! {
        #krate::__private::Binder::service(__micro_binder, #client::DESCRIPTOR);
        #(#methods)*
    }
}

fn statement(service: &Service, method: &Method, path: &TokenStream) -> TokenStream {
    let krate = &service.krate;
    let Method { ident, cfgs, out, .. } = method;
    let marker = method.marker();
    let (form, out_argument, out_value) = if out.is_some() {
        (quote!(serve_pushing), quote!(, mut __micro_out), quote!(, &mut __micro_out))
    } else {
        (quote!(serve_returning), quote!(), quote!())
    };
    // Where the future is not `Send`, the compiler points here.
    let place = ident.span();
    let krate_here = respanned(krate, place);
    let serve = quote_spanned! {place=>
        #krate_here::__private::#form::<#marker, _, _>(
            move |__micro_ctx, __micro_request #out_argument| {
                let __micro_this = ::std::sync::Arc::clone(&__micro_this);
                async move { #path::#ident(&*__micro_this, &__micro_ctx, __micro_request #out_value).await }
            },
        )
    };
    quote! {
        #(#cfgs)*
        {
            let __micro_this = ::std::sync::Arc::clone(&__micro_self);
            #krate::__private::Binder::endpoint(
                __micro_binder,
                <#marker as #krate::__private::Signature>::DESCRIPTOR,
                #serve,
            );
        }
    }
}
