//! The options of `#[micro::service]` and `#[micro::handler]`.

use proc_macro2::{Ident, TokenStream};
use syn::ext::IdentExt as _;
use syn::parse::Parser as _;
use syn::punctuated::Punctuated;
use syn::{Expr, LitStr, Path, Token, parse_quote};

use crate::errors::Errors;
use crate::names;
use crate::options::{Opt, Reader};

/// What an attribute says about a service.
pub(crate) struct ServiceOptions {
    /// Where the facade is.
    pub(crate) krate: Path,
    pub(crate) package: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) client: Option<Ident>,
    /// The `.proto` files that the contract was made from.
    pub(crate) descriptors: Option<Expr>,
    /// Other contracts that the type serves.
    pub(crate) also: Vec<Path>,
}

pub(crate) const CONTRACT: &[(&str, &str)] = &[
    ("package", "package = \"greeter.v1\""),
    ("name", "name = \"Greeter\""),
    ("descriptors", "descriptors = DESCRIPTORS"),
    ("crate", "crate = \"path::to::micro\""),
];
pub(crate) const CODE_FIRST: &[(&str, &str)] = &[
    ("package", "package = \"say.v1\""),
    ("name", "name = \"Say\""),
    ("client", "client = \"SayClient\""),
    ("also", "also(Contract)"),
    ("crate", "crate = \"path::to::micro\""),
];
pub(crate) const HANDLER: &[(&str, &str)] =
    &[("also", "also(Contract)"), ("crate", "crate = \"path::to::micro\"")];

impl ServiceOptions {
    pub(crate) fn read(
        place: &'static str,
        known: &'static [(&'static str, &'static str)],
        tokens: TokenStream,
        errors: &mut Errors,
    ) -> Self {
        let mut options = Self {
            krate: default_crate(),
            package: None,
            name: None,
            client: None,
            descriptors: None,
            also: Vec::new(),
        };
        for option in Reader::new(place, known).read(tokens, errors) {
            options.take(&option, errors);
        }
        options
    }

    fn take(&mut self, option: &Opt, errors: &mut Errors) {
        match option.name.unraw().to_string().as_str() {
            "crate" => self.krate = crate_path(option, errors).unwrap_or_else(default_crate),
            "package" => {
                self.package = option
                    .text(errors)
                    .and_then(|text| names::dotted(&text, "package = \"greeter.v1\"", errors));
            }
            "name" => {
                self.name = option.text(errors).and_then(|text| names::identifier(&text, errors));
            }
            "client" => {
                self.client = option.text(errors).and_then(|text| type_name(&text, errors));
            }
            "descriptors" => self.descriptors = option.expression("DESCRIPTORS", errors),
            _ => {
                let paths = option.list(errors).and_then(|list| {
                    let paths = Punctuated::<Path, Token![,]>::parse_terminated.parse2(list);
                    paths
                        .map_err(|error| {
                            errors.add(option, format_args!("`also` lists contracts by their paths: {error}\nwrite `also(Admin, other::Contract)`"));
                        })
                        .ok()
                });
                self.also.extend(paths.into_iter().flatten());
            }
        }
    }

    /// The name on the wire of the service that `ident` stands for.
    pub(crate) fn wire_name(&self, ident: &Ident) -> (String, String) {
        let name = self.name.clone().unwrap_or_else(|| ident.unraw().to_string());
        let full = match &self.package {
            Some(package) => format!("{package}.{name}"),
            None => name.clone(),
        };
        (name, full)
    }
}

/// The value of `crate = "…"`.
pub(crate) fn crate_path(option: &Opt, errors: &mut Errors) -> Option<Path> {
    let text = option.text(errors)?;
    let path = text.parse_with(Path::parse_mod_style).ok();
    if path.is_none() {
        errors.add(
            &text,
            "`crate` is the path by which this crate knows micro\nwrite for example `crate = \"my_crate::micro\"`",
        );
    }
    path
}

pub(crate) fn default_crate() -> Path {
    parse_quote!(::micro)
}

fn type_name(text: &LitStr, errors: &mut Errors) -> Option<Ident> {
    let ident = text.parse::<Ident>().ok();
    if ident.is_none() {
        errors.add(
            text,
            format_args!(
                "`{}` cannot be the name of a type\nwrite for example `client = \"SayClient\"`",
                text.value()
            ),
        );
    }
    ident
}
