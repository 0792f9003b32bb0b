#!/usr/bin/env bash
# From a fresh clone to entities in raw text, in under five minutes on a CPU.
#
#   bash scripts/quickstart.sh [--workdir DIR]
#
# Makes .venv where it is missing, trains a tiny tagger on the sample that comes
# with the code (biobert_jax/sample), scores it, exports it for Hugging Face and
# tags a paragraph with the export. DIR (default runs/quickstart; relative to
# the repository) is removed first if an earlier quick start made it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

fail() {
  printf 'quickstart.sh: %s\n' "$@" >&2
  exit 3
}

workdir=runs/quickstart
while (($#)); do
  case "$1" in
    --workdir=?*) workdir=${1#*=}; shift ;;
    --workdir) workdir=${2:-}; shift 2 || fail '--workdir needs a folder.' ;;
    *) fail "unknown argument '$1'. Usage: [--workdir DIR]" ;;
  esac
done
[[ -n "$workdir" ]] || fail '--workdir needs a folder.'

export JAX_PLATFORMS="${JAX_PLATFORMS:-cpu}" TF_CPP_MIN_LOG_LEVEL=2
readonly SAMPLE=biobert_jax/sample/ner
readonly MARK=quickstart.txt  # Written into a folder that is ours to remove.

step() {  # step NUMBER TITLE COMMAND...: its last line of output in $result.
  local number=$1 title=$2 start=$SECONDS code=0
  shift 2
  printf '\n[%s/6] %s\n      %s\n' "$number" "$title" "$*"
  result=$("$@") || code=$?
  result=${result##*$'\n'}
  if ((code)); then
    printf '\nquickstart.sh: step %s failed (exit %s): %s\n' \
      "$number" "$code" "$*" >&2
    printf 'Its reason stands above. Run that line alone to see it again.\n' >&2
    exit "$code"
  fi
  printf '      done in %s s\n' "$((SECONDS - start))"
}

if [[ -e "$workdir" ]]; then
  [[ -f "$workdir/$MARK" ]] ||
    fail "$workdir exists and no quick start made it; give another --workdir."
  echo "Removing $workdir, the output of an earlier quick start."
  rm -r -- "$workdir"
fi

step 1 'Environment' bash scripts/setup_env.sh run
PATH="$PWD/.venv/bin:$PATH"
mkdir -p -- "$workdir"
echo 'scripts/quickstart.sh made this folder and may remove it.' \
  >"$workdir/$MARK"
step 2 'Train a tiny tagger on the sample' \
  python -m biobert_jax train --config=configs/quickstart.py:tiny \
  --workdir="$workdir"
step 3 'Score it on the test split' \
  python -m biobert_jax evaluate --workdir="$workdir" --split=test
scores=$result
step 4 'Export it for Hugging Face' \
  python scripts/export_weights.py --workdir="$workdir" --format=huggingface \
  --output="$workdir/huggingface"
for format in jsonl html; do
  step "$([[ $format == jsonl ]] && echo 5 || echo 6)" \
    "Tag raw text with the export (as $format)" \
    python -m biobert_jax predict --model="$workdir/huggingface" \
    --input="$SAMPLE/paragraph.txt" --output="$workdir/paragraph.$format" \
    --format="$format"
done

printf '\n'
python scripts/quickstart_report.py "$workdir" "$scores" "$SECONDS"
