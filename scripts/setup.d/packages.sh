# System packages: apt-get on Debian and Ubuntu, Homebrew on macOS, by name elsewhere.

missing_apt=() missing_brew=() missing_named=()

# need PROBE APT BREW WHY: notes a package as missing when PROBE finds nothing.
#   cmd:a|b   one of these commands is on the PATH
#   pc:name   pkg-config knows this library
#   deb:name  the Debian package is installed (for what neither command nor library shows)
# "-" as APT or BREW: there is nothing to install on that system.
need() {
  local probe=$1 apt=$2 brew=$3 why=$4
  found "$probe" && return 0
  case "$(system)" in
    apt) [ "$apt" = - ] || { missing_apt+=("$apt"); say "missing: $apt ($why)"; } ;;
    brew) [ "$brew" = - ] || { missing_brew+=("$brew"); say "missing: $brew ($why)"; } ;;
    *) case "$probe" in deb:*) ;; *) missing_named+=("${probe#*:} (Debian calls it $apt): $why") ;; esac ;;
  esac
}

found() {
  local name
  case "$1" in
    cmd:*)
      local IFS='|'
      for name in ${1#cmd:}; do has "$name" && return 0; done
      return 1
      ;;
    pc:*) has pkg-config && pkg-config --exists "${1#pc:}" ;;
    deb:*) has dpkg-query && [ "$(dpkg-query -W -f='${Status}' "${1#deb:}" 2>/dev/null)" = "install ok installed" ] ;;
  esac
}

system() {
  if [ "$(uname -s)" = Darwin ]; then echo brew
  elif has apt-get; then echo apt
  else echo other; fi
}

is_ubuntu() { grep -q '^ID=ubuntu' /etc/os-release 2>/dev/null; }

need_build_packages() {
  if [ "$(system)" = brew ]; then
    xcode-select -p >/dev/null 2>&1 || stop "the C compiler of macOS is missing. Run: xcode-select --install"
    return 0
  fi
  need 'cmd:cc|gcc|clang' build-essential - "SQLite and the TLS library are C code"
  need cmd:make build-essential - "runs the two commands"
  need cmd:pkg-config pkg-config - "finds the libraries to link"
  need deb:ca-certificates ca-certificates - "package downloads over TLS"
}

need_bench_packages() {
  need 'cmd:nginx|/usr/sbin/nginx' nginx nginx "what the proxy of messages is measured against"
  need cmd:wrk wrk wrk "makes the load of a benchmark"
  need cmd:ps procps - "tells what memory a server takes"
}

need_proof_packages() {
  need cmd:python3 python3 python3 "draws what is changed, and counts"
  need cmd:git git - "tells which files belong to the tree"
}

# macOS and Windows have their own web view; only Linux needs these.
need_window_packages() {
  [ "$(system)" != brew ] || return 0
  need pc:webkit2gtk-4.1 libwebkit2gtk-4.1-dev - "the web view of the window"
  need pc:ayatana-appindicator3-0.1 libayatana-appindicator3-dev - "the tray icon"
  need pc:librsvg-2.0 librsvg2-dev - "icons of the window"
  need deb:libxdo-dev libxdo-dev - "menu shortcuts of the window"
}

need_test_packages() {
  if [ "$(system)" = brew ]; then
    [ -d "/Applications/Google Chrome.app" ] || need cmd:chromium - chromium "browser tests"
    return 0
  fi
  local chromium=chromium
  ! is_ubuntu || chromium=chromium-browser
  need 'cmd:chromium|chromium-browser|google-chrome' "$chromium" - "browser tests"
  need deb:fonts-liberation fonts-liberation - "the same letters on every machine's screenshots"
  need cmd:Xvfb xvfb - "a display for the window test"
  need cmd:xauth xauth - "a display for the window test"
  need cmd:dbus-run-session dbus - "a private session for the keychain and window tests"
  need cmd:gnome-keyring-daemon gnome-keyring - "a real Secret Service for the keychain tests"
  need 'cmd:WebKitWebDriver' webkit2gtk-driver - "drives the window in its test"
  need cmd:ip iproute2 - "a network with nothing but loopback for the offline test"
  need cmd:unshare util-linux - "a network with nothing but loopback for the offline test"
  need cmd:ps procps - "the process tests look for orphans"
  if ! has python3; then
    need cmd:python3 python3 - "agents written with the A2A SDK for Python"
  fi
  if ! python3 -c 'import venv, ensurepip' 2>/dev/null; then
    need deb:python3-venv python3-venv - "agents written with the A2A SDK for Python"
  fi
}

install_packages() {
  if [ ${#missing_named[@]} -gt 0 ]; then
    printf 'setup: missing: %s\n' "${missing_named[@]}" >&2
    stop "install these with your system's package manager, then run the same command again"
  fi
  if [ ${#missing_brew[@]} -gt 0 ]; then
    has brew || stop "Homebrew is missing (https://brew.sh), or install by hand: ${missing_brew[*]}"
    say "installs with Homebrew: ${missing_brew[*]}"
    dry || brew install "${missing_brew[@]}"
  fi
  [ ${#missing_apt[@]} -gt 0 ] || return 0

  local -a packages as_root=()
  mapfile -t packages < <(printf '%s\n' "${missing_apt[@]}" | sort -u)
  local command="apt-get install -y --no-install-recommends ${packages[*]}"
  if [ "$(id -u)" != 0 ]; then
    has sudo || stop "these packages are missing and sudo is not here. As root, run: $command"
    # Without a terminal nobody can type a password: fail at once instead of waiting for it.
    if [ -t 0 ]; then as_root=(sudo); else as_root=(sudo -n); fi
  fi
  say "installs with apt-get${as_root:+ (sudo may ask for your password)}: ${packages[*]}"
  dry && return 0
  "${as_root[@]}" apt-get update -qq || say "the package lists could not be refreshed; trying with the old ones"
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive $command -qq \
    || stop "apt-get could not install them. Run it by hand to see why: $command"
}

# Present on some machines, useful, and never installed behind your back.
name_optional_tools() {
  cargo nextest --version >/dev/null 2>&1 \
    || say "optional: cargo-nextest is not here, so the tests run with 'cargo test' (cargo install cargo-nextest --locked)"
  has docker || has podman || say "optional: no Docker engine; nothing that is tested today needs one"
}
