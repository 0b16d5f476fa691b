//! From an organisation to the workspaces that an import makes, in pre-order: parents before their children.

use std::collections::BTreeMap;

use molecule_model::{
    WorkspaceId, runtime,
    wire::{MemoryScope, WorkspaceAccess},
};
use serde_json::{Map, Value, json};

use super::{
    dotenv,
    schema::{Node, Org, Place, Prompts, Seed},
};
use crate::{
    AppError, AppResult,
    templates::{self, Folder, Templates},
    workspaces::{self, grid},
};

/// Longest seed, bytes (20 §1.6).
const LONGEST_SEED: usize = 100_000;
/// An organisation with more is a mistake, not a plan.
pub const MOST: usize = 1_000;

/// One workspace of the plan.
#[derive(Clone, Debug)]
pub struct Planned {
    /// Its id to be.
    pub id: WorkspaceId,
    /// Its parent's.
    pub parent: Option<WorkspaceId>,
    /// Its name.
    pub name: String,
    /// What it is for.
    pub role: Option<String>,
    /// 1 to 4.
    pub tier: i64,
    /// What its agent runs on.
    pub runtime: String,
    /// Its model.
    pub model: String,
    /// The workspace template it names.
    pub template: Option<String>,
    /// Absolute place.
    pub at: Place,
    /// Place relative to its parent; absolute for a root.
    pub inside: Place,
    /// The folder it works in.
    pub dir: Option<String>,
    /// What it may do there.
    pub access: WorkspaceAccess,
    /// How many tasks at once.
    pub tasks: i64,
    /// What it knows from the start.
    pub memories: Vec<(MemoryScope, String)>,
    /// Its agent runs elsewhere.
    pub external: bool,
    /// Where that agent answers.
    pub url: String,
    /// The files of its config folder.
    pub files: BTreeMap<String, Vec<u8>>,
    /// What becomes its own secrets.
    pub secrets: BTreeMap<String, String>,
    /// What this edition does not carry out yet, by kind.
    pub skipped: Vec<&'static str>,
}

/// Where an organisation comes from.
pub struct Source<'a> {
    /// The org template's folder; `None` for one given in line.
    pub folder: Option<&'a Folder>,
    /// The workspace templates.
    pub templates: &'a Templates,
    /// Where the first root goes that names no place.
    pub origin: Place,
}

/// Works the whole tree out.
///
/// # Errors
/// 400 with what is wrong; nothing was made.
pub fn plan(org: &Org, source: &Source<'_>) -> AppResult<Vec<Planned>> {
    if org.count() > MOST {
        return Err(
            AppError::bad_request(format!("an organisation may have at most {MOST} workspaces")).code("org_too_large")
        );
    }
    let root_env = env_of(source.folder, "");
    let mut all = Vec::with_capacity(org.count());
    let mut origin = source.origin;
    for node in &org.workspaces {
        let at = node.canvas.unwrap_or(origin);
        origin.x = at.x + size(node).width + 80.0;
        Walk { org, source, root_env: &root_env }.add(node, None, at, at, &mut all)?;
    }
    Ok(all)
}

fn size(node: &Node) -> grid::Size {
    grid::size(&node.children.iter().map(size).collect::<Vec<_>>())
}

struct Walk<'a> {
    org: &'a Org,
    source: &'a Source<'a>,
    root_env: &'a BTreeMap<String, String>,
}

