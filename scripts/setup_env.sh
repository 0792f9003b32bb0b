#!/usr/bin/env bash
# Makes the virtual environments that the other scripts run in.
#
#   bash scripts/setup_env.sh [ENVIRONMENT]
#
#   run    .venv with requirements.txt, and biobert-jax in it (the default)
#   dev    the same, with tests/requirements.txt
#   baselines
#          .venv/baselines with tests/comparison/requirements.txt: PyTorch and other
#          systems to compare with, kept apart so that neither meets the other
#   beam   .venv/beam with scripts/requirements-beam.txt, for corpora on many
#          machines (biobert-jax prepare-corpus-beam)
#   gcs    .venv/gcs with tests/gcs/requirements.txt: an emulator of Cloud Storage,
#          for tests of buckets
#   tpu    .venv/tpu with tests/tpu/requirements.txt: the TPU's compiler alone,
#          beside .venv, for tests of what it makes of a step
#
#   3.11, 3.12, 3.13
#          .venv/3.11 ... as `dev`, on that Python: for tests beside .venv's
#   pythons  makes nothing; prints which of the three this machine has
#
# Installs again only when a file of requirements has changed. .venv is built on
# the newest of Python 3.13, 3.12 and 3.11 that is found, or on the one that
# PYTHON names, and stays on it. baselines and beam take 3.11 where it is found,
# with which their pins were tested; tpu takes .venv's, which loads the compiler.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly CONSTRAINTS=tpu_setup/constraints.txt
readonly PYTHONS=(3.13 3.12 3.11)  # Newest first.
readonly ONE_OF='Python 3.11, 3.12 or 3.13'

fail() {  # fail MESSAGE...: say what and the remedy; exit 3.
  printf 'setup_env.sh: %s\n' "$@" >&2
  exit 3
}

version_of() {  # Prints 3.12; nothing of a shim that does not run.
  "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null || true
}

is_supported() {
  [[ " ${PYTHONS[*]} " == *" $(version_of "$1") "* ]]
}

find_python() {  # find_python VERSION: prints a command that can make a venv.
  local candidate
  for candidate in "python$1" python3 python "/usr/bin/python$1" \
      "${PYENV_ROOT:-${HOME:-}/.pyenv}/versions/$1".*/bin/python; do
    if [[ "$(version_of "$candidate")" == "$1" ]] &&
        "$candidate" -c 'import ensurepip, venv' 2>/dev/null; then
      echo "$candidate"
      return
    fi
  done
  return 1
}

newest_python() {
  local version
  if [[ -n "${PYTHON:-}" ]]; then
    is_supported "$PYTHON" || fail "PYTHON=$PYTHON is not a $ONE_OF."
    echo "$PYTHON"
    return
  fi
  for version in "${PYTHONS[@]}"; do
    find_python "$version" && return
  done
  fail "$ONE_OF was not found. Install one (Debian, Ubuntu: sudo apt-get" \
    'install python3 python3-venv; elsewhere: pyenv install 3.13),' \
    'or name one: PYTHON=/path/to/python3.13 bash scripts/...'
}

make_venv() {  # make_venv FOLDER [PYTHON]
  local venv=$1 python=${2:-}
  if [[ -x "$venv/bin/python" ]]; then
    is_supported "$venv/bin/python" ||
      fail "$venv does not run $ONE_OF. Remove it: rm -r $venv"
    # An interrupted creation leaves a Python without pip.
    "$venv/bin/python" -c 'import pip' 2>/dev/null && return
  fi
  [[ -n "$python" ]] || python=$(newest_python)
  echo "Creating $venv with $("$python" --version)." >&2
  "$python" -m venv "$venv" >&2 ||
    fail "$python could not create $venv." \
      "On Debian or Ubuntu: sudo apt-get install python3-venv"
}

