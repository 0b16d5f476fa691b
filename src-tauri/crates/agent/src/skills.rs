//! Skills: `skills/<id>/SKILL.md` of the config folder (40 §15.3), as far as the embedded agent reads them.

use serde::Deserialize;

use crate::agent::Agent;
use crate::profile::Profile;

/// Longest skill, in bytes.
const LIMIT: u64 = 256 * 1024;

/// A skill that the configuration names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Skill {
    pub id: String,
    pub name: String,
    pub description: String,
    pub tags: Vec<String>,
    /// What the model reads.
    pub body: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct FrontMatter {
    name: String,
    description: String,
    tags: Vec<String>,
    runtime: Runtimes,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Runtimes {
    One(String),
    Some(Vec<String>),
}

impl Default for Runtimes {
    fn default() -> Self {
        Self::One("*".into())
    }
}

impl Runtimes {
    fn include_ours(&self) -> bool {
        let ours = |name: &String| matches!(name.as_str(), "*" | "" | "local");
        match self {
            Self::One(name) => ours(name),
            Self::Some(names) => names.is_empty() || names.iter().any(ours),
        }
    }
}

impl Agent {
    /// The skills of `profile` that can be read and are meant for this runtime, each once.
    pub(crate) fn skills(&self, profile: &Profile) -> Vec<Skill> {
        let mut found: Vec<Skill> = Vec::new();
        for id in &profile.skills {
            let path = format!("skills/{id}/SKILL.md");
            let text = self.configs.as_ref().and_then(|folder| folder.read_text(&path, LIMIT).ok());
            let skill = text.and_then(|text| parse(id, &text));
            let fresh = skill.filter(|skill| found.iter().all(|each| each.id != skill.id));
            found.extend(fresh);
        }
        found
    }
}

/// Broken front matter counts as none; the body is kept.
fn parse(id: &str, text: &str) -> Option<Skill> {
    let (front, body) = split(text);
    let front: FrontMatter = front.and_then(|front| serde_saphyr::from_str(front).ok()).unwrap_or_default();
    front.runtime.include_ours().then(|| Skill {
        id: id.to_owned(),
        name: if front.name.is_empty() { id.to_owned() } else { front.name },
        description: front.description,
        tags: front.tags,
        body: body.trim().to_owned(),
    })
}

fn split(text: &str) -> (Option<&str>, &str) {
    let inner = text.strip_prefix("---\n").or_else(|| text.strip_prefix("---\r\n"));
    match inner.and_then(|inner| inner.split_once("\n---")) {
        Some((front, body)) => (Some(front), body.split_once('\n').map_or("", |(_, body)| body)),
        None => (None, text),
    }
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn front_matter_is_read_and_left_out_of_the_body() {
        let skill =
            parse("s", "---\nname: Summaries\ndescription: Short ones\ntags: [text]\n---\n# How\nBriefly.\n").unwrap();
        assert_eq!((skill.name.as_str(), skill.description.as_str()), ("Summaries", "Short ones"));
        assert_eq!((skill.body.as_str(), skill.tags), ("# How\nBriefly.", vec!["text".to_owned()]));
    }

    #[test]
    fn broken_front_matter_is_none_and_other_runtimes_are_left_out() {
        let broken = parse("s", "---\nname: [\n---\nbody").unwrap();
        assert_eq!((broken.name.as_str(), broken.body.as_str()), ("s", "body"));
        assert_eq!(parse("s", "no front matter").unwrap().body, "no front matter");
        assert!(parse("s", "---\nruntime: claude-code\n---\nx").is_none());
        assert!(parse("s", "---\nruntime: [claude-code, local]\n---\nx").is_some());
        assert!(parse("s", "---\nruntime: '*'\n---\nx").is_some());
    }
}
