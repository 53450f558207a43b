//! One endpoint: a method whose form and options are in order.

use std::collections::HashMap;
use std::time::Duration;

use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens as _, format_ident};
use syn::ext::IdentExt as _;
use syn::{Attribute, Path};

use crate::errors::Errors;
use crate::items::Function;
use crate::options::{Opt, Reader};
use crate::signature::{self, Argument, Door, Parts};
use crate::{durations, names, types};

/// What everything generated for an endpoint is made of.
pub(crate) struct Method {
    pub(crate) ident: Ident,
    /// The name on the wire.
    pub(crate) wire: String,
    pub(crate) doc: String,
    pub(crate) deprecated: bool,
    pub(crate) idempotent: bool,
    pub(crate) no_get: bool,
    pub(crate) timeout: Option<Duration>,
    pub(crate) attempts: Attempts,
    pub(crate) cfgs: Vec<Attribute>,
    pub(crate) for_callers: Vec<Attribute>,
    pub(crate) context: Argument,
    pub(crate) request: Argument,
    pub(crate) out: Option<Argument>,
    pub(crate) output: syn::Type,
}

/// What `#[micro(…)]` on a method says.
#[derive(Default)]
pub(crate) struct MethodOptions {
    pub(crate) skip: bool,
    idempotent: bool,
    no_get: bool,
    timeout: Option<Duration>,
    attempts: Attempts,
    name: Option<String>,
}

/// What `#[micro(…)]` says about making a call more than once.
#[derive(Clone, Copy, Default)]
pub(crate) struct Attempts {
    pub(crate) retries: Option<u32>,
    pub(crate) attempt_timeout: Option<Duration>,
    pub(crate) hedge: Option<Duration>,
    pub(crate) coalesce: bool,
}

const IN_CONTRACT: &[(&str, &str)] = &[
    ("idempotent", "idempotent"),
    ("no_get", "no_get"),
    ("timeout", "timeout = \"2s\""),
    ("retries", "retries = 2"),
    ("attempt_timeout", "attempt_timeout = \"500ms\""),
    ("hedge", "hedge = \"20ms\""),
    ("coalesce", "coalesce"),
    ("name", "name = \"Hello\""),
];
const IN_IMPL: &[(&str, &str)] = &[
    ("idempotent", "idempotent"),
    ("no_get", "no_get"),
    ("timeout", "timeout = \"2s\""),
    ("retries", "retries = 2"),
    ("attempt_timeout", "attempt_timeout = \"500ms\""),
    ("hedge", "hedge = \"20ms\""),
    ("coalesce", "coalesce"),
    ("name", "name = \"Hello\""),
    ("skip", "skip"),
];

impl MethodOptions {
    /// Reads the options of a function.
    pub(crate) fn read(function: &Function, door: Door, errors: &mut Errors) -> Self {
        let known = if door == Door::CodeFirst { IN_IMPL } else { IN_CONTRACT };
        let mut reader = Reader::new("`#[micro(…)]` on a method", known);
        let mut options = Self::default();
        let mut no_get = None;
        let mut attempts = Vec::new();
        for tokens in &function.attributes.micro {
            for option in reader.read(tokens.clone(), errors) {
                match option.name.unraw().to_string().as_str() {
                    "skip" => options.skip = option.flag(errors),
                    "idempotent" => options.idempotent = option.flag(errors),
                    "no_get" => {
                        options.no_get = option.flag(errors);
                        no_get = Some(option.name);
                    }
                    "timeout" => {
                        options.timeout = durations::read(&option, errors);
                    }
                    "retries" => {
                        options.attempts.retries = option.number(errors);
                        attempts.push(option);
                    }
                    "attempt_timeout" => {
                        options.attempts.attempt_timeout = durations::read(&option, errors);
                        attempts.push(option);
                    }
                    "coalesce" => {
                        options.attempts.coalesce = option.flag(errors);
                        attempts.push(option);
                    }
                    "hedge" => {
                        options.attempts.hedge = durations::read(&option, errors);
                        attempts.push(option);
                    }
                    _ => {
                        options.name = option.text(errors).and_then(|text| names::identifier(&text, errors));
                    }
                }
            }
        }
        if let Some(no_get) = no_get.filter(|_| !options.idempotent) {
            errors.add(
                no_get,
                "`no_get` is for idempotent methods: no other one is called with GET\n\
                 write `#[micro(idempotent, no_get)]`, or nothing",
            );
        }
        check_attempts(&options, &attempts, errors);
        options
    }
}

