use std::{
    io::Write,
    process::{Command, Stdio},
    slice,
};

use authkit_emulator::Emulator;
use serde_json::{Value, json};

use super::{installed, node, scripts, spawn};

/// A library that seals sessions, other than ours.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Peer {
    /// `@workos-inc/node` 11.
    Node,
    /// `@workos/authkit-session`, which the official JavaScript frameworks stand on.
    AuthkitSession,
    /// `iron-session`, with which authkit-nextjs seals.
    IronSession,
    /// `workos` 10 from PyPI.
    Python,
    /// `workos` 5 from PyPI, the quick-start guide's.
    PythonGuide,
    /// The crate `workos` 3.5; only `cargo xtask peers` builds it.
    Rust,
}

impl Peer {
    /// The SDKs that authenticate sessions, and not only seal and open them.
    pub const JUDGES: [Self; 4] =
        [Self::Node, Self::AuthkitSession, Self::Python, Self::PythonGuide];

    /// Those that `cargo xtask test` installs.
    pub const INSTALLED: [Self; 5] =
        [Self::Node, Self::AuthkitSession, Self::IronSession, Self::Python, Self::PythonGuide];

    /// Lets the SDK seal `payload`.
    ///
    /// # Errors
    ///
    /// The peer's own words.
    ///
    /// # Panics
    ///
    /// If the peer is not installed or does not answer.
    pub fn seal(self, password: &str, payload: &Value) -> Result<String, String> {
        self.seal_all(password, slice::from_ref(payload)).remove(0)
    }

    /// Like [`seal`](Self::seal) for several payloads in one run, with one result each.
    pub fn seal_all(self, password: &str, payloads: &[Value]) -> Vec<Result<String, String>> {
        let request = |payload| json!({ "op": "seal", "password": password, "payload": payload });
        let text = |sealed: Value| sealed.as_str().expect("a sealed value is a string").to_owned();
        let answers = self.ask(&payloads.iter().map(request).collect::<Vec<_>>());
        answers.into_iter().map(|answer| answer.map(text)).collect()
    }

    /// Lets the SDK open `sealed`.
    ///
    /// # Errors
    ///
    /// The peer's own words.
    ///
    /// # Panics
    ///
    /// If the peer is not installed or does not answer.
    pub fn unseal(self, password: &str, sealed: &str) -> Result<Value, String> {
        self.unseal_all(password, &[sealed]).remove(0)
    }

    /// Like [`unseal`](Self::unseal) for several values in one run, with one result each.
    pub fn unseal_all(self, password: &str, sealed: &[&str]) -> Vec<Result<Value, String>> {
        let request = |sealed| json!({ "op": "unseal", "password": password, "sealed": sealed });
        self.ask(&sealed.iter().map(request).collect::<Vec<_>>())
    }

    /// Like [`unseal_all`](Self::unseal_all), with a password for each cookie.
    pub fn unseal_each(self, cookies: &[(&str, &str)]) -> Vec<Result<Value, String>> {
        let request = |(password, sealed): &(&str, &str)| json!({ "op": "unseal", "password": password, "sealed": sealed });
        self.ask(&cookies.iter().map(request).collect::<Vec<_>>())
    }

    /// Lets the SDK authenticate several sessions in one run as an application would, including their tokens.
    ///
    /// An answer has `email`, `first_name`, `organization_id` and the `impersonator`'s address.
    ///
    /// # Panics
    ///
    /// If the peer is not installed or does not answer.
    pub fn authenticate_all(
        self,
        workos: &Emulator,
        password: &str,
        sealed: &[&str],
    ) -> Vec<Result<Value, String>> {
        let request = |sealed| {
            json!({
                "op": "authenticate", "password": password, "sealed": sealed, "base_url": workos.url(),
                "client_id": workos.client_id(), "api_key": workos.api_key(),
            })
        };
        self.ask(&sealed.iter().map(request).collect::<Vec<_>>())
    }

    /// The protocol is in `tests/peers/README.md`; starting a peer takes under a second.
    fn ask(self, requests: &[Value]) -> Vec<Result<Value, String>> {
        let mut process = spawn(self.command().stdin(Stdio::piped()).stdout(Stdio::piped()));
        let mut input = process.stdin.take().expect("the input is piped");
        write!(input, "{}", json!(requests)).expect("a peer reads its requests");
        drop(input);

        let output = process.wait_with_output().expect("a peer ends");
        let answers: Vec<Value> =
            serde_json::from_slice(&output.stdout).expect("a peer answers in JSON");
        assert_eq!(answers.len(), requests.len(), "{self:?} gives each request its answer");
        let result = |answer: Value| match (&answer["ok"], &answer["error"]) {
            (ok, Value::Null) if !ok.is_null() => Ok(ok.clone()),
            (Value::Null, Value::String(error)) => Err(error.clone()),
            _ => panic!("{self:?} answers {answer}"),
        };
        answers.into_iter().map(result).collect()
    }

    fn command(self) -> Command {
        match self {
            Self::Node => Self::in_node("node"),
            Self::AuthkitSession => Self::in_node("authkit-session"),
            Self::IronSession => Self::in_node("iron-session"),
            Self::Python => Self::in_python("py10"),
            Self::PythonGuide => Self::in_python("py5"),
            Self::Rust => Command::new(installed().join("rust/debug/peer")),
        }
    }

    fn in_node(library: &str) -> Command {
        let mut command = Command::new(node());
        command.arg(scripts().join("node/peer.mjs")).arg(library).env("AUTHKIT_PEERS", installed());
        command
    }

    fn in_python(environment: &str) -> Command {
        let mut command = Command::new(installed().join(environment).join("bin/python"));
        command.arg(scripts().join("python/peer.py"));
        command
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peers_read_their_own_family_only() {
        let password = "x4q1f9a0dH3dqv0m8s3QJb8w2mT5y7kR1c6n9pL0zUE=";
        let iron = [Peer::Node, Peer::AuthkitSession, Peer::IronSession];
        // Both snake_case and camelCase names, since each peer reads its own.
        let payload = json!({
            "accessToken": "e30.e30.", "refreshToken": "r", "access_token": "e30.e30.", "refresh_token": "r",
            "user": { "id": "user_01" },
        });
        let other = "y4q1f9a0dH3dqv0m8s3QJb8w2mT5y7kR1c6n9pL0zUE=";
        let sealed = Peer::INSTALLED.map(|writer| writer.seal(password, &payload).unwrap());
        let sealed = sealed.each_ref().map(String::as_str);
        for reader in Peer::INSTALLED {
            for (writer, opened) in Peer::INSTALLED.iter().zip(reader.unseal_all(password, &sealed))
            {
                let related = iron.contains(writer) == iron.contains(&reader);
                assert_eq!(opened.is_ok(), related, "{reader:?} on {writer:?}: {opened:?}");
                let same = opened.is_err() || opened.unwrap()["user"] == payload["user"];
                assert!(same, "{reader:?} on {writer:?}");
            }
            let opened = reader.unseal_all(other, &sealed);
            assert!(opened.iter().all(Result::is_err), "{reader:?} under another password");
        }
    }
}
