//! The config folder of a workspace, which stands for its `/configs` volume (R-107, 20 §7.7).

use std::{
    borrow::Cow,
    fs, io,
    path::{Path, PathBuf},
};

use crate::templates::{CONFIG, Folder, has_top_level};

/// Text files whose line ends are made those of a container.
const TEXT: [&str; 3] = [".sh", ".py", ".md"];

/// Where a workspace's files come from: a template, and generated ones over it.
#[derive(Clone, Debug, Default)]
pub struct Content {
    /// The template's folder.
    pub folder: Option<Folder>,
    /// Relative path to text; these win over the folder's.
    pub generated: Vec<(String, String)>,
    /// Further folders, each into a place of its own (plugins).
    pub beside: Vec<(String, Folder)>,
}

/// Writes the content into a config folder. What lies there already and is not part of it stays. Blocking.
///
/// # Errors
/// When something cannot be read or written.
pub fn populate(configs: &Path, content: &Content) -> io::Result<()> {
    fs::create_dir_all(configs)?;
    if let Some(folder) = &content.folder {
        copy(configs, folder)?;
    }
    for (below, folder) in &content.beside {
        copy(&configs.join(below), folder)?;
    }
    for (path, text) in &content.generated {
        write(&configs.join(path), text.as_bytes())?;
    }
    Ok(())
}

/// Adds the `runtime:` line that a template's `config.yaml` leaves out (R-107). Blocking.
///
/// # Errors
/// When the file cannot be read or written.
pub fn name_runtime(configs: &Path, runtime: &str) -> io::Result<()> {
    let path = configs.join(CONFIG);
    let text = match fs::read_to_string(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        read => read?,
    };
    if has_top_level(&text, "runtime") {
        return Ok(());
    }
    let gap = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
    write(&path, format!("{text}{gap}runtime: {runtime}\n").as_bytes())
}

/// Writes the chosen model into a local agent's `config.yaml`, so that the choice holds also where the secret
/// that carries it cannot be read. What cannot be parsed is left alone. Blocking.
///
/// # Errors
/// When the file cannot be read or written.
pub fn name_model(configs: &Path, model: &str) -> io::Result<()> {
    let path = configs.join(CONFIG);
    let text = match fs::read_to_string(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        read => read?,
    };
    let Ok(mut document) = crate::templates::parse::<serde_json::Map<String, serde_json::Value>>(CONFIG, &text) else {
        return Ok(());
    };
    document.insert("model".to_owned(), model.into());
    if let Some(inner) = document.get_mut("runtime_config").and_then(serde_json::Value::as_object_mut) {
        inner.remove("model");
    }
    match serde_saphyr::to_string(&serde_json::Value::Object(document)) {
        Ok(text) => write(&path, text.as_bytes()),
        Err(error) => Err(io::Error::other(error)),
    }
}

fn copy(to: &Path, folder: &Folder) -> io::Result<()> {
    for file in folder.files()? {
        let Some(bytes) = folder.read(&file) else {
            tracing::warn!(file, "a file of a template is too large or cannot be read; it is left out");
            continue;
        };
        let bytes = if TEXT.iter().any(|end| file.ends_with(end)) { unix_lines(bytes) } else { bytes };
        write(&to.join(&file), &bytes)?;
    }
    Ok(())
}

fn unix_lines(bytes: Cow<'static, [u8]>) -> Cow<'static, [u8]> {
    if !bytes.contains(&b'\r') {
        return bytes;
    }
    let mut out = Vec::with_capacity(bytes.len());
    for (at, byte) in bytes.iter().enumerate() {
        if *byte != b'\r' || bytes.get(at + 1) != Some(&b'\n') {
            out.push(*byte);
        }
    }
    Cow::Owned(out)
}

/// Writes through a temporary file, so that no reader sees half of it; a link in its place is replaced, not followed.
fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().ok_or_else(|| io::Error::other("a file without a folder"))?;
    fs::create_dir_all(folder)?;
    let temporary: PathBuf = folder.join(format!(".{}.new", molecule_model::id::fresh()));
    let written = fs::write(&temporary, bytes).and_then(|()| fs::rename(&temporary, path));
    if written.is_err() {
        drop(fs::remove_file(&temporary));
    }
    written
}

