//! Templates: roles and whole organisations to start from (20 §11, §12.1, R-45, R-77).
//!
//! The user's own folders in the data directory lie over the shipped ones, which are in the binary; a name
//! is looked up in both. Every listing reads the folders anew, and a watcher does so within a second of a
//! change and tells the screens what is valid or broken now. Nothing here touches a running workspace.

mod config;
mod folder;
mod routes;
mod scan;
mod shipped;
mod watch;
mod yaml;

use std::{
    path::PathBuf,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

pub use config::{ConfigDocument, first_model, has_top_level, top_level_runtime};
pub use folder::{Folder, normalised};
pub use routes::router;
pub use scan::{OrgTemplate, Snapshot, WorkspaceTemplate};
pub use yaml::{Fault, Parsed, Problem, parse, parse_with_includes};

use crate::{App, Config, paths::Paths};

/// The file that makes a folder a workspace template.
pub const CONFIG: &str = "config.yaml";

/// Which of the two kinds a template is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// One role.
    Workspace,
    /// A whole organisation.
    Org,
}

/// Where templates of one kind are looked up, first match wins.
#[derive(Clone, Debug)]
struct Roots {
    user: PathBuf,
    /// Folders in place of what the binary carries.
    instead: Vec<PathBuf>,
    shipped: &'static str,
}

impl Roots {
    fn all(&self) -> Vec<(Folder, Source)> {
        let mut all = vec![(Folder::Disk(self.user.clone()), Source::User)];
        if self.instead.is_empty() {
            all.push((Folder::shipped(self.shipped), Source::Shipped));
        }
        all.extend(self.instead.iter().map(|path| (Folder::Disk(path.clone()), Source::Shipped)));
        all
    }

    fn watched(&self) -> impl Iterator<Item = &PathBuf> {
        std::iter::once(&self.user).chain(&self.instead)
    }

    /// The folder of this name inside one of the roots. `Err` when the name leads out of them.
    fn find(&self, name: &str) -> Result<Option<Folder>, Unsafe> {
        let name = folder::inside(name).ok_or(Unsafe)?;
        for (root, _) in self.all() {
            if let Some(found) = root.sub(&name) {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }
}

/// Whether a template is the user's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// In the data directory.
    User,
    /// Came with the program.
    Shipped,
}

/// A name that is empty, absolute, or leads out of its root (20 §7.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unsafe;

/// The templates of this machine. Cheap to clone.
#[derive(Clone)]
pub struct Templates {
    workspaces: Arc<Roots>,
    orgs: Arc<Roots>,
    /// What was read last; `None` until something is asked.
    last: Arc<RwLock<Option<Arc<Snapshot>>>>,
}

impl Templates {
    /// Of these roots. Reads nothing yet: a server listens first.
    #[must_use]
    pub fn new(config: &Config, paths: &Paths) -> Self {
        let instead = |name: &str| config.shipped_templates.iter().map(|root| root.join(name)).collect();
        let roots = |user, shipped| Arc::new(Roots { user, instead: instead(shipped), shipped });
        Self {
            workspaces: roots(paths.workspace_templates(), shipped::WORKSPACES),
            orgs: roots(paths.org_templates(), shipped::ORGS),
            last: Arc::default(),
        }
    }

    /// Reads every root again. Blocking.
    pub fn read_anew(&self) -> Arc<Snapshot> {
        let fresh = Arc::new(scan::all(&self.workspaces, &self.orgs));
        let before = {
            let mut last = self.last.write().unwrap_or_else(PoisonError::into_inner);
            last.replace(Arc::clone(&fresh)).unwrap_or_default()
        };
        for problem in fresh.problems.iter().filter(|problem| !before.problems.contains(problem)) {
            tracing::warn!(kind = ?problem.kind, line = problem.fault.line, "templates list: skip {}: {}", problem.id, problem.fault.reason);
        }
        fresh
    }

    /// As [`Self::read_anew`], off the async threads.
    pub async fn list(&self) -> Arc<Snapshot> {
        let this = self.clone();
        match tokio::task::spawn_blocking(move || this.read_anew()).await {
            Ok(fresh) => fresh,
            Err(error) => {
                tracing::error!(%error, "reading the templates panicked");
                self.last()
            }
        }
    }

    /// What was read last, else what is there now.
    #[must_use]
    pub fn last(&self) -> Arc<Snapshot> {
        let last = self.last.read().unwrap_or_else(PoisonError::into_inner).clone();
        last.unwrap_or_else(|| self.read_anew())
    }

    /// The folder of a workspace template.
    ///
    /// # Errors
    /// [`Unsafe`] when the name leads out of the roots.
    pub fn find(&self, name: &str) -> Result<Option<Folder>, Unsafe> {
        self.workspaces.find(name)
    }

    /// The folder of an org template.
    ///
    /// # Errors
    /// [`Unsafe`] when the name leads out of the roots.
    pub fn find_org(&self, name: &str) -> Result<Option<Folder>, Unsafe> {
        self.orgs.find(name)
    }

    /// `<safe runtime>-default`, where there is one (20 §7.1).
    #[must_use]
    pub fn runtime_default(&self, runtime: &str) -> Option<(String, Folder)> {
        let name = format!("{}-default", molecule_model::runtime::safe(runtime));
        self.find(&name).ok().flatten().map(|folder| (name, folder))
    }

    /// The workspace template that goes by a workspace's name (20 §7.2): its folder's name, else its `name:`.
    #[must_use]
    pub fn by_name(&self, name: &str) -> Option<(String, Folder)> {
        named(&self.workspaces, name, |folder| folder.text(CONFIG))
    }

    /// The role folder of an org template that goes by a workspace's name (20 §7.2 tier 3).
    #[must_use]
    pub fn org_role_by_name(&self, name: &str) -> Option<(String, Folder)> {
        let slug = normalised(name);
        for (root, _) in self.orgs.all() {
            for org in root.children() {
                let Some(folder) = root.sub(&org) else { continue };
                let role = folder.children().into_iter().find(|role| normalised(role) == slug);
                if let Some((role, found)) = role.and_then(|role| folder.sub(&role).map(|found| (role, found))) {
                    return Some((format!("org-templates/{org}/{role}"), found));
                }
            }
        }
        None
    }

    /// How long a runtime may take to come up, where a template says so (20 §11.4): the longest.
    #[must_use]
    pub fn provision_timeout(&self, runtime: &str) -> Option<Duration> {
        self.last().timeouts.get(runtime).copied().map(Duration::from_secs)
    }
}

fn named(roots: &Roots, name: &str, config: impl Fn(&Folder) -> Option<String>) -> Option<(String, Folder)> {
    let slug = name.to_lowercase().replace(' ', "-");
    if let Some(folder) = roots.find(&slug).ok().flatten() {
        return Some((slug, folder));
    }
    for (root, _) in roots.all() {
        for child in root.children().into_iter().filter(|child| !child.starts_with("ws-")) {
            let Some(folder) = root.sub(&child) else { continue };
            let called = config(&folder)
                .and_then(|text| yaml::parse::<ConfigDocument>(CONFIG, &text).ok())
                .is_some_and(|document| document.name.eq_ignore_ascii_case(name) && !name.is_empty());
            if called {
                return Some((child, folder));
            }
        }
    }
    None
}

/// Reads the templates for the first time, and starts watching the folders on disk.
pub fn start(app: &App) {
    let first = app.templates.clone();
    app.tasks.detach("templates-first-read", async move { drop(first.list().await) });
    watch::start(app);
}
