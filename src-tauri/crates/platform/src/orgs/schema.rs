//! `org.yaml`, and the same keys as JSON in `POST /org/import` (20 §12.2).

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _, ser::SerializeMap};
use serde_json::Value;

/// A whole organisation.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Org {
    /// Shown to people.
    pub name: String,
    /// Shown to people.
    pub description: String,
    /// What a workspace that says nothing gets.
    pub defaults: Defaults,
    /// The roots.
    pub workspaces: Vec<Node>,
    /// Seeded on the first root, scope GLOBAL.
    pub global_memories: Vec<Seed>,
    /// What must be configured before an import.
    pub required_env: Vec<Requirement>,
    /// What should be.
    pub recommended_env: Vec<Requirement>,
}

/// What a workspace that says nothing gets.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Defaults {
    /// What agents run on.
    pub runtime: String,
    /// Their model.
    pub model: String,
    /// 1 to 4.
    pub tier: Option<i64>,
    /// Prompts.
    #[serde(flatten)]
    pub prompts: Prompts,
    /// Category to roles.
    pub category_routing: BTreeMap<String, Vec<String>>,
    /// Used where a workspace lists none.
    pub initial_memories: Vec<Seed>,
}

/// First and idle prompt, in line or in a file.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Prompts {
    /// Sent once after the first start.
    pub initial_prompt: String,
    /// The same, from a file.
    pub initial_prompt_file: String,
    /// Sent when idle.
    pub idle_prompt: String,
    /// The same, from a file.
    pub idle_prompt_file: String,
    /// Seconds between two idle prompts.
    pub idle_interval_seconds: Option<i64>,
}

/// A workspace with its children.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Node {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub role: String,
    /// What its agent runs on.
    pub runtime: String,
    /// Its model.
    pub model: String,
    /// 1 to 4.
    pub tier: Option<i64>,
    /// A workspace template to start from.
    pub template: String,
    /// A folder of the org template; replaces the template.
    pub files_dir: String,
    /// Becomes `system-prompt.md`.
    pub system_prompt: String,
    /// The folder it works in; `${VAR}` is expanded.
    pub workspace_dir: String,
    /// `none`, `read_only`, `read_write`.
    pub workspace_access: String,
    /// Prompts.
    #[serde(flatten)]
    pub prompts: Prompts,
    /// Category to roles; replaces the default's lists.
    pub category_routing: BTreeMap<String, Vec<String>>,
    /// What it knows from the start.
    pub initial_memories: Option<Vec<Seed>>,
    /// How many tasks at once.
    pub max_concurrent_tasks: Option<i64>,
    /// Kept for later; not run yet.
    pub schedules: Vec<Value>,
    /// Kept for later; not run yet.
    pub channels: Vec<Value>,
    /// Kept for later; not installed yet.
    pub plugins: Vec<String>,
    /// Its agent runs elsewhere.
    pub external: bool,
    /// Where that agent answers.
    pub url: String,
    /// Absolute place, roots only.
    pub canvas: Option<Place>,
    /// What must be configured before an import.
    pub required_env: Vec<Requirement>,
    /// What should be.
    pub recommended_env: Vec<Requirement>,
    /// Who reports to it.
    pub children: Vec<Node>,
}

/// A place on the canvas.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
pub struct Place {
    /// Horizontal.
    pub x: f64,
    /// Vertical.
    pub y: f64,
}

/// A memory to seed.
#[derive(Clone, Debug, Deserialize)]
pub struct Seed {
    /// The fact.
    pub content: String,
    /// `LOCAL` where absent.
    #[serde(default)]
    pub scope: String,
}

/// One variable, or any one of several (S211).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Requirement {
    /// Exactly this one.
    One(String),
    /// Any one of these.
    AnyOf(Vec<String>),
}

impl Requirement {
    /// The variables that it names.
    #[must_use]
    pub fn names(&self) -> &[String] {
        match self {
            Self::One(name) => std::slice::from_ref(name),
            Self::AnyOf(names) => names,
        }
    }
}

impl<'de> Deserialize<'de> for Requirement {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Shape {
            One(String),
            Group { any_of: Vec<String> },
        }
        match Shape::deserialize(deserializer) {
            Ok(Shape::One(name)) => Ok(Self::One(name)),
            Ok(Shape::Group { any_of }) if any_of.is_empty() => {
                Err(D::Error::custom("any_of must name at least one variable"))
            }
            Ok(Shape::Group { any_of }) => Ok(Self::AnyOf(any_of)),
            Err(_) => Err(D::Error::custom("expected the name of a variable, or any_of with a list of names")),
        }
    }
}

impl Serialize for Requirement {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::One(name) => serializer.serialize_str(name),
            Self::AnyOf(names) => {
                let mut map = serializer.serialize_map(Some(1))?;
                map.serialize_entry("any_of", names)?;
                map.end()
            }
        }
    }
}

impl Org {
    /// How many workspaces it makes.
    #[must_use]
    pub fn count(&self) -> usize {
        fn below(nodes: &[Node]) -> usize {
            nodes.iter().map(|node| 1 + below(&node.children)).sum()
        }
        below(&self.workspaces)
    }
}
