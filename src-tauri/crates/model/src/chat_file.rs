//! Chat files as the platform and its agents must agree on them (10 §13, 40 §9): where they lie, how they are named,
//! which paths may be asked for, and how a file is handed out.

/// The folder of chat files, as messages name it.
pub const FOLDER: &str = "/workspace/.molecule/chat-uploads";
/// Longest file, bytes.
pub const FILE_LIMIT: u64 = 25 * 1024 * 1024;
/// Longest request, bytes, with what stands between its parts.
pub const REQUEST_LIMIT: u64 = 50 * 1024 * 1024;
/// Files of one request at most: beyond them a request would be nothing but names.
pub const MOST_FILES: usize = 100;
/// What a request without one is told.
pub const NO_FILES: &str = "expected at least one 'files' field";

/// Folders of an agent that may be read.
const ROOTS: [&str; 4] = ["/configs", "/workspace", "/home", "/plugins"];
/// Longest name, characters.
const LONGEST_NAME: usize = 100;
/// Longest extension that a long name keeps, with its dot.
const LONGEST_EXTENSION: usize = 16;
/// Hexadecimal digits before a stored name.
const MARK: usize = 32;

/// Checks a path that is asked for, in the order of 10 §13.2 (S180). It has been percent-decoded once.
///
/// # Errors
/// The contract's text: what is wrong with it.
pub fn check_path(path: &str) -> Result<(), &'static str> {
    if path.is_empty() {
        return Err("path query required");
    }
    if !path.starts_with('/') {
        return Err("path must be absolute");
    }
    let below = |root: &str| path.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    if !ROOTS.into_iter().any(below) {
        return Err("path must be under /configs, /workspace, /home, or /plugins");
    }
    let clean = path.split('/').skip(1).all(|name| !name.is_empty() && name != ".");
    if !clean || path.contains("..") || path.contains('\0') {
        return Err("invalid path");
    }
    Ok(())
}

/// A name that is safe as a file's: its base name, every character outside `[A-Za-z0-9._-]` made `_`, at most 100
/// characters with a short extension kept (10 §13.1).
#[must_use]
pub fn safe_name(given: &str) -> String {
    let base = given.rsplit(['/', '\\']).next().unwrap_or_default();
    let clean: String =
        base.chars().map(|c| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '_' }).collect();
    if matches!(clean.as_str(), "" | "." | "..") {
        return "file".to_owned();
    }
    if clean.len() <= LONGEST_NAME {
        return clean;
    }
    let extension = clean.rfind('.').map_or("", |at| &clean[at..]);
    let extension = if extension.len() <= LONGEST_EXTENSION { extension } else { "" };
    format!("{}{extension}", &clean[..LONGEST_NAME - extension.len()])
}

/// Whether this is how a stored file is called: 32 hexadecimal digits, `-`, a safe name. Nothing that leads out of a
/// folder is.
#[must_use]
pub fn is_stored_name(name: &str) -> bool {
    let Some((mark, rest)) = name.split_at_checked(MARK) else { return false };
    let hexadecimal = mark.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    hexadecimal && rest.strip_prefix('-').is_some_and(|rest| !rest.is_empty() && safe_name(rest) == rest)
}

/// The stored name that a path names, if it lies directly in [`FOLDER`].
#[must_use]
pub fn stored_name_of(path: &str) -> Option<&str> {
    path.strip_prefix(FOLDER)?.strip_prefix('/').filter(|name| is_stored_name(name))
}

/// How messages name a stored file.
#[must_use]
pub fn uri_of(stored: &str) -> String {
    format!("workspace:{FOLDER}/{stored}")
}

/// What somebody is told whose file is too large.
#[must_use]
pub fn too_large(name: &str) -> String {
    format!("{name} is larger than {} MiB", FILE_LIMIT / 1024 / 1024)
}

