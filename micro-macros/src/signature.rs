//! The form of a method: what is allowed, and the words for what is not.

use proc_macro2::Ident;
use quote::{format_ident, quote};
use syn::ext::IdentExt as _;
use syn::{FnArg, Pat, PatType, ReceiverKind, ReturnType, Safety, Signature, Type};

use crate::errors::Errors;
use crate::types::{Unsuitable, unsuitable};

/// What kind of method a signature must be of.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Door {
    /// A method of a contract.
    Contract,
    /// An endpoint in a plain impl.
    CodeFirst,
    /// A subscriber.
    Subscriber,
}

/// The parts of a well-formed method.
pub(crate) struct Parts {
    pub(crate) context: Argument,
    pub(crate) request: Argument,
    /// Where the answers are sent, if they are not returned.
    pub(crate) out: Option<Argument>,
    pub(crate) output: Type,
}

/// An argument. Of a reference, the type is what it refers to.
pub(crate) struct Argument {
    pub(crate) name: Ident,
    pub(crate) ty: Type,
}

/// Takes a signature apart; every way in which it is not of the right form is an error.
pub(crate) fn read(signature: &Signature, door: Door, errors: &mut Errors) -> Option<Parts> {
    let before = std::mem::take(errors);
    let parts = Reader { signature, door, errors }.read();
    let sound = errors.is_empty();
    errors.put_before(before);
    parts.filter(|_| sound)
}

struct Reader<'a> {
    signature: &'a Signature,
    door: Door,
    errors: &'a mut Errors,
}

