"""`predict`: text -> entities or relations; questions -> answers."""

import argparse
import dataclasses
import os
from typing import Any

from biobert_jax.commands.command import (
  COMPILE_CACHE,
  INPUT,
  OUTPUT,
  Command,
  Flag,
)
from biobert_jax.errors import InputError

DO_LOWER_CASE = Flag(
  'do_lower_case', 'casing, where no file of the model states it', type=bool
)
MODEL = Flag(
  'model',
  'work folder, export, import, or checkpoint of any form',
  path=INPUT,
  metavar='MODEL',
)


def true_or_false(value: bool | None) -> str:
  """'true' or 'false'; '' where a flag is not given."""
  return '' if value is None else str(value).lower()


def expanded(paths: str | None) -> str:
  """Paths with commas between them, each with `~` expanded; '' for None."""
  return ','.join(map(os.path.expanduser, (paths or '').split(',')))


def run(flags: argparse.Namespace) -> dict[str, Any]:
  """Applies a model, or a pipeline of them, to a file."""
  if (flags.model is None) == (flags.pipeline is None):
    raise InputError('predict needs one of --model and --pipeline')
  if (flags.output, flags.format) == ('-', 'brat'):
    raise InputError('--format=brat writes a folder; name it by --output')
  from biobert_jax.inference import predict

  return predict.predict(
    flags.model or '',
    flags.input,
    flags.output,
    flags.format,
    do_lower_case=true_or_false(flags.do_lower_case),
    keep_entities=true_or_false(flags.keep_entities),
    pipeline=expanded(flags.pipeline),
  )


COMMAND = Command(
  name='predict',
  summary='tag text, relate its entities, or answer questions',
  about="""\
What is found depends on the model: entities, relations between entities that
the input has, or answers. --pipeline applies several models one after another.

formats of entities: jsonl, brat, pubtator, conll, html; of relations: jsonl,
tsv, html; of answers: jsonl, squad, nbest, html; of yes/no answers: jsonl,
json, html""",
  flags=(
    dataclasses.replace(MODEL, aliases=('workdir',)),
    Flag(
      'pipeline',
      'in place of --model: taggers and, last, a model of relations',
      metavar='MODEL,MODEL,...',
    ),
    Flag(
      'input',
      'text, one document per line; PubTator; JSONL; questions; - is stdin',
      required=True,
      path=INPUT,
      stream=True,
      metavar='FILE',
    ),
    Flag(
      'output',
      'file to write, for brat a folder; - is stdout',
      required=True,
      path=OUTPUT,
      stream=True,
      metavar='FILE',
    ),
    Flag('format', 'form of the output, as listed above', 'jsonl'),
    DO_LOWER_CASE,
    Flag(
      'keep_entities',
      'keep the entities of the input beside those that are found',
      type=bool,
    ),
    COMPILE_CACHE,
  ),
  examples=(
    'predict --model=runs/ncbi --input=notes.txt --output=entities.jsonl',
    'predict --pipeline=runs/ncbi,runs/gad --input=- --output=-',
  ),
  writes='FILE; with --format=brat a folder of .txt and .ann files',
  run=run,
)
