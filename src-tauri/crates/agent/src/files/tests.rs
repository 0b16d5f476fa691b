//! The folder against everything that leads out of it.

use std::fs;
use std::path::PathBuf;

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;

/// A folder with a neighbour that must stay unseen and untouched.
struct Ground {
    _base: TempDir,
    root: PathBuf,
    outside: PathBuf,
    folder: Folder,
}

const SECRET: &str = "the neighbour's secret";

fn ground() -> Ground {
    let base = tempfile::tempdir().unwrap();
    let (root, outside) = (base.path().join("inside"), base.path().join("outside"));
    fs::create_dir_all(root.join("sub")).unwrap();
    fs::create_dir_all(&outside).unwrap();
    fs::write(root.join("a.txt"), "alpha\nbeta\n").unwrap();
    fs::write(root.join("sub/b.txt"), "gamma\n").unwrap();
    fs::write(outside.join("secret.txt"), SECRET).unwrap();
    let folder = Folder::open(&root, None).unwrap();
    Ground { _base: base, root, outside, folder }
}

impl Ground {
    /// Nothing was created, changed or removed beside the folder.
    fn assert_neighbour_untouched(&self) {
        let names: Vec<_> = fs::read_dir(&self.outside).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, ["secret.txt"]);
        assert_eq!(fs::read_to_string(self.outside.join("secret.txt")).unwrap(), SECRET);
    }

    fn write(&self, path: &str, text: &str) -> Result<(), Refused> {
        let change = self.folder.plan_write(path, text)?;
        self.folder.make(&change)
    }
}

#[test]
fn ways_to_name_what_is_inside() {
    let ground = ground();
    let absolute = ground.root.canonicalize().unwrap().join("a.txt");
    for path in ["a.txt", "./a.txt", "/workspace/a.txt", "sub/../a.txt", " a.txt ", absolute.to_str().unwrap()] {
        assert_eq!(ground.folder.read_text(path, 100).unwrap(), "alpha\nbeta\n", "{path}");
    }
}

#[test]
fn dots_and_absolute_paths_lead_nowhere() {
    let ground = ground();
    let neighbour = ground.outside.join("secret.txt");
    let table = [
        "../outside/secret.txt",
        "sub/../../outside/secret.txt",
        "/workspace/../outside/secret.txt",
        "./../outside/secret.txt",
        "sub/./../../outside/secret.txt",
        "/etc/passwd",
        "/workspace/../../../../../../etc/passwd",
        "//etc/passwd",
        "..",
        "/",
        neighbour.to_str().unwrap(),
    ];
    for path in table {
        assert!(ground.folder.read(path, 1000).is_err(), "read {path}");
        assert!(ground.write(path, "x").is_err(), "write {path}");
        assert!(ground.folder.list(path, 3).is_err(), "list {path}");
    }
    for path in ["../outside/new.txt", "sub/../../outside/new.txt", "/tmp/new-by-agent.txt"] {
        assert!(matches!(ground.write(path, "x"), Err(Refused::Outside(_))), "create {path}");
    }
    ground.assert_neighbour_untouched();
}

#[cfg(unix)]
mod links {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn links_out_are_neither_read_nor_written_nor_listed() {
        let ground = ground();
        symlink(&ground.outside, ground.root.join("door")).unwrap();
        symlink("../outside", ground.root.join("relative")).unwrap();
        symlink(ground.outside.join("secret.txt"), ground.root.join("file")).unwrap();
        symlink("../outside/new.txt", ground.root.join("dangling")).unwrap();
        symlink("door", ground.root.join("chain")).unwrap();
        for path in ["door/secret.txt", "relative/secret.txt", "file", "chain/secret.txt", "sub/../door/secret.txt"] {
            assert!(ground.folder.read(path, 1000).is_err(), "read {path}");
            assert!(ground.write(path, "x").is_err(), "write {path}");
        }
        for path in ["door/new.txt", "relative/deep/new.txt", "dangling", "chain/new.txt"] {
            assert!(ground.write(path, "x").is_err(), "create {path}");
        }
        assert!(ground.folder.list("door", 2).is_err());
        let found = ground.folder.search(&Query { pattern: "neighbour", path: "", case_sensitive: false }).unwrap();
        assert!(found.lines.is_empty(), "{found:?}");
        ground.assert_neighbour_untouched();
    }