impl Reader<'_> {
    fn read(mut self) -> Option<Parts> {
        self.qualifiers();
        self.receiver();
        let arguments: Vec<&PatType> = self
            .signature
            .inputs
            .iter()
            .filter_map(|argument| match argument {
                FnArg::Typed(argument) => Some(argument),
                FnArg::Receiver(_) => None,
            })
            .collect();
        let (context, arguments) = self.context(&arguments);
        let request = self.request(arguments.first().copied(), context.is_some());
        let out = match arguments.get(1) {
            Some(argument) => Some(self.out(argument)?),
            None => None,
        };
        if let Some(extra) = arguments.get(2..).filter(|extra| !extra.is_empty()) {
            let extra = quote!(#(#extra),*);
            self.wrong(extra, "a method has at most three arguments: the context, one request, and `out`; more values are fields of the request");
        }
        let output = self.output();
        Some(Parts { context: context?, request: request?, out, output: output? })
    }

    fn qualifiers(&mut self) {
        let Signature { constness, asyncness, safety, abi, fn_token, ident, generics, variadic, .. } =
            self.signature;
        if let Some(constness) = constness {
            self.wrong(constness, "a method cannot be `const`: it waits for whatever serves it");
        }
        if asyncness.is_none() {
            let what = quote!(#fn_token #ident);
            let text = match self.is_subscriber() {
                true => format!(
                    "a subscriber is `async`, and `{ident}` is not: it is given many events at the same time"
                ),
                false => format!(
                    "a method is `async`, and `{ident}` is not: its caller may wait for another machine"
                ),
            };
            self.wrong(what, text);
        }
        if let Safety::Unsafe(unsafety) = safety {
            self.wrong(unsafety, "a method cannot be `unsafe`: its callers may be in another process, where no promise of theirs counts");
        }
        if let Some(abi) = abi {
            self.wrong(abi, "a method has no `extern`: it is called by messages and not by an ABI");
        }
        if !generics.params.is_empty() {
            self.wrong(
                generics,
                "a method has no generic parameters: its messages have one form on the wire",
            );
        }
        if let Some(clause) = &generics.where_clause {
            self.wrong(
                clause,
                "a method has no `where` clause: everybody who knows the contract can call it",
            );
        }
        if let Some(variadic) = variadic {
            self.wrong(variadic, "a method has no variable arguments: it takes one request");
        }
    }

    fn receiver(&mut self) {
        let Some(receiver) = self.signature.receiver() else {
            let ident = &self.signature.ident;
            self.wrong(
                ident,
                format!(
                    "a method takes `&self`, and `{ident}` does not: it is called on the value that serves"
                ),
            );
            return;
        };
        let text = match &receiver.kind {
            ReceiverKind::Reference(_, None, None) => return,
            ReceiverKind::Reference(_, Some(_), None) => {
                "the receiver is plain `&self`: a lifetime of its own would mean nothing to a remote caller"
            }
            ReceiverKind::Reference(_, _, Some(_)) => {
                "a method takes `&self` and not `&mut self`: one value serves many calls at the same time\n\
                 keep what changes in a `Mutex`, an atomic or a channel"
            }
            ReceiverKind::Value => {
                "a method takes `&self` and not `self`: the value goes on serving after the call"
            }
            _ => "a method takes `&self` and no other kind of `self`: one value serves all calls",
        };
        self.wrong(receiver, text);
    }

    /// The context, and the arguments after it.
    fn context<'a, 'b>(&mut self, arguments: &'a [&'b PatType]) -> (Option<Argument>, &'a [&'b PatType]) {
        let ident = &self.signature.ident;
        let Some((first, rest)) = arguments.split_first() else {
            let what =
                "a method takes a context first, which carries the deadline and the metadata of the call";
            self.wrong(ident, format!("{what}, and `{ident}` takes none"));
            return (None, arguments);
        };
        match &*first.ty {
            Type::Reference(reference) if reference.mutability.is_none() && !is_str(&reference.elem) => {
                if let Some(lifetime) = &reference.lifetime {
                    self.wrong(
                        lifetime,
                        "the context is borrowed for the call alone: it has no lifetime to name",
                    );
                    return (None, rest);
                }
                (self.argument(first, &reference.elem, "ctx"), rest)
            }
            _ => {
                let text = "the first argument is the context, by shared reference: it carries the deadline and the metadata of the call";
                self.wrong(first, text);
                // What stands here is the context written wrongly, or the request after none.
                let is_context = rest.first().is_some_and(|next| !matches!(&*next.ty, Type::Reference(_)));
                (None, if is_context { rest } else { arguments })
            }
        }
    }

    fn request(&mut self, argument: Option<&PatType>, has_context: bool) -> Option<Argument> {
        let Some(argument) = argument else {
            if has_context {
                let ident = &self.signature.ident;
                let text = match self.is_subscriber() {
                    true => {
                        format!("a subscriber takes one event after the context, and `{ident}` takes none")
                    }
                    false => format!(
                        "a method takes one request after the context, and `{ident}` takes none\nwhere there is nothing to say, take `request: ()`"
                    ),
                };
                self.wrong(ident, text);
            }
            return None;
        };
        if self.suitable(&argument.ty) { self.argument(argument, &argument.ty, "request") } else { None }
    }

    fn out(&mut self, argument: &PatType) -> Option<Argument> {
        if self.is_subscriber() {
            self.wrong(argument, "a subscriber takes one event and answers nobody");
            return None;
        }
        match &*argument.ty {
            Type::Reference(reference) if reference.mutability.is_some() && reference.lifetime.is_none() => {
                if self.suitable(&reference.elem) {
                    self.argument(argument, &reference.elem, "out")
                } else {
                    None
                }
            }
            _ => {
                self.wrong_form(
                    argument,
                    "what follows the request is where answers are sent; more values are fields of the request",
                    "request: Request, out: &mut Sender<Reply>) -> Result<()>",
                );
                None
            }
        }
    }

    fn output(&mut self) -> Option<Type> {
        match &self.signature.output {
            ReturnType::Default => {
                let ident = &self.signature.ident;
                let text = match self.is_subscriber() {
                    true => format!(
                        "a subscriber returns a `Result`, and `{ident}` returns nothing: an error says that the event was not handled"
                    ),
                    false => format!(
                        "a method returns a `Result`, and `{ident}` returns nothing: every call can fail on its way"
                    ),
                };
                self.wrong(ident, text);
                None
            }
            ReturnType::Type(_, ty) => self.suitable(ty).then(|| (**ty).clone()),
        }
    }

    fn suitable(&mut self, ty: &Type) -> bool {
        let text = match unsuitable(ty) {
            None => return true,
            Some(Unsuitable::Borrow) => {
                "a message owns what it says and borrows nothing: it outlives the call that sends it, on another machine\ntake `String` for `&str`, `Vec<T>` for `&[T]`, `T` for `&T`"
            }
            Some(Unsuitable::SelfType) => {
                "a message type is written by its name and not as `Self`: the client, too, has this signature, and is another `Self`"
            }
            Some(Unsuitable::ImplTrait) => {
                "a message type is written by its name and not as `impl …`: it has one form on the wire\nmany messages are a `Streaming<Message>`"
            }
        };
        self.wrong(ty, text);
        false
    }

    fn argument(&mut self, argument: &PatType, ty: &Type, default: &str) -> Option<Argument> {
        let name = match &*argument.pat {
            Pat::Ident(pattern) if pattern.by_ref.is_none() && pattern.subpat.is_none() => {
                caller_name(&pattern.ident).unwrap_or_else(|| format_ident!("{default}"))
            }
            Pat::Wild(_) => format_ident!("{default}"),
            Pat::Tuple(unit) if unit.elems.is_empty() => format_ident!("{default}"),
            pattern => {
                let text = "an argument is a plain name and not a pattern: callers know it by its name\ntake it apart in the body of the method";
                self.wrong(pattern, text);
                return None;
            }
        };
        Some(Argument { name, ty: ty.clone() })
    }

    fn is_subscriber(&self) -> bool {
        self.door == Door::Subscriber
    }

    /// Adds an error that ends in the form to write.
    fn wrong(&mut self, tokens: impl quote::ToTokens, text: impl std::fmt::Display) {
        let form = match self.door {
            Door::Contract | Door::CodeFirst => "request: Request) -> Result<Reply>",
            Door::Subscriber => "event: Event<Payload>) -> Result<()>",
        };
        self.wrong_form(tokens, text, form);
    }

    fn wrong_form(&mut self, tokens: impl quote::ToTokens, text: impl std::fmt::Display, form: &str) {
        let ident = &self.signature.ident;
        let visibility = if self.door == Door::CodeFirst { "pub " } else { "" };
        let way_out = format!("write `{visibility}async fn {ident}(&self, ctx: &Context, {form}`");
        let other = match self.door {
            Door::CodeFirst => {
                ";\nif it is not to be called from outside, make it private or put `#[micro(skip)]` above it"
            }
            Door::Contract | Door::Subscriber => "",
        };
        self.errors.add(tokens, format_args!("{text}\n{way_out}{other}"));
    }
}

/// The name of an argument in the client: `_ctx` is `ctx` there, because it is used.
fn caller_name(ident: &Ident) -> Option<Ident> {
    let text = ident.unraw().to_string();
    match text.trim_start_matches('_') {
        "" => None,
        same if same == text => Some(ident.clone()),
        name => syn::parse_str(name).ok(),
    }
}

fn is_str(ty: &Type) -> bool {
    matches!(ty, Type::Path(path) if path.path.is_ident("str"))
}
