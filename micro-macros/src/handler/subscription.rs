//! What `#[subscribe(…)]` says.

use std::time::Duration;

use proc_macro2::{Literal, TokenStream};
use quote::{quote, quote_spanned};
use syn::ext::IdentExt as _;
use syn::spanned::Spanned as _;
use syn::{Attribute, ExprPath, Meta, Path, Type};

use crate::descriptor::duration;
use crate::durations;
use crate::errors::Errors;
use crate::options::{Name, Opt, Reader};
use crate::types::respanned;

const KNOWN: &[(&str, &str)] = &[
    ("topic", "topic = \"greeted\""),
    ("group", "group = \"audit\""),
    ("at_most_once", "at_most_once"),
    ("attempts", "attempts = 5"),
    ("concurrency", "concurrency = 16"),
    ("ordered", "ordered"),
    ("timeout", "timeout = \"5s\""),
];

/// The options of a subscriber.
#[derive(Default)]
pub(super) struct Subscription {
    /// Without one there was an error.
    topic: Option<Name>,
    group: Option<Name>,
    at_most_once: bool,
    attempts: Option<u32>,
    concurrency: Option<u32>,
    ordered: bool,
    timeout: Option<Duration>,
}

impl Subscription {
    /// Reads them; for all that is wrong an error is added.
    pub(super) fn read(attribute: &Attribute, errors: &mut Errors) -> Self {
        let tokens = match &attribute.meta {
            Meta::List(list) => list.tokens.clone(),
            _ => TokenStream::new(),
        };
        let mut read = Errors::default();
        let options = Reader::new("`#[subscribe(…)]`", KNOWN).read(tokens, &mut read);
        let mut subscription = Self::default();
        let has_topic = options.iter().any(|option| option.name.unraw() == "topic");
        if !has_topic && read.is_empty() {
            read.add(
                attribute,
                "a subscriber names the topic it listens to\n\
                 write `#[subscribe(topic = GREETED)]`, where `GREETED` is a `Topic<Greeted>`, or `#[subscribe(topic = \"greeted\")]`",
            );
        }
        for option in &options {
            subscription.take(option, &mut read);
        }
        if let Some(option) = options.iter().find(|option| option.name.unraw() == "attempts")
            && subscription.at_most_once
        {
            read.add(
                &option.name,
                "`at_most_once` lets an event go after the first attempt, and so there are no further ones to count\n\
                 leave one of the two out",
            );
        }
        read.put_before(std::mem::take(errors));
        *errors = read;
        subscription
    }

    fn take(&mut self, option: &Opt, errors: &mut Errors) {
        match option.name.unraw().to_string().as_str() {
            "topic" => self.topic = option.name_or_constant("GREETED", errors),
            "group" => self.group = option.name_or_constant("AUDIT", errors),
            "at_most_once" => self.at_most_once = option.flag(errors),
            "ordered" => self.ordered = option.flag(errors),
            "attempts" => {
                let why = "an event that gets no attempt is never handled";
                self.attempts = positive(option, why, "for 5", errors);
            }
            "concurrency" => {
                let why = "a subscriber that handles no event at a time handles none";
                self.concurrency = positive(option, why, "for 16", errors);
            }
            _ => self.timeout = durations::read_of_each(option, "event", errors),
        }
    }

    /// The topic and the group, as the arguments of the function that describes the subscriber. `ty` is the type that it
    /// is a method of.
    pub(super) fn names(&self, krate: &Path, ty: &Type) -> TokenStream {
        let topic = match &self.topic {
            None => quote!(""),
            Some(Name::Text(topic)) => quote!(#topic),
            Some(Name::Constant(path)) => {
                // That the topic is one of other events is said here.
                let place = path.span();
                let (krate, path) = (respanned(krate, place), of_type(path, ty));
                quote_spanned!(place=> #krate::__private::topic_of::<Self, _>(#path))
            }
        };
        let group = match &self.group {
            None => quote!(""),
            Some(Name::Text(group)) => quote!(#group),
            Some(Name::Constant(path)) => of_type(path, ty),
        };
        quote!(#topic, #group)
    }

    /// The calls that tell the description everything else.
    pub(super) fn calls(&self) -> TokenStream {
        let at_most_once = self.at_most_once.then(|| quote!(.at_most_once()));
        let attempts =
            self.attempts.map(Literal::u32_unsuffixed).map(|attempts| quote!(.attempts(#attempts)));
        let concurrency = self.concurrency.map(Literal::u32_unsuffixed);
        let concurrency = concurrency.map(|events| quote!(.concurrency(#events)));
        let ordered = self.ordered.then(|| quote!(.ordered()));
        let timeout = self.timeout.map(duration).map(|timeout| quote!(.timeout(#timeout)));
        quote!(#at_most_once #attempts #concurrency #ordered #timeout)
    }
}

/// The path where `Self` is another type than the one that the user writes it in.
fn of_type(path: &ExprPath, ty: &Type) -> TokenStream {
    let mut segments = path.path.segments.iter();
    match segments.next() {
        Some(first) if path.qself.is_none() && first.ident == "Self" => {
            let place = first.ident.span();
            quote_spanned!(place=> <#ty> #(::#segments)*)
        }
        _ => quote!(#path),
    }
}

/// The value of an option that is a number of at least 1.
fn positive(option: &Opt, why: &str, without: &str, errors: &mut Errors) -> Option<u32> {
    let number = option.number(errors)?;
    if number == 0 {
        let name = &option.name;
        errors.add(
            option,
            format_args!("{why}\nwrite for example `{name} = 1`, or leave `{name}` out {without}"),
        );
    }
    Some(number).filter(|number| *number > 0)
}