    #[test]
    fn links_that_stay_inside_work_and_are_kept() {
        let ground = ground();
        symlink("sub", ground.root.join("near")).unwrap();
        symlink("a.txt", ground.root.join("alias")).unwrap();
        assert_eq!(ground.folder.read_text("near/b.txt", 100).unwrap(), "gamma\n");
        ground.write("alias", "new\n").unwrap();
        assert_eq!(fs::read_to_string(ground.root.join("a.txt")).unwrap(), "new\n");
        assert!(fs::symlink_metadata(ground.root.join("alias")).unwrap().is_symlink());
    }

    #[test]
    fn a_folder_that_becomes_a_link_between_check_and_use() {
        let ground = ground();
        let existing = ground.folder.plan_write("sub/b.txt", "x").unwrap();
        let fresh = ground.folder.plan_write("sub/new.txt", "x").unwrap();
        let deep = ground.folder.plan_write("sub/deep/er/new.txt", "x").unwrap();
        fs::rename(ground.root.join("sub"), ground.root.join("moved")).unwrap();
        symlink(&ground.outside, ground.root.join("sub")).unwrap();
        for change in [existing, fresh, deep] {
            assert!(ground.folder.make(&change).is_err(), "{change:?}");
        }
        ground.assert_neighbour_untouched();
    }

    #[test]
    fn a_file_that_becomes_a_link_between_check_and_use() {
        let ground = ground();
        let change = ground.folder.plan_write("a.txt", "x").unwrap();
        fs::remove_file(ground.root.join("a.txt")).unwrap();
        symlink(ground.outside.join("secret.txt"), ground.root.join("a.txt")).unwrap();
        assert!(ground.folder.make(&change).is_err());
        ground.assert_neighbour_untouched();
    }

    #[test]
    fn the_root_itself_may_be_moved_and_replaced() {
        let ground = ground();
        let change = ground.folder.plan_write("secret.txt", "x").unwrap();
        fs::rename(&ground.root, ground.root.with_extension("moved")).unwrap();
        symlink(&ground.outside, &ground.root).unwrap();
        // The handle is of the folder that was given, wherever it lies now.
        ground.folder.make(&change).unwrap();
        assert!(ground.root.with_extension("moved").join("secret.txt").exists());
        ground.assert_neighbour_untouched();
    }

    /// A link is flipped in and out as fast as the machine can, while files are written through it.
    #[test]
    fn writing_while_a_link_flickers() {
        use std::sync::atomic::{AtomicBool, Ordering};
        let ground = ground();
        let stop = AtomicBool::new(false);
        let (real, door) = (ground.root.join("real"), ground.root.join("flicker"));
        fs::create_dir(&real).unwrap();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let _ = symlink(&ground.outside, &door);
                    let _ = fs::remove_file(&door);
                    let _ = fs::create_dir(&door);
                    let _ = fs::remove_dir_all(&door);
                }
            });
            for at in 0..400 {
                let _ = ground.write(&format!("flicker/{at}.txt"), "x");
                assert!(ground.folder.read("flicker/secret.txt", 100).is_err());
            }
            stop.store(true, Ordering::Relaxed);
        });
        ground.assert_neighbour_untouched();
    }

    #[test]
    fn pipes_and_devices_do_not_hang() {
        let ground = ground();
        let made = std::process::Command::new("mkfifo").arg(ground.root.join("pipe")).status();
        if made.is_ok_and(|status| status.success()) {
            assert_eq!(ground.folder.read("pipe", 10), Err(Refused::NotAFile("pipe".into())));
        }
    }
}

