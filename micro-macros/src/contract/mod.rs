//! `#[micro::service]`: a trait becomes a contract.

mod emit;

use proc_macro2::TokenStream;
use quote::{ToTokens, format_ident, quote};
use syn::ext::IdentExt as _;
use syn::{Item, ItemTrait};

use crate::attributes::Attributes;
use crate::client;
use crate::descriptor::{self, Service};
use crate::errors::Errors;
use crate::items::{self, Member, OtherKind};
use crate::method::{self, Method, MethodOptions};
use crate::service_options::{CONTRACT, ServiceOptions};
use crate::signature::Door;

/// The trait, its client and what connects them.
pub(crate) fn expand(options: TokenStream, item: TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let options = ServiceOptions::read("`#[micro::service(…)]`", CONTRACT, options, &mut errors);
    let Some((header, members)) = items::read_trait(&item, &mut errors) else {
        explain_item(&item, &mut errors);
        let errors = errors.into_tokens();
        return quote!(#item #errors);
    };
    Contract::read(options, header, members, errors).expand()
}

struct Contract {
    header: ItemTrait,
    members: Vec<Member>,
    service: Service,
    /// Whether the client can implement the trait.
    complete: bool,
    errors: Errors,
}

impl Contract {
    fn read(
        options: ServiceOptions,
        mut header: ItemTrait,
        members: Vec<Member>,
        mut errors: Errors,
    ) -> Self {
        let attributes = Attributes::split(std::mem::take(&mut header.attrs), &mut errors);
        for tokens in attributes.stray() {
            errors.add(
                tokens,
                "this attribute is for methods\noptions of the contract stand in `#[micro::service(…)]`",
            );
        }
        let general = check_header(&header, &mut errors);
        let (mut methods, mut complete) = (Vec::new(), general);
        for member in &members {
            let method = read_member(member, &mut errors);
            complete &= method.is_some();
            // Methods of a generic trait may name its parameters, which the client has not.
            methods.extend(method.filter(|_| general));
        }
        method::check_distinct(&methods, &mut errors);
        let (name, full_name) = options.wire_name(&header.ident);
        let service = Service {
            krate: options.krate,
            client: format_ident!("{}Client", header.ident.unraw(), span = header.ident.span()),
            reference: format!("[`{}`]", header.ident.unraw()),
            ident: header.ident.clone(),
            name,
            full_name,
            doc: attributes.doc(),
            descriptors: options.descriptors,
            cfgs: attributes.cfgs().into_iter().cloned().collect(),
            methods,
        };
        header.attrs = attributes.kept;
        Self { header, members, service, complete, errors }
    }

    fn expand(self) -> TokenStream {
        let Self { header, members, service, complete, errors } = self;
        let errors = errors.into_tokens();
        let deprecated = header.attrs.iter().find(|attribute| attribute.path().is_ident("deprecated"));
        let client = client::definition(&service, &header.vis, deprecated);
        let signatures = descriptor::signatures(&service);
        let methods = client::methods(&service, &emit::bind(&service, &header.generics));
        let client_impl = complete.then(|| client::contract_impl(&service));
        let (cfgs, quiet) = (&service.cfgs, descriptor::quiet());
        let contract = emit::contract(header, &members, &service);
        quote! {
            #errors
            #contract
            #client
            #(#cfgs)*
            #quiet
            const _: () = {
                #signatures
                #methods
                #client_impl
            };
        }
    }
}

/// Whether the trait is one that a client can implement.
fn check_header(header: &ItemTrait, errors: &mut Errors) -> bool {
    let mut sound = true;
    let mut wrong = |tokens: &dyn ToTokens, text: &str| {
        errors.add(tokens.to_token_stream(), text);
        sound = false;
    };
    if !header.generics.params.is_empty() {
        wrong(
            &header.generics.params,
            "a contract has no generic parameters: it is one service with one form on the wire\n\
             write a contract for each message type, or put what differs into the message",
        );
    }
    if let Some(unsafety) = &header.unsafety {
        wrong(
            unsafety,
            "a contract cannot be `unsafe`: its callers are in other processes, where no promise counts\nwrite `trait`",
        );
    }
    if let Some(auto) = &header.modifiers.auto_token {
        wrong(
            auto,
            "a contract cannot be an `auto` trait: a type serves it by having its methods\nwrite `trait`",
        );
    }
    sound
}

fn read_member(member: &Member, errors: &mut Errors) -> Option<Method> {
    match member {
        Member::Function(function) => {
            let options = MethodOptions::read(function, Door::Contract, errors);
            for subscribe in &function.attributes.subscribe {
                errors.add(
                    subscribe,
                    "a contract has no subscribers: who listens to a topic is a matter of the type and not of its callers\n\
                     put `#[subscribe(…)]` on a method of a plain `impl` block under `#[micro::handler]`",
                );
            }
            Method::read(function, options, Door::Contract, errors)
        }
        Member::Other(tokens, kind) => {
            errors.add(
                tokens,
                match kind {
                    OtherKind::Constant => {
                        "a contract has no constants: a remote service could not show its own\n\
                         put the constant beside the trait, or make it the answer of a method"
                    }
                    OtherKind::Type => {
                        "a contract has no associated types: both sides must know its messages\nname the type in the methods"
                    }
                    OtherKind::Macro => {
                        "a contract has only methods: what this becomes is not known when the contract is read\nwrite the methods out"
                    }
                },
            );
            None
        }
    }
}

/// Says what the attribute is for, unless the compiler or the reader said already what is wrong.
fn explain_item(item: &TokenStream, errors: &mut Errors) {
    match syn::parse2::<Item>(item.clone()) {
        Ok(Item::Impl(block)) => errors.add(
            first_line(&block.impl_token, &block.self_ty),
            "`#[micro::service]` goes on a trait, which says what can be called\n\
             on the `impl` block of a type that serves, write `#[micro::handler]`",
        ),
        Ok(_) => errors.add(
            item.clone().into_iter().next(),
            "`#[micro::service]` goes on a trait, which says what can be called\n\
             write `#[micro::service] pub trait Greeter { async fn hello(&self, ctx: &Context, request: Request) -> Result<Reply>; }`",
        ),
        Err(error) if errors.is_empty() => errors.push(error),
        Err(_) => {}
    }
}

fn first_line(from: &impl ToTokens, to: &impl ToTokens) -> TokenStream {
    quote!(#from #to)
}
