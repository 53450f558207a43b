//! Where the servers are, and how to prove who we are.

use std::fmt;
use std::future::ready;
use std::path::PathBuf;

use async_nats::{Auth, AuthError, ConnectOptions, ServerAddr};
use percent_encoding::percent_decode_str;

use super::credentials::Credentials;
use crate::error::{Error, Result};

/// What is needed to connect.
#[derive(Clone, Default)]
pub(crate) struct Settings {
    servers: Vec<ServerAddr>,
    login: Login,
    credentials_file: Option<PathBuf>,
    root_certificates: Option<PathBuf>,
}

#[derive(Clone, Default)]
enum Login {
    #[default]
    None,
    Token(String),
    Password(String, String),
}

impl Settings {
    /// Addresses with commas between them: `nats://user:password@host:4222,host`. What one of them says of the user holds for all.
    pub(crate) fn parse(addresses: &str) -> Result<Self> {
        let mut settings = Self::default();
        for address in addresses.split(',').map(str::trim).filter(|address| !address.is_empty()) {
            // An address may have a password in it, so no error shows it.
            let shown = || match address.rsplit_once('@') {
                Some((_, host)) => format!("…@{}", host.escape_debug()),
                None => address.escape_debug().to_string(),
            };
            let server: ServerAddr = address.parse().map_err(|error| {
                Error::invalid_argument(format!(
                    "`{}` is no address of a NATS server: {error}; write `nats://host:4222`, or `tls://host:4222`",
                    shown()
                ))
            })?;
            if server.is_websocket() {
                return Err(Error::invalid_argument(format!(
                    "`{}`: NATS over WebSocket is not supported; write `nats://host:4222`, or `tls://host:4222`",
                    shown()
                )));
            }
            settings.add(server);
        }
        if settings.servers.is_empty() {
            return Err(Error::invalid_argument(
                "no address of a NATS server was given; write `nats://host:4222`",
            ));
        }
        Ok(settings)
    }

    fn add(&mut self, server: ServerAddr) {
        let text = |part: &str| percent_decode_str(part).decode_utf8_lossy().into_owned();
        match (server.username(), server.password()) {
            (Some(user), Some(password)) => self.login = Login::Password(text(user), text(password)),
            (Some(token), None) => self.login = Login::Token(text(token)),
            (None, _) => {}
        }
        let mut url = server.into_inner();
        // Neither fails for an address with a host. Errors and logs show what is left.
        let _ = url.set_username("");
        let _ = url.set_password(None);
        self.servers.extend(ServerAddr::from_url(url));
    }

    pub(crate) fn set_credentials_file(&mut self, path: PathBuf) {
        self.credentials_file = Some(path);
    }

    pub(crate) fn set_root_certificates(&mut self, path: PathBuf) {
        self.root_certificates = Some(path);
    }

    pub(crate) fn servers(&self) -> Vec<ServerAddr> {
        self.servers.clone()
    }

    /// The options that say who we are. The file with the credentials, which may be renewed, is read for each connection.
    pub(crate) fn options(&self) -> Result<ConnectOptions> {
        let options = ConnectOptions::new();
        let mut options = match (&self.credentials_file, &self.login) {
            (Some(path), _) => {
                // What is wrong with it now is an error at once.
                Credentials::read(path)?;
                let settings = self.clone();
                ConnectOptions::with_auth_callback(move |nonce| {
                    ready(settings.who(&nonce).map_err(|error| AuthError::new(error.message())))
                })
            }
            (None, Login::None) => options,
            (None, Login::Token(token)) => options.token(token.clone()),
            (None, Login::Password(user, password)) => {
                options.user_and_password(user.clone(), password.clone())
            }
        };
        if let Some(path) = &self.root_certificates {
            options = options.add_root_certificates(path.clone());
        }
        Ok(options)
    }

    /// Who we are, for a connection that wants this signed.
    fn who(&self, nonce: &[u8]) -> Result<Auth> {
        let mut auth = Auth::new();
        match &self.login {
            Login::None => {}
            Login::Token(token) => auth.token = Some(token.clone()),
            Login::Password(user, password) => {
                (auth.username, auth.password) = (Some(user.clone()), Some(password.clone()));
            }
        }
        if let Some(path) = &self.credentials_file {
            let credentials = Credentials::read(path)?;
            auth.signature = Some(credentials.sign(nonce)?);
            auth.jwt = Some(credentials.jwt);
        }
        Ok(auth)
    }
}

/// The servers alone.
impl fmt::Display for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, server) in self.servers.iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            write!(f, "{comma}{}://{}:{}", server.scheme(), server.host(), server.port())?;
        }
        Ok(())
    }
}

/// Shows no secrets.
impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Settings({self})")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::credentials_file as file;
    use super::*;

    #[test]
    fn several_servers_are_known_and_the_user_of_one_is_that_of_all() -> Result<()> {
        let settings = Settings::parse("nats://ada:s%40cret@a:4223, b")?;
        assert_eq!(settings.to_string(), "nats://a:4223, nats://b:4222");
        assert!(matches!(&settings.login, Login::Password(user, word) if user == "ada" && word == "s@cret"));
        assert!(!format!("{settings:?}").contains("cret"));
        let settings = Settings::parse("tls://t0ken@a")?;
        assert!(matches!(&settings.login, Login::Token(token) if token == "t0ken"));
        assert_eq!(settings.to_string(), "tls://a:4222");
        Ok(())
    }

    #[test]
    fn an_address_that_cannot_be_used_is_an_error_that_shows_no_password() {
        for wrong in ["http://ada:secret@a", "nats://ada:secret@a:port", "ws://ada:secret@a", "", " , "] {
            let error = Settings::parse(wrong).expect_err("refused");
            assert!(error.message().contains("nats://host:4222"), "{error}");
            assert!(!format!("{error:?}").contains("secret"), "{error:?}");
        }
    }

    #[test]
    fn credentials_that_cannot_be_read_are_an_error_that_names_the_file() -> Result<()> {
        let mut settings = Settings::parse("a")?;
        settings.set_credentials_file("/nowhere/to/be.creds".into());
        let error = settings.options().err().map(|error| error.to_string()).unwrap_or_default();
        assert!(error.contains("/nowhere/to/be.creds"), "{error}");
        Ok(())
    }

    #[test]
    fn credentials_that_were_renewed_are_those_of_the_next_connection()
    -> Result<(), Box<dyn std::error::Error>> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("service.creds");
        let mut settings = Settings::parse("nats://ada:s3cret@a")?;
        settings.set_credentials_file(path.clone());
        for jwt in ["before", "after"] {
            let key = nkeys::KeyPair::new_user();
            std::fs::write(&path, file(jwt, &key.seed()?))?;
            let auth = settings.who(b"nonce")?;
            assert_eq!((auth.jwt.as_deref(), auth.username.as_deref()), (Some(jwt), Some("ada")));
            assert_eq!(auth.signature, Some(key.sign(b"nonce")?));
        }
        std::fs::remove_file(&path)?;
        assert!(settings.who(b"nonce").is_err());
        Ok(())
    }

    proptest! {
        #[test]
        fn any_text_is_servers_or_an_error(text in "(nats://|tls://|)[a-z0-9:@%\\[\\]/?#,. ]{0,24}|.{0,24}") {
            if let Ok(settings) = Settings::parse(&text) {
                prop_assert!(!settings.servers().is_empty());
            }
        }
    }
}
