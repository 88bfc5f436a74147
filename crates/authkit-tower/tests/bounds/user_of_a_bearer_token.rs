//! A token names its user by id alone, so there is nothing to sign out, refresh or call by name.

use authkit_tower::{Bearer, Principal};

fn name(bearer: &Bearer) -> &str {
    &bearer.user().email
}

fn sign_out(principal: &Principal) {
    principal.sign_out();
}

fn main() {}
