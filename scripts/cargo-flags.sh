# Sourced: flags that every cargo call of a check or a test shares.

cargo_flags=()
if [ "${CI:-}" = true ]; then
  # The lock file has to fit the manifests as committed, and a clean clone gains nothing from
  # incremental compilation.
  cargo_flags=(--locked)
  export CARGO_INCREMENTAL=0
fi
