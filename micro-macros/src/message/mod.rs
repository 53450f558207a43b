//! `#[derive(micro::Message)]`: a serde type becomes a message.

mod rename;
mod serde;
mod shape;

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::ext::IdentExt as _;
use syn::{Data, DeriveInput, GenericParam, Generics, Path, parse_quote};

use crate::attributes::Attributes;
use crate::errors::Errors;
use crate::options::Reader;
use crate::{names, service_options};

const KNOWN: &[(&str, &str)] =
    &[("name", "name = \"greeter.v1.HelloRequest\""), ("crate", "crate = \"path::to::micro\"")];

/// `impl Message`.
pub(crate) fn expand(item: TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let Some(input) = errors.take(syn::parse2::<DeriveInput>(item)) else {
        return errors.into_tokens();
    };
    let options = Options::read(&input, &mut errors);
    check_fields_have_no_options(&input.data, &mut errors);
    check_generics(&input.generics, &mut errors);
    if let Data::Union(union) = &input.data {
        let (token, ident) = (&union.union_token, &input.ident);
        errors.add(
            quote!(#token #ident),
            "a union cannot be a message: nothing says which of its fields is there\nwrite an `enum`",
        );
    }
    if !errors.is_empty() {
        // A type that cannot be a message, reported once, is taken for one elsewhere.
        let errors = errors.into_tokens();
        let rest = is_possible(&input).then(|| implementation(&input, &options));
        return quote!(#errors #rest);
    }
    implementation(&input, &options)
}

struct Options {
    name: Option<String>,
    krate: Path,
}

impl Options {
    fn read(input: &DeriveInput, errors: &mut Errors) -> Self {
        let attributes = Attributes::split(input.attrs.clone(), errors);
        let mut options = Self { name: None, krate: service_options::default_crate() };
        let mut reader = Reader::new("`#[micro(…)]` on a message", KNOWN);
        for tokens in attributes.micro {
            for option in reader.read(tokens, errors) {
                if option.name.unraw() == "crate" {
                    if let Some(path) = service_options::crate_path(&option, errors) {
                        options.krate = path;
                    }
                } else {
                    options.name = option
                        .text(errors)
                        .and_then(|text| names::dotted(&text, "name = \"greeter.v1.HelloRequest\"", errors));
                }
            }
        }
        options
    }
}

fn check_fields_have_no_options(data: &Data, errors: &mut Errors) {
    let fields: Vec<_> = match data {
        Data::Struct(data) => data.fields.iter().collect(),
        Data::Enum(data) => data.variants.iter().flat_map(|variant| &variant.fields).collect(),
        Data::Union(_) => Vec::new(),
    };
    let fields = fields.into_iter().map(|field| &field.attrs);
    let variants = match data {
        Data::Enum(data) => data.variants.iter().map(|variant| &variant.attrs).collect(),
        _ => Vec::new(),
    };
    for attribute in fields.chain(variants).flatten() {
        if attribute.path().is_ident("micro") {
            errors.add(
                attribute,
                "fields and variants have no options of micro: serde decides how they are written\n\
                 write for example `#[serde(rename = \"…\")]`",
            );
        }
    }
}

fn check_generics(generics: &Generics, errors: &mut Errors) {
    for parameter in &generics.params {
        if let GenericParam::Lifetime(lifetime) = parameter {
            errors.add(
                lifetime,
                "a message owns what it says and borrows nothing: it outlives the call that sends it\n\
                 hold `String` for `&str`, `Vec<T>` for `&[T]`, `T` for `&T`",
            );
        }
    }
}

fn is_possible(input: &DeriveInput) -> bool {
    !matches!(input.data, Data::Union(_)) && input.generics.lifetimes().next().is_none()
}

fn implementation(input: &DeriveInput, options: &Options) -> TokenStream {
    let krate = &options.krate;
    let ident = &input.ident;
    let generics = bounded(&input.generics, krate);
    let (parameters, _, _) = generics.split_for_impl();
    let (_, arguments, _) = input.generics.split_for_impl();
    let where_clause = &generics.where_clause;
    let shape = shape::shape(input, options.name.as_deref(), krate);
    // At the name of the type, where serde's derives are missed.
    let serde = quote_spanned!(ident.span()=> <Self as #krate::__private::SerdeMessage>);
    quote! {
        #[automatically_derived]
        #[allow(deprecated, non_local_definitions, clippy::all, clippy::pedantic, clippy::nursery)]
        impl #parameters #krate::__private::Message for #ident #arguments #where_clause {
            const FORMATS: &'static [#krate::__private::Format<Self>] = #serde::FORMATS;
            const SHAPE: &'static #krate::__private::Shape = #shape;

            fn as_serde(
                &self,
            ) -> ::core::option::Option<&dyn #krate::__private::erased_serde::Serialize> {
                #serde::as_serde(self)
            }

            fn from_serde(
                __micro_deserializer: &mut dyn #krate::__private::erased_serde::Deserializer<'_>,
            ) -> ::core::option::Option<
                ::core::result::Result<Self, #krate::__private::erased_serde::Error>,
            > {
                #serde::from_serde(__micro_deserializer)
            }
        }
    }
}

/// The parameters with what they need for the type to be a message.
fn bounded(generics: &Generics, krate: &Path) -> Generics {
    let mut generics = generics.clone();
    let parameters: Vec<_> = generics.type_params().map(|parameter| parameter.ident.clone()).collect();
    if parameters.is_empty() {
        return generics;
    }
    let clause = generics.make_where_clause();
    for parameter in parameters {
        clause.predicates.push(parse_quote! {
            #parameter: #krate::__private::Message
                + #krate::__private::serde::Serialize
                + #krate::__private::serde::de::DeserializeOwned
        });
    }
    clause.predicates.push(parse_quote!(Self: #krate::__private::SerdeMessage + ::core::marker::Send));
    generics
}
