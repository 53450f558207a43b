//! The types in a signature: what they must not contain, and how generated code names them.

use proc_macro2::{Ident, TokenStream, TokenTree};
use quote::{ToTokens, quote_spanned};
use syn::{Path, Type};

/// `<Type as Trait>::Output`, which stands exactly where the type does, so that the compiler
/// reports there that the type is not what it must be.
pub(crate) fn projection(krate: &Path, ty: &Type, through: &str, output: &str) -> TokenStream {
    let (first, last) = ends(ty);
    let (through, output) = (Ident::new(through, first), Ident::new(output, last));
    let open = quote_spanned!(first=> <);
    let rest = quote_spanned!(last=> >::#output);
    let through = quote_spanned!(first=> as #krate::__private::#through);
    [open, ty.to_token_stream(), through, rest].into_iter().collect()
}

/// The spans of the first and the last token.
fn ends(ty: &Type) -> (proc_macro2::Span, proc_macro2::Span) {
    let mut tokens = ty.to_token_stream().into_iter();
    let first = tokens.next();
    let last = tokens.last();
    let begin = |token: &TokenTree| match token {
        TokenTree::Group(group) => group.span_open(),
        token => token.span(),
    };
    let end = |token: &TokenTree| match token {
        TokenTree::Group(group) => group.span_close(),
        token => token.span(),
    };
    let call_site = proc_macro2::Span::call_site;
    let first_span = first.as_ref().map_or_else(call_site, begin);
    let last_span = last.as_ref().or(first.as_ref()).map_or_else(call_site, end);
    (first_span, last_span)
}

/// What a type in a signature has that types in contracts must not have.
pub(crate) enum Unsuitable {
    /// A reference or a lifetime.
    Borrow,
    /// `Self`.
    SelfType,
    /// `impl Trait`.
    ImplTrait,
}

/// Looks for it in every part of the type.
pub(crate) fn unsuitable(ty: &Type) -> Option<Unsuitable> {
    search(ty.to_token_stream())
}

fn search(tokens: TokenStream) -> Option<Unsuitable> {
    let mut tokens = tokens.into_iter().peekable();
    while let Some(token) = tokens.next() {
        let found = match token {
            TokenTree::Punct(punct) if punct.as_char() == '&' => Some(Unsuitable::Borrow),
            TokenTree::Punct(punct) if punct.as_char() == '\'' => {
                let is_static = matches!(tokens.peek(), Some(TokenTree::Ident(name)) if name == "static");
                (!is_static).then_some(Unsuitable::Borrow)
            }
            TokenTree::Ident(ident) if ident == "Self" => Some(Unsuitable::SelfType),
            TokenTree::Ident(ident) if ident == "impl" => Some(Unsuitable::ImplTrait),
            TokenTree::Group(group) => search(group.stream()),
            _ => None,
        };
        if found.is_some() {
            return found;
        }
    }
    None
}
