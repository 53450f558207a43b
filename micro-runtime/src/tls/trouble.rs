//! What goes wrong with TLS, in words.

use std::io;
use std::time::{Duration, UNIX_EPOCH};

use rustls::pki_types::UnixTime;
use rustls::{AlertDescription, CertificateError, Error, PeerIncompatible};

/// Why a handshake failed, as a client sees it.
pub(super) fn of_client(error: &io::Error) -> String {
    let Some(error) = inner(error) else {
        return match error.kind() {
            io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => {
                format!("it closed the connection during the handshake ({error}); does it speak TLS?")
            }
            _ => error.to_string(),
        };
    };
    match error {
        Error::InvalidCertificate(error) => format!("its certificate {}", of_certificate(error)),
        Error::AlertReceived(AlertDescription::NoApplicationProtocol) => {
            "it speaks none of the HTTP versions that it was offered (the option `http_version`)".to_owned()
        }
        Error::AlertReceived(alert) => {
            refused(*alert).unwrap_or_else(|| format!("it ended the handshake ({alert:?})"))
        }
        Error::InvalidMessage(_) => format!("it does not speak TLS, its answer is something else ({error})"),
        Error::PeerIncompatible(PeerIncompatible::ServerDoesNotSupportTls12Or13) => {
            "it speaks only versions of TLS older than 1.2".to_owned()
        }
        error => error.to_string(),
    }
}

/// Why a handshake failed, as a server sees it.
pub(super) fn of_server(error: io::Error) -> io::Error {
    let message = match inner(&error) {
        Some(Error::NoCertificatesPresented) => "the client shows no certificate".to_owned(),
        Some(Error::InvalidCertificate(error)) => {
            format!("the client's certificate {}", of_certificate(error))
        }
        Some(Error::AlertReceived(alert)) => {
            format!("the client ended the handshake: it does not trust or take what it got ({alert:?})")
        }
        _ => return error,
    };
    io::Error::new(error.kind(), message)
}

/// Why a server ended the handshake that its client had thought to be over, if that is what the
/// error says.
pub(super) fn refusal(error: &io::Error) -> Option<String> {
    match inner(error)? {
        Error::AlertReceived(alert) => refused(*alert),
        _ => None,
    }
}

/// What is wrong with a certificate or key of one's own.
pub(super) fn certificate(error: &Error) -> String {
    match error {
        Error::InvalidCertificate(error) => format!("the certificate {}", of_certificate(error)),
        error => error.to_string(),
    }
}

fn inner(error: &io::Error) -> Option<&Error> {
    error.get_ref()?.downcast_ref()
}

/// These alerts are about the client's certificate and come before any request is looked at
/// (RFC 8446, section 6.2).
fn refused(alert: AlertDescription) -> Option<String> {
    use AlertDescription as Alert;
    let reason = match alert {
        Alert::CertificateRequired => {
            "the server asks for a certificate and this client has none: set `ClientTls::identity`"
        }
        Alert::UnknownCA => "the server does not trust the issuer of this client's certificate",
        Alert::CertificateExpired => "this client's certificate has expired, says the server",
        Alert::CertificateRevoked => "this client's certificate is revoked, says the server",
        Alert::BadCertificate | Alert::UnsupportedCertificate | Alert::CertificateUnknown => {
            "the server does not take this client's certificate"
        }
        Alert::DecryptError => {
            "the server cannot verify this client's certificate: its issuer there may be another one of the same name"
        }
        Alert::AccessDenied => "the server takes the certificate of this client, and denies it access",
        // TLS 1.2 has no word of its own for a missing certificate.
        Alert::HandshakeFailure => {
            "the server ended the handshake; it may ask for a certificate (`ClientTls::identity`), or have no \
             cipher in common with this client"
        }
        _ => return None,
    };
    Some(format!("{reason} (alert {alert:?})"))
}

fn of_certificate(error: &CertificateError) -> String {
    match error {
        CertificateError::ExpiredContext { not_after, .. } => {
            format!("has expired, at {}", date(*not_after))
        }
        CertificateError::Expired => "has expired".to_owned(),
        CertificateError::NotValidYetContext { not_before, .. } => {
            format!("is not valid before {}; is the clock right?", date(*not_before))
        }
        CertificateError::NotValidYet => "is not valid yet; is the clock right?".to_owned(),
        CertificateError::UnknownIssuer => {
            "was issued by nobody whom this side trusts: name the root that issued it".to_owned()
        }
        CertificateError::BadSignature => {
            "was not signed by the trusted issuer that it names; is that another one of the same name?".to_owned()
        }
        CertificateError::NotValidForNameContext { expected, presented } => {
            let expected = expected.to_str();
            match presented.as_slice() {
                [] => format!(
                    "is for no name at all, and not for `{expected}`; names belong into its `subjectAltName`"
                ),
                names => {
                    let names: Vec<_> = names.iter().map(|name| bare(name)).collect();
                    let names = names.join(", ");
                    format!(
                        "is for {names}, and not for `{expected}`; `ClientTls::server_name` says what name to expect"
                    )
                }
            }
        }
        CertificateError::Other(other) if other.to_string().contains("CaUsedAsEndEntity") => {
            "is that of an authority (`CA:TRUE`), which cannot be a node's own: issue one with it, or make one with \
             `CA:FALSE`"
                .to_owned()
        }
        error => format!("is not good: {error}"),
    }
}

/// A name out of what the library has for it, `DnsName("a.example")`.
fn bare(name: &str) -> &str {
    let inner = name.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')'));
    inner.unwrap_or(name).trim_matches('"')
}

fn date(time: UnixTime) -> String {
    match UNIX_EPOCH.checked_add(Duration::from_secs(time.as_secs())) {
        Some(time) => humantime::format_rfc3339_seconds(time).to_string(),
        None => "a time far away".to_owned(),
    }
}