/// `Content-Disposition` of a file (S182): quotes and backslashes escaped, control characters dropped, and the whole
/// name in UTF-8 beside it.
#[must_use]
pub fn disposition(name: &str) -> String {
    use std::fmt::Write;
    let (mut plain, mut encoded) = (String::new(), String::new());
    for c in name.chars().filter(|c| !c.is_control()) {
        match c {
            '"' | '\\' => plain.extend(['\\', c]),
            c if c.is_ascii() => plain.push(c),
            _ => plain.push('_'),
        }
    }
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            // Writing into a String does not fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    format!("attachment; filename=\"{plain}\"; filename*=UTF-8''{encoded}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{FOLDER, check_path, disposition, is_stored_name, safe_name, stored_name_of, uri_of};

    const QUERY: &str = "path query required";
    const ABSOLUTE: &str = "path must be absolute";
    const UNDER: &str = "path must be under /configs, /workspace, /home, or /plugins";
    const INVALID: &str = "invalid path";

    /// Paths as they are after one decoding, and what is wrong with each; `""`: nothing.
    const PATHS: [(&str, &str); 100] = [
        ("/workspace/a", ""),
        ("/workspace/a.txt", ""),
        ("/workspace/a/b/c.md", ""),
        ("/workspace/.molecule/chat-uploads/x", ""),
        ("/workspace/.hidden", ""),
        ("/workspace/a b", ""),
        ("/workspace/größe.md", ""),
        ("/workspace/a+b", ""),
        ("/workspace/a%2fb", ""),
        ("/workspace/a%2e%2e", ""),
        ("/workspace/a\\b", ""),
        ("/workspace/a\"b", ""),
        ("/workspace/a:b", ""),
        ("/workspace/~", ""),
        ("/workspace/-rf", ""),
        ("/workspace/$HOME", ""),
        ("/workspace/a;b", ""),
        ("/workspace/a?b#c", ""),
        ("/workspace/a\nb", ""),
        ("/workspace", ""),
        ("/configs", ""),
        ("/configs/config.yaml", ""),
        ("/configs/skills/a/SKILL.md", ""),
        ("/home/agent/notes.txt", ""),
        ("/home", ""),
        ("/plugins/p/plugin.yaml", ""),
        ("/plugins", ""),
        ("", QUERY),
        ("workspace", ABSOLUTE),
        ("workspace/a", ABSOLUTE),
        ("./workspace/a", ABSOLUTE),
        ("../workspace/a", ABSOLUTE),
        ("~/a", ABSOLUTE),
        ("a", ABSOLUTE),
        (".", ABSOLUTE),
        ("..", ABSOLUTE),
        (" ", ABSOLUTE),
        (" /workspace/a", ABSOLUTE),
        ("\\workspace\\a", ABSOLUTE),
        ("C:\\workspace\\a", ABSOLUTE),
        ("C:/workspace/a", ABSOLUTE),
        ("file:///workspace/a", ABSOLUTE),
        ("workspace:/workspace/a", ABSOLUTE),
        ("http://127.0.0.1/workspace/a", ABSOLUTE),
        ("%2Fworkspace%2Fa", ABSOLUTE),
        ("\0/workspace/a", ABSOLUTE),
        ("\u{2215}workspace\u{2215}a", ABSOLUTE),
        ("/", UNDER),
        ("//", UNDER),
        ("//workspace/a", UNDER),
        ("///workspace/a", UNDER),
        ("/./workspace/a", UNDER),
        ("/../workspace/a", UNDER),
        ("/etc/passwd", UNDER),
        ("/etc/shadow", UNDER),
        ("/proc/self/environ", UNDER),
        ("/proc/self/root/workspace/a", UNDER),
        ("/dev/stdin", UNDER),
        ("/sys/kernel", UNDER),
        ("/root/.ssh/id_ed25519", UNDER),
        ("/var/run/docker.sock", UNDER),
        ("/tmp/a", UNDER),
        ("/workspaces/a", UNDER),
        ("/workspace2/a", UNDER),
        ("/workspace.txt", UNDER),
        ("/workspace-a", UNDER),
        ("/workspace\\a", UNDER),
        ("/workspace:a", UNDER),
        ("/workspace\0", UNDER),
        ("/workspace a", UNDER),
        ("/Workspace/a", UNDER),
        ("/WORKSPACE/a", UNDER),
        ("/config/a", UNDER),
        ("/configs.d/a", UNDER),
        ("/homes/a", UNDER),
        ("/plugin/a", UNDER),
        ("/a/workspace/b", UNDER),
        ("/usr/../workspace/a", UNDER),
        ("/%77orkspace/a", UNDER),
        ("/workspace/", INVALID),
        ("/configs/", INVALID),
        ("/workspace//a", INVALID),
        ("/workspace/a//b", INVALID),
        ("/workspace/a/", INVALID),
        ("/workspace/.", INVALID),
        ("/workspace/./a", INVALID),
        ("/workspace/a/.", INVALID),
        ("/workspace/a/./b", INVALID),
        ("/workspace/..", INVALID),
        ("/workspace/../etc/passwd", INVALID),
        ("/workspace/a/../b", INVALID),
        ("/workspace/a/../../etc/passwd", INVALID),
        ("/workspace/../workspace/a", INVALID),
        ("/configs/../workspace/a", INVALID),
        ("/home/../root/.ssh/id_ed25519", INVALID),
        ("/plugins/..", INVALID),
        ("/workspace/...", INVALID),
        ("/workspace/a..b", INVALID),
        ("/workspace/..\\..\\etc", INVALID),
        ("/workspace/a\0.txt", INVALID),
    ];

    #[test]
    fn s180_s4_r103_a_hundred_paths() {
        for (path, want) in PATHS {
            assert_eq!(check_path(path).err().unwrap_or_default(), want, "{path:?}");
        }
    }

    #[test]
    fn s176_names_are_made_safe() {
        let long = format!("{}.jpeg", "x".repeat(300));
        let endless = format!("a.{}", "x".repeat(300));
        let table = [
            ("a b.md", "a_b.md".to_owned()),
            ("../../etc/passwd", "passwd".into()),
            ("C:\\x\\y.z", "y.z".into()),
            ("", "file".into()),
            (".", "file".into()),
            ("..", "file".into()),
            ("a/", "file".into()),
            ("...", "...".into()),
            (".env", ".env".into()),
            ("ä.txt", "_.txt".into()),
            ("a\"b\r\n.md", "a_b__.md".into()),
            ("a\0b", "a_b".into()),
            ("-rf", "-rf".into()),
            (&long, format!("{}.jpeg", "x".repeat(95))),
            (&endless, format!("a.{}", "x".repeat(98))),
            (&"x".repeat(100), "x".repeat(100)),
        ];
        for (given, want) in table {
            assert_eq!(safe_name(given), want, "{given:?}");
        }
    }

    #[test]
    fn s182_dispositions_are_escaped() {
        let table = [
            ("a.md", "attachment; filename=\"a.md\"; filename*=UTF-8''a.md"),
            ("a\"b\n.md", "attachment; filename=\"a\\\"b.md\"; filename*=UTF-8''a%22b%0A.md"),
            ("a\\b;c", "attachment; filename=\"a\\\\b;c\"; filename*=UTF-8''a%5Cb%3Bc"),
            ("ü 1.md", "attachment; filename=\"_ 1.md\"; filename*=UTF-8''%C3%BC%201.md"),
            (
                "a\r\nSet-Cookie: x=1",
                "attachment; filename=\"aSet-Cookie: x=1\"; filename*=UTF-8''a%0D%0ASet-Cookie%3A%20x%3D1",
            ),
            ("", "attachment; filename=\"\"; filename*=UTF-8''"),
        ];
        for (name, want) in table {
            assert_eq!(disposition(name), want, "{name:?}");
        }
    }

    #[test]
    fn a_stored_name_leads_nowhere_else() {
        let mark = "0123456789abcdef0123456789abcdef";
        for good in ["a", "a.txt", ".env", "_.-"] {
            let stored = format!("{mark}-{good}");
            assert!(is_stored_name(&stored), "{stored}");
            assert_eq!(stored_name_of(uri_of(&stored).strip_prefix("workspace:").unwrap()), Some(stored.as_str()));
        }
        for bad in ["", "a", mark, &format!("{mark}-"), &format!("{mark}-.."), &format!("{mark}_a")] {
            assert!(!is_stored_name(bad), "{bad}");
        }
        for bad in ["/a", "a/b", "..", "a\\b", "a b", "\u{0}", "ä"] {
            assert!(!is_stored_name(&format!("{mark}-{bad}")), "{bad:?}");
        }
        assert!(!is_stored_name(&format!("{}-a", mark.to_uppercase())));
        assert_eq!(stored_name_of(&format!("/workspace/{mark}-a")), None);
        assert_eq!(stored_name_of(&format!("{FOLDER}/x/{mark}-a")), None);
    }

    proptest! {
        #[test]
        fn safe_names_are_safe_and_stay_as_they_are(given in "\\PC{0,300}|[a-z/.\\\\ ]{0,40}") {
            let name = safe_name(&given);
            prop_assert!(!name.is_empty() && name.len() <= 100 && name != "." && name != "..");
            prop_assert!(name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b)));
            prop_assert_eq!(safe_name(&name), name);
        }

        #[test]
        fn dispositions_are_one_line_of_ascii(name in any::<String>()) {
            let text = disposition(&name);
            prop_assert!(text.bytes().all(|b| (0x20..0x7f).contains(&b)), "{}", text);
        }
    }
}
