//! Who may talk to whom (10 §7.5, R-37).

use crate::WorkspaceId;

/// Longest walk up a chain of parents; what lies beyond counts as unrelated (10 §7.5 rule 6).
pub const MAX_DEPTH: usize = 32;

/// A workspace with its ancestors, nearest first, at most [`MAX_DEPTH`] of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lineage {
    /// The workspace itself.
    pub id: WorkspaceId,
    /// Parent, grandparent, …
    pub ancestors: Vec<WorkspaceId>,
}

impl Lineage {
    /// The parent, if there is one.
    #[must_use]
    pub fn parent(&self) -> Option<WorkspaceId> {
        self.ancestors.first().copied()
    }
}

/// The communication rule for two workspaces that exist (10 §7.5 rules 3–7).
///
/// Rule 1 (same id, no lookup) and rule 2 (unknown id: no) belong to whoever looks the two up.
#[must_use]
pub fn may_communicate(caller: &Lineage, target: &Lineage) -> bool {
    caller.id == target.id
        || caller.parent() == target.parent()
        || target.ancestors.contains(&caller.id)
        || caller.ancestors.contains(&target.id)
}

#[cfg(test)]
mod tests {
    use super::{Lineage, may_communicate};
    use crate::WorkspaceId;

    /// A tree of four levels, two children each; every pair is checked against the rule in words.
    #[test]
    fn s131_every_pair_in_a_four_level_tree() {
        let mut all: Vec<(Lineage, Vec<usize>)> = Vec::new();
        fn grow(all: &mut Vec<(Lineage, Vec<usize>)>, ancestors: &[WorkspaceId], path: &[usize], depth: usize) {
            for n in 0..2 {
                let id = WorkspaceId::random();
                let path: Vec<usize> = path.iter().copied().chain([n]).collect();
                all.push((Lineage { id, ancestors: ancestors.to_vec() }, path.clone()));
                if depth < 4 {
                    let up: Vec<_> = [id].into_iter().chain(ancestors.iter().copied()).collect();
                    grow(all, &up, &path, depth + 1);
                }
            }
        }
        grow(&mut all, &[], &[], 1);
        assert_eq!(all.len(), 30);
        for (a, pa) in &all {
            for (b, pb) in &all {
                let siblings = pa.len() == pb.len() && pa[..pa.len() - 1] == pb[..pb.len() - 1];
                let line = pa.starts_with(pb) || pb.starts_with(pa);
                assert_eq!(may_communicate(a, b), siblings || line, "{pa:?} {pb:?}");
            }
        }
    }
}
