"""`extend`: more tokens or positions for a model."""

import argparse
import dataclasses
import sys
from typing import Any

from biobert_jax.commands.checkpoint_flags import (
  OUTPUT_FLAGS,
  READING_FLAGS,
  read,
)
from biobert_jax.commands.command import INPUT, Command, Flag
from biobert_jax.commands.predict import MODEL
from biobert_jax.errors import InputError

SHOWN = 20  # New tokens that standard output tells; the file tells all.


def run(flags: argparse.Namespace) -> dict[str, Any]:
  """Reads, extends and writes a model."""
  if flags.over_unused and not flags.pieces:
    raise InputError('--over_unused needs --pieces=FILE')
  if not flags.pieces and flags.max_position_embeddings is None:
    raise InputError(
      'nothing to extend; give --pieces, --max_position_embeddings or both'
    )
  from biobert_jax.checkpoints import extend, import_weights, model_folder

  model_folder.check_output(flags.output, flags.overwrite)
  old = read(flags.model, flags)
  model, extra = old, {}
  done: dict[str, Any] = {'slots_dropped': len(old.contents.slots)}
  if flags.pieces:
    pieces = extend.read_new_tokens(flags.pieces, old)
    model, added = extend.add_tokens(old, pieces, flags.over_unused)
    extra[extend.TABLE_FILE] = extend.new_token_table(model, added['new'])
    done['pieces'] = added
  if flags.max_position_embeddings is not None:
    model = extend.extend_positions(model, flags.max_position_embeddings)
    done['max_position_embeddings'] = [
      old.bert.max_position_embeddings,
      model.bert.max_position_embeddings,
    ]
  report = import_weights.import_weights(
    model, flags.output, overwrite=flags.overwrite, extra=extra
  )
  sys.stderr.writelines(f'{line}\n' for line in _in_words(done))
  if 'pieces' in done:
    rows = [*done['pieces'].pop('new').items()]
    done['pieces']['first'] = dict(rows[:SHOWN])
  return report | done


def _in_words(done: dict[str, Any]) -> list[str]:
  """What was done, one line each."""
  lines = []
  if 'pieces' in done:
    added = done['pieces']
    before, after = added['vocab_size']
    where = (
      'over [unused*] slots' if added['over_unused'] else 'appended at the end'
    )
    lines.append(
      f'{added["new_pieces"]} new tokens {where} ({added["already_there"]} '
      f'already existed); vocabulary {before} -> {after}'
    )
    lines.append(
      'each new row is the mean of the rows of its old tokens, listed in '
      'new_pieces.tsv'
    )
    if added['unknown_before']:
      lines.append(
        f'{len(added["unknown_before"])} were [UNK] before and start from the '
        f'mean of all tokens: {" ".join(added["unknown_before"][:SHOWN])}'
      )
  if 'max_position_embeddings' in done:
    before, after = done['max_position_embeddings']
    lines.append(
      f'positions {before} -> {after}: position i from {before} on starts as '
      f'position i modulo {before}'
    )
  if done['slots_dropped']:
    lines.append(
      f'{done["slots_dropped"]} optimizer slots and counters were dropped'
    )
  lines.append('all other numbers are unchanged; train before use')
  return lines


COMMAND = Command(
  name='extend',
  summary='give a model more tokens, more positions, or both',
  about="""\
FILE lists new tokens, one per line; what continues a word begins with ##. A
new token starts from the mean of the tokens that the old vocabulary splits it
into; DIR/new_pieces.tsv lists them all. Further positions repeat the old
ones. Train the model before use.""",
  flags=(
    dataclasses.replace(MODEL, required=True),
    *OUTPUT_FLAGS,
    Flag('pieces', 'new tokens, one per line', '', path=INPUT, metavar='FILE'),
    Flag(
      'over_unused',
      'put them over [unused*], lowest first, and keep the size',
      False,
    ),
    Flag(
      'max_position_embeddings',
      'longest sequence from now on, in tokens',
      type=int,
      unset='unchanged',
    ),
    *READING_FLAGS,
  ),
  examples=(
    'extend --model=MODEL --pieces=tokens.txt --output=runs/extended',
    'extend --model=MODEL --max_position_embeddings=1024 --output=runs/longer',
  ),
  writes='DIR, to train from (--config.init_from=DIR); new_pieces.tsv in it',
  run=run,
)
