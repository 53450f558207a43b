//! What `#[serde(…)]` says about how a type is written. What is wrong in it is left to serde to
//! say, and passed over here.

use syn::meta::ParseNestedMeta;
use syn::{Attribute, LitStr, Token, Type};

use super::rename::Rule;

/// The attributes of a type, a variant or a field; each kind has some of them.
#[derive(Default)]
pub(super) struct Serde {
    pub(super) rename: Option<String>,
    pub(super) rename_all: Rule,
    pub(super) rename_all_fields: Rule,
    pub(super) transparent: bool,
    pub(super) flatten: bool,
    /// The type is written as this one.
    pub(super) stands_for: Option<Type>,
    /// Functions of the user's write it, and nobody knows how.
    pub(super) custom: bool,
    skip_writing: bool,
    skip_reading: bool,
}

impl Serde {
    pub(super) fn read(attributes: &[Attribute]) -> Self {
        let mut read = Self::default();
        for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("serde")) {
            // An error ends the reading of this attribute, and serde reports it.
            let _ = attribute.parse_nested_meta(|meta| read.take(&meta));
        }
        read
    }

    /// Whether it never appears.
    pub(super) fn skipped(&self) -> bool {
        self.skip_writing && self.skip_reading
    }

    fn take(&mut self, meta: &ParseNestedMeta<'_>) -> syn::Result<()> {
        let Some(name) = meta.path.get_ident().map(ToString::to_string) else { return pass_over(meta) };
        match name.as_str() {
            "rename" => self.rename = name_of(meta)?.or(self.rename.take()),
            "rename_all" => {
                self.rename_all = name_of(meta)?.map_or(self.rename_all, |name| Rule::parse(&name))
            }
            "rename_all_fields" => {
                self.rename_all_fields =
                    name_of(meta)?.map_or(self.rename_all_fields, |name| Rule::parse(&name));
            }
            "transparent" => self.transparent = true,
            "flatten" => self.flatten = true,
            "skip" => (self.skip_writing, self.skip_reading) = (true, true),
            "skip_serializing" => self.skip_writing = true,
            "skip_deserializing" => self.skip_reading = true,
            // What is written counts for more than what is read.
            "into" => self.stands_for = type_of(meta)?,
            "from" | "try_from" => {
                let ty = type_of(meta)?;
                self.stands_for = self.stands_for.take().or(ty);
            }
            "with" | "serialize_with" | "deserialize_with" | "getter" => {
                self.custom = true;
                pass_over(meta)?;
            }
            _ => pass_over(meta)?,
        }
        Ok(())
    }
}

/// The name in `rename = "a"` or in `rename(serialize = "a", deserialize = "b")`.
fn name_of(meta: &ParseNestedMeta<'_>) -> syn::Result<Option<String>> {
    if meta.input.peek(Token![=]) {
        return Ok(Some(meta.value()?.parse::<LitStr>()?.value()));
    }
    let mut name = None;
    meta.parse_nested_meta(|side| {
        let text = side.value()?.parse::<LitStr>()?.value();
        if side.path.is_ident("serialize") {
            name = Some(text);
        }
        Ok(())
    })?;
    Ok(name)
}

fn type_of(meta: &ParseNestedMeta<'_>) -> syn::Result<Option<Type>> {
    meta.value()?.parse::<LitStr>()?.parse().map(Some)
}

/// Reads the value of an attribute that says nothing about names.
fn pass_over(meta: &ParseNestedMeta<'_>) -> syn::Result<()> {
    if meta.input.peek(Token![=]) {
        meta.value()?.parse::<syn::Expr>()?;
    } else if meta.input.peek(syn::token::Paren) {
        let content;
        syn::parenthesized!(content in meta.input);
        content.parse::<proc_macro2::TokenStream>()?;
    }
    Ok(())
}
