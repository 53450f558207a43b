//! A plain `impl Type`: every `pub async fn` is an endpoint.

use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote};
use syn::ext::IdentExt as _;
use syn::{ItemImpl, Type, Visibility, parse_quote};

use super::contract::block;
use super::subscribe::Subscriber;
use super::{also, handler_impl};
use crate::attributes::doc;
use crate::bind;
use crate::client;
use crate::descriptor::{self, Service};
use crate::errors::Errors;
use crate::items::{Function, Member};
use crate::method::{self, Method, MethodOptions};
use crate::service_options::{CODE_FIRST, ServiceOptions};
use crate::signature::Door;

pub(super) fn expand(
    options: TokenStream,
    header: &ItemImpl,
    members: Vec<Member>,
    mut errors: Errors,
) -> TokenStream {
    let place = "`#[micro::handler(…)]` on `impl Type`";
    let options = ServiceOptions::read(place, CODE_FIRST, options, &mut errors);
    let name = type_name(header, &mut errors);
    let mut found = Found::default();
    for member in &members {
        if let Member::Function(function) = member {
            found.read(function, &mut errors);
        }
    }
    let Found { methods, subscribers, any } = found;
    if !any && options.also.is_empty() {
        explain_empty(header, &mut errors);
    }
    method::check_distinct(&methods, &mut errors);
    // An endpoint is `pub` because it can be called, and not because the type is; and it is `async`
    // because its caller waits, whether or not it does.
    let block = block(header, &members);
    let block = quote!(#[allow(unreachable_pub, clippy::unused_async)] #block);
    let glue = name.map(|ident| {
        let service = service(&options, header, ident, methods);
        let mut statements = also(&options.also);
        // Who only subscribes has no service and needs no client.
        let only_subscribes = service.methods.is_empty() && !subscribers.is_empty();
        let parts = (!only_subscribes).then(|| {
            statements.extend(bind::statements(&service, &quote!(Self)));
            let client = client::definition(&service, &Visibility::Public(parse_quote!(pub)), None);
            let signatures = descriptor::signatures(&service);
            let methods = client::methods(&service, &TokenStream::new());
            (client, quote!(#signatures #methods))
        });
        statements.extend(subscribers.iter().map(|subscriber| subscriber.statement(&service)));
        let handler = handler_impl(&options.krate, header, &statements);
        let subscribers =
            subscribers.iter().map(|subscriber| subscriber.definition(&service, &header.self_ty));
        let (cfgs, quiet) = (&service.cfgs, descriptor::quiet());
        let (client, methods) = parts.unzip();
        quote! {
            #client
            #(#cfgs)*
            #quiet
            const _: () = {
                #methods
                #(#subscribers)*
                #handler
            };
        }
    });
    let errors = errors.into_tokens();
    quote!(#errors #block #glue)
}

fn service(options: &ServiceOptions, header: &ItemImpl, ident: Ident, methods: Vec<Method>) -> Service {
    let (name, full_name) = options.wire_name(&ident);
    let client = options.client.clone();
    Service {
        krate: options.krate.clone(),
        client: client.unwrap_or_else(|| format_ident!("{}Client", ident.unraw(), span = ident.span())),
        // No link: the type may be private, and the client is not.
        reference: format!("`{}`", ident.unraw()),
        ident,
        name,
        full_name,
        doc: doc(&header.attrs),
        descriptors: None,
        cfgs: header.attrs.iter().filter(|attribute| attribute.path().is_ident("cfg")).cloned().collect(),
        methods,
    }
}

/// What an impl block has for others.
#[derive(Default)]
struct Found {
    methods: Vec<Method>,
    subscribers: Vec<Subscriber>,
    /// Whether there is something that is meant to be an endpoint or a subscriber.
    any: bool,
}

impl Found {
    fn read(&mut self, function: &Function, errors: &mut Errors) {
        if !function.attributes.subscribe.is_empty() {
            self.any = true;
            self.subscribers.extend(Subscriber::read(function, errors));
            return;
        }
        let options = MethodOptions::read(function, Door::CodeFirst, errors);
        let signature = &function.signature;
        let public = matches!(function.visibility, Visibility::Public(_));
        // A `pub fn new()` makes the value, and is not called on it.
        let called = signature.asyncness.is_some() || signature.receiver().is_some();
        if options.skip || !public || !called {
            if !public && !options.skip && !function.attributes.micro.is_empty() {
                errors.add(
                    &signature.ident,
                    "options of an endpoint on a function that is none: only a `pub async fn` can be called from outside\n\
                     make it `pub`, or take `#[micro(…)]` away",
                );
            }
            return;
        }
        self.any = true;
        self.methods.extend(Method::read(function, options, Door::CodeFirst, errors));
    }
}

/// The name of the type; `None` with an error where a service cannot be named after it.
fn type_name(header: &ItemImpl, errors: &mut Errors) -> Option<Ident> {
    if !header.generics.params.is_empty() {
        errors.add(
            &header.generics.params,
            "a service without a contract has no generic parameters: its client is made from this block and would not know them\n\
             write the methods as a trait under `#[micro::service]`, and implement it for the generic type",
        );
        return None;
    }
    match &*header.self_ty {
        Type::Path(path) if path.qself.is_none() => path.path.segments.last().map(|last| last.ident.clone()),
        other => {
            errors.add(
                other,
                "a service without a contract is named after its type, and this type has no name\n\
                 write a `struct` and put the methods on it",
            );
            None
        }
    }
}

fn explain_empty(header: &ItemImpl, errors: &mut Errors) {
    let (token, ty) = (&header.impl_token, &header.self_ty);
    errors.add(
        quote!(#token #ty),
        "nothing in this block can be called: an endpoint is a `pub async fn`, a subscriber has `#[subscribe(…)]`\n\
         write `pub async fn hello(&self, ctx: &Context, request: Request) -> Result<Reply>`,\n\
         or, to serve a contract, `impl Contract for Type`",
    );
}
