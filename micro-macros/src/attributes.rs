//! The attributes on a user's item: which are ours, which go on to what is generated, and the
//! documentation.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::punctuated::Punctuated;
use syn::{Attribute, Expr, ExprLit, Lit, Meta, Token};

use crate::errors::Errors;

/// The attributes of an item without ours.
#[derive(Default)]
pub(crate) struct Attributes {
    /// Everything that is not ours.
    pub(crate) kept: Vec<Attribute>,
    /// What is in `#[micro(…)]`, one for each attribute.
    pub(crate) micro: Vec<TokenStream>,
    /// `#[subscribe(…)]`, where there is one.
    pub(crate) subscribe: Vec<Attribute>,
}

impl Attributes {
    /// Takes ours out.
    pub(crate) fn split(attributes: Vec<Attribute>, errors: &mut Errors) -> Self {
        let mut split = Self::default();
        for attribute in attributes {
            if attribute.path().is_ident("micro") {
                match &attribute.meta {
                    Meta::List(list) if !list.tokens.is_empty() => split.micro.push(list.tokens.clone()),
                    _ => errors.add(
                        &attribute,
                        "`#[micro(…)]` has options in parentheses\nwrite for example `#[micro(idempotent)]`",
                    ),
                }
            } else if is_subscribe(&attribute) {
                split.subscribe.push(attribute);
            } else if hides_ours(&attribute) {
                errors.add(
                    &attribute,
                    "options of micro cannot depend on `cfg_attr`: they are read before it is decided\n\
                     write the method twice, each under its own `#[cfg(…)]`",
                );
            } else {
                split.kept.push(attribute);
            }
        }
        split
    }

    /// Ours, where none of ours may stand.
    pub(crate) fn stray(&self) -> impl Iterator<Item = TokenStream> {
        let subscribe = self.subscribe.iter().map(ToTokens::to_token_stream);
        self.micro.iter().cloned().chain(subscribe)
    }

    /// The `#[cfg(…)]`s, which go on everything that is generated for the item.
    pub(crate) fn cfgs(&self) -> Vec<&Attribute> {
        self.kept.iter().filter(|attribute| attribute.path().is_ident("cfg")).collect()
    }

    /// The attributes that say something to callers, which go on what callers see.
    pub(crate) fn for_callers(&self) -> Vec<&Attribute> {
        let goes_on = ["cfg", "cfg_attr", "doc", "deprecated"];
        let goes_on = |attribute: &&Attribute| goes_on.iter().any(|name| attribute.path().is_ident(name));
        self.kept.iter().filter(goes_on).collect()
    }

    pub(crate) fn deprecated(&self) -> bool {
        self.kept.iter().any(|attribute| attribute.path().is_ident("deprecated"))
    }

    /// The documentation as text.
    pub(crate) fn doc(&self) -> String {
        doc(&self.kept)
    }
}

/// The documentation in these attributes: a line for each, without the space that `///` puts first.
pub(crate) fn doc(attributes: &[Attribute]) -> String {
    let lines: Vec<String> = attributes.iter().filter_map(doc_line).collect();
    lines.join("\n").trim().to_owned()
}

/// `#[doc = text]`.
pub(crate) fn doc_attribute(text: &str) -> TokenStream {
    let text = format!(" {text}");
    quote!(#[doc = #text])
}

fn doc_line(attribute: &Attribute) -> Option<String> {
    let Meta::NameValue(meta) = &attribute.meta else { return None };
    let Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) = &meta.value else { return None };
    let strip = |line: &str| line.strip_prefix(' ').unwrap_or(line).trim_end().to_owned();
    attribute.path().is_ident("doc").then(|| text.value().lines().map(strip).collect::<Vec<_>>().join("\n"))
}

fn is_subscribe(attribute: &Attribute) -> bool {
    let path = attribute.path();
    path.is_ident("subscribe")
        || (path.segments.len() == 2
            && path.segments[0].ident == "micro"
            && path.segments[1].ident == "subscribe")
}

fn hides_ours(attribute: &Attribute) -> bool {
    if !attribute.path().is_ident("cfg_attr") {
        return false;
    }
    let inner = attribute.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated);
    inner.is_ok_and(|metas| {
        metas.iter().skip(1).any(|meta| meta.path().is_ident("micro") || meta.path().is_ident("subscribe"))
    })
}

#[cfg(test)]
mod tests {
    use syn::parse_quote;

    #[test]
    fn documentation_is_joined_and_trimmed() {
        let attributes = [
            parse_quote!(#[doc = " First."]),
            parse_quote!(#[inline]),
            parse_quote!(#[doc = ""]),
            parse_quote!(#[doc = "   indented"]),
            parse_quote!(#[doc = " "]),
        ];
        assert_eq!(super::doc(&attributes), "First.\n\n  indented");
    }
}
