# The Rust toolchain: named when it is missing, taken from the distribution only where it is new enough.

wanted_rust() { sed -n 's/^rust-version *= *"\(.*\)"/\1/p' Cargo.toml | head -n 1; }

apt_candidate() { apt-cache policy "$1" 2>/dev/null | sed -n 's/^ *Candidate: *\([0-9][0-9.]*\).*/\1/p'; }

need_rust_package() {
  has cargo && return 0
  local wanted offered
  wanted=$(wanted_rust)
  case "$(system)" in
    brew) need cmd:cargo - rust "compiles Molecule" ;;
    apt)
      offered=$(apt_candidate rustc)
      if [ -n "$offered" ] && at_least "$wanted" "$offered"; then
        need cmd:cargo cargo - "compiles Molecule"
        need cmd:rustc rustc - "compiles Molecule"
        need cmd:rustfmt rustfmt - "checks the format"
        need cmd:cargo-clippy rust-clippy - "checks the code"
      fi
      ;;
  esac
}

check_rust() {
  local test=$1 wanted have
  wanted=$(wanted_rust)
  if ! has cargo; then
    dry && return 0
    stop "Rust $wanted or newer is missing, and this system's own packages are older. Install it with rustup:" \
      "    curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh" \
      "then run the same command again."
  fi
  have=$(rustc --version | cut -d ' ' -f 2)
  at_least "$wanted" "$have" \
    || stop "Rust $have is too old, $wanted or newer is needed. With rustup: rustup update stable"

  [ "$test" = yes ] || return 0
  local component
  for component in fmt:rustfmt clippy:clippy; do
    cargo "${component%:*}" --version >/dev/null 2>&1 && continue
    has rustup || stop "${component#*:} is missing. Install it beside your Rust toolchain"
    say "installs ${component#*:} with rustup (make check needs it)"
    dry || rustup component add "${component#*:}"
  done
}

# Commands of cargo, built from source: minutes each, once.
install_proof_tools() {
  local tool
  for tool in mutants:"changes the program" nextest:"runs the tests on what was changed, and ends one that hangs"; do
    cargo "${tool%%:*}" --version >/dev/null 2>&1 && continue
    say "installs cargo-${tool%%:*} with cargo (${tool#*:})"
    dry || cargo install --quiet --locked "cargo-${tool%%:*}"
  done
}
