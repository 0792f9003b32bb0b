#!/usr/bin/env bash
# Makes the virtual environments that the other scripts run in.
#
#   bash scripts/setup_env.sh [run|dev|peers|beam|tpu]
#
#   run    .venv with requirements.txt (the default)
#   dev    the same, with tests/requirements.txt
#   peers  .venv/peers with tests/comparison/requirements.txt: PyTorch and other
#          systems to compare with, kept apart so that neither meets the other
#   beam   .venv/beam with scripts/requirements-beam.txt, for corpora on many
#          machines (biobert-jax prepare-corpus-beam)
#   tpu    .venv/tpu with tests/tpu/requirements.txt: the TPU's compiler alone,
#          beside .venv, for tests of what it makes of a step
#
# Installs again only when a file of requirements has changed. PYTHON names the
# interpreter to build on (default: python3.11).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly CONSTRAINTS=tpu_setup/constraints.txt

fail() {  # fail MESSAGE...: say what and the remedy; exit 3.
  printf 'setup_env.sh: %s\n' "$@" >&2
  exit 3
}

is_python_311() {
  [[ "$("$1" -c 'import sys; print(*sys.version_info[:2])' 2>/dev/null)" \
    == '3 11' ]]
}

find_python() {  # Prints a Python 3.11; a shim that does not run is passed by.
  local candidate
  for candidate in ${PYTHON:+"$PYTHON"} python3.11 python3 python \
      /usr/bin/python3.11; do
    if is_python_311 "$candidate"; then
      echo "$candidate"
      return
    fi
    [[ "$candidate" == "${PYTHON:-}" ]] &&
      fail "PYTHON=$PYTHON is not a Python 3.11."
  done
  fail 'Python 3.11 was not found. Install it (Debian, Ubuntu: sudo apt-get' \
    'install python3.11 python3.11-venv; elsewhere: pyenv install 3.11),' \
    'or name one: PYTHON=/path/to/python3.11 bash scripts/...'
}

make_venv() {  # make_venv FOLDER
  local venv=$1 python
  if [[ -x "$venv/bin/python" ]]; then
    is_python_311 "$venv/bin/python" ||
      fail "$venv does not run Python 3.11. Remove it: rm -r $venv"
    # An interrupted creation leaves a Python without pip.
    "$venv/bin/python" -c 'import pip' 2>/dev/null && return
  fi
  python=$(find_python)
  echo "Creating $venv with $("$python" --version)." >&2
  "$python" -m venv "$venv" >&2 ||
    fail "$python could not create $venv." \
      'On Debian or Ubuntu: sudo apt-get install python3.11-venv'
}

install() {  # install FOLDER REQUIREMENTS...: those that changed since.
  local venv=$1 file start=$SECONDS stale=()
  shift
  for file in "$@"; do
    # What was installed is kept word for word beside the packages.
    cat "$file" "$CONSTRAINTS" | cmp -s - "$venv/${file//\//-}" ||
      stale+=("$file")
  done
  ((${#stale[@]})) || return 0
  echo "Installing ${stale[*]} into $venv (minutes, the first time)." >&2
  "$venv/bin/python" -m pip install -qq --disable-pip-version-check \
    "${stale[@]/#/--requirement=}" >&2 ||
    fail "pip could not install into $venv (its reason stands above)." \
      'Check the network and the free disk space (3 GB), then run this again.'
  for file in "${stale[@]}"; do
    cat "$file" "$CONSTRAINTS" >"$venv/${file//\//-}"
  done
  echo "Installed in $((SECONDS - start)) s." >&2
}

case "${1:-run}" in
  run)
    make_venv .venv
    install .venv requirements.txt
    ;;
  dev)
    make_venv .venv
    install .venv requirements.txt tests/requirements.txt
    ;;
  peers)
    make_venv .venv
    make_venv .venv/peers
    install .venv/peers tests/comparison/requirements.txt
    ;;
  beam)
    make_venv .venv
    make_venv .venv/beam
    install .venv/beam scripts/requirements-beam.txt
    ;;
  tpu)
    make_venv .venv
    make_venv .venv/tpu
    install .venv/tpu tests/tpu/requirements.txt
    ;;
  *) fail "unknown environment '$1': run, dev, peers, beam or tpu." ;;
esac
