//! The typed client of a service.

use proc_macro2::TokenStream;
use quote::quote;
use syn::Visibility;

use crate::attributes::doc_attribute;
use crate::descriptor::{Service, constants};
use crate::method::Method;
use crate::names;

/// The client's type, its constructors and its methods.
pub(crate) fn client(
    service: &Service,
    visibility: &Visibility,
    deprecated: Option<&syn::Attribute>,
) -> TokenStream {
    let Service { krate, reference, name, client, methods, .. } = service;
    let on_items = service.on_items();
    let constants = constants(service);
    let registry = names::registry(name);
    let doc = doc_attribute(&format!("A client of {reference}."));
    let found = doc_attribute(&format!("A client of the service that is registered as `{registry}`."));
    let methods = methods.iter().map(|method| client_method(service, method));
    quote! {
        #doc
        ///
        /// It is cheap to clone, and clones share their connections.
        #on_items
        #deprecated
        #[derive(::core::clone::Clone, ::core::fmt::Debug)]
        #visibility struct #client {
            channel: #krate::__private::Channel,
        }

        #on_items
        impl #client {
            #constants

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
        }
    }
}

/// `impl Contract for Client`.
pub(crate) fn contract_impl(service: &Service) -> TokenStream {
    let Service { krate, ident, client, methods, .. } = service;
    let on_items = service.on_items();
    let methods = methods.iter().map(|method| {
        let Method { ident: name, cfgs, output, context, request, out, .. } = method;
        let (ctx, ctx_type) = (&context.name, &context.ty);
        let (input, input_type) = (&request.name, &request.ty);
        let out_argument = out.as_ref().map(|out| {
            let (name, ty) = (&out.name, &out.ty);
            quote!(, #name: &mut #ty)
        });
        let outcome = method.outcome_type(krate);
        let context_type = method.context_type(krate);
        let call_type = call_type(service, method);
        let answer = match out {
            Some(out) => {
                let (sender, sender_type) =
                    (&out.name, crate::types::projection(krate, &out.ty, "SenderArgument", "Sender"));
                quote! {
                    let __micro_out: &mut #sender_type = #sender;
                    #krate::__private::relay(__micro_call, __micro_out).await
                }
            }
            None => quote!(__micro_call.send().await),
        };
        quote! {
            #(#cfgs)*
            async fn #name(&self, #ctx: &#ctx_type, #input: #input_type #out_argument) -> #output {
                let __micro_ctx: &#context_type = #ctx;
                let __micro_call: #call_type = Self::#name(self, __micro_ctx, #input);
                let __micro_result = { #answer };
                let __micro_outcome: #outcome =
                    #krate::__private::Outcome::from_result(__micro_result);
                __micro_outcome
            }
        }
    });
    quote! {
        #on_items
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
    let (request, response) = (method.request_type(krate), method.response_type(krate));
    let descriptor = method.descriptor();
    let fallback = doc.is_empty().then(|| doc_attribute(&format!("Calls `/{full_name}/{wire}`.")));
    quote! {
        #fallback
        #(#for_callers)*
        pub fn #ident(
            &self,
            #ctx: &#krate::__private::Context,
            #input: #input_type,
        ) -> #krate::__private::Call<#input_type, #response> {
            #krate::__private::call::<#request, #response>(&self.channel, #ctx, Self::#descriptor, #input)
        }
    }
}

/// The type of a call, by the names that say what is wrong with it just once.
fn call_type(service: &Service, method: &Method) -> TokenStream {
    let krate = &service.krate;
    let (request, response) = (method.request_type(krate), method.response_type(krate));
    quote!(#krate::__private::Call<#request, #response>)
}
