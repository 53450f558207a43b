//! The typed client of a service.

use proc_macro2::TokenStream;
use quote::quote;
use syn::Visibility;

use crate::attributes::doc_attribute;
use crate::descriptor::{Service, constant, quiet};
use crate::method::Method;
use crate::names;

/// The client's type.
pub(crate) fn definition(
    service: &Service,
    visibility: &Visibility,
    deprecated: Option<&syn::Attribute>,
) -> TokenStream {
    let Service { krate, reference, client, cfgs, .. } = service;
    let quiet = quiet();
    let doc = doc_attribute(&format!("A client of {reference}."));
    quote! {
        #doc
        ///
        /// It is cheap to clone, and clones share their connections.
        #(#cfgs)*
        #deprecated
        #quiet
        #[derive(::core::clone::Clone, ::core::fmt::Debug)]
        #visibility struct #client {
            channel: #krate::__private::Channel,
        }
    }
}

/// The client's constructors and methods, and `more`, which is for this crate alone.
pub(crate) fn methods(service: &Service, more: &TokenStream) -> TokenStream {
    let Service { krate, name, client, methods, .. } = service;
    let constant = constant(service);
    let registry = names::registry(name);
    let found = doc_attribute(&format!("A client of the service that is registered as `{registry}`."));
    let methods = methods.iter().map(|method| client_method(service, method));
    quote! {
        impl #client {
            #constant

            #found
            #[must_use]
            pub fn new(client: &#krate::__private::Client) -> Self {
                Self::with_name(client, #registry)
            }

            /// A client of the same contract where it is registered under another name.
            #[must_use]
            pub fn with_name(
                client: &#krate::__private::Client,
                service: impl ::core::convert::Into<::std::string::String>,
            ) -> Self {
                Self { channel: #krate::__private::Channel::new(client, service) }
            }

            #(#methods)*
            #more
        }
    }
}

/// `impl Contract for Client`.
pub(crate) fn contract_impl(service: &Service) -> TokenStream {
    let Service { ident, client, methods, .. } = service;
    let methods = methods.iter().map(|method| contract_method(service, method));
    quote! {
        #[automatically_derived]
        impl #ident for #client {
            #(#methods)*
        }
    }
}

fn client_method(service: &Service, method: &Method) -> TokenStream {
    let Service { krate, full_name, .. } = service;
    let Method { ident, wire, doc, for_callers, context, request, .. } = method;
    let (ctx, input, input_type) = (&context.name, &request.name, &request.ty);
    let marker = method.marker();
    let call = method.call(krate);
    let fallback = doc.is_empty().then(|| doc_attribute(&format!("Calls `/{full_name}/{wire}`.")));
    quote! {
        #fallback
        #(#for_callers)*
        pub fn #ident(
            &self,
            #ctx: &#krate::__private::Context,
            #input: #input_type,
        ) -> #call {
            #krate::__private::call(
                &self.channel,
                #ctx,
                <#marker as #krate::__private::Signature>::DESCRIPTOR,
                #input,
            )
        }
    }
}

fn contract_method(service: &Service, method: &Method) -> TokenStream {
    let krate = &service.krate;
    let Method { ident, cfgs, output, context, request, out, .. } = method;
    let (ctx, ctx_type) = (&context.name, &context.ty);
    let (input, input_type) = (&request.name, &request.ty);
    let marker = method.marker();
    let (out_argument, form, out_value) = match out {
        Some(out) => {
            let (name, ty) = (&out.name, &out.ty);
            (quote!(, #name: &mut #ty), quote!(pass_on), quote!(, #name))
        }
        None => (quote!(), quote!(answer), quote!()),
    };
    quote! {
        #(#cfgs)*
        async fn #ident(&self, #ctx: &#ctx_type, #input: #input_type #out_argument) -> #output {
            #krate::__private::#form::<#marker>(&self.channel, #ctx, #input #out_value).await
        }
    }
}
