//! Which variables an organisation needs (20 §12.5, S206, S212).

use std::collections::BTreeSet;

use super::schema::{Node, Org, Requirement};

/// What an import needs, and what it would like.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// An import is refused without these.
    pub required: Vec<Requirement>,
    /// These are only recommended.
    pub recommended: Vec<Requirement>,
}

/// A variable's name as templates may use it (S063).
fn is_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    name.len() <= 128
        && bytes.next().is_some_and(|b| b.is_ascii_uppercase())
        && bytes.all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
}

impl Org {
    /// The union over the whole tree, cleaned and sorted.
    #[must_use]
    pub fn requirements(&self) -> Needs {
        let (mut required, mut recommended) = (self.required_env.clone(), self.recommended_env.clone());
        fn walk(nodes: &[Node], required: &mut Vec<Requirement>, recommended: &mut Vec<Requirement>) {
            for node in nodes {
                required.extend(node.required_env.iter().cloned());
                recommended.extend(node.recommended_env.iter().cloned());
                walk(&node.children, required, recommended);
            }
        }
        walk(&self.workspaces, &mut required, &mut recommended);
        let required = tidy(required);
        let strict: BTreeSet<&String> =
            required.iter().filter(|r| matches!(r, Requirement::One(_))).flat_map(Requirement::names).collect();
        let recommended = tidy(recommended)
            .into_iter()
            .filter(|entry| !required.contains(entry) && entry.names().iter().all(|name| !strict.contains(name)))
            .collect();
        Needs { required, recommended }
    }
}

/// One tier: bad names out, duplicates out, groups that a strict name satisfies out, sorted.
fn tidy(entries: Vec<Requirement>) -> Vec<Requirement> {
    let mut names = BTreeSet::new();
    let mut groups = BTreeSet::new();
    for entry in entries {
        match entry {
            Requirement::One(name) if is_name(&name) => drop(names.insert(name)),
            Requirement::One(_) => tracing::warn!("a template names a variable that cannot be one"),
            Requirement::AnyOf(members) => {
                let members: BTreeSet<String> = members.into_iter().filter(|name| is_name(name)).collect();
                if !members.is_empty() {
                    groups.insert(members);
                }
            }
        }
    }
    groups.retain(|members| members.is_disjoint(&names));
    let groups = groups.into_iter().map(|members| Requirement::AnyOf(members.into_iter().collect()));
    names.into_iter().map(Requirement::One).chain(groups).collect()
}

/// The requirements that `configured` does not satisfy.
#[must_use]
pub fn missing(needs: &[Requirement], configured: &BTreeSet<String>) -> Vec<Requirement> {
    needs.iter().filter(|need| need.names().iter().all(|name| !configured.contains(name))).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::{Needs, missing};
    use crate::orgs::schema::{Org, Requirement};

    fn one(name: &str) -> Requirement {
        Requirement::One(name.into())
    }

    fn any(names: &[&str]) -> Requirement {
        Requirement::AnyOf(names.iter().map(|n| (*n).to_owned()).collect())
    }

    #[test]
    fn s206_s212_the_union_is_clean() {
        let org: Org = serde_json::from_value(serde_json::json!({
            "required_env": ["B_KEY", {"any_of": ["Y", "X"]}, "bad-name", "B_KEY"],
            "recommended_env": ["R", "B_KEY", {"any_of": ["B_KEY", "Z"]}, {"any_of": ["X", "Y"]}],
            "workspaces": [{"name": "a", "required_env": ["A_KEY", {"any_of": ["A_KEY", "C"]}],
                            "children": [{"name": "b", "required_env": [{"any_of": ["X", "Y", "nope!"]}]}]}],
        }))
        .unwrap();
        assert_eq!(
            org.requirements(),
            Needs { required: vec![one("A_KEY"), one("B_KEY"), any(&["X", "Y"])], recommended: vec![one("R")] }
        );
        let have = ["A_KEY".to_owned(), "Y".to_owned()].into();
        assert_eq!(missing(&org.requirements().required, &have), vec![one("B_KEY")]);
    }

    #[test]
    fn s211_an_empty_group_is_an_error() {
        assert!(serde_json::from_value::<Requirement>(serde_json::json!({"any_of": []})).is_err());
        assert!(serde_json::from_value::<Requirement>(serde_json::json!(7)).is_err());
        assert_eq!(serde_json::to_value(any(&["A", "B"])).unwrap(), serde_json::json!({"any_of": ["A", "B"]}));
        assert_eq!(serde_json::to_value(one("A")).unwrap(), serde_json::json!("A"));
    }
}
