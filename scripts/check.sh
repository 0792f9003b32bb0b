#!/usr/bin/env bash
# Everything that must hold before a commit, in about nine minutes on two cores.
#
#   bash scripts/check.sh [--fix] [-- PYTEST_ARGUMENTS...]
#
# Makes .venv where it is missing, then checks format, lint, types, shell
# scripts and tests, and stops at the first that fails. --fix first fixes what
# ruff can fix. Tests of whole jobs, against other systems and on real corpora
# are not run here: see CONTRIBUTING.md.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

usage() {
  echo 'usage: bash scripts/check.sh [--fix] [-- PYTEST_ARGUMENTS...]' >&2
  exit 3
}

fix=false
while (($#)); do
  case "$1" in
    --fix) fix=true ;;
    --) shift; break ;;
    *) usage ;;
  esac
  shift
done

stage() {  # stage TITLE COMMAND...: runs it, prints its seconds.
  local title=$1 start=$SECONDS code=0
  shift
  printf '== %s\n' "$title"
  "$@" || code=$?
  if ((code)); then
    printf '== %s: FAILED after %s s (exit %s): %s\n' \
      "$title" "$((SECONDS - start))" "$code" "$*" >&2
    exit "$code"
  fi
  printf '== %s: %s s\n' "$title" "$((SECONDS - start))"
}

run_tests() {
  # Whole files to a worker, so that what a module compiles is compiled once.
  .venv/bin/python -m pytest -n 2 --dist loadfile \
    "${SLOWER[@]/#/--ignore=tests/}" "$@"
}

export JAX_PLATFORMS=cpu TF_CPP_MIN_LOG_LEVEL=2
# Without bytecode each process that a test starts compiles our modules anew.
unset PYTHONDONTWRITEBYTECODE
readonly PYTHON_FOLDERS=(biobert_jax configs scripts tests)
# Minutes more: CONTRIBUTING.md.
readonly SLOWER=(end_to_end fault_injection real_data comparison beam gcs tpu)
mapfile -t shell_scripts < <(
  find .ci/run scripts tpu_setup tests -path .ci/run -o -name '*.sh')

stage 'environment' bash scripts/setup_env.sh dev
if "$fix"; then
  stage 'lint (ruff, fixed)' .venv/bin/ruff check --fix "${PYTHON_FOLDERS[@]}"
  stage 'format (ruff, applied)' .venv/bin/ruff format "${PYTHON_FOLDERS[@]}"
else
  stage 'format (ruff)' .venv/bin/ruff format --diff "${PYTHON_FOLDERS[@]}"
  stage 'lint (ruff)' .venv/bin/ruff check "${PYTHON_FOLDERS[@]}"
fi
stage 'types (mypy)' .venv/bin/mypy
stage 'shell scripts (shellcheck)' .venv/bin/shellcheck "${shell_scripts[@]}"
stage 'tests (pytest)' run_tests "$@"
echo "== all checks passed in $SECONDS s"
