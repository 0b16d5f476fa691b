# Sourced by the other scripts: where the tools lie that a login shell may not have on its PATH yet.

if [ -d "${CARGO_HOME:-$HOME/.cargo}/bin" ]; then
  PATH="${CARGO_HOME:-$HOME/.cargo}/bin:$PATH"
fi
# A Node.js of the checkout's own, put there by scripts/setup when the system's is missing or too old.
if [ -x .cache/node/bin/node ]; then
  PATH="$PWD/.cache/node/bin:$PATH"
fi
export PATH
