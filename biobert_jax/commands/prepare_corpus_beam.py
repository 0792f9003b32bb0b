"""`prepare-corpus-beam`: the shards of prepare-corpus, by Apache Beam."""

import argparse
import os
import pathlib
import sys
import time
from typing import Any

from biobert_jax.commands.command import Command
from biobert_jax.commands.corpus import CORPUS_FLAGS, prepare_arguments, report
from biobert_jax.errors import InputError


def run(flags: argparse.Namespace) -> dict[str, Any]:
  """Prepares a corpus on a Beam runner."""
  # Of the processes that DirectRunner starts.
  root = str(pathlib.Path(__file__).resolve().parents[2])
  paths = os.environ.get('PYTHONPATH', '').split(os.pathsep)
  os.environ['PYTHONPATH'] = os.pathsep.join([root, *filter(None, paths)])
  try:
    from apache_beam.options.pipeline_options import PipelineOptions

    from biobert_jax.preprocessing.token_shards import beam_pipeline
  except ModuleNotFoundError as error:
    raise InputError(
      f'{sys.executable} lacks {error.name}; install'
      ' scripts/requirements-beam.txt in an environment of its own'
    ) from None
  from biobert_jax.text.wordpiece import WordPieceTokenizer

  began = time.monotonic()
  manifest = beam_pipeline.prepare_with_beam(
    flags.input,
    flags.output,
    WordPieceTokenizer.from_vocab_file(flags.vocab, flags.do_lower_case),
    PipelineOptions(flags.passed_on),
    **prepare_arguments(flags),
  )
  return report(manifest, flags.output, began)


COMMAND = Command(
  name='prepare-corpus-beam',
  summary='the same shards by Apache Beam, on one machine or many',
  about="""\
The shards are those of prepare-corpus, byte for byte. All flags that are not
listed here are passed on to Beam, such as --runner. It needs an environment
of its own: `bash scripts/setup_env.sh beam` makes .venv/beam.

On all cores of one machine: --direct_running_mode=multi_processing
--direct_num_workers=0. On many, each worker needs this package and its
requirements, best in an image (--sdk_container_image), and has to see the
files by the names given: on a mounted folder, or as gs://bucket/... with
apache-beam[gcp].""",
  flags=CORPUS_FLAGS,
  examples=(
    "prepare-corpus-beam --input 'pubmed/*.xml.gz' --output=corpus "
    '--vocab=vocab.txt --do_lower_case=false --runner=DirectRunner',
    "prepare-corpus-beam --input 'gs://b/*.xml.gz' --output=gs://b/corpus "
    '--vocab=vocab.txt --do_lower_case=false --runner=DataflowRunner',
  ),
  writes='in DIR: manifest.json, vocab.txt and the shards of each split',
  passes_on=True,
  run=run,
)
