//! Why the folder did not do something, in words for the model. No path of the system in them.

use std::io;

/// A request that was refused. Paths are as they were asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refused {
    #[error("{0} lies outside your folder")]
    Outside(String),
    #[error("there is no {0} in your folder")]
    Missing(String),
    #[error("{0} is a folder, not a file")]
    IsFolder(String),
    #[error("{0} is not a folder")]
    NotAFolder(String),
    #[error("{0} is not a regular file")]
    NotAFile(String),
    #[error("{0} is not text")]
    NotText(String),
    #[error("{path} is larger than {limit} bytes")]
    TooLarge { path: String, limit: u64 },
    #[error("the change to {0} is too large to be shown for approval; make it in smaller steps")]
    ChangeTooLarge(String),
    #[error("{0} would not change")]
    NoChange(String),
    #[error("{0} was changed by somebody else meanwhile; read it again")]
    Changed(String),
    #[error("{path}: the text to replace was not found; read the file again and copy it exactly")]
    NotFound { path: String },
    #[error("{path}: the text to replace occurs {count} times; give more of its surroundings")]
    Ambiguous { path: String, count: usize },
    #[error("{0}")]
    Pattern(String),
    #[error("{path}: {kind}")]
    System { path: String, kind: io::ErrorKind },
}

impl Refused {
    pub(super) fn from_io(path: &str, error: &io::Error) -> Self {
        let path = path.to_owned();
        match error.kind() {
            io::ErrorKind::NotFound => Self::Missing(path),
            // Without a number of the system: the sandbox itself refused to leave the folder.
            io::ErrorKind::PermissionDenied if error.raw_os_error().is_none() => Self::Outside(path),
            io::ErrorKind::NotADirectory => Self::NotAFolder(path),
            io::ErrorKind::IsADirectory => Self::IsFolder(path),
            kind => Self::System { path, kind },
        }
    }
}
