//! The static descriptions of a service and its methods, as constants of the client.

use proc_macro2::{Ident, Span, TokenStream};
use quote::quote;
use syn::{Attribute, Path};

use crate::method::Method;

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
    /// The `#[cfg(…)]`s of the item, which stand on everything beside it.
    pub(crate) cfgs: Vec<Attribute>,
    pub(crate) client: Ident,
    pub(crate) methods: Vec<Method>,
}

impl Service {
    /// What stands on every generated item: the item's conditions, and that nobody is to be warned
    /// about code that nobody wrote.
    pub(crate) fn on_items(&self) -> TokenStream {
        let cfgs = &self.cfgs;
        quote! {
            #(#cfgs)*
            #[allow(
                deprecated,
                dead_code,
                unreachable_pub,
                private_interfaces,
                non_local_definitions,
                clippy::all,
                clippy::pedantic,
                clippy::nursery
            )]
        }
    }
}

/// The constants, one for each method and one for the service.
pub(crate) fn constants(service: &Service) -> TokenStream {
    let Service { krate, full_name, doc, methods, .. } = service;
    let each = methods.iter().map(|method| constant(service, method));
    let all = methods.iter().map(|method| {
        let (cfgs, descriptor) = (&method.cfgs, method.descriptor());
        quote!(#(#cfgs)* *Self::#descriptor)
    });
    quote! {
        #(#each)*

        #[doc(hidden)]
        const __MICRO_METHODS: &'static [#krate::__private::MethodDescriptor] = &[#(#all),*];

        /// What the service says about itself: its name, its methods and their messages.
        pub const DESCRIPTOR: &'static #krate::__private::ServiceDescriptor =
            &#krate::__private::ServiceDescriptor::new(#full_name, #doc, Self::__MICRO_METHODS);
    }
}

fn constant(service: &Service, method: &Method) -> TokenStream {
    let Service { krate, full_name, .. } = service;
    let Method { wire, doc, cfgs, .. } = method;
    let (request, response) = (method.request_type(krate), method.response_type(krate));
    let path = format!("/{full_name}/{wire}");
    let descriptor = method.descriptor();
    let idempotent = method.idempotent.then(|| quote!(.idempotent()));
    let deprecated = method.deprecated.then(|| quote!(.deprecated()));
    let timeout = method.timeout.map(|timeout| {
        let seconds = proc_macro2::Literal::u64_unsuffixed(timeout.as_secs());
        let nanoseconds = proc_macro2::Literal::u32_unsuffixed(timeout.subsec_nanos());
        quote!(.timeout(::core::time::Duration::new(#seconds, #nanoseconds)))
    });
    let descriptor = Ident::new(&descriptor.to_string(), Span::call_site());
    quote! {
        #(#cfgs)*
        #[doc(hidden)]
        const #descriptor: &'static #krate::__private::MethodDescriptor =
            &#krate::__private::MethodDescriptor::new::<#request, #response>(#full_name, #wire, #path, #doc)
                #idempotent #deprecated #timeout;
    }
}
