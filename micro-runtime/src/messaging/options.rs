use std::num::NonZeroUsize;

use crate::broker::SubscribeOptions;
use crate::events::ConsumeOptions;

/// What a subscriber can ask of a broker and of a log alike. Nobody else implements it.
pub trait Options: Send + 'static {
    #[doc(hidden)]
    fn topic(&self) -> &str;

    #[doc(hidden)]
    fn group(&mut self) -> &mut Option<String>;

    #[doc(hidden)]
    fn ordered(&mut self) -> &mut bool;

    #[doc(hidden)]
    fn in_hand(&mut self) -> &mut NonZeroUsize;
}

macro_rules! options {
    ($($options:ident)*) => {
        $(
            impl Options for $options {
                fn topic(&self) -> &str {
                    &self.topic
                }

                fn group(&mut self) -> &mut Option<String> {
                    &mut self.group
                }

                fn ordered(&mut self) -> &mut bool {
                    &mut self.ordered
                }

                fn in_hand(&mut self) -> &mut NonZeroUsize {
                    &mut self.in_hand
                }
            }
        )*
    };
}

options!(SubscribeOptions ConsumeOptions);
