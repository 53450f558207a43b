//! Mistakes, collected so that all of them are reported in one pass.

use proc_macro2::TokenStream;
use quote::ToTokens;

/// The mistakes found so far.
#[derive(Default)]
pub(crate) struct Errors(Option<syn::Error>);

impl Errors {
    /// Adds a mistake at these tokens. The text says what the rule is, why, and in its last line
    /// what to write instead.
    pub(crate) fn add(&mut self, tokens: impl ToTokens, text: impl std::fmt::Display) {
        // `new_spanned` and not `tokens.span()`, which on stable Rust is that of the first token.
        self.push(syn::Error::new_spanned(tokens, text));
    }

    /// Adds an error that syn found.
    pub(crate) fn push(&mut self, error: syn::Error) {
        match &mut self.0 {
            Some(errors) => errors.combine(error),
            None => self.0 = Some(error),
        }
    }

    /// The value, or `None` and the error added.
    pub(crate) fn take<T>(&mut self, result: syn::Result<T>) -> Option<T> {
        result.map_err(|error| self.push(error)).ok()
    }

    /// Puts the errors that were found earlier in front of these.
    pub(crate) fn put_before(&mut self, earlier: Self) {
        let later = std::mem::replace(self, earlier);
        if let Some(later) = later.0 {
            self.push(later);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// One `compile_error!` for each.
    pub(crate) fn into_tokens(self) -> TokenStream {
        self.0.map(|error| error.into_compile_error()).unwrap_or_default()
    }
}
