//! Looking around: what is there, and where a text stands. What `.gitignore` leaves out is left out.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use ignore::WalkBuilder;
use regex::{Regex, RegexBuilder};

use super::change::shown;
use super::{Folder, Refused};

/// Most entries of a listing.
const LIST_LIMIT: usize = 500;
/// Most lines of a search.
const MATCH_LIMIT: usize = 200;
/// Longer lines are cut, in characters.
const LINE_LIMIT: usize = 300;
/// Larger files are not searched, in bytes.
const FILE_LIMIT: u64 = 2 * 1024 * 1024;
/// A search ends here, with what it has.
const TIME_LIMIT: Duration = Duration::from_secs(10);

/// What is in a folder: paths from the folder's root, folders with a slash at the end.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    pub entries: Vec<String>,
    /// There is more.
    pub cut: bool,
}

/// Lines that were found, as `path:line: text`.
#[derive(Debug, Default)]
pub(crate) struct Matches {
    pub lines: Vec<String>,
    /// There may be more.
    pub cut: bool,
}

/// What to look for.
#[derive(Debug)]
pub(crate) struct Query<'a> {
    pub pattern: &'a str,
    /// Where to begin; empty: at the root.
    pub path: &'a str,
    pub case_sensitive: bool,
}

impl Folder {
    /// What lies in `given`, down to `depth` levels (1: the folder itself only).
    pub(crate) fn list(&self, given: &str, depth: usize) -> Result<Listing, Refused> {
        let mut listing = Listing::default();
        for (path, is_dir) in self.walk(given, Some(depth))? {
            if listing.entries.len() == LIST_LIMIT {
                listing.cut = true;
                break;
            }
            listing.entries.push(if is_dir { format!("{}/", shown(&path)) } else { shown(&path) });
        }
        Ok(listing)
    }

    /// Where a pattern stands in the text files below a path.
    pub(crate) fn search(&self, query: &Query<'_>) -> Result<Matches, Refused> {
        let pattern = RegexBuilder::new(query.pattern)
            .case_insensitive(!query.case_sensitive)
            .size_limit(1 << 20)
            .build()
            .map_err(|error| Refused::Pattern(format!("not a regular expression: {error}")))?;
        let started = Instant::now();
        let mut matches = Matches::default();
        for (path, is_dir) in self.walk(query.path, None)? {
            if started.elapsed() > TIME_LIMIT || matches.lines.len() >= MATCH_LIMIT {
                matches.cut = true;
                break;
            }
            if !is_dir {
                self.search_file(&path, &pattern, &mut matches);
            }
        }
        Ok(matches)
    }

    /// Opens through the sandbox: a file that became a link meanwhile is passed over.
    fn search_file(&self, path: &Path, pattern: &Regex, matches: &mut Matches) {
        let name = shown(path);
        let Ok(text) = self.read_text(&name, FILE_LIMIT) else { return };
        if text.as_bytes().iter().take(8192).any(|byte| *byte == 0) {
            return;
        }
        for (at, line) in text.lines().enumerate().filter(|(_, line)| pattern.is_match(line)) {
            if matches.lines.len() >= MATCH_LIMIT {
                matches.cut = true;
                return;
            }
            let line = molecule_model::preview::ellipsis(line.trim_end(), LINE_LIMIT);
            matches.lines.push(format!("{name}:{}: {line}", at + 1));
        }
    }

    /// Paths below `given` in order of name, without following links. The walk only suggests names;
    /// each is looked at again through the sandbox before it is given out.
    fn walk(&self, given: &str, depth: Option<usize>) -> Result<impl Iterator<Item = (PathBuf, bool)> + '_, Refused> {
        let start = self.resolve(given)?;
        let found =
            if start.as_os_str().is_empty() { self.handle().dir_metadata() } else { self.handle().metadata(&start) };
        let found = found.map_err(|error| Refused::from_io(given, &error))?;
        if found.is_file() && depth.is_some() {
            return Err(Refused::NotAFolder(given.to_owned()));
        }
        let at_file = found.is_file();
        let (root, closed, hides) = (self.root().to_owned(), self.closed.clone(), self.hides_dotfiles);
        let walk = WalkBuilder::new(root.join(&start))
            .max_depth(depth)
            .follow_links(false)
            .hidden(hides)
            .parents(false)
            .git_global(false)
            .require_git(false)
            .sort_by_file_name(std::cmp::Ord::cmp)
            .filter_entry(move |entry| {
                entry.file_name() != ".git"
                    && entry
                        .path()
                        .strip_prefix(&root)
                        .is_ok_and(|path| !closed.iter().any(|each| path.starts_with(each)))
            })
            .build();
        let entries = walk.filter_map(Result::ok).filter_map(move |entry| {
            let path = entry.path().strip_prefix(self.root()).ok()?.to_owned();
            if (path == start && !at_file) || path.as_os_str().is_empty() {
                return None;
            }
            let found = self.handle().symlink_metadata(&path).ok()?;
            Some((path, found.is_dir()))
        });
        Ok(entries)
    }
}
