//! Walls around a command (Linux, Landlock): it writes only in its folder and the temporary folder,
//! does not read Molecule's own data (tokens, the sealed file), and neither inspects nor signals a
//! process outside, so that the agent's environment with its keys stays out of reach.
//!
//! Where the kernel has no Landlock, and on other systems, there are no walls: there the person who
//! approves a command is the only one.

use std::path::PathBuf;

/// What a command may touch.
#[derive(Clone, Debug)]
pub(crate) struct Walls {
    /// Where it may write, whatever is closed around it.
    pub writable: Vec<PathBuf>,
    /// Where it may write too, except in what is closed.
    pub scratch: Vec<PathBuf>,
    /// Where it may not even look.
    pub closed: Option<PathBuf>,
}

/// Scratch space that every program expects.
pub(crate) const SCRATCH: [&str; 3] = ["/tmp", "/var/tmp", "/dev/shm"];

#[cfg(target_os = "linux")]
mod linux {
    use std::path::{Path, PathBuf};

    use landlock::{
        ABI, Access, AccessFs, BitFlags, PathBeneath, PathFd, Ruleset, RulesetAttr, RulesetCreated, RulesetCreatedAttr,
        RulesetError, RulesetStatus, Scope,
    };

    use rustix::thread::{CapabilitySet, CapabilitySets, set_capabilities};

    use super::Walls;

    /// The newest interface whose rights are asked for; older kernels enforce what they know.
    const INTERFACE: ABI = ABI::V6;

    /// Devices that every program may write to.
    const DEVICES: [&str; 8] =
        ["/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty", "/dev/ptmx", "/dev/pts"];

    impl Walls {
        /// Confines the calling thread and everything that it starts from now on.
        pub(crate) fn raise(&self) -> std::io::Result<()> {
            drop_capabilities()?;
            match self.confine() {
                Ok(RulesetStatus::NotEnforced) => {
                    tracing::warn!("this kernel has no Landlock: commands run without walls")
                }
                Ok(_) => {}
                Err(error) => return Err(std::io::Error::other(error)),
            }
            Ok(())
        }

        fn confine(&self) -> Result<RulesetStatus, RulesetError> {
            let mut rules =
                Ruleset::default().handle_access(AccessFs::from_all(INTERFACE))?.scope(Scope::Signal)?.create()?;
            rules = self.allow(rules, Path::new("/"), AccessFs::from_read(INTERFACE))?;
            let everything = AccessFs::from_all(INTERFACE);
            let scratch = self.scratch.iter().map(PathBuf::as_path);
            for path in DEVICES.iter().map(Path::new).chain(scratch) {
                rules = self.allow(rules, path, everything)?;
            }
            // The folder may lie inside the closed data; it is open all the same.
            for path in &self.writable {
                rules = allow_beneath(rules, path, everything)?;
            }
            Ok(rules.restrict_self()?.ruleset)
        }

        /// Allows `path` with all that is in it, except what is closed.
        fn allow(
            &self,
            rules: RulesetCreated,
            path: &Path,
            access: BitFlags<AccessFs>,
        ) -> Result<RulesetCreated, RulesetError> {
            let Some(closed) = &self.closed else { return allow_beneath(rules, path, access) };
            if path.starts_with(closed) {
                return Ok(rules);
            }
            if !closed.starts_with(path) {
                return allow_beneath(rules, path, access);
            }
            let mut rules = rules;
            for entry in std::fs::read_dir(path).into_iter().flatten().filter_map(Result::ok) {
                // A link is what it leads to; that is allowed, or not, in its own place.
                if entry.file_type().is_ok_and(|kind| !kind.is_symlink()) {
                    rules = self.allow(rules, &entry.path(), access)?;
                }
            }
            Ok(rules)
        }
    }

    /// Only an agent that runs as root has any. With `no_new_privs`, which the walls set, starting a
    /// program does not bring them back.
    fn drop_capabilities() -> std::io::Result<()> {
        let none = CapabilitySet::empty();
        set_capabilities(None, CapabilitySets { effective: none, permitted: none, inheritable: none })?;
        Ok(())
    }

    fn allow_beneath(
        rules: RulesetCreated,
        path: &Path,
        access: BitFlags<AccessFs>,
    ) -> Result<RulesetCreated, RulesetError> {
        // What is not there needs no permission.
        let Ok(place) = PathFd::new(path) else { return Ok(rules) };
        let access = if path.is_dir() { access } else { access & AccessFs::from_file(INTERFACE) };
        rules.add_rule(PathBeneath::new(place, access))
    }
}

#[cfg(not(target_os = "linux"))]
impl Walls {
    /// No walls on this system.
    #[expect(clippy::unnecessary_wraps, reason = "one signature on every system")]
    pub(crate) fn raise(&self) -> std::io::Result<()> {
        let _ = (&self.writable, &self.scratch, &self.closed);
        Ok(())
    }
}