/// Removes what a deleted workspace leaves: all of it, or all but the files that its agent made (20 §2.2). Blocking.
///
/// # Errors
/// When something cannot be removed.
pub fn remove(workspace: &Path, with_work: bool) -> io::Result<()> {
    let gone = |result: io::Result<()>| match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    };
    if with_work {
        return gone(fs::remove_dir_all(workspace));
    }
    gone(fs::remove_dir_all(workspace.join("configs")))?;
    for name in ["agent.log", "agent.log.1", "run.json"] {
        gone(fs::remove_file(workspace.join(name)))?;
    }
    // Only where nothing is left in them.
    drop(fs::remove_dir(workspace.join("workspace")));
    drop(fs::remove_dir(workspace));
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use serde_json::{Value, json};

    use super::{Content, name_model, name_runtime, populate, remove};
    use crate::templates::Folder;

    #[test]
    fn generated_files_lie_over_the_template_and_the_rest_stays() {
        let (template, configs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::create_dir_all(template.path().join("skills/a")).unwrap();
        fs::write(template.path().join("skills/a/SKILL.md"), "one\r\ntwo\r").unwrap();
        fs::write(template.path().join("config.yaml"), "name: t").unwrap();
        fs::write(template.path().join("data.bin"), "a\r\n").unwrap();
        fs::write(configs.path().join("notes.md"), "mine").unwrap();
        let content = Content {
            folder: Some(Folder::Disk(template.path().to_owned())),
            generated: vec![("config.yaml".into(), "name: g".into())],
            beside: Vec::new(),
        };
        populate(configs.path(), &content).unwrap();
        let read = |name: &str| fs::read_to_string(configs.path().join(name)).unwrap();
        assert_eq!(read("config.yaml"), "name: g");
        assert_eq!(read("skills/a/SKILL.md"), "one\ntwo\r");
        assert_eq!(read("data.bin"), "a\r\n");
        assert_eq!(read("notes.md"), "mine");
        assert_eq!(fs::read_dir(configs.path()).unwrap().count(), 4, "no temporary file is left");
        name_runtime(configs.path(), "local").unwrap();
        name_runtime(configs.path(), "local").unwrap();
        assert_eq!(read("config.yaml"), "name: g\nruntime: local\n");
    }

    #[test]
    fn the_chosen_model_stands_at_the_top_and_no_other_is_left() {
        let configs = tempfile::tempdir().unwrap();
        let path = configs.path().join("config.yaml");
        name_model(configs.path(), "b").unwrap();
        assert!(!path.exists(), "where there is no file, none is made");
        fs::write(&path, "name: x\nruntime_config:\n  model: a\n  timeout: 5\n").unwrap();
        name_model(configs.path(), "b").unwrap();
        let written = crate::templates::parse::<Value>("config.yaml", &fs::read_to_string(&path).unwrap()).unwrap();
        assert_eq!(written, json!({"name": "x", "model": "b", "runtime_config": {"timeout": 5}}));
        fs::write(&path, "name: [x").unwrap();
        name_model(configs.path(), "b").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "name: [x");
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        assert!(name_model(configs.path(), "b").is_err(), "a file that cannot be read is an error");
        assert!(name_runtime(configs.path(), "local").is_err());
    }

    #[cfg(unix)]
    #[test]
    fn a_link_in_the_config_folder_is_not_written_through() {
        let (outside, configs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let target = outside.path().join("target");
        fs::write(&target, "precious").unwrap();
        std::os::unix::fs::symlink(&target, configs.path().join("config.yaml")).unwrap();
        let content = Content { generated: vec![("config.yaml".into(), "x".into())], ..Content::default() };
        populate(configs.path(), &content).unwrap();
        assert_eq!(fs::read_to_string(target).unwrap(), "precious");
    }

    #[test]
    fn a_delete_keeps_what_the_agent_made_and_a_purge_does_not() {
        let home = tempfile::tempdir().unwrap();
        let workspace = home.path().join("w");
        for folder in ["configs", "workspace"] {
            fs::create_dir_all(workspace.join(folder)).unwrap();
        }
        fs::write(workspace.join("workspace/report.md"), "r").unwrap();
        fs::write(workspace.join("agent.log"), "l").unwrap();
        remove(&workspace, false).unwrap();
        assert!(workspace.join("workspace/report.md").exists() && !workspace.join("configs").exists());
        remove(&workspace, true).unwrap();
        assert!(!workspace.exists());
        remove(&workspace, true).unwrap();
        remove(&workspace, false).unwrap();
    }
}
