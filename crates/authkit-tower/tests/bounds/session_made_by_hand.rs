//! Holding a session, or what a token says, is proof: only a layer makes one.

use authkit_tower::{Bearer, Session, VerifiedSession, VerifiedToken};

fn session(verified: VerifiedSession) -> Session {
    Session { verified: verified.into() }
}

fn bearer(token: VerifiedToken) -> Bearer {
    Bearer { token: token.into() }
}

fn anybody() -> Session {
    Session::default()
}

fn main() {}
