//! A service and what generated code says about it and its methods.

use std::time::Duration;

use proc_macro2::{Ident, Literal, TokenStream};
use quote::quote;
use syn::{Attribute, Expr, Path};

use crate::method::{Attempts, Method};

/// A service and all that is known about it.
pub(crate) struct Service {
    pub(crate) krate: Path,
    /// The trait of the contract, or the type of a code-first service.
    pub(crate) ident: Ident,
    /// How documentation refers to it.
    pub(crate) reference: String,
    /// The last part of the name on the wire.
    pub(crate) name: String,
    /// The name on the wire.
    pub(crate) full_name: String,
    pub(crate) doc: String,
    /// The `.proto` files that it was made from.
    pub(crate) descriptors: Option<Expr>,
    /// The `#[cfg(…)]`s of the item, which stand on everything beside it.
    pub(crate) cfgs: Vec<Attribute>,
    pub(crate) client: Ident,
    pub(crate) methods: Vec<Method>,
}

/// What stands on generated items: nobody is to be warned about code that nobody wrote.
pub(crate) fn quiet() -> TokenStream {
    quote! {
        #[allow(
            deprecated,
            dead_code,
            non_camel_case_types,
            unreachable_pub,
            private_interfaces,
            non_local_definitions,
            clippy::all,
            clippy::pedantic,
            clippy::nursery
        )]
    }
}

/// For each method a type that stands for it, with the types in its signature and its descriptor.
pub(crate) fn signatures(service: &Service) -> TokenStream {
    service.methods.iter().map(|method| signature(service, method)).collect()
}

/// `DESCRIPTOR` of the client.
pub(crate) fn constant(service: &Service) -> TokenStream {
    let Service { krate, full_name, doc, descriptors, methods, .. } = service;
    let descriptors = descriptors.as_ref().map(|descriptors| quote!(.with_descriptors(#descriptors)));
    let all = methods.iter().map(|method| {
        let (cfgs, marker) = (&method.cfgs, method.marker());
        quote!(#(#cfgs)* *<#marker as #krate::__private::Signature>::DESCRIPTOR)
    });
    quote! {
        /// What the service says about itself: its name, its methods and their messages.
        pub const DESCRIPTOR: &'static #krate::__private::ServiceDescriptor = {
            const METHODS: &'static [#krate::__private::MethodDescriptor] = &[#(#all),*];
            &#krate::__private::ServiceDescriptor::new(#full_name, #doc, METHODS) #descriptors
        };
    }
}

fn signature(service: &Service, method: &Method) -> TokenStream {
    let krate = &service.krate;
    let Method { cfgs, context, request, output, .. } = method;
    let (context, request) = (&context.ty, &request.ty);
    let marker = method.marker();
    let response = method.response(krate);
    let descriptor = descriptor(service, method);
    let form = match &method.out {
        Some(out) => {
            let sender = &out.ty;
            quote! {
                impl #krate::__private::Pushing for #marker {
                    type Sender = #sender;
                    type Outcome = #output;
                }
            }
        }
        None => quote! {
            impl #krate::__private::Returning for #marker {
                type Outcome = #output;
            }
        },
    };
    quote! {
        #(#cfgs)*
        struct #marker;

        #(#cfgs)*
        impl #krate::__private::Signature for #marker {
            type Context = #context;
            type Request = #request;
            type Response = #response;
            const DESCRIPTOR: &'static #krate::__private::MethodDescriptor = &#descriptor;
        }

        #(#cfgs)*
        #form
    }
}

fn descriptor(service: &Service, method: &Method) -> TokenStream {
    let Service { krate, full_name, .. } = service;
    let Method { wire, doc, out, .. } = method;
    let describe = if out.is_some() { quote!(describe_pushing) } else { quote!(describe_returning) };
    let path = format!("/{full_name}/{wire}");
    let idempotent = method.idempotent.then(|| quote!(.idempotent()));
    let no_get = method.no_get.then(|| quote!(.no_get()));
    let deprecated = method.deprecated.then(|| quote!(.deprecated()));
    let timeout = method.timeout.map(duration).map(|timeout| quote!(.timeout(#timeout)));
    let Attempts { retries, attempt_timeout, hedge, coalesce } = method.attempts;
    let retries = retries.map(Literal::u32_unsuffixed).map(|retries| quote!(.retries(#retries)));
    let attempt_timeout = attempt_timeout.map(duration).map(|timeout| quote!(.attempt_timeout(#timeout)));
    let hedge = hedge.map(duration).map(|after| quote!(.hedge(#after)));
    let coalesce = coalesce.then(|| quote!(.coalesce()));
    quote! {
        #krate::__private::#describe::<Self>(#full_name, #wire, #path, #doc)
            #idempotent #no_get #deprecated #timeout #retries #attempt_timeout #hedge #coalesce
    }
}

/// A duration, as code.
pub(crate) fn duration(duration: Duration) -> TokenStream {
    let seconds = Literal::u64_unsuffixed(duration.as_secs());
    let nanoseconds = Literal::u32_unsuffixed(duration.subsec_nanos());
    quote!(::core::time::Duration::new(#seconds, #nanoseconds))
}
