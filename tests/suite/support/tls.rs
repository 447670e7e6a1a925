//! An authority of our own, what it certifies, and servers that show it.

use std::path::PathBuf;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

use super::{Server, free_port, fresh_folder};

/// Signs certificates that nobody else trusts.
#[derive(Debug)]
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: PathBuf,
}

impl Authority {
    pub fn new() -> Self {
        let mut params = CertificateParams::default();
        params
            .distinguished_name
            .push(DnType::CommonName, "authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let issuer = CertifiedIssuer::self_signed(params, key).unwrap();
        let folder = fresh_folder();
        std::fs::write(folder.join("authority.pem"), issuer.pem()).unwrap();
        Self { issuer, folder }
    }

    pub fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// The path of its own certificate.
    pub fn file(&self) -> String {
        self.path("authority.pem")
    }

    /// A certificate of this name, and its key.
    pub fn certify(&self, name: &str) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new([name.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        (certificate.pem(), key.serialize_pem())
    }

    /// The arguments of a server that shows a certificate of this name, on one more port.
    pub fn arguments(&self, name: &str, port: u16) -> Vec<String> {
        let (certificate, key) = self.certify(name);
        let files = [("certificate", certificate), ("key", key)].map(|(kind, pem)| {
            let file = format!("{port}-{kind}.pem");
            std::fs::write(self.folder.join(&file), pem).unwrap();
            self.path(&file)
        });
        let arguments = [
            ("--tls-port", &port.to_string()),
            ("--tls-cert-file", &files[0]),
            ("--tls-key-file", &files[1]),
            ("--tls-ca-cert-file", &self.file()),
            ("--tls-auth-clients", &"no".to_owned()),
        ];
        let words = arguments.into_iter();
        words
            .flat_map(|(option, value)| [option.to_owned(), value.clone()])
            .collect()
    }

    /// A server that shows a certificate of this name, and the port on which it does so.
    pub fn serve(&self, name: &str, more: &[&str]) -> (Server, u16) {
        let port = free_port();
        let arguments = self.arguments(name, port);
        let mut arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
        arguments.extend(more);
        (Server::start_with(&arguments), port)
    }

    fn path(&self, file: &str) -> String {
        self.folder.join(file).to_str().unwrap().to_owned()
    }
}

impl Drop for Authority {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