by_uv() {  # by_uv FOLDER OPTIONS...: installs as pip does, on all cores.
  local key values value
  # As pip: the best of all indices; modules compiled now, not at each start.
  local options=(--quiet --index-strategy unsafe-best-match)
  local venv=$1
  shift
  [[ "$venv" != .venv ]] || options+=(--compile-bytecode)
  # For one of its packages, multiprocess, uv takes the wheel of another Python.
  [[ "$venv" != .venv/baselines ]] || return
  "$venv/bin/python" -m pip install -qq --disable-pip-version-check \
    --requirement tpu_setup/uv.txt || return
  # What pip was told of indices and certificates holds for uv.
  while IFS='=' read -r key values; do
    values=${values//\'/}
    for value in ${values//\\n/ }; do
      case "${key##*.}" in
        index-url) export UV_DEFAULT_INDEX=$value ;;
        cert) export SSL_CERT_FILE=$value ;;
        extra-index-url) options+=(--index "$value") ;;
        find-links) options+=(--find-links "$value") ;;
        constraint) options+=(--constraint "$value") ;;
      esac
    done
  done < <("$venv/bin/python" -m pip config list)
  "$venv/bin/uv" pip install --python "$venv/bin/python" "${options[@]}" "$@"
}

install() {  # install FOLDER REQUIREMENTS...: those that changed since.
  local venv=$1 file start=$SECONDS stale=() compile=--compile
  shift
  # Of the others' modules few are imported: these are compiled then.
  [[ "$venv" == .venv ]] || compile=--no-compile
  for file in "$@"; do
    # What was installed is kept word for word beside the packages.
    cat "$file" "$CONSTRAINTS" | cmp -s - "$venv/${file//\//-}" ||
      stale+=("$file")
  done
  ((${#stale[@]})) || return 0
  echo "Installing ${stale[*]} into $venv (a minute or more, the first time)." >&2
  by_uv "$venv" "${stale[@]/#/--requirement=}" >&2 ||
    "$venv/bin/python" -m pip install -qq --disable-pip-version-check "$compile" \
      "${stale[@]/#/--requirement=}" >&2 ||
    fail "pip could not install into $venv (its reason stands above)." \
      'Check the network and the free disk space (3 GB), then run this again.'
  for file in "${stale[@]}"; do
    cat "$file" "$CONSTRAINTS" >"$venv/${file//\//-}"
  done
  echo "Installed in $((SECONDS - start)) s." >&2
}

launcher() {  # .venv/bin/biobert-jax: this checkout, from any folder.
  cat >.venv/bin/biobert-jax <<'END'
#!/usr/bin/env bash
bin=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
export PYTHONPATH="$bin/../..${PYTHONPATH:+:$PYTHONPATH}"
exec "$bin/python" -m biobert_jax "$@"
END
  chmod +x .venv/bin/biobert-jax
}

beside() {  # beside NAME PYTHON REQUIREMENTS...: .venv/NAME, on that Python.
  local name=$1 python=$2
  shift 2
  make_venv ".venv/$name" "$python"
  install ".venv/$name" "$@"
}

python_of_pins() {  # PyTorch's and Beam's pins were tested with 3.11.
  find_python 3.11 || echo .venv/bin/python
}

case "${1:-run}" in
  run | dev)
    make_venv .venv
    requirements=(requirements.txt)
    [[ "${1:-run}" == run ]] || requirements+=(tests/requirements.txt)
    install .venv "${requirements[@]}"
    launcher
    ;;
  baselines)
    make_venv .venv
    beside baselines "$(python_of_pins)" tests/comparison/requirements.txt
    ;;
  beam)
    make_venv .venv
    beside beam "$(python_of_pins)" scripts/requirements-beam.txt
    ;;
  gcs)
    make_venv .venv
    beside gcs .venv/bin/python tests/gcs/requirements.txt
    ;;
  tpu)
    make_venv .venv
    beside tpu .venv/bin/python tests/tpu/requirements.txt
    ;;
  3.11 | 3.12 | 3.13)
    python=$(find_python "$1") || fail "Python $1 was not found."
    beside "$1" "$python" requirements.txt tests/requirements.txt
    ;;
  pythons)
    for version in "${PYTHONS[@]}"; do
      if find_python "$version" >/dev/null; then echo "$version"; fi
    done
    ;;
  *)
    fail "unknown environment '$1': run, dev, baselines, beam, gcs, tpu, 3.11," \
      '3.12, 3.13 or pythons.'
    ;;
esac
