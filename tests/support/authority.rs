//! A private certificate authority.

use std::{
    fs,
    path::PathBuf,
    process::{Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
};

/// A private authority with a folder for what it signs; dropping it removes both.
#[derive(Debug)]
pub struct Authority(PathBuf);

/// A certificate, its key and that of the authority that signed it: files in PEM.
#[derive(Clone, Debug)]
pub struct Certificate {
    /// The certificate.
    pub file: String,
    /// Its key.
    pub key: String,
    /// The certificate of the authority.
    pub authority: String,
}

impl Authority {
    /// Makes one.
    ///
    /// # Panics
    ///
    /// If `openssl` cannot (Debian package `openssl`).
    #[expect(clippy::new_without_default, reason = "it runs a program")]
    pub fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("authkit-redis-ca-{}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        fs::create_dir_all(&folder).expect("the folder for temporary files takes another one");
        let authority = Self(folder);
        let (certificate, key) = (authority.file("ca.pem"), authority.file("ca.key"));
        let made = ["-x509", "-keyout", &key, "-out", &certificate, "-subj", "/CN=Private CA"];
        openssl(&[&["req", "-nodes", "-days", "2"], &KEY[..], &made[..]].concat());
        authority
    }

    /// Signs a certificate for names such as `DNS:localhost,IP:127.0.0.1`.
    ///
    /// # Panics
    ///
    /// If `openssl` cannot.
    pub fn sign(&self, file: &str, names: &str) -> Certificate {
        let [certificate, key] = ["pem", "key"].map(|end| self.file(&format!("{file}.{end}")));
        let (ca, ca_key) = (self.file("ca.pem"), self.file("ca.key"));
        let names = format!("subjectAltName={names}");
        let signed =
            ["-x509", "-CA", &ca, "-CAkey", &ca_key, "-keyout", &key, "-out", &certificate];
        let named = ["-subj", "/CN=localhost", "-addext", &names];
        let end = ["-addext", "basicConstraints=critical,CA:FALSE"];
        let request = ["req", "-nodes", "-days", "2"];
        openssl(&[&request[..], &KEY[..], &signed[..], &named[..], &end[..]].concat());
        Certificate { file: certificate, key, authority: ca }
    }

    /// Its own certificate, in PEM.
    ///
    /// # Panics
    ///
    /// If the file is gone.
    pub fn pem(&self) -> Vec<u8> {
        fs::read(self.file("ca.pem")).expect("it was made")
    }

    fn file(&self, name: &str) -> String {
        self.0.join(name).to_str().expect("the folder has a readable name").to_owned()
    }
}

impl Drop for Authority {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn openssl(arguments: &[&str]) {
    let done = Command::new("openssl").args(arguments).stderr(Stdio::null()).status();
    assert!(done.expect("`openssl` is installed").success(), "openssl {arguments:?}");
}

const KEY: [&str; 4] = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"];