#[test]
fn own_data_inside_the_folder_is_closed() {
    let base = tempfile::tempdir().unwrap();
    let data = base.path().join(".local/molecule");
    let own = data.join("workspaces/w/workspace");
    fs::create_dir_all(&own).unwrap();
    fs::write(data.join("admin.token"), SECRET).unwrap();
    fs::write(own.join("mine.txt"), "mine").unwrap();
    let home = Folder::open(base.path(), Some(&data)).unwrap();
    assert!(home.holds_own_data());
    for path in [".local/molecule/admin.token", ".local/../.local/molecule/admin.token", ".local/molecule"] {
        assert!(matches!(home.resolve(path), Err(Refused::Missing(_))), "{path}");
    }
    assert!(home.plan_write(".local/molecule/new", "x").is_err());
    assert!(home.search(&Query { pattern: "secret", path: "", case_sensitive: false }).unwrap().lines.is_empty());
    // The agent's private folder lies inside the data and is open all the same.
    let private = Folder::open(&own, Some(&data)).unwrap();
    assert!(!private.holds_own_data());
    assert_eq!(private.read_text("mine.txt", 10).unwrap(), "mine");
}

#[test]
fn credentials_in_the_config_folder_are_not_there() {
    let ground = ground();
    fs::write(ground.root.join(".auth_token"), "t").unwrap();
    let config = Folder::open_config(&ground.root).unwrap();
    for path in [".auth_token", "./.auth_token", "sub/../.auth_token"] {
        assert!(matches!(config.read(path, 10), Err(Refused::Missing(_))), "{path}");
    }
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink(".auth_token", ground.root.join("innocent")).unwrap();
        assert!(config.read("innocent", 10).is_err());
    }
    assert_eq!(config.list("", 1).unwrap().entries.iter().filter(|name| name.starts_with('.')).count(), 0);
    assert_eq!(config.read("a.txt", 100).unwrap(), b"alpha\nbeta\n");
}

#[test]
fn changes_are_shown_before_they_are_made() {
    let ground = ground();
    let change = ground.folder.plan_edit("a.txt", "beta", "delta").unwrap();
    assert_eq!(fs::read_to_string(ground.root.join("a.txt")).unwrap(), "alpha\nbeta\n");
    insta::assert_snapshot!(change.diff, @r"
    --- a/a.txt
    +++ b/a.txt
    @@ -1,2 +1,2 @@
     alpha
    -beta
    +delta
    ");
    ground.folder.make(&change).unwrap();
    assert_eq!(fs::read_to_string(ground.root.join("a.txt")).unwrap(), "alpha\ndelta\n");
    let fresh = ground.folder.plan_write("new/deep.txt", "one\n").unwrap();
    assert!(fresh.creates());
    insta::assert_snapshot!(fresh.diff, @r"
    --- /dev/null
    +++ b/new/deep.txt
    @@ -0,0 +1 @@
    +one
    ");
    ground.folder.make(&fresh).unwrap();
    assert_eq!(fs::read_to_string(ground.root.join("new/deep.txt")).unwrap(), "one\n");
}

#[test]
fn a_file_that_changed_after_it_was_shown_is_left_alone() {
    let ground = ground();
    let change = ground.folder.plan_edit("a.txt", "beta", "delta").unwrap();
    let fresh = ground.folder.plan_write("new.txt", "mine").unwrap();
    fs::write(ground.root.join("a.txt"), "somebody else's\n").unwrap();
    fs::write(ground.root.join("new.txt"), "somebody else's\n").unwrap();
    for change in [change, fresh] {
        assert!(matches!(ground.folder.make(&change), Err(Refused::Changed(_))));
    }
    assert_eq!(fs::read_to_string(ground.root.join("new.txt")).unwrap(), "somebody else's\n");
    let left: Vec<_> = fs::read_dir(&ground.root).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| !name.to_string_lossy().contains("molecule-tmp")), "{left:?}");
}

