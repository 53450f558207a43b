//! A method under `#[subscribe(…)]`.

use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::ext::IdentExt as _;
use syn::{Attribute, Type};

use super::subscription::Subscription;
use crate::descriptor::Service;
use crate::errors::Errors;
use crate::items::Function;
use crate::names;
use crate::signature::{self, Door, Parts};
use crate::types::respanned;

/// A method that is given events.
pub(super) struct Subscriber {
    ident: Ident,
    /// The name that it is listed by.
    wire: String,
    doc: String,
    cfgs: Vec<Attribute>,
    subscription: Subscription,
    parts: Parts,
}

impl Subscriber {
    /// The subscriber that a function is; `None` with errors where it cannot be one.
    pub(super) fn read(function: &Function, errors: &mut Errors) -> Option<Self> {
        let mut attributes = function.attributes.subscribe.iter();
        let first = attributes.next();
        let subscription = first.map(|attribute| Subscription::read(attribute, errors)).unwrap_or_default();
        for second in attributes {
            errors.add(
                second,
                "a method subscribes to one topic: otherwise nobody could tell why it was called\n\
                 write a method for each topic",
            );
        }
        for options in &function.attributes.micro {
            errors.add(
                options,
                "a subscriber has no options for endpoints: it is not called but given events\n\
                 take `#[micro(…)]` away",
            );
        }
        let parts = signature::read(&function.signature, Door::Subscriber, errors)?;
        let ident = function.signature.ident.clone();
        let cfgs = function.attributes.cfgs().into_iter().cloned().collect();
        Some(Self {
            wire: names::method(&ident),
            ident,
            doc: function.attributes.doc(),
            cfgs,
            subscription,
            parts,
        })
    }

    /// The type that stands for the subscriber, with the types in its signature and its descriptor.
    /// `ty` is the type that it is a method of.
    pub(super) fn definition(&self, service: &Service, ty: &Type) -> TokenStream {
        let Service { krate, full_name, .. } = service;
        let Self { wire, doc, cfgs, subscription, parts, .. } = self;
        let (context, event, output) = (&parts.context.ty, &parts.request.ty, &parts.output);
        let marker = self.marker();
        let path = format!("/{full_name}/{wire}");
        let (names, calls) = (subscription.names(krate, ty), subscription.calls());
        quote! {
            #(#cfgs)*
            struct #marker;

            #(#cfgs)*
            impl #krate::__private::Subscribing for #marker {
                type Context = #context;
                type Event = #event;
                type Outcome = #output;
                const DESCRIPTOR: &'static #krate::__private::SubscriberDescriptor =
                    &#krate::__private::describe_subscriber::<Self>(
                        #names, #full_name, #wire, #path, #doc,
                    ) #calls;
            }
        }
    }

    /// The statement that adds the subscriber to `__micro_binder`.
    pub(super) fn statement(&self, service: &Service) -> TokenStream {
        let krate = &service.krate;
        let Self { ident, cfgs, .. } = self;
        let marker = self.marker();
        // Where the future is not `Send`, the compiler points here.
        let place = ident.span();
        let krate_here = respanned(krate, place);
        let serve = quote_spanned! {place=>
            #krate_here::__private::serve_subscriber::<#marker, _, _>(move |__micro_ctx, __micro_event| {
                let __micro_this = ::std::sync::Arc::clone(&__micro_this);
                async move { Self::#ident(&*__micro_this, &__micro_ctx, __micro_event).await }
            })
        };
        quote! {
            #(#cfgs)*
            {
                let __micro_this = ::std::sync::Arc::clone(&__micro_self);
                #krate::__private::Binder::subscriber(
                    __micro_binder,
                    <#marker as #krate::__private::Subscribing>::DESCRIPTOR,
                    #serve,
                );
            }
        }
    }

    fn marker(&self) -> Ident {
        format_ident!("__Micro_{}", self.ident.unraw())
    }
}
