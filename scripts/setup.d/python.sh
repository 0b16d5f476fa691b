# Python packages of the tests (tests/requirements.txt), in a virtual environment of the checkout.

install_python_packages() {
  [ -f tests/requirements.txt ] || return 0
  local wanted
  wanted="$(cksum <tests/requirements.txt) $(python3 --version 2>/dev/null || true)"
  [ -x .cache/venv/bin/python ] && stamp_is venv "$wanted" && return 0
  say "installs the Python packages of tests/requirements.txt into .cache/venv"
  dry && return 0
  rm -rf .cache/venv
  python3 -m venv .cache/venv
  .cache/venv/bin/pip install --quiet --disable-pip-version-check -r tests/requirements.txt
  stamp venv "$wanted"
}

# The older generation of the A2A SDK, which cannot stand beside the newer one.
install_older_a2a_sdk() {
  [ -f tests/peers/requirements-v03.txt ] || return 0
  local wanted
  wanted="$(cksum <tests/peers/requirements-v03.txt) $(python3 --version 2>/dev/null || true)"
  [ -x .cache/venv-a2a-v03/bin/python ] && stamp_is venv-a2a-v03 "$wanted" && return 0
  say "installs a2a-sdk 0.3 into .cache/venv-a2a-v03"
  dry && return 0
  rm -rf .cache/venv-a2a-v03
  python3 -m venv .cache/venv-a2a-v03
  .cache/venv-a2a-v03/bin/pip install --quiet --disable-pip-version-check -r tests/peers/requirements-v03.txt
  stamp venv-a2a-v03 "$wanted"
}
