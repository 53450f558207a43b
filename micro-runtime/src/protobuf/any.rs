//! `google.protobuf.Any` and the details of errors, which hold the same.

use prost_types::Any;

use crate::error::Detail;

/// What stands before the name of a type where nobody says otherwise.
const PREFIX: &str = "type.googleapis.com/";

/// ```
/// use micro_runtime::Detail;
/// use micro_runtime::protobuf::{Any, Duration};
///
/// let any = Any::from(Detail::of(&Duration { seconds: 5, nanos: 0 })?);
/// assert_eq!(any.type_url, "type.googleapis.com/google.protobuf.Duration");
/// # Ok::<(), micro_runtime::Error>(())
/// ```
impl From<Detail> for Any {
    fn from(detail: Detail) -> Self {
        Self { type_url: format!("{PREFIX}{}", detail.type_name()), value: detail.value().to_vec() }
    }
}

/// ```
/// use micro_runtime::Detail;
/// use micro_runtime::protobuf::{Any, Duration};
///
/// let duration = Duration { seconds: 5, nanos: 0 };
/// let any = Any::from(Detail::of(&duration)?);
/// let read = Detail::from(any).decode::<Duration>().expect("it is a duration")?;
/// assert_eq!(read, duration);
/// # Ok::<(), micro_runtime::Error>(())
/// ```
impl From<Any> for Detail {
    fn from(any: Any) -> Self {
        let name = any.type_url.rsplit('/').next().unwrap_or_default();
        Self::new(name, any.value)
    }
}
