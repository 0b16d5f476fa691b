# Sourced by scripts/test: what every suite may rely on, and what none may see of the person's machine.

# A test that forgets to bring its own bus, display or data directory must fail, not write into the
# keychain, the desktop or the agents of whoever runs it.
export DBUS_SESSION_BUS_ADDRESS=unix:path=/nonexistent/session-bus
unset DISPLAY WAYLAND_DISPLAY MOLECULE_HOME MOLECULE_ENV MOLECULE_URL PLATFORM_URL WORKSPACE_ID
unset ANTHROPIC_API_KEY OPENAI_API_KEY OPENAI_BASE_URL OPENROUTER_API_KEY

# The program under test, the browser, and the Python with the packages of tests/requirements.txt.
case "${CARGO_TARGET_DIR:-target}" in
  /*) MOLECULE_BIN=${CARGO_TARGET_DIR}/debug/molecule ;;
  *) MOLECULE_BIN=$PWD/${CARGO_TARGET_DIR:-target}/debug/molecule ;;
esac
MOLECULE_PYTHON=$PWD/.cache/venv/bin/python
CHROMIUM=${CHROMIUM:-$(command -v chromium || command -v chromium-browser || command -v google-chrome \
  || echo '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome')}
export MOLECULE_BIN MOLECULE_PYTHON CHROMIUM

nextest_profile=default
[ "${CI:-}" != true ] || nextest_profile=ci
