"""The same shards by Apache Beam, on one machine or many.

The shards are those of prepare-corpus, byte for byte. All flags that are not
listed here are passed on to Beam, such as --runner. It needs an environment
of its own: `bash scripts/setup_env.sh beam` makes .venv/beam.

On all cores of one machine: --direct_running_mode=multi_processing
--direct_num_workers=0. On many, each worker needs this package and its
requirements, best in an image (--sdk_container_image), and has to see the
files by the names given: on a mounted folder, or as gs://bucket/... with
apache-beam[gcp].
"""

import dataclasses
import functools
import os
import pathlib
import sys

from biobert_jax.commands import corpus
from biobert_jax.commands.command import Command, Flags, Summary
from biobert_jax.errors import InputError


def _run(flags: Flags) -> Summary:
  # Of the processes that DirectRunner starts.
  root = str(pathlib.Path(__file__).resolve().parents[2])
  paths = os.environ.get('PYTHONPATH', '').split(os.pathsep)
  os.environ['PYTHONPATH'] = os.pathsep.join([root, *filter(None, paths)])
  try:
    from apache_beam.options.pipeline_options import PipelineOptions

    from biobert_jax.preprocessing.token_shards import beam_files, beam_pipeline
  except ModuleNotFoundError as error:
    raise InputError(
      f'{sys.executable} lacks {error.name}; install'
      ' scripts/requirements-beam.txt in an environment of its own'
    ) from None
  options = PipelineOptions(flags.passed_on)
  shards = functools.partial(beam_pipeline.prepare_with_beam, options=options)
  return corpus.prepare(flags, shards, beam_files.fetch)


# Beam knows more kinds of files than we do.
FLAGS = tuple(
  dataclasses.replace(flag, urls=flag.name in ('input', 'output'))
  for flag in corpus.FLAGS
)
EXAMPLES = (
  "--input 'pubmed/*.xml.gz' --output=corpus --vocab=vocab.txt "
  '--do_lower_case=false --runner=DirectRunner',
  "--input 'gs://mine/*.xml.gz' --output=gs://mine/corpus --vocab=vocab.txt "
  '--do_lower_case=false --runner=DataflowRunner',
)
COMMAND = Command(
  'prepare-corpus-beam',
  __doc__,
  FLAGS,
  _run,
  EXAMPLES,
  corpus.WRITES,
  passes_on=True,
)
