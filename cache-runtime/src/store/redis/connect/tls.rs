//! What TLS connections trust, and what they show of themselves.

#[cfg(any(feature = "tls-rustls", feature = "tls-native"))]
use redis::{Client, ClientTlsConfig, TlsCertificates};
use redis::{ConnectionAddr, ConnectionInfo};

use crate::config::Config;
use crate::error::{Error, ErrorKind};

pub(super) struct Tls<'a>(pub(super) &'a Config);

impl Tls<'_> {
    /// The same place, with the certificates of the configuration if there are any.
    pub(super) fn with(&self, info: ConnectionInfo) -> Result<ConnectionInfo, Error> {
        if is_tls(&info) {
            return self.secured(info);
        }
        if self.has_certificates() {
            return Err(Error::new(
                ErrorKind::Config,
                "certificates are configured, but the URL is one without TLS; write `rediss://`",
            ));
        }
        Ok(info)
    }

    fn has_certificates(&self) -> bool {
        self.0.root_certificates.is_some() || self.0.client_certificate.is_some()
    }

    #[cfg(any(feature = "tls-rustls", feature = "tls-native"))]
    fn secured(&self, info: ConnectionInfo) -> Result<ConnectionInfo, Error> {
        choose_cryptography();
        let Some(certificates) = self.certificates() else {
            return Ok(info);
        };
        // The cause may quote a line of the key.
        let client = Client::build_with_tls(info, certificates).map_err(|_| {
            Error::new(
                ErrorKind::Config,
                "the root certificates, or the client's certificate and key, cannot be read",
            )
        })?;
        Ok(client.get_connection_info().clone())
    }

    /// Where no URL leads: without one of the features, none with TLS is accepted.
    #[cfg(not(any(feature = "tls-rustls", feature = "tls-native")))]
    fn secured(&self, info: ConnectionInfo) -> Result<ConnectionInfo, Error> {
        Ok(info)
    }

    #[cfg(any(feature = "tls-rustls", feature = "tls-native"))]
    pub(super) fn certificates(&self) -> Option<TlsCertificates> {
        let client = self.0.client_certificate.as_ref();
        let client_tls = client.zip(self.0.client_key.as_ref());
        let client_tls = client_tls.map(|(certificate, key)| ClientTlsConfig {
            client_cert: certificate.bytes().to_vec(),
            client_key: key.bytes().to_vec(),
        });
        let root_cert = self.0.root_certificates.as_ref();
        let root_cert = root_cert.map(|pem| pem.bytes().to_vec());
        self.has_certificates().then_some(TlsCertificates {
            client_tls,
            root_cert,
        })
    }

    /// With native TLS alone, redis-rs gives certificates to no server that it finds by another.
    #[cfg(any(feature = "sentinel", feature = "cluster"))]
    pub(super) fn check_for_found(&self) -> Result<(), Error> {
        if self.has_certificates() && cfg!(not(feature = "tls-rustls")) {
            return Err(Error::new(
                ErrorKind::Config,
                "certificates of your own for sentinels or a cluster need the feature \
                 `tls-rustls` of cache-runtime",
            ));
        }
        Ok(())
    }
}

pub(super) fn is_tls(info: &ConnectionInfo) -> bool {
    matches!(info.addr(), ConnectionAddr::TcpTls { .. })
}

/// redis-rs takes the provider of cryptography of the process, and panics where it would have to
/// choose between several: another crate of the program may bring one, too.
#[cfg(feature = "tls-rustls")]
fn choose_cryptography() {
    use rustls::crypto::{CryptoProvider, ring};
    if CryptoProvider::get_default().is_none() {
        // Whoever was faster has chosen.
        let _ = ring::default_provider().install_default();
    }
}

#[cfg(all(feature = "tls-native", not(feature = "tls-rustls")))]
fn choose_cryptography() {}
