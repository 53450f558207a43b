//! Messages that come from another crate.

use prost_reflect::MessageDescriptor;

use super::types::extern_path;
use crate::compile::Compiled;
use crate::config::Config;

/// A message that is compiled here and generated elsewhere.
#[derive(Debug)]
pub(crate) struct Extern {
    pub(crate) full_name: String,
    /// The path of the type, from anywhere.
    pub(crate) path: String,
}

/// The messages of all files, imports included, that [`Config::extern_path`] says where to find.
pub(crate) fn externs(compiled: &Compiled, config: &Config) -> Vec<Extern> {
    compiled.pool.all_messages().filter_map(|message| named(&message, config)).collect()
}

fn named(message: &MessageDescriptor, config: &Config) -> Option<Extern> {
    if message.is_map_entry() || message.package_name() == "google.protobuf" {
        return None;
    }
    let path = extern_path(config, message.full_name())?;
    // Any other path depends on where it stands.
    let from_anywhere = path.starts_with("::") || path.starts_with("crate::");
    from_anywhere.then(|| Extern { full_name: message.full_name().to_owned(), path })
}
