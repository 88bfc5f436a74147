use std::{env, process::Command};

/// Runs the test of this `module_path!()` alone in a child process with these variables; [`is_child`] tells the test that
/// it is the child. The child does not inherit variables about proxies, certificates and WorkOS.
#[track_caller]
pub(crate) fn in_child(module: &str, test: &str, variables: &[(&str, &str)]) {
    let module = module.split_once("::").unwrap().1;
    let mut command = Command::new(env::current_exe().unwrap());
    for (name, _) in env::vars_os() {
        let lower = name.to_string_lossy().to_ascii_lowercase();
        if lower.ends_with("_proxy")
            || lower.starts_with("ssl_cert")
            || lower.starts_with("workos_")
        {
            command.env_remove(name);
        }
    }
    command
        .args([&format!("{module}::{test}"), "--exact", "--nocapture"])
        .envs(variables.iter().copied())
        .env(IN_CHILD, "1");
    let output = command.output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && told.contains(" 1 passed"), "{told}\n{output:?}");
}

pub(crate) fn is_child() -> bool {
    env::var_os(IN_CHILD).is_some()
}

const IN_CHILD: &str = "AUTHKIT_TEST_CHILD";
