//! Options in an attribute: `idempotent, timeout = "1s", also(Admin)`.

use proc_macro2::{Group, Ident, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::ext::IdentExt as _;
use syn::parse::{ParseStream, Parser as _};
use syn::{Expr, ExprLit, ExprPath, Lit, LitInt, LitStr, Token};

use crate::errors::Errors;

/// One option.
pub(crate) struct Opt {
    pub(crate) name: Ident,
    value: Value,
}

enum Value {
    Nothing,
    Equals(TokenStream),
    List(Group),
}

/// A name that is known while compiling.
pub(crate) enum Name {
    Text(LitStr),
    Constant(ExprPath),
}

/// Reads options where only some are known, each at most once.
pub(crate) struct Reader {
    /// Where the options stand, for people: "`#[micro::service(…)]`".
    place: &'static str,
    /// The known names, each with how it is written.
    known: &'static [(&'static str, &'static str)],
    seen: Vec<String>,
}

impl Reader {
    pub(crate) fn new(place: &'static str, known: &'static [(&'static str, &'static str)]) -> Self {
        Self { place, known, seen: Vec::new() }
    }

    /// The known options in these tokens; for all else an error is added.
    pub(crate) fn read(&mut self, tokens: TokenStream, errors: &mut Errors) -> Vec<Opt> {
        let mut options = errors.take(parse.parse2(tokens)).unwrap_or_default();
        options.retain(|option| self.accept(option, errors));
        options
    }

    fn accept(&mut self, option: &Opt, errors: &mut Errors) -> bool {
        let Opt { name, .. } = option;
        let text = name.unraw().to_string();
        if !self.known.iter().any(|(known, _)| *known == text) {
            let place = self.place;
            let known: Vec<_> = self.known.iter().map(|(_, shape)| format!("`{shape}`")).collect();
            let known = known.join(", ");
            errors.add(name, format_args!("{place} has no option `{text}`\nit has: {known}"));
            return false;
        }
        if self.seen.contains(&text) {
            errors.add(
                name,
                format_args!(
                    "the option `{text}` is given twice, and only one can count\nleave one of the two"
                ),
            );
            return false;
        }
        self.seen.push(text);
        true
    }
}

impl Opt {
    /// Checks an option that has no value.
    pub(crate) fn flag(&self, errors: &mut Errors) -> bool {
        let plain = matches!(self.value, Value::Nothing);
        if !plain {
            let name = &self.name;
            errors
                .add(self, format_args!("`{name}` takes no value: it is there or it is not\nwrite `{name}`"));
        }
        plain
    }

    /// The value of an option that is a text; an empty one is an error.
    pub(crate) fn text(&self, errors: &mut Errors) -> Option<LitStr> {
        let name = &self.name;
        let literal = match &self.value {
            Value::Equals(tokens) => syn::parse2::<LitStr>(tokens.clone()).ok(),
            Value::Nothing | Value::List(_) => None,
        };
        match &literal {
            None => errors.add(self, format_args!("`{name}` takes a string literal\nwrite `{name} = \"…\"`")),
            Some(text) if text.value().trim().is_empty() => {
                errors.add(text, format_args!("`{name}` is empty\ngive it a value or leave it out"));
                return None;
            }
            Some(_) => {}
        }
        literal
    }

    /// The value of an option that is a name, or the path of a constant; an empty name is an error.
    pub(crate) fn name_or_constant(&self, example: &str, errors: &mut Errors) -> Option<Name> {
        let value = match &self.value {
            Value::Equals(tokens) => syn::parse2::<Expr>(tokens.clone()).ok(),
            Value::Nothing | Value::List(_) => None,
        };
        match value {
            Some(Expr::Lit(ExprLit { lit: Lit::Str(_), .. })) => self.text(errors).map(Name::Text),
            Some(Expr::Path(path)) => Some(Name::Constant(path)),
            _ => {
                let name = &self.name;
                errors.add(
                    self,
                    format_args!(
                        "`{name}` takes a string literal, or the path of a constant\n\
                         write `{name} = \"…\"`, or for example `{name} = {example}`"
                    ),
                );
                None
            }
        }
    }

    /// The value of an option that is a whole number.
    pub(crate) fn number(&self, errors: &mut Errors) -> Option<u32> {
        let number = match &self.value {
            Value::Equals(tokens) => syn::parse2::<LitInt>(tokens.clone()).ok(),
            Value::Nothing | Value::List(_) => None,
        };
        let number = number.and_then(|number| number.base10_parse().ok());
        if number.is_none() {
            let name = &self.name;
            errors.add(self, format_args!("`{name}` takes a whole number\nwrite for example `{name} = 2`"));
        }
        number
    }

    /// The value of an option that is an expression.
    pub(crate) fn expression(&self, example: &str, errors: &mut Errors) -> Option<Expr> {
        let expression = match &self.value {
            Value::Equals(tokens) => syn::parse2::<Expr>(tokens.clone()).ok(),
            Value::Nothing | Value::List(_) => None,
        };
        if expression.is_none() {
            let name = &self.name;
            errors.add(
                self,
                format_args!("`{name}` takes an expression\nwrite for example `{name} = {example}`"),
            );
        }
        expression
    }

    /// What stands in the parentheses of an option that has some.
    pub(crate) fn list(&self, errors: &mut Errors) -> Option<TokenStream> {
        match &self.value {
            Value::List(list) if !list.stream().is_empty() => Some(list.stream()),
            _ => {
                let name = &self.name;
                errors.add(self, format_args!("`{name}` takes a list in parentheses\nwrite `{name}(…)`"));
                None
            }
        }
    }
}

impl ToTokens for Opt {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        let name = &self.name;
        tokens.extend(match &self.value {
            Value::Nothing => quote!(#name),
            Value::Equals(value) => quote!(#name = #value),
            Value::List(list) => quote!(#name #list),
        });
    }
}

fn parse(input: ParseStream<'_>) -> syn::Result<Vec<Opt>> {
    let mut options = Vec::new();
    while !input.is_empty() {
        if !input.peek(syn::Ident::peek_any) {
            return Err(
                input.error("an option is expected here\nwrite `name`, `name = \"value\"` or `name(…)`")
            );
        }
        let name = input.call(Ident::parse_any)?;
        let value = if input.parse::<Option<Token![=]>>()?.is_some() {
            Value::Equals(until_comma(input)?)
        } else if input.peek(syn::token::Paren) {
            Value::List(input.parse()?)
        } else {
            Value::Nothing
        };
        options.push(Opt { name, value });
        if !input.is_empty() {
            input.parse::<Token![,]>().map_err(|error| {
                syn::Error::new(error.span(), "options are separated by commas\nwrite `,`")
            })?;
        }
    }
    Ok(options)
}

fn until_comma(input: ParseStream<'_>) -> syn::Result<TokenStream> {
    let mut tokens = TokenStream::new();
    while !input.is_empty() && !input.peek(Token![,]) {
        tokens.extend([input.parse::<TokenTree>()?]);
    }
    Ok(tokens)
}
