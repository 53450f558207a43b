use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Format;

/// What the derive takes from serde. A type whose author forgot serde's derives is told so in one
/// error and not in one for each use.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "`{Self}` derives `micro::Message` and cannot be read and written by serde",
    label = "serde's derives are missing",
    note = "add them: `#[derive(micro::Message, serde::Serialize, serde::Deserialize)]`",
    note = "every field must be one that serde can read and write as well"
)]
pub trait SerdeMessage: Sized + 'static {
    /// The encodings of a serde type.
    const FORMATS: &'static [Format<Self>];

    /// The message as serde sees it.
    fn as_serde(&self) -> Option<&dyn erased_serde::Serialize>;

    /// The way back from serde.
    fn from_serde(
        deserializer: &mut dyn erased_serde::Deserializer<'_>,
    ) -> Option<Result<Self, erased_serde::Error>>;
}

#[diagnostic::do_not_recommend]
impl<T: Serialize + DeserializeOwned + 'static> SerdeMessage for T {
    const FORMATS: &'static [Format<Self>] = &[Format::json()];

    fn as_serde(&self) -> Option<&dyn erased_serde::Serialize> {
        Some(self)
    }

    fn from_serde(
        deserializer: &mut dyn erased_serde::Deserializer<'_>,
    ) -> Option<Result<Self, erased_serde::Error>> {
        Some(erased_serde::deserialize(deserializer))
    }
}
