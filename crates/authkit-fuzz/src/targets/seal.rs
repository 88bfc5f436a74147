//! Sealed values: only values that were sealed with the password open, and they open to what was sealed.

use authkit_session::{CookiePassword, SealFormat, inspect, inspect::Inspected};

use crate::{
    input::Input,
    service::{password, unused_password},
};

pub(super) fn run(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let passwords = [password(), BASE64, RAW].map(|it| CookiePassword::new(it).expect("32 bytes"));
    let format = input.below(SealFormat::ALL.len() + 1);
    let Some(format) = SealFormat::ALL.get(format) else {
        let text = String::from_utf8_lossy(input.rest()).into_owned();
        // libFuzzer remembers what earlier inputs sealed with the other passwords.
        let unused = CookiePassword::new(unused_password()).expect("it is long enough");
        assert!(Inspected::open(&text, &[unused]).is_err(), "nobody sealed `{text}`");
        return;
    };
    let password = match format {
        SealFormat::Python => &passwords[1],
        SealFormat::Ruby6 => &passwords[2],
        _ => &passwords[0],
    };
    let plaintext = input.bytes();
    let sealed = inspect::seal(*format, password, plaintext).expect("the password suits it");
    let mut changed = sealed.clone().into_bytes();
    input.mutate(&mut changed);
    let changed = String::from_utf8_lossy(&changed);
    match Inspected::open(&changed, &passwords) {
        // A change may remove padding or undo percent-encoding; the plaintext stays the same. iron-session's suffix, which no
        // MAC protects, says whether the session is inside `persistent`.
        Ok(opened) => {
            let may_be_inside = changed.contains('~') && mentions_persistent(plaintext);
            let is_same = opened.plaintext() == plaintext;
            assert!(may_be_inside || is_same, "{format}: `{changed}`, `{sealed}`");
        }
        Err(error) => assert_ne!(changed, sealed, "{format}: {error}"),
    }
}

/// Whether a plaintext may have a member `persistent`, in any spelling.
fn mentions_persistent(plaintext: &[u8]) -> bool {
    let text = String::from_utf8_lossy(plaintext);
    text.contains("persistent") || text.contains("\\u")
}

/// Test passwords for two formats: Python's are base64, Ruby 6's have 32 bytes.
const BASE64: &str = "v0RAnCHm6QTHGrCBBeqiJxWURBoavNMLO0ZUTmNlX8g=";
const RAW: &str = "0123456789abcdefghijklmnopqrstuv";