impl Walk<'_> {
    fn add(
        &self,
        node: &Node,
        parent: Option<WorkspaceId>,
        at: Place,
        inside: Place,
        all: &mut Vec<Planned>,
    ) -> AppResult<()> {
        let planned = self.one(node, parent, at, inside)?;
        let id = planned.id;
        all.push(planned);
        let sizes: Vec<_> = node.children.iter().map(size).collect();
        for (child, slot) in node.children.iter().zip(grid::slots(&sizes)) {
            let inside = Place { x: slot.x, y: slot.y };
            let place = Place { x: at.x + slot.x, y: at.y + slot.y };
            self.add(child, Some(id), place, inside, all)?;
        }
        Ok(())
    }

    fn one(&self, node: &Node, parent: Option<WorkspaceId>, at: Place, inside: Place) -> AppResult<Planned> {
        let defaults = &self.org.defaults;
        let first =
            |a: &str, b: &str, c: &str| [a, b, c].into_iter().find(|s| !s.is_empty()).unwrap_or_default().to_owned();
        workspaces::check_name(&node.name).map_err(|reason| invalid(&node.name, &reason))?;
        let external = node.external || node.runtime == runtime::EXTERNAL;
        let runtime_name = if external {
            runtime::EXTERNAL.to_owned()
        } else {
            first(&node.runtime, &defaults.runtime, runtime::DEFAULT)
        };
        let fallback =
            if runtime::safe(&runtime_name) == runtime::DEFAULT { "sonnet" } else { "anthropic:claude-opus-4-7" };
        let mut env = self.root_env.clone();
        env.extend(env_of(self.source.folder, &node.files_dir));
        let dir =
            dotenv::expand(&node.workspace_dir, |name| env.get(name).cloned().or_else(|| std::env::var(name).ok()));
        let dir = Some(dir).filter(|dir| !dir.is_empty());
        let access = WorkspaceAccess::parse(&node.workspace_access)
            .ok_or_else(|| invalid(&node.name, "workspace_access must be none, read_only or read_write"))?;
        workspaces::check_dir(dir.as_deref(), access).map_err(|reason| invalid(&node.name, reason))?;
        let model = first(&node.model, &defaults.model, fallback);
        let tier = node.tier.or(defaults.tier).unwrap_or(2);
        let mut skipped = Vec::new();
        for (kind, some) in [
            ("schedules", !node.schedules.is_empty()),
            ("channels", !node.channels.is_empty()),
            ("plugins", !node.plugins.is_empty()),
        ] {
            if some {
                skipped.push(kind);
            }
        }
        let mut planned = Planned {
            id: WorkspaceId::random(),
            parent,
            name: node.name.clone(),
            role: Some(node.role.clone()).filter(|role| !role.is_empty()),
            tier,
            runtime: runtime_name,
            model,
            template: Some(node.template.clone()).filter(|template| !template.is_empty()),
            at,
            inside,
            dir,
            access,
            tasks: node.max_concurrent_tasks.filter(|n| *n > 0).unwrap_or(1),
            memories: seeds(node.initial_memories.as_ref().unwrap_or(&defaults.initial_memories)),
            external,
            url: node.url.clone(),
            files: BTreeMap::new(),
            secrets: env,
            skipped,
        };
        if !external {
            planned.files = self.files(node, &planned)?;
        }
        Ok(planned)
    }

    /// The config folder: the template's or the role's files, then the generated `config.yaml` over them.
    fn files(&self, node: &Node, planned: &Planned) -> AppResult<BTreeMap<String, Vec<u8>>> {
        let role =
            self.source.folder.filter(|_| !node.files_dir.is_empty()).and_then(|folder| folder.sub(&node.files_dir));
        let named = Some(node.template.as_str()).filter(|name| !name.is_empty());
        let template = named.and_then(|name| self.source.templates.find(name).ok().flatten());
        let folder = role
            .or(template)
            .or_else(|| self.source.templates.runtime_default(&planned.runtime).map(|(_, folder)| folder));
        let mut files = BTreeMap::new();
        if let Some(folder) = &folder {
            let names = folder.files().map_err(|_| invalid(&node.name, "its files cannot be read, or are too many"))?;
            for name in names {
                if let Some(bytes) = folder.read(&name) {
                    files.insert(name, bytes.into_owned());
                }
            }
        }
        let before = files.get(templates::CONFIG).and_then(|bytes| std::str::from_utf8(bytes).ok()).map(str::to_owned);
        let text = self.config(node, planned, before.as_deref())?;
        files.insert(templates::CONFIG.to_owned(), text.into_bytes());
        if !node.system_prompt.is_empty() {
            files.insert("system-prompt.md".to_owned(), node.system_prompt.clone().into_bytes());
        }
        Ok(files)
    }

    /// The generated `config.yaml` (20 §7.3), with routing and prompts (20 §12.4). A local agent keeps what its
    /// folder's own file says beyond that (its rehearsal script, skills …); elsewhere the generated one replaces it.
    fn config(&self, node: &Node, planned: &Planned, before: Option<&str>) -> AppResult<String> {
        let mut map = match before.filter(|_| planned.runtime == runtime::LOCAL) {
            Some(text) => templates::parse::<Map<String, Value>>(templates::CONFIG, text).map_err(|fault| {
                invalid(&node.name, &format!("{}/{}:{}: {}", node.files_dir, fault.file, fault.line, fault.reason))
            })?,
            None => Map::new(),
        };
        for (key, value) in [
            ("name", json!(planned.name)),
            ("description", json!(planned.role.clone().unwrap_or_default())),
            ("version", json!("1.0.0")),
            ("tier", json!(planned.tier)),
            ("runtime", json!(runtime::safe(&planned.runtime))),
            ("model", json!(planned.model)),
        ] {
            map.insert(key.to_owned(), value);
        }
        if let Some(role) = &planned.role {
            map.insert("role".to_owned(), json!(role));
        }
        map.entry("runtime_config").or_insert_with(|| json!({"timeout": 0}));
        let routing = self.routing(node);
        if !routing.is_empty() {
            map.insert("category_routing".to_owned(), json!(routing));
        }
        let defaults = &self.org.defaults.prompts;
        if let Some(prompt) = self.prompt(node, |p| (&p.initial_prompt, &p.initial_prompt_file)) {
            map.insert("initial_prompt".to_owned(), json!(prompt));
        }
        if let Some(prompt) = self.prompt(node, |p| (&p.idle_prompt, &p.idle_prompt_file)) {
            let every = node.prompts.idle_interval_seconds.or(defaults.idle_interval_seconds).unwrap_or(600);
            map.insert("idle_interval_seconds".to_owned(), json!(every));
            map.insert("idle_prompt".to_owned(), json!(prompt));
        }
        serde_saphyr::to_string(&Value::Object(map))
            .map_err(|error| AppError::internal("failed to write config.yaml", &error))
    }

    fn routing(&self, node: &Node) -> BTreeMap<String, Vec<String>> {
        let mut routing = self.org.defaults.category_routing.clone();
        routing.extend(node.category_routing.clone());
        routing.retain(|_, roles| !roles.is_empty());
        routing
    }

    /// In line before file, the workspace's before the default's; a file that cannot be read falls through.
    fn prompt(&self, node: &Node, pick: impl Fn(&Prompts) -> (&String, &String)) -> Option<String> {
        let read = |dir: &str, file: &str| {
            let path = if dir.is_empty() { file.to_owned() } else { format!("{dir}/{file}") };
            self.source.folder.filter(|_| !file.is_empty()).and_then(|folder| folder.text(&path))
        };
        let (own, own_file) = pick(&node.prompts);
        let (all, all_file) = pick(&self.org.defaults.prompts);
        Some(own.clone())
            .filter(|text| !text.is_empty())
            .or_else(|| read(&node.files_dir, own_file))
            .or_else(|| Some(all.clone()).filter(|text| !text.is_empty()))
            .or_else(|| read("", all_file))
    }
}

fn env_of(folder: Option<&Folder>, dir: &str) -> BTreeMap<String, String> {
    let Some(Folder::Disk(root)) = folder else { return BTreeMap::new() };
    let Some(Folder::Disk(root)) =
        (if dir.is_empty() { Some(Folder::Disk(root.clone())) } else { Folder::Disk(root.clone()).sub(dir) })
    else {
        return BTreeMap::new();
    };
    std::fs::read_to_string(root.join(".env")).map(|text| dotenv::parse(&text)).unwrap_or_default()
}

fn seeds(seeds: &[Seed]) -> Vec<(MemoryScope, String)> {
    seeds
        .iter()
        .filter(|seed| !seed.content.is_empty())
        .filter_map(|seed| {
            let scope = if seed.scope.is_empty() { "LOCAL".to_owned() } else { seed.scope.to_uppercase() };
            let cut = molecule_model::preview::cut_bytes(&seed.content, LONGEST_SEED);
            Some((MemoryScope::parse(&scope)?, molecule_model::redact::redact(cut).into_owned()))
        })
        .collect()
}

fn invalid(name: &str, reason: &str) -> AppError {
    AppError::bad_request(format!("invalid workspace {name:?}: {reason}")).code("invalid_workspace")
}
