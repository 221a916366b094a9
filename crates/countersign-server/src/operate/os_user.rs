//! The operating system's user who runs this program.

/// Their name as the system knows it; the number of one that it has no name for. The environment is
/// not asked: anybody may write a name there.
pub(super) fn name() -> String {
    whoami::username().unwrap_or_else(|_| format!("uid {}", rustix::process::geteuid().as_raw()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_is_the_systems_own() {
        let id = std::process::Command::new("id").arg("-un").output().unwrap();
        assert_eq!(name(), String::from_utf8_lossy(&id.stdout).trim());
    }
}