/// What makes a call more than once is for methods that bear it, and is nothing without retries.
fn check_attempts(options: &MethodOptions, given: &[Opt], errors: &mut Errors) {
    for option in given {
        let name = option.name.unraw().to_string();
        let coalesces = name == "coalesce";
        if !options.idempotent {
            let (why, value) = match coalesces {
                true => ("two calls do not share an answer", ""),
                false => ("a call that may have been processed is not made again", " = …"),
            };
            errors.add(
                &option.name,
                format_args!(
                    "`{name}` is for idempotent methods: where calling twice is not the same as calling once, {why}\n\
                     write `#[micro(idempotent, {name}{value})]` if that is so, and leave `{name}` out if not"
                ),
            );
        } else if options.attempts.retries == Some(0) && name != "retries" && !coalesces {
            errors.add(
                &option.name,
                format_args!(
                    "`{name}` makes a further attempt, and `retries = 0` allows none\n\
                     leave one of the two out"
                ),
            );
        }
    }
}

impl Method {
    /// The endpoint that a function is; `None` with errors where it cannot be one.
    pub(crate) fn read(
        function: &Function,
        options: MethodOptions,
        door: Door,
        errors: &mut Errors,
    ) -> Option<Self> {
        let parts = signature::read(&function.signature, door, errors);
        let ident = function.signature.ident.clone();
        let free = is_free(&ident, errors);
        let Parts { context, request, out, output } = parts.filter(|_| free)?;
        let attributes = &function.attributes;
        Some(Self {
            wire: options.name.unwrap_or_else(|| names::method(&ident)),
            ident,
            doc: attributes.doc(),
            deprecated: attributes.deprecated(),
            idempotent: options.idempotent,
            no_get: options.no_get,
            timeout: options.timeout,
            attempts: options.attempts,
            cfgs: attributes.cfgs().into_iter().cloned().collect(),
            for_callers: attributes.for_callers().into_iter().cloned().collect(),
            context,
            request,
            out,
            output,
        })
    }

    /// The type that stands for the method.
    pub(crate) fn marker(&self) -> Ident {
        format_ident!("__Micro_{}", self.ident.unraw())
    }

    /// What the client's method returns.
    pub(crate) fn call(&self, krate: &Path) -> TokenStream {
        types::call(krate, &self.request.ty, &self.output, self.out.as_ref().map(|out| &out.ty))
    }

    /// What the caller gets.
    pub(crate) fn response(&self, krate: &Path) -> TokenStream {
        types::response(krate, &self.output, self.out.as_ref().map(|out| &out.ty))
    }
}

/// Two methods with one name on the wire are an error at the second.
pub(crate) fn check_distinct(methods: &[Method], errors: &mut Errors) {
    let mut first = HashMap::new();
    for method in methods {
        match first.get(method.wire.as_str()) {
            // Under `#[cfg]`s, they may be one method written twice.
            Some(&other) if !both_conditional(method, other) => {
                let (wire, other) = (&method.wire, &other.ident);
                errors.add(
                    &method.ident,
                    format_args!(
                        "`{other}` and `{}` have the same name on the wire, `{wire}`, and a caller could reach only one\n\
                         give one of them another name: `#[micro(name = \"…\")]`",
                        method.ident
                    ),
                );
            }
            _ => {
                first.insert(method.wire.as_str(), method);
            }
        }
    }
}

fn both_conditional(one: &Method, other: &Method) -> bool {
    !one.cfgs.is_empty() && !other.cfgs.is_empty()
}

fn is_free(ident: &Ident, errors: &mut Errors) -> bool {
    let name = ident.unraw().to_string();
    let reason = match name.as_str() {
        "new" | "with_name" => "the client has a constructor of that name",
        _ if name.starts_with("__micro") => "names that begin with `__micro` are for generated code",
        _ => return true,
    };
    errors.add(
        ident.to_token_stream(),
        format_args!(
            "a method cannot be called `{name}`: {reason}\n\
             choose another one; `#[micro(name = \"…\")]` keeps the name on the wire"
        ),
    );
    false
}
