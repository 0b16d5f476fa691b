//! YAML with the place of every fault: file, line, column, reason; and `!include` (20 §12.2).

use serde::de::DeserializeOwned;
use serde_saphyr::{IncludeRequest, IncludeResolveError, InputSource, ResolvedInclude, options};

use super::{Folder, Kind, folder::inside};

/// Files that include files, at most this deep (20 §12.2).
const DEEPEST: usize = 16;

/// Why a document was refused. Its file is relative to the template, never a path of the machine.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub struct Fault {
    /// The file, relative to the template's folder.
    pub file: String,
    /// Counted from 1; 0 where the parser does not say.
    pub line: u64,
    /// Counted from 1; 0 where the parser does not say.
    pub column: u64,
    /// What was expected or found.
    pub reason: String,
}

/// A template that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Problem {
    /// Role or organisation.
    pub kind: Kind,
    /// Its folder's name.
    pub id: String,
    /// Where and why.
    #[serde(flatten)]
    pub fault: Fault,
}

/// What parsing gives.
pub type Parsed<T> = Result<T, Fault>;

impl Fault {
    /// A fault of the whole file.
    #[must_use]
    pub fn of_file(file: &str, reason: impl Into<String>) -> Self {
        Self { file: file.to_owned(), line: 0, column: 0, reason: reason.into() }
    }

    fn new(file: &str, error: &serde_saphyr::Error) -> Self {
        let (line, column) = error.location().map_or((0, 0), |at| (at.line(), at.column()));
        // The place has keys of its own.
        let text = error.without_snippet().to_string();
        let place = format!(" at line {line}, column {column}");
        let reason = text.strip_suffix(&place).unwrap_or(&text).replace('\n', "; ");
        Self { file: included(error).unwrap_or_else(|| file.to_owned()), line, column, reason }
    }
}

/// The included file that an error lies in: the parser names it only in the excerpt that it draws.
fn included(error: &serde_saphyr::Error) -> Option<String> {
    let drawn = error.render();
    let place = drawn.lines().find_map(|line| line.trim_start().strip_prefix("--> "))?;
    let (file, _) = place.rsplit_once(':')?.0.rsplit_once(':')?;
    (file != "<input>").then(|| file.to_owned())
}

/// Parses one document. Without a resolver `!include` would be an ordinary string, so its tag is refused.
///
/// # Errors
/// [`Fault`] names the place.
pub fn parse<T: DeserializeOwned>(file: &str, text: &str) -> Parsed<T> {
    let options = options! {}.with_include_resolver(|_: IncludeRequest<'_>| {
        Err(IncludeResolveError::Message("!include is allowed in org templates only".into()))
    });
    serde_saphyr::from_str_with_options(text, options).map_err(|error| Fault::new(file, &error))
}

/// Parses a document of `folder`, whose `!include`s stay inside of it.
///
/// # Errors
/// [`Fault`] names the file, which may be an included one, and the place.
pub fn parse_with_includes<T: DeserializeOwned>(folder: &Folder, file: &str, text: &str) -> Parsed<T> {
    let root = folder.clone();
    let main = file.to_owned();
    let options = options! {}.with_include_resolver(move |request: IncludeRequest<'_>| {
        let refuse = |why: &str| Err(IncludeResolveError::Message(why.to_owned()));
        if request.spec.trim().is_empty() {
            return refuse("the path is empty");
        }
        if request.stack.len() > DEEPEST {
            return refuse("more than 16 files include one another");
        }
        let base = request.from_id.unwrap_or(&main).rsplit_once('/').map_or("", |(base, _)| base);
        let Some(path) = inside(format!("{base}/{}", request.spec).trim_start_matches('/')) else {
            return refuse("the path leads out of the template");
        };
        if request.spec.starts_with('/') || path == main {
            return refuse("the path leads out of the template, or back to its own file");
        }
        match root.text(&path) {
            Some(text) => Ok(ResolvedInclude::new(path.clone(), path, InputSource::from_string(text))),
            None => refuse("there is no such file in the template"),
        }
    });
    serde_saphyr::from_str_with_options(text, options).map_err(|error| Fault::new(file, &error))
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::{Folder, parse, parse_with_includes};

    #[derive(Debug, Deserialize)]
    struct Node {
        name: String,
        #[serde(default)]
        children: Vec<Self>,
    }

    fn folder(files: &[(&str, &str)]) -> (tempfile::TempDir, Folder) {
        let dir = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = dir.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let folder = Folder::Disk(dir.path().to_owned());
        (dir, folder)
    }

    #[test]
    fn a_fault_names_its_place() {
        let fault = parse::<Node>("config.yaml", "name: a\nchildren:\n  - name: [1]\n").unwrap_err();
        assert_eq!((fault.file.as_str(), fault.line, fault.column), ("config.yaml", 3, 11));
        assert_eq!(fault.reason, "expected string scalar");
        let twice = parse::<Node>("config.yaml", "name: a\nname: b\n").unwrap_err();
        assert_eq!(twice.line, 2);
        assert!(twice.reason.starts_with("duplicate mapping key: name"), "{}", twice.reason);
    }

    #[test]
    fn includes_are_relative_to_the_including_file() {
        let (_dir, folder) = folder(&[
            ("teams/one.yaml", "name: one\nchildren: [!include ../roles/x.yaml, !include two.yaml]\n"),
            ("teams/two.yaml", "name: two\n"),
            ("roles/x.yaml", "name: x\n"),
        ]);
        let text = "name: org\nchildren: [!include teams/one.yaml, !include teams/two.yaml]\n";
        let org: Node = parse_with_includes(&folder, "org.yaml", text).unwrap();
        assert_eq!(org.children[0].children[0].name, "x");
        assert_eq!(org.children[0].children[1].name, "two");
        assert_eq!(org.children[1].name, "two");
    }

    #[test]
    fn a_fault_in_an_included_file_names_that_file() {
        let (_dir, folder) = folder(&[("teams/one.yaml", "\nname: {}\n")]);
        let fault = parse_with_includes::<Node>(&folder, "org.yaml", "name: o\nchildren: [!include teams/one.yaml]\n")
            .unwrap_err();
        assert_eq!((fault.file.as_str(), fault.line), ("teams/one.yaml", 2));
    }

    #[test]
    fn bad_includes_are_refused() {
        let (dir, folder) = folder(&[
            ("a.yaml", "name: a\nchildren: [!include b.yaml]\n"),
            ("b.yaml", "name: b\nchildren: [!include a.yaml]\n"),
        ]);
        std::fs::write(dir.path().join("org.yaml"), "name: o\n").unwrap();
        for spec in ["", "missing.yaml", "../x.yaml", "/etc/passwd", "a.yaml", "org.yaml", "a/../../x.yaml"] {
            let text = format!("name: o\nchildren:\n  - !include '{spec}'\n");
            let fault = parse_with_includes::<Node>(&folder, "org.yaml", &text).unwrap_err();
            assert!(!fault.reason.contains(dir.path().to_str().unwrap()), "{}", fault.reason);
        }
        assert!(parse::<Node>("org.yaml", "name: o\nchildren: [!include a.yaml]\n").is_err());
    }
}
