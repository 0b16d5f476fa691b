//! Organisations from templates: reading `org.yaml`, what it needs, the plan, and carrying it out (20 §12).

mod dotenv;
mod import;
mod plan;
mod requirements;
mod routes;
pub mod schema;

use std::{collections::BTreeMap, io, path::Path};

pub use requirements::{Needs, missing};
pub use routes::router;
pub use schema::{Org, Requirement};

use crate::templates::{Fault, Folder, parse_with_includes};

/// The file that makes a folder an org template; the second spelling is accepted too.
const FILES: [&str; 2] = ["org.yaml", "org.yml"];

/// Reads the organisation in a folder, includes expanded. `None`: there is no `org.yaml`.
///
/// # Errors
/// [`Fault`] names file, line and reason.
pub fn read(folder: &Folder) -> Result<Option<Org>, Fault> {
    for file in FILES {
        if let Some(text) = folder.text(file) {
            return parse_with_includes(folder, file, &text).map(Some);
        }
    }
    Ok(None)
}

/// Writes a config folder: folders 0755, files 0644; `.sh`, `.py` and `.md` with plain line ends (20 §7.7).
fn write_files(root: &Path, files: &BTreeMap<String, Vec<u8>>) -> io::Result<()> {
    std::fs::create_dir_all(root)?;
    for (name, bytes) in files {
        let path = root.join(name);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)?;
        }
        let text = [".sh", ".py", ".md"].iter().any(|end| name.ends_with(end));
        match std::str::from_utf8(bytes) {
            Ok(content) if text && content.contains("\r\n") => std::fs::write(&path, content.replace("\r\n", "\n"))?,
            _ => std::fs::write(&path, bytes)?,
        }
    }
    Ok(())
}
