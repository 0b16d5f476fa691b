# Python packages of the tests (agents written with the A2A SDK), in a virtual environment of the checkout.

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
