use aes_gcm::{AeadInOut, Aes256Gcm, KeyInit, Nonce, Tag};
use aws_lc_rs::{
    digest,
    signature::{ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents},
};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use serde::Deserialize;

use crate::{PASSWORD, Sample};

/// The least work in which a sealed session can be verified: AES-256-GCM over the cookie and RSA over its token, with
/// prepared keys and decoded texts.
pub struct Cryptography {
    cipher: Aes256Gcm,
    sealed: Vec<u8>,
    key: ParsedPublicKey,
    token: String,
    signature: Vec<u8>,
}

impl Cryptography {
    /// For a cookie in [`SealFormat::Ruby`](authkit_session::SealFormat::Ruby) with the sample's session.
    pub fn of(sample: &Sample, cookie: &str) -> Self {
        #[derive(Deserialize)]
        struct Jwks {
            keys: [Jwk; 1],
        }
        #[derive(Deserialize)]
        struct Jwk {
            n: String,
            e: String,
        }
        let Jwks { keys: [Jwk { n, e }] } = serde_json::from_str(sample.jwks.get()).expect("JSON");
        let mut token = sample.access_token();
        let decode = |text: &str| URL_SAFE_NO_PAD.decode(text).expect("base64");
        let key = RsaPublicKeyComponents { n: decode(&n), e: decode(&e) };
        let key = key.to_parsed_public_key(&RSA_PKCS1_2048_8192_SHA256).expect("an RSA key");
        let signature = token.split_off(token.rfind('.').expect("a JWT has parts"));
        let password = digest::digest(&digest::SHA256, PASSWORD.as_bytes());
        Self {
            cipher: Aes256Gcm::new_from_slice(password.as_ref()).expect("32 bytes"),
            sealed: STANDARD.decode(cookie.replace("%2B", "+")).expect("base64"),
            key,
            token,
            signature: decode(&signature[1..]),
        }
    }

    /// Opens the cookie and verifies the token.
    pub fn run(&self) {
        let (head, text) = self.sealed.split_at(1 + 12 + 16);
        let nonce = Nonce::try_from(&head[1..13]).expect("12 bytes");
        let tag = Tag::try_from(&head[13..]).expect("16 bytes");
        let mut text = text.to_vec();
        self.cipher
            .decrypt_inout_detached(&nonce, b"", text.as_mut_slice().into(), &tag)
            .expect("sealed with the password");
        self.key.verify_sig(self.token.as_bytes(), &self.signature).expect("signed with the key");
        assert_eq!(text[0], b'{');
    }
}
