//! The description of a message: its name, its documentation and its fields, as serde writes them.

use proc_macro2::TokenStream;
use quote::quote;
use syn::ext::IdentExt as _;
use syn::{Data, DataEnum, DeriveInput, Field, Fields, Path, Type};

use super::rename::Rule;
use super::serde::Serde;
use crate::attributes::doc;

/// The value of `SHAPE`.
pub(super) fn shape(input: &DeriveInput, name: Option<&str>, krate: &Path) -> TokenStream {
    let serde = Serde::read(&input.attrs);
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
                let fields = fields_of(fields, serde.rename_all, krate);
                describe(quote!(#krate::__private::ShapeKind::Struct(#fields)))
            }
        },
        Data::Enum(data) => {
            let variants = variants(data, &serde, krate);
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

fn fields_of(fields: &Fields, rule: Rule, krate: &Path) -> TokenStream {
    let fields = fields.iter().enumerate().filter_map(|(index, field)| {
        let serde = Serde::read(&field.attrs);
        // What is flattened has no name of its own, and its fields are not known here.
        if serde.skipped() || serde.flatten {
            return None;
        }
        let name = match &field.ident {
            Some(ident) => serde.rename.unwrap_or_else(|| rule.field(&ident.unraw().to_string())),
            None => index.to_string(),
        };
        let doc = doc(&field.attrs);
        let shape = field_shape(field, krate);
        Some(quote!(#krate::__private::Field { name: #name, doc: #doc, shape: || #shape }))
    });
    quote!(&[#(#fields),*])
}

fn variants(data: &DataEnum, container: &Serde, krate: &Path) -> TokenStream {
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
        let fields = if serde.custom { quote!(&[]) } else { fields_of(&variant.fields, rule, krate) };
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
