use std::{fs, path::Path};

use base64::{Engine, engine::general_purpose::STANDARD};

use crate::{emulator::Emulator, ids};

/// The environment variables of a service that uses the emulator.
pub(super) struct ServiceVariables(Vec<(&'static str, String)>);

impl ServiceVariables {
    /// For a service at `app_url`. The cookie password is new, since the sessions of an earlier emulator are gone.
    pub(super) fn new(emulator: &Emulator, app_url: &str) -> Self {
        let mut variables = emulator.env();
        variables.push(("WORKOS_REDIRECT_URI", format!("{app_url}/callback")));
        variables.push(("WORKOS_COOKIE_PASSWORD", STANDARD.encode(ids::random_bytes::<32>())));
        Self(variables)
    }

    /// As shell commands, one variable per line.
    pub(super) fn exports(&self) -> String {
        self.0.iter().map(|(name, value)| format!("export {name}={value}\n")).collect()
    }

    /// Writes them in the form of a `.env` file.
    ///
    /// Does not overwrite a file that no emulator wrote: it may hold the secrets of an account.
    pub(super) fn write_to(&self, path: &Path) -> Result<(), String> {
        let named = |problem: String| format!("{}: {problem}", path.display());
        if fs::read(path).is_ok_and(|found| !found.starts_with(FIRST_LINE.as_bytes())) {
            return Err(named(
                "this file is not one that an emulator wrote, and may hold what you need: name another one, or \
                 remove it"
                    .to_owned(),
            ));
        }
        let lines = self.0.iter().map(|(name, value)| format!("{name}={value}\n"));
        let text: String = [format!("{FIRST_LINE}; it is written anew at each start.\n")]
            .into_iter()
            .chain(lines)
            .collect();
        fs::write(path, text).map_err(|error| named(error.to_string()))
    }
}

/// Marks a file that an emulator wrote.
const FIRST_LINE: &str = "# Written by the AuthKit emulator";
