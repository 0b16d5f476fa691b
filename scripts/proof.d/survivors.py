"""The survivors that docs/mutants.md names with the reason why no test can or should catch them."""

import re

# - `file` `change` at `line`: why
ENTRY = re.compile(r"^- (`[^`]+` `[^`]+` at `[^`]+`): *(\S.*)$", re.MULTILINE)


def named(text):
    """Each named mutant with its reason.

    >>> named("# Title\\n\\n- `a.rs` `replace < with <= in f` at `if a < b {`: Both are the same here.\\n- other")
    {'`a.rs` `replace < with <= in f` at `if a < b {`': 'Both are the same here.'}
    """
    return dict(ENTRY.findall(text))
