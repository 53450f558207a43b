use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;
use std::sync::Arc;

use crate::message::Message;

/// A topic: a name, and the type of the events that are published to it.
///
/// It is made once, as a constant that publishers and subscribers share, so that they cannot disagree on the type.
///
/// ```
/// # use micro_runtime::Topic;
/// const GREETED: Topic<String> = Topic::new("greeted");
/// assert_eq!(GREETED.name(), "greeted");
/// ```
///
/// What may be in a name depends on the broker: letters, digits, `-` and `_`, in parts with a dot between them
/// (`orders.placed`), are good everywhere. A broker refuses a name that it cannot carry. No character in it stands for others.
pub struct Topic<T> {
    name: &'static str,
    events: PhantomData<fn() -> T>,
}

/// A topic whose name is known when the program runs; see [`Topic::named`].
pub struct NamedTopic<T> {
    name: Arc<str>,
    events: PhantomData<fn() -> T>,
}

/// What events are published to and subscribed from: a [`Topic`], a [`NamedTopic`], or a reference to one.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a topic",
    label = "not a `micro::Topic`",
    note = "a topic knows the type of its events: `const GREETED: Topic<Greeted> = Topic::new(\"greeted\");`",
    note = "or, where the name is known when the program runs, `Topic::<Greeted>::named(name)`"
)]
pub trait ToTopic {
    /// The type of its events.
    type Message: Message;

    /// Its name.
    fn topic_name(&self) -> &str;
}

impl<T: Message> Topic<T> {
    /// The topic of this name.
    pub const fn new(name: &'static str) -> Self {
        Self { name, events: PhantomData }
    }

    /// A topic whose name is known when the program runs.
    ///
    /// ```
    /// # use micro_runtime::Topic;
    /// let tenant = "acme";
    /// let greeted = Topic::<String>::named(format!("{tenant}.greeted"));
    /// assert_eq!(greeted.name(), "acme.greeted");
    /// ```
    pub fn named(name: impl Into<Arc<str>>) -> NamedTopic<T> {
        NamedTopic { name: name.into(), events: PhantomData }
    }
}

impl<T> Topic<T> {
    /// Its name.
    pub const fn name(&self) -> &'static str {
        self.name
    }
}

impl<T> NamedTopic<T> {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl<T: Message> ToTopic for Topic<T> {
    type Message = T;

    fn topic_name(&self) -> &str {
        self.name
    }
}

impl<T: Message> ToTopic for NamedTopic<T> {
    type Message = T;

    fn topic_name(&self) -> &str {
        &self.name
    }
}

#[diagnostic::do_not_recommend]
impl<K: ToTopic + ?Sized> ToTopic for &K {
    type Message = K::Message;

    fn topic_name(&self) -> &str {
        (**self).topic_name()
    }
}

impl<T> From<Topic<T>> for NamedTopic<T> {
    fn from(topic: Topic<T>) -> Self {
        Self { name: topic.name.into(), events: PhantomData }
    }
}

// Nothing here has a `T`, and so all of it holds whatever `T` is; the derives would not say so.

impl<T> Copy for Topic<T> {}

impl<T> Clone for Topic<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Clone for NamedTopic<T> {
    fn clone(&self) -> Self {
        Self { name: self.name.clone(), events: PhantomData }
    }
}

macro_rules! known_by_name {
    ($($topic:ident)*) => {
        $(
            impl<T> fmt::Debug for $topic<T> {
                fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    f.debug_tuple(stringify!($topic)).field(&self.name()).finish()
                }
            }

            impl<T> PartialEq for $topic<T> {
                fn eq(&self, other: &Self) -> bool {
                    self.name() == other.name()
                }
            }

            impl<T> Eq for $topic<T> {}

            impl<T> Hash for $topic<T> {
                fn hash<H: Hasher>(&self, state: &mut H) {
                    self.name().hash(state);
                }
            }
        )*
    };
}

known_by_name!(Topic NamedTopic);

#[cfg(test)]
mod tests {
    use super::*;

    const GREETED: Topic<String> = Topic::new("greeted");

    fn name(topic: impl ToTopic<Message = String>) -> String {
        topic.topic_name().to_owned()
    }

    #[test]
    fn a_topic_is_known_by_its_name_however_it_is_given() {
        let (borrowed, named) = (&GREETED, Topic::named("greeted".to_owned()));
        assert_eq!([name(GREETED), name(borrowed), name(&named), name(named.clone())], ["greeted"; 4]);
        assert_eq!(NamedTopic::from(GREETED), named);
        assert_eq!(format!("{GREETED:?} {named:?}"), "Topic(\"greeted\") NamedTopic(\"greeted\")");
    }

    #[test]
    fn a_topic_can_be_shared_whatever_its_events_are() {
        fn shared<T: Send + Sync + Copy + 'static>(_: T) {}
        shared(GREETED);
        assert_eq!(size_of::<Topic<Vec<String>>>(), size_of::<&str>());
    }
}
