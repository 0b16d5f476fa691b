//! Where things lie in the data directory.

use std::path::{Path, PathBuf};

use molecule_model::WorkspaceId;

/// The data directory.
#[derive(Clone, Debug)]
pub struct Paths {
    root: PathBuf,
}

impl Paths {
    /// Of this directory.
    #[must_use]
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The directory itself.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The database.
    #[must_use]
    pub fn database(&self) -> PathBuf {
        self.root.join("molecule.db")
    }

    /// The search index: derived from the database, made anew where it is missing.
    #[must_use]
    pub fn search(&self) -> PathBuf {
        self.root.join("search.db")
    }

    /// The admin token of this installation, 0600.
    #[must_use]
    pub fn admin_token(&self) -> PathBuf {
        self.root.join("admin.token")
    }

    /// Our own address, 0600.
    #[must_use]
    pub fn endpoint(&self) -> PathBuf {
        self.root.join("endpoint.json")
    }

    /// All workspaces' folders.
    #[must_use]
    pub fn workspaces(&self) -> PathBuf {
        self.root.join("workspaces")
    }

    /// The folder of one workspace.
    #[must_use]
    pub fn workspace(&self, id: WorkspaceId) -> PathBuf {
        self.workspaces().join(id.to_string())
    }

    /// The config volume of a workspace.
    #[must_use]
    pub fn configs(&self, id: WorkspaceId) -> PathBuf {
        self.workspace(id).join("configs")
    }

    /// The private `/workspace` of a workspace that was given no folder.
    #[must_use]
    pub fn private_workspace(&self, id: WorkspaceId) -> PathBuf {
        self.workspace(id).join("workspace")
    }

    /// The log of a launched agent.
    #[must_use]
    pub fn agent_log(&self, id: WorkspaceId) -> PathBuf {
        self.workspace(id).join("agent.log")
    }

    /// The record of a launched agent.
    #[must_use]
    pub fn run_state(&self, id: WorkspaceId) -> PathBuf {
        self.workspace(id).join("run.json")
    }

    /// The user's own workspace templates.
    #[must_use]
    pub fn workspace_templates(&self) -> PathBuf {
        self.root.join("templates").join("workspaces")
    }

    /// The user's own org templates.
    #[must_use]
    pub fn org_templates(&self) -> PathBuf {
        self.root.join("templates").join("orgs")
    }

    /// The server's log.
    #[must_use]
    pub fn logs(&self) -> PathBuf {
        self.root.join("logs")
    }
}
