//! Whether the process has rights that its user doesn't: what the environment says is not to be trusted then.
#![allow(unsafe_code, reason = "the standard library doesn't tell user and group")]

/// Whether the effective user or group is not the real one.
pub(crate) fn is_privileged() -> bool {
    // SAFETY: these four calls take nothing, touch no memory of ours and can't fail.
    unsafe { libc::geteuid() != libc::getuid() || libc::getegid() != libc::getgid() }
}

#[cfg(test)]
mod tests {
    /// The other answer needs a set-user-id program.
    #[test]
    fn a_program_that_is_run_as_usual_is_not_privileged() {
        assert!(!super::is_privileged());
    }
}
