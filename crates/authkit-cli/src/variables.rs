//! The environment variables of a service.

use std::{collections::BTreeSet, env, fs, path::Path, sync::Mutex};

use authkit_session::{Config, CookiePassword};

/// Adds the variables of a file; variables that are already set win.
pub(crate) fn load(file: Option<&Path>) -> Result<(), String> {
    let Some(file) = file else { return Ok(()) };
    dotenvy::from_path(file).map_err(|error| {
        // dotenvy's message repeats the line, which may contain a secret.
        let problem = match error {
            dotenvy::Error::LineParse(_, _) => {
                "a line of it cannot be read; write NAME=value, and a value with spaces or `#` in single quotes"
                    .to_owned()
            }
            dotenvy::Error::Io(error) => error.to_string(),
            _ => "it cannot be read".to_owned(),
        };
        format!("{}: {problem}", file.display())
    })
}

/// The value of a variable; an empty one counts as not set.
pub(crate) fn value(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

/// The value of a secret, from its variable or the file that `<name>_FILE` names.
pub(crate) fn secret(name: &str) -> Option<String> {
    value(name).or_else(|| {
        let text = fs::read_to_string(value(&format!("{name}_FILE"))?).ok()?;
        Some(text.trim_end_matches(['\n', '\r']).to_owned())
    })
}

/// The passwords that open cookies, each with the variable that holds it.
pub(crate) fn passwords() -> Result<Vec<(&'static str, CookiePassword)>, String> {
    let mut passwords = Vec::new();
    if let Some(password) = secret(PASSWORD) {
        passwords.push((PASSWORD, password));
    }
    let others = secret(OTHERS).unwrap_or_default();
    let others = others.split([',', '\n']).map(str::trim).filter(|one| !one.is_empty());
    passwords.extend(others.map(|one| (OTHERS, one.to_owned())));
    if passwords.is_empty() {
        return Err(format!("{PASSWORD} is not set: write the password of the service there"));
    }
    let checked = passwords.into_iter().map(|(name, password)| {
        let password = CookiePassword::new(password)
            .map_err(|_| format!("{name} has fewer than 32 bytes, so that it opens no cookie"))?;
        Ok((name, password))
    });
    checked.collect()
}

/// The `WORKOS_*` variables that are set and that nothing reads, each with the one that was probably meant.
pub(crate) fn unread() -> Vec<(String, Option<String>)> {
    let known = known();
    let set = env::vars_os().filter_map(|(name, value)| {
        let name = name.into_string().ok()?;
        let is_of_workos = PREFIXES.iter().any(|prefix| name.starts_with(prefix));
        let is_read = known.contains(&name) || ELSEWHERE.contains(&name.as_str());
        (is_of_workos && !value.is_empty() && !is_read).then_some(name)
    });
    let names: BTreeSet<_> = set.collect();
    let meant = |name: &str| {
        let bare = name.strip_prefix("NEXT_PUBLIC_").unwrap_or(name);
        let nearest = known.iter().min_by_key(|one| distance(bare, one))?;
        (distance(bare, nearest) <= 6).then(|| nearest.clone())
    };
    names.into_iter().map(|name| (name.clone(), meant(&name))).collect()
}

/// Every variable that a configuration reads: recorded by reading one.
fn known() -> BTreeSet<String> {
    let asked = Mutex::new(BTreeSet::new());
    let _ = Config::from_vars(|name| {
        if let Ok(mut asked) = asked.lock() {
            asked.insert(name.to_owned());
        }
        None
    });
    asked.into_inner().unwrap_or_default()
}

/// How many characters must be added, removed or replaced (Levenshtein).
fn distance(one: &str, other: &str) -> usize {
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, a) in one.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in other.bytes().enumerate() {
            let replaced = diagonal + usize::from(a != b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[other.len()]
}

const PASSWORD: &str = "WORKOS_COOKIE_PASSWORD";
const OTHERS: &str = "WORKOS_COOKIE_PASSWORD_OTHERS";
const PREFIXES: [&str; 2] = ["WORKOS_", "NEXT_PUBLIC_WORKOS_"];
/// Variables that applications read themselves.
const ELSEWHERE: [&str; 2] = ["WORKOS_WEBHOOK_SECRET", "WORKOS_WEBHOOK_SECRET_FILE"];
