//! Traits and impls as the macros read them.
//!
//! The bodies of functions are not looked into: a half-typed body still expands, so that an editor
//! can complete it, and what is wrong in it is said by the compiler alone.

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::parse::discouraged::Speculative as _;
use syn::parse::{ParseStream, Parser as _};
use syn::{Attribute, ImplItem, ItemImpl, ItemTrait, Signature, Token, TraitItem, Visibility};

use crate::attributes::Attributes;
use crate::errors::Errors;

/// What a trait or an impl has between its braces.
pub(crate) enum Member {
    Function(Box<Function>),
    /// A constant, a type or a macro.
    Other(TokenStream, OtherKind),
}

pub(crate) enum OtherKind {
    Constant,
    Type,
    Macro,
}

/// A function in a trait or an impl.
pub(crate) struct Function {
    pub(crate) attributes: Attributes,
    pub(crate) visibility: Visibility,
    pub(crate) defaultness: Option<Token![default]>,
    pub(crate) signature: Signature,
    /// The body with its braces; where there is none, the semicolon.
    pub(crate) body: TokenTree,
}

impl Function {
    pub(crate) fn has_body(&self) -> bool {
        matches!(self.body, TokenTree::Group(_))
    }
}

/// The function as it was written, without our attributes.
impl ToTokens for Function {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        let Self { attributes, visibility, defaultness, signature, body } = self;
        let kept = &attributes.kept;
        tokens.extend(quote!(#(#kept)* #visibility #defaultness #signature #body));
    }
}

impl ToTokens for Member {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        match self {
            Self::Function(function) => function.to_tokens(tokens),
            Self::Other(other, _) => tokens.extend(other.clone()),
        }
    }
}

/// The header of a trait (without items), and its members. `None` with an error where it is none.
pub(crate) fn read_trait(item: &TokenStream, errors: &mut Errors) -> Option<(ItemTrait, Vec<Member>)> {
    let (header, body) = split(item)?;
    let header = syn::parse2(header).ok()?;
    let members = members::<TraitItem>(body, errors);
    let (inner, members) = errors.take(members)?;
    let mut header: ItemTrait = header;
    header.attrs.extend(inner);
    Some((header, members))
}

/// The header of an impl (without items), and its members. `None` where it is none.
pub(crate) fn read_impl(item: &TokenStream, errors: &mut Errors) -> Option<(ItemImpl, Vec<Member>)> {
    let (header, body) = split(item)?;
    let mut header: ItemImpl = syn::parse2(header).ok()?;
    let members = members::<ImplItem>(body, errors);
    let (inner, members) = errors.take(members)?;
    header.attrs.extend(inner);
    Some((header, members))
}

/// The item with its last braces emptied, and what was in them.
fn split(item: &TokenStream) -> Option<(TokenStream, TokenStream)> {
    let mut trees: Vec<TokenTree> = item.clone().into_iter().collect();
    match trees.pop() {
        Some(TokenTree::Group(body)) if body.delimiter() == Delimiter::Brace => {
            let mut empty = Group::new(Delimiter::Brace, TokenStream::new());
            empty.set_span(body.span());
            trees.push(TokenTree::Group(empty));
            Some((trees.into_iter().collect(), body.stream()))
        }
        _ => None,
    }
}

/// Kinds of items that the compiler, too, tells apart.
trait Kind: syn::parse::Parse + ToTokens {
    fn kind(&self) -> OtherKind;
}

impl Kind for TraitItem {
    fn kind(&self) -> OtherKind {
        match self {
            Self::Const(_) => OtherKind::Constant,
            Self::Type(_) => OtherKind::Type,
            _ => OtherKind::Macro,
        }
    }
}

impl Kind for ImplItem {
    fn kind(&self) -> OtherKind {
        match self {
            Self::Const(_) => OtherKind::Constant,
            Self::Type(_) => OtherKind::Type,
            _ => OtherKind::Macro,
        }
    }
}

fn members<Other: Kind>(
    body: TokenStream,
    errors: &mut Errors,
) -> syn::Result<(Vec<Attribute>, Vec<Member>)> {
    let parse = |input: ParseStream<'_>| {
        let inner = input.call(Attribute::parse_inner)?;
        let mut members = Vec::new();
        while !input.is_empty() {
            members.push(match function(input, errors)? {
                Some(function) => Member::Function(Box::new(function)),
                None => {
                    let other: Other = input.parse()?;
                    Member::Other(other.to_token_stream(), other.kind())
                }
            });
        }
        Ok((inner, members))
    };
    parse.parse2(body)
}

/// The function that comes next, if one does.
fn function(input: ParseStream<'_>, errors: &mut Errors) -> syn::Result<Option<Function>> {
    let ahead = input.fork();
    let attributes = ahead.call(Attribute::parse_outer)?;
    let visibility = ahead.parse()?;
    let defaultness = ahead.parse()?;
    let Ok(signature) = ahead.parse::<Signature>() else { return Ok(None) };
    if !ahead.peek(Token![;]) && !ahead.peek(syn::token::Brace) {
        return Ok(None);
    }
    let body = ahead.parse()?;
    input.advance_to(&ahead);
    let attributes = Attributes::split(attributes, errors);
    Ok(Some(Function { attributes, visibility, defaultness, signature, body }))
}
