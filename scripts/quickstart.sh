#!/usr/bin/env bash
# From a fresh clone to entities in raw text, in under five minutes on a CPU.
#
#   bash scripts/quickstart.sh [--workdir DIR]
#
# Makes .venv where it is missing. From the sample that comes with the code
# (biobert_jax/sample) it makes a vocabulary and token shards, pre-trains a tiny
# BERT on them and fine-tunes that to a tagger. It scores the tagger, exports it
# for Hugging Face and tags a paragraph with the export. DIR (default
# runs/quickstart; relative to the repository) is removed first if an earlier
# quick start made it.
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
readonly SAMPLE=biobert_jax/sample STEPS=10
readonly MARK=quickstart.txt  # Written into a folder that is ours to remove.

step() {  # step NUMBER TITLE COMMAND...: its last line of output in $result.
  local number=$1 title=$2 start=$SECONDS code=0
  shift 2
  printf '\n[%s/%s] %s\n      %s\n' "$number" "$STEPS" "$title" "$*"
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
step 2 'Build a WordPiece vocabulary' \
  python -m biobert_jax build-vocabulary --input "$SAMPLE/pubmed/*.xml" \
  --output "$workdir/vocabulary" --size 4000 --do_lower_case true
step 3 'Make token shards of the PubMed records' \
  python -m biobert_jax prepare-corpus --input "$SAMPLE/pubmed/*.xml" \
  --output "$workdir/corpus" --vocab "$workdir/vocabulary/vocab.txt" \
  --do_lower_case true --held_out 0.1
step 4 'Report on the shards' \
  python -m biobert_jax corpus-report "$workdir/corpus"
step 5 'Pre-train a tiny BERT on the shards' \
  python -m biobert_jax train --config=configs/quickstart_pretrain.py:tiny \
  --workdir="$workdir/pretrained" --config.data.dir="$workdir/corpus"
step 6 'Fine-tune it to a tagger of diseases and chemicals' \
  python -m biobert_jax train --config=configs/quickstart.py:tiny \
  --workdir="$workdir" --config.init_from="$workdir/pretrained"
step 7 'Score the tagger on the test split' \
  python -m biobert_jax evaluate --workdir="$workdir" --split=test
scores=$result
step 8 'Export it for Hugging Face' \
  python -m biobert_jax export --workdir="$workdir" --format=huggingface \
  --output="$workdir/huggingface"
for format in jsonl html; do
  step "$([[ $format == jsonl ]] && echo 9 || echo 10)" \
    "Tag raw text with the export (as $format)" \
    python -m biobert_jax predict --model="$workdir/huggingface" \
    --input="$SAMPLE/ner/paragraph.txt" --output="$workdir/paragraph.$format" \
    --format="$format"
done

printf '\n'
python scripts/quickstart_report.py "$workdir" "$scores" "$SECONDS"
