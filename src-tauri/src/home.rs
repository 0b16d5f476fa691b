//! The data directory of this user.

use std::path::PathBuf;

/// `MOLECULE_HOME`, else the platform's folder for application data.
pub fn data_dir() -> anyhow::Result<PathBuf> {
    if let Some(home) = std::env::var_os("MOLECULE_HOME").filter(|home| !home.is_empty()) {
        return Ok(std::path::absolute(PathBuf::from(home))?);
    }
    let from = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let base = if cfg!(target_os = "windows") {
        from("APPDATA")
    } else if cfg!(target_os = "macos") {
        from("HOME").map(|home| home.join("Library/Application Support"))
    } else {
        from("XDG_DATA_HOME").or_else(|| from("HOME").map(|home| home.join(".local/share")))
    };
    let base = base
        .ok_or_else(|| anyhow::anyhow!("no home folder is known: set MOLECULE_HOME to a folder for Molecule's data"))?;
    Ok(base.join("molecule"))
}
