use std::sync::Arc;

use crate::codec::Codec;
use crate::endpoint::{Endpoint, Pace};
use crate::error::{Error, Result};
use crate::protocol::Site;
use crate::protocol::native::fields::Fields;
use crate::protocol::native::settings::{MAX_CODEC, MAX_PATH};
use crate::protocol::native::violation::Violation;

/// A method and the codec of its messages, found once and called often.
pub(super) struct Route {
    /// What answers the calls, or why nothing does.
    pub(super) found: Result<Arc<Endpoint>>,
    pub(super) codec: Codec,
    pub(super) pace: Pace,
}

impl Route {
    /// Reads the path and the codec.
    pub(super) fn read(fields: &mut Fields<'_>, site: &Site) -> Result<Self, Violation> {
        let (path, codec) = (fields.text()?, fields.text()?);
        if path.len() > MAX_PATH || codec.len() > MAX_CODEC {
            return Err(Violation::of_protocol(format!(
                "a path of {} bytes or a codec of {}, where the most are {MAX_PATH} and {MAX_CODEC}",
                path.len(),
                codec.len()
            )));
        }
        Ok(match find(site, path, codec) {
            Ok((endpoint, codec)) => Self { found: Ok(endpoint), codec, pace: Pace::default() },
            Err(error) => Self { found: Err(error), codec: Codec::JSON, pace: Pace::default() },
        })
    }
}

fn find(site: &Site, path: &str, codec: &str) -> Result<(Arc<Endpoint>, Codec)> {
    let endpoint = site.routes.find(path)?;
    let method = endpoint.method;
    let known = site.codecs.find(codec).filter(|codec| method.request.reads(codec));
    let known = known.ok_or_else(|| {
        let known: Vec<_> = site.codecs.iter().filter(|codec| method.request.reads(codec)).collect();
        let known: Vec<_> = known.iter().map(|codec| codec.name()).collect();
        Error::unimplemented(format!(
            "{}/{} does not read the codec `{codec}`; known: {}",
            method.service,
            method.name,
            known.join(", ")
        ))
    })?;
    Ok((endpoint.clone(), known.clone()))
}
