//! The types in a signature: what they must not contain, and how generated code names them.

use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens as _, quote, quote_spanned};
use syn::{GenericArgument, Path, PathArguments, Type};

/// `Call<Request, Response>`, which stands where the type does that decides what the response is.
pub(crate) fn call(krate: &Path, request: &Type, output: &Type, out: Option<&Type>) -> TokenStream {
    let response = response(krate, output, out);
    let (first, last) = ends(out.unwrap_or(output));
    let krate = respanned(krate, first);
    let open = quote_spanned!(first=> #krate::__private::Call<);
    let close = quote_spanned!(last=> >);
    quote!(#open #request, #response #close)
}

/// What a caller of a method gets, in a form for people.
///
/// The types decide what that is, and not how they are spelled. But where the spelling says it, the
/// client has `Call<Request, Reply>` in its documentation, and not a projection. Should the spelling
/// not say the truth, because an alias is called `Result` and is none, it is a compile error.
pub(crate) fn response(krate: &Path, output: &Type, out: Option<&Type>) -> TokenStream {
    match out {
        Some(out) => match argument(out, "Sender") {
            Some(message) => quote!(#krate::__private::Streaming<#message>),
            None => projection(krate, out, "SenderArgument", "Answer"),
        },
        None => match argument(output, "Result") {
            Some(body) => body.to_token_stream(),
            None => projection(krate, output, "Outcome", "Body"),
        },
    }
}

/// `A` of a type that is written `name<A, …>`.
fn argument<'a>(ty: &'a Type, name: &str) -> Option<&'a Type> {
    let Type::Path(path) = ty else { return None };
    let last = path.path.segments.last().filter(|last| last.ident == name)?;
    let PathArguments::AngleBracketed(arguments) = &last.arguments else { return None };
    match arguments.args.first() {
        Some(GenericArgument::Type(argument)) => Some(argument),
        _ => None,
    }
}

/// `<Type as Trait>::Output`, which stands exactly where the type does, so that the compiler
/// reports there that the type is not what it must be.
fn projection(krate: &Path, ty: &Type, through: &str, output: &str) -> TokenStream {
    let (first, last) = ends(ty);
    let (through, output) = (Ident::new(through, first), Ident::new(output, last));
    let open = quote_spanned!(first=> <);
    let rest = quote_spanned!(last=> >::#output);
    let through = quote_spanned!(first=> as #krate::__private::#through);
    [open, ty.to_token_stream(), through, rest].into_iter().collect()
}

/// The path with all of it standing at `span`.
pub(crate) fn respanned(krate: &Path, span: Span) -> TokenStream {
    let at_span = |mut token: TokenTree| {
        token.set_span(span);
        token
    };
    krate.to_token_stream().into_iter().map(at_span).collect()
}

/// The spans of the first and the last token.
fn ends(ty: &Type) -> (Span, Span) {
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
    let call_site = Span::call_site;
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
