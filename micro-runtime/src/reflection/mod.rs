//! Reflection: what a server serves and what its messages look like, told to those who ask by
//! `grpc.reflection.v1.ServerReflection`, or by its older name with `v1alpha`.
//!
//! A contract that was generated carries the files it was made from, and they are told as they are.
//! Any other is described from its [descriptor](crate::endpoint::ServiceDescriptor) and the
//! [shapes](crate::message::Shape) of its messages, as far as protobuf has words for them.
//!
//! | File | What it is about |
//! |---|---|
//! | `files` | files by name, and by what is declared in them |
//! | `describe` | files for what was not generated |
//! | `known` | the files of the well-known types |
//! | `messages` | the messages of the service itself |
//! | `answer` | a request and its answer |
//! | `serve` | the service |

mod answer;
mod describe;
mod files;
mod known;
mod messages;
mod serve;

pub(crate) use serve::bind;
