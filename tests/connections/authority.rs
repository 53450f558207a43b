//! Certificates, good and bad.

use std::sync::atomic::{AtomicUsize, Ordering};

use micro::tls::{ClientTls, ServerTls};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
};

/// One that issues certificates.
pub(crate) struct Authority {
    name: String,
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// A certificate and its key, in PEM.
pub(crate) struct Identity {
    pub(crate) chain: String,
    pub(crate) key: String,
}

impl Authority {
    pub(crate) fn new() -> Self {
        static NUMBER: AtomicUsize = AtomicUsize::new(1);
        Self::named(&format!("Authority {}", NUMBER.fetch_add(1, Ordering::Relaxed)))
    }

    pub(crate) fn named(name: &str) -> Self {
        let mut params = CertificateParams::new([]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        Self { name: name.to_owned(), issuer }
    }

    pub(crate) fn pem(&self) -> String {
        self.issuer.pem()
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// A certificate for servers and clients on this machine.
    pub(crate) fn issue(&self) -> Identity {
        self.issue_with(&["localhost", "127.0.0.1", "lab"], |_| {})
    }

    pub(crate) fn issue_with(&self, names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> Identity {
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        Identity { chain: params.signed_by(&key, &self.issuer).unwrap().pem(), key: key.serialize_pem() }
    }

    /// TLS for a server that this authority vouches for.
    pub(crate) fn server(&self) -> ServerTls {
        self.issue().server()
    }

    /// TLS for a client that trusts this authority.
    pub(crate) fn client(&self) -> ClientTls {
        ClientTls::new().roots_pem(self.pem()).unwrap()
    }
}

impl Identity {
    pub(crate) fn server(&self) -> ServerTls {
        ServerTls::pem(&self.chain, &self.key).unwrap()
    }
}
