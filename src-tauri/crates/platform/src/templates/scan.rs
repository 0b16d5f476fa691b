//! Reading every template: what is listed, what is broken, how long a runtime may take.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::{
    CONFIG, Folder, Kind, Problem, Roots, Source,
    config::{ConfigDocument, Model, Provider},
    yaml::{self, Fault},
};
use crate::orgs::{self, Requirement};

/// What the roots hold.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// Usable roles, by id.
    pub workspaces: Vec<WorkspaceTemplate>,
    /// Usable organisations, by folder.
    pub orgs: Vec<OrgTemplate>,
    /// What cannot be used, and why.
    pub problems: Vec<Problem>,
    /// Seconds that a runtime may take, the longest of its templates (20 §11.4).
    pub timeouts: BTreeMap<String, u64>,
}

/// A role as it is listed (20 §11.1).
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct WorkspaceTemplate {
    /// Its folder's name.
    pub id: String,
    /// Shown to people.
    pub name: String,
    /// Shown to people.
    pub description: String,
    /// 1 to 4; 0 = not said.
    pub tier: i64,
    /// What it runs on.
    pub runtime: String,
    /// Its model.
    pub model: String,
    /// Models to choose from.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub models: Vec<Model>,
    /// Variables that a launch needs.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub required_env: Vec<String>,
    /// Provider slugs (S040).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub providers: Vec<String>,
    /// The top-level providers, in their order (S041).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub provider_registry: Vec<Provider>,
    /// Names of skills.
    pub skills: Vec<String>,
    /// How many.
    pub skill_count: usize,
    /// Seconds that a launch may take.
    #[serde(skip_serializing_if = "is_zero")]
    pub provision_timeout_seconds: u64,
    /// Whose it is: this edition's addition.
    #[schema(value_type = String)]
    pub source: Source,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands out references")]
const fn is_zero(seconds: &u64) -> bool {
    *seconds == 0
}

/// An organisation as it is listed (20 §12.1).
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct OrgTemplate {
    /// Its folder's name.
    pub dir: String,
    /// Shown to people.
    pub name: String,
    /// Shown to people.
    pub description: String,
    /// How many workspaces it makes.
    pub workspaces: usize,
    /// What must be configured before.
    #[schema(value_type = Vec<Object>)]
    pub required_env: Vec<Requirement>,
    /// What should be.
    #[schema(value_type = Vec<Object>)]
    pub recommended_env: Vec<Requirement>,
    /// Whose it is: this edition's addition.
    #[schema(value_type = String)]
    pub source: Source,
}

pub(super) fn all(workspaces: &Roots, orgs: &Roots) -> Snapshot {
    let mut snapshot = Snapshot::default();
    each(workspaces, |id, folder, source| workspace(&mut snapshot, id, folder, source));
    each(orgs, |id, folder, source| org(&mut snapshot, id, folder, source));
    snapshot.workspaces.sort_by(|a, b| a.id.cmp(&b.id));
    snapshot.orgs.sort_by(|a, b| a.dir.cmp(&b.dir));
    snapshot
}

/// Every folder of the roots; the user's own hides a shipped one of its name.
fn each(roots: &Roots, mut look: impl FnMut(String, &Folder, Source)) {
    let mut seen = BTreeSet::new();
    for (root, source) in roots.all() {
        for id in root.children() {
            if let Some(folder) = root.sub(&id).filter(|_| seen.insert(id.clone())) {
                look(id, &folder, source);
            }
        }
    }
}

fn workspace(snapshot: &mut Snapshot, id: String, folder: &Folder, source: Source) {
    // A folder without one is no template; one that cannot be read is a broken one.
    let Some(bytes) = folder.read(CONFIG) else { return };
    let parsed = String::from_utf8(bytes.into_owned())
        .map_err(|_| Fault::of_file(CONFIG, "the file is not UTF-8 text"))
        .and_then(|text| yaml::parse::<ConfigDocument>(CONFIG, &text));
    let document = match parsed {
        Ok(document) => document,
        Err(fault) => {
            snapshot.problems.push(Problem { kind: Kind::Workspace, id, fault });
            return;
        }
    };
    let seconds = document.runtime_config.provision_timeout_seconds;
    if seconds > 0 && !document.runtime.is_empty() {
        let longest = snapshot.timeouts.entry(document.runtime.clone()).or_default();
        *longest = seconds.max(*longest);
    }
    snapshot.workspaces.push(WorkspaceTemplate {
        id,
        model: document.model().to_owned(),
        name: document.name,
        description: document.description,
        tier: document.tier,
        runtime: document.runtime,
        models: document.runtime_config.models,
        required_env: document.runtime_config.required_env,
        providers: document.runtime_config.providers,
        provider_registry: document.providers,
        skill_count: document.skills.len(),
        skills: document.skills,
        provision_timeout_seconds: seconds,
        source,
    });
}

fn org(snapshot: &mut Snapshot, dir: String, folder: &Folder, source: Source) {
    match orgs::read(folder) {
        Ok(None) => {
            if let Folder::Disk(path) = folder
                && path.join(".git").exists()
            {
                tracing::warn!(
                    org_template = dir,
                    "no org.yaml beside .git: this looks like a half-finished clone; `git checkout main -- .` in that folder restores it"
                );
            }
        }
        Ok(Some(org)) => {
            let needs = org.requirements();
            snapshot.orgs.push(OrgTemplate {
                dir,
                workspaces: org.count(),
                name: org.name,
                description: org.description,
                required_env: needs.required,
                recommended_env: needs.recommended,
                source,
            });
        }
        Err(fault) => snapshot.problems.push(Problem { kind: Kind::Org, id: dir, fault }),
    }
}
