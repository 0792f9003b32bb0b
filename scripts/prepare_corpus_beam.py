"""Makes the token shards of prepare_corpus.py on an Apache Beam runner.

    python scripts/prepare_corpus_beam.py --input 'pubmed/*.xml.gz' --output DIR
        --vocab vocab.txt --do_lower_case false [--shards N] [--held_out 0.01]
        [--exclude ids.txt] [--title_only true] [--labels false]
        [--translated false] [--runner DirectRunner|DataflowRunner|...] [...]

The options above are those of prepare_corpus.py, and so are the shards, byte
for byte. All others are Beam's. It runs in an environment of its own:

    python3.11 -m venv .venv/beam
    .venv/beam/bin/pip install -r scripts/requirements-beam.txt

On all cores of one machine: `--direct_running_mode multi_processing
--direct_num_workers 0`. On many, each worker needs this repository on its
PYTHONPATH and the same packages, best in an image (`--sdk_container_image`).
It has to see the files by the names given: on a mounted folder, or as
`gs://bucket/...`, input and output, with `apache-beam[gcp]`.

A table of what was read, mended and left out goes to standard error; the last
line on standard output is one JSON object. Exit codes: 0 done, 3 bad input.
"""

import argparse
import io
import os
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, ROOT)

from biobert_jax import errors
from biobert_jax.text.readers.article import Options
from biobert_jax.text.wordpiece import WordPieceTokenizer
from scripts import prepare_corpus


def parse(arguments: list[str]) -> tuple[argparse.Namespace, list[str]]:
  """Reads the command line: our options, and those of Beam."""
  parser = argparse.ArgumentParser(
    prog='prepare_corpus_beam.py',
    description='Makes token shards on an Apache Beam runner.',
    epilog='All other options are given to Beam.',
    allow_abbrev=False,
  )
  prepare_corpus.add_corpus_options(parser)
  return parser.parse_known_args(arguments)


def run(flags: argparse.Namespace, for_beam: list[str]) -> None:
  """Prepares the corpus that the flags name, and reports."""
  try:
    from apache_beam.options.pipeline_options import PipelineOptions

    from biobert_jax.preprocessing.token_shards import beam_pipeline
  except ModuleNotFoundError as error:
    raise errors.InputError(
      f'{sys.executable} lacks {error.name}; install'
      ' scripts/requirements-beam.txt in an environment of its own'
    ) from None
  start = time.monotonic()
  manifest = beam_pipeline.prepare_with_beam(
    flags.input,
    flags.output,
    WordPieceTokenizer.from_vocab_file(flags.vocab, flags.do_lower_case),
    PipelineOptions(for_beam),
    num_shards=flags.shards,
    held_out=flags.held_out,
    exclude_ids=(
      prepare_corpus.read_ids(flags.exclude) if flags.exclude else ()
    ),
    reading=Options(flags.title_only, flags.labels, flags.translated),
  )
  prepare_corpus.report(manifest, flags.output, time.monotonic() - start)


def main(arguments: list[str]) -> int:
  """Runs the command; returns the exit code."""
  # Of the processes that DirectRunner starts.
  paths = os.environ.get('PYTHONPATH', '').split(os.pathsep)
  os.environ['PYTHONPATH'] = os.pathsep.join([ROOT, *filter(None, paths)])
  try:
    return errors.exit_code_of(lambda: run(*parse(arguments)))
  except KeyboardInterrupt:
    print('stopped', file=sys.stderr)
    return 130


if __name__ == '__main__':
  for stream in (sys.stdout, sys.stderr):
    if isinstance(stream, io.TextIOWrapper):
      stream.reconfigure(encoding='utf-8')
  sys.exit(main(sys.argv[1:]))
