//! Files that an answer speaks of (40 §10.6): copied beside the chat, so that the person can open them.

use std::collections::BTreeSet;

use molecule_a2a::wire::{FileContent, FilePart, Members, Part};

use crate::agent::Agent;
use crate::files::Stored;

/// Files of one answer at most.
const MOST: usize = 5;
/// What ends a path in a sentence.
const ENDS: &str = " \t\r\n\"'`<>()[]{}|*,;";

/// File parts for the paths `/workspace/…` in `text` that are files of the folder.
pub(super) fn spoken_of(agent: &Agent, text: &str) -> Vec<Part> {
    let paths: BTreeSet<&str> = text
        .match_indices("/workspace/")
        .filter(|(at, _)| !text[..*at].ends_with(|c: char| c.is_alphanumeric() || ":/.".contains(c)))
        .map(|(at, _)| {
            text[at..]
                .split(|c: char| ENDS.contains(c))
                .next()
                .unwrap_or_default()
                .trim_end_matches(['.', ':', '!', '?'])
        })
        .filter(|path| path.len() > "/workspace/".len())
        .collect();
    if paths.is_empty() {
        return Vec::new();
    }
    let Some(uploads) = agent.uploads() else { return Vec::new() };
    let stored = paths.into_iter().filter_map(|path| uploads.copy_in(agent.folder.as_ref(), path));
    stored.take(MOST).map(part).collect()
}

fn part(file: Stored) -> Part {
    let size = Members::from_iter([("size".to_owned(), file.size.into())]);
    let content = FileContent::Uri(file.uri);
    let file = FilePart { name: Some(file.name), mime_type: file.mime_type, content, extra: size };
    Part::File { file, metadata: None, extra: Members::new() }
}
