//! TLS where the feature `tls` is off: nothing here can be made, so nothing here can be called.

use std::io;

use crate::error::Result;
use crate::transport::{BoxIo, Io};

pub(crate) const HTTP1: &[u8] = b"http/1.1";
pub(crate) const HTTP2: &[u8] = b"h2";
pub(crate) const NATIVE: &[u8] = b"micro/1";

#[derive(Clone, Debug)]
pub(crate) enum ServerTls {}

#[derive(Clone, Debug)]
pub(crate) enum ClientTls {}

pub(crate) enum Acceptor {}

pub(crate) enum Connector {}

#[derive(Clone)]
pub(crate) enum Refusal {}

pub(crate) struct Secured {
    pub(crate) io: BoxIo,
    pub(crate) agreed: Option<Vec<u8>>,
    pub(crate) refusal: Refusal,
}

pub(crate) struct Declined<T> {
    pub(crate) error: io::Error,
    pub(crate) io: T,
}

impl ServerTls {
    pub(crate) fn open(&self) -> Result<Acceptor> {
        match *self {}
    }
}

impl ClientTls {
    pub(crate) fn open(&self) -> Result<Connector> {
        match *self {}
    }
}

impl Acceptor {
    pub(crate) async fn accept<T: Io>(&self, _io: T) -> Result<BoxIo, Declined<T>> {
        match *self {}
    }
}

impl Connector {
    pub(crate) async fn connect(&self, _io: BoxIo, _address: &str, _offered: &[&[u8]]) -> Result<Secured> {
        match *self {}
    }
}

impl Refusal {
    pub(crate) fn reason(&self) -> Option<&str> {
        match *self {}
    }
}
