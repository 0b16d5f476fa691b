"""The copy of the tree that is changed in the place of the person's own."""

import os
import shutil
import subprocess

# cargo-mutants lets a function answer `Ok(())` or an empty value only where its type is called Result. In the copy the
# platform's own names for it are written that way: the same types, on the same lines.
PLATFORM, ERRORS = "src-tauri/crates/platform/src/", "src-tauri/crates/platform/src/error.rs"
PLAIN = {"-> AppResult<": "-> crate::error::plain::Result<", "-> StoreResult<": "-> molecule_store::Result<"}
PLAIN_MODULE = "\npub(crate) mod plain {\n    pub(crate) type Result<T> = super::AppResult<T>;\n}\n"


def copied(name, content):
    """What the copy of a file has in it."""
    if not (name.startswith(PLATFORM) and name.endswith(".rs")):
        return content
    for own, plain in PLAIN.items():
        content = content.replace(own.encode(), plain.encode())
    return content + PLAIN_MODULE.encode() if name == ERRORS else content


def own_names(text):
    """A change of the copy, said with the names that the person's tree has."""
    for own, plain in PLAIN.items():
        text = text.replace(plain, own)
    return text


def files_of(checkout):
    """What is committed or could be, and the built canvas."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=checkout, check=True, capture_output=True,
    ).stdout.decode().split("\0")
    dist = checkout / "ui" / "dist"
    built = [str(path.relative_to(checkout)) for path in dist.rglob("*")] if dist.is_dir() else []
    return sorted({name for name in [*listed, *built] if name and (checkout / name).is_file()})


def synchronise(checkout, tree):
    """Brings `tree` up to the checkout.

    A file that is as it should be keeps its time, so that nothing is built again for it. One that an interrupted run
    left changed is put right.
    """
    wanted = set(files_of(checkout))
    for folder, _, names in os.walk(tree):
        for name in names:
            path = os.path.relpath(os.path.join(folder, name), tree)
            if path not in wanted:
                os.remove(tree / path)
    for name in wanted:
        copy, content = tree / name, copied(name, (checkout / name).read_bytes())
        if not copy.is_file() or copy.read_bytes() != content:
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(content)
        shutil.copymode(checkout / name, copy)
