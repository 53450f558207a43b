//! The description of a message: its name, its documentation and its fields, as serde writes them.

use proc_macro2::{Group, Ident, TokenStream, TokenTree};
use quote::quote;
use syn::ext::IdentExt as _;
use syn::{Data, DataEnum, DeriveInput, Field, Fields, Path, Type};

use super::rename::Rule;
use super::serde::Serde;
use crate::attributes::doc;

/// The value of `SHAPE`.
pub(super) fn shape(input: &DeriveInput, name: Option<&str>, krate: &Path) -> TokenStream {
    let serde = Serde::read(&input.attrs);
    let place = Place { krate, ident: &input.ident, generic: !input.generics.params.is_empty() };
    let doc = doc(&input.attrs);
    let name = name.map_or_else(|| input.ident.unraw().to_string(), ToOwned::to_owned);
    let describe =
        |kind: TokenStream| quote!(&#krate::__private::Shape { name: #name, doc: #doc, kind: #kind });
    if let Some(other) = &serde.stands_for {
        return shape_of(other, krate);
    }
    match &input.data {
        Data::Struct(data) => match (inner(&data.fields, &serde), &data.fields) {
            (Some(inner), _) => field_shape(inner, krate),
            (None, fields) => {
                let fields = fields_of(fields, serde.rename_all, place);
                describe(quote!(#krate::__private::ShapeKind::Struct(#fields)))
            }
        },
        Data::Enum(data) => {
            let variants = variants(data, &serde, place);
            describe(quote!(#krate::__private::ShapeKind::Enum(#variants)))
        }
        // Reported as an error where the options are read.
        Data::Union(_) => describe(quote!(#krate::__private::ShapeKind::Opaque)),
    }
}

/// The field that the struct is written as, where it is written as one of its fields.
fn inner<'a>(fields: &'a Fields, serde: &Serde) -> Option<&'a Field> {
    let newtype = matches!(fields, Fields::Unnamed(fields) if fields.unnamed.len() == 1);
    if newtype {
        return fields.iter().next();
    }
    let mut present = fields.iter().filter(|field| !Serde::read(&field.attrs).skipped());
    serde.transparent.then(|| present.next()).flatten()
}

/// Where the fields of a type are described.
#[derive(Clone, Copy)]
struct Place<'a> {
    krate: &'a Path,
    ident: &'a Ident,
    /// Whether the type has parameters, which constants of its own cannot name.
    generic: bool,
}

/// A slice of the fields as serde writes them.
fn fields_of(fields: &Fields, rule: Rule, place: Place<'_>) -> TokenStream {
    let krate = place.krate;
    let mut parts = vec![Vec::new()];
    for (index, field) in fields.iter().enumerate() {
        let serde = Serde::read(&field.attrs);
        if serde.skipped() {
            continue;
        }
        if serde.flatten {
            parts.push(vec![field_shape(field, krate)]);
            parts.push(Vec::new());
            continue;
        }
        let name = match &field.ident {
            Some(ident) => serde.rename.unwrap_or_else(|| rule.field(&ident.unraw().to_string())),
            None => index.to_string(),
        };
        let doc = doc(&field.attrs);
        let shape = field_shape(field, krate);
        if let Some(part) = parts.last_mut() {
            part.push(quote!(#krate::__private::Field { name: #name, doc: #doc, shape: || #shape }));
        }
    }
    join(&parts, place)
}

/// The parts as one slice: every second one is a flattened field, of which the shape is given.
fn join(parts: &[Vec<TokenStream>], Place { krate, ident, generic }: Place<'_>) -> TokenStream {
    if parts.len() == 1 || generic {
        // The fields of what is flattened are then left out.
        let known = parts.iter().step_by(2).flatten();
        return quote!(&[#(#known),*]);
    }
    let parts = parts.iter().enumerate().map(|(index, part)| {
        if index % 2 == 0 {
            quote!(&[#(#part),*])
        } else {
            quote!(#krate::__private::probe::flattened(#(#part)*))
        }
    });
    // A constant inside the impl does not know `Self`.
    let parts = parts.map(|part| without_self(part, ident));
    quote! {{
        const PARTS: &[&[#krate::__private::Field]] = &[#(#parts),*];
        const COUNT: #krate::__private::probe::Count = #krate::__private::probe::count(PARTS);
        const ALL: [#krate::__private::Field; COUNT] = #krate::__private::probe::join(PARTS);
        &ALL
    }}
}

fn without_self(tokens: TokenStream, ident: &Ident) -> TokenStream {
    let replace = |token| match token {
        TokenTree::Ident(word) if word == "Self" => TokenTree::Ident(ident.clone()),
        TokenTree::Group(group) => {
            let mut replaced = Group::new(group.delimiter(), without_self(group.stream(), ident));
            replaced.set_span(group.span());
            TokenTree::Group(replaced)
        }
        other => other,
    };
    tokens.into_iter().map(replace).collect()
}

fn variants(data: &DataEnum, container: &Serde, place: Place<'_>) -> TokenStream {
    let krate = place.krate;
    let variants = data.variants.iter().filter_map(|variant| {
        let serde = Serde::read(&variant.attrs);
        if serde.skipped() {
            return None;
        }
        let rule =
            if serde.rename_all == Rule::None { container.rename_all_fields } else { serde.rename_all };
        let written = variant.ident.unraw().to_string();
        let name = serde.rename.clone().unwrap_or_else(|| container.rename_all.variant(&written));
        let doc = doc(&variant.attrs);
        let fields = if serde.custom { quote!(&[]) } else { fields_of(&variant.fields, rule, place) };
        Some(quote!(#krate::__private::Variant { name: #name, doc: #doc, fields: #fields }))
    });
    quote!(&[#(#variants),*])
}

fn field_shape(field: &Field, krate: &Path) -> TokenStream {
    if Serde::read(&field.attrs).custom {
        quote!(#krate::__private::probe::OPAQUE)
    } else {
        shape_of(&field.ty, krate)
    }
}

/// The shape of a type that may be no message, as an expression for constants and functions alike.
fn shape_of(ty: &Type, krate: &Path) -> TokenStream {
    quote! {{
        #[allow(unused_imports)]
        use #krate::__private::probe::Undescribed as _;
        #krate::__private::probe::Probe::<#ty>::SHAPE
    }}
}
