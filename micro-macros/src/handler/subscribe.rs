//! `#[subscribe(topic = "…", group = "…")]` on a method.

use proc_macro2::{Ident, TokenStream};
use quote::quote;
use syn::ext::IdentExt as _;
use syn::{Attribute, Meta, Type};

use crate::errors::Errors;
use crate::items::Function;
use crate::options::Reader;
use crate::signature::{self, Door};

const KNOWN: &[(&str, &str)] = &[("topic", "topic = \"greeted\""), ("group", "group = \"audit\"")];

/// A method that is given events.
pub(super) struct Subscriber {
    ident: Ident,
    cfgs: Vec<Attribute>,
}

impl Subscriber {
    /// The subscriber that a function is; `None` with errors where it cannot be one.
    pub(super) fn read(function: &Function, errors: &mut Errors) -> Option<Self> {
        let mut attributes = function.attributes.subscribe.iter();
        if let Some(attribute) = attributes.next() {
            check_options(attribute, errors);
        }
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
        signature::read(&function.signature, Door::Subscriber, errors)?;
        let cfgs = function.attributes.cfgs().into_iter().cloned().collect();
        Some(Self { ident: function.signature.ident.clone(), cfgs })
    }

    /// Counts the method as used.
    pub(super) fn mention(&self, ty: &Type) -> TokenStream {
        let Self { ident, cfgs } = self;
        quote!(#(#cfgs)* let _ = <#ty>::#ident;)
    }
}

fn check_options(attribute: &Attribute, errors: &mut Errors) {
    let tokens = match &attribute.meta {
        Meta::List(list) => list.tokens.clone(),
        _ => TokenStream::new(),
    };
    let before = errors.is_empty();
    let mut topic = false;
    for option in Reader::new("`#[subscribe(…)]`", KNOWN).read(tokens, errors) {
        topic |= option.name.unraw() == "topic";
        let _ = option.text(errors);
    }
    let unread = before && !errors.is_empty();
    if !topic && !unread {
        errors.add(
            attribute,
            "a subscriber names the topic it listens to\nwrite `#[subscribe(topic = \"greeted\")]`",
        );
    }
}