#[test]
fn an_edit_needs_exactly_one_place() {
    let ground = ground();
    let edit = |old: &str| ground.folder.plan_edit("a.txt", old, "x").map(drop);
    assert!(matches!(edit("nothing"), Err(Refused::NotFound { .. })));
    assert!(matches!(edit(""), Err(Refused::NotFound { .. })));
    assert!(matches!(edit("a"), Err(Refused::Ambiguous { count: 3, .. })));
    assert!(matches!(ground.folder.plan_write("a.txt", "alpha\nbeta\n"), Err(Refused::NoChange(_))));
}

#[test]
fn what_cannot_be_shown_is_not_done() {
    let ground = ground();
    let large = "x".repeat(400 * 1024);
    assert!(matches!(ground.folder.plan_write("large.txt", &large), Err(Refused::ChangeTooLarge(_))));
    assert!(!ground.root.join("large.txt").exists());
}

#[cfg(unix)]
#[test]
fn a_changed_file_keeps_its_mode() {
    use std::os::unix::fs::PermissionsExt;
    let ground = ground();
    fs::set_permissions(ground.root.join("a.txt"), fs::Permissions::from_mode(0o755)).unwrap();
    ground.write("a.txt", "#!/bin/sh\n").unwrap();
    assert_eq!(fs::metadata(ground.root.join("a.txt")).unwrap().permissions().mode() & 0o777, 0o755);
}

#[test]
fn listing_and_searching_leave_out_what_git_ignores() {
    let ground = ground();
    fs::write(ground.root.join(".gitignore"), "ignored\n").unwrap();
    fs::create_dir_all(ground.root.join(".git")).unwrap();
    fs::write(ground.root.join(".git/config"), "alpha").unwrap();
    fs::write(ground.root.join("ignored"), "alpha").unwrap();
    fs::write(ground.root.join("binary"), b"alpha\0\xff").unwrap();
    assert_eq!(ground.folder.list("", 2).unwrap().entries, [".gitignore", "a.txt", "binary", "sub/", "sub/b.txt"]);
    assert_eq!(ground.folder.list("", 1).unwrap().entries, [".gitignore", "a.txt", "binary", "sub/"]);
    assert_eq!(ground.folder.list("sub", 1).unwrap().entries, ["sub/b.txt"]);
    let search = |pattern: &str, path: &str, case_sensitive| {
        ground.folder.search(&Query { pattern, path, case_sensitive }).map(|found| found.lines)
    };
    assert_eq!(search("ALPHA|gam", "", false).unwrap(), ["a.txt:1: alpha", "sub/b.txt:1: gamma"]);
    assert_eq!(search("ALPHA", "", true).unwrap(), Vec::<String>::new());
    assert_eq!(search("beta", "a.txt", true).unwrap(), ["a.txt:2: beta"]);
    assert!(matches!(search("(", "", true), Err(Refused::Pattern(_))));
}

#[test]
fn no_refusal_names_a_path_of_the_system() {
    let ground = ground();
    for path in ["../outside/secret.txt", "missing", "sub", "a.txt/below"] {
        let refused = ground.folder.read(path, 10).unwrap_err().to_string();
        assert!(!refused.contains(ground.root.to_str().unwrap()), "{refused}");
    }
}

proptest! {
    /// Any mixture of dots, links and names stays inside.
    #[test]
    fn no_path_leaves(parts in prop::collection::vec(prop::sample::select(vec!["..", ".", "sub", "door", "a.txt", "outside", "secret.txt", "/", "inside"]), 1..9)) {
        let ground = ground();
        #[cfg(unix)]
        std::os::unix::fs::symlink(&ground.outside, ground.root.join("sub/door")).unwrap();
        let path = parts.join("/");
        if let Ok(bytes) = ground.folder.read(&path, 1000) {
            prop_assert_ne!(bytes, SECRET.as_bytes());
        }
        let _ = ground.write(&path, "x");
        ground.assert_neighbour_untouched();
    }
}
