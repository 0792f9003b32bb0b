"""Gives a model more word pieces, more positions, or both.

    python scripts/extend_model.py --model=PATH --output=DIR \\
      [--pieces=FILE [--over_unused]] [--max_position_embeddings=N]

PATH is all that scripts/import_weights.py takes. FILE lists new pieces, one a
line; what continues a word begins with ##. A new piece starts from the mean
of the pieces that the old vocabulary cuts it into; DIR/new_pieces.tsv lists
them all. Further positions repeat the old ones. DIR can be trained from
(`--config.init_from=DIR`), which it should be, and exported. The last line is
one JSON object.
"""

import argparse
import json
import logging
import pathlib
import sys
from typing import Any

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from biobert_jax import errors
from scripts.import_weights import add_reading_options, reading_options

SHOWN = 20  # New pieces that standard output tells; the file tells all.


def parser() -> argparse.ArgumentParser:
  """The options."""
  made = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
  )
  made.add_argument('--model', required=True, help='what to extend')
  made.add_argument('--output', required=True, help='the folder to write')
  made.add_argument('--overwrite', action='store_true', help='replace it')
  made.add_argument('--pieces', default='', help='new pieces, one a line')
  made.add_argument(
    '--over_unused',
    action='store_true',
    help='put them over [unused*], lowest first, and keep the size',
  )
  made.add_argument(
    '--max_position_embeddings',
    type=int,
    help='the longest sequence from now on, in pieces',
  )
  add_reading_options(made)
  return made


def check(options: argparse.Namespace) -> None:
  """Refuses options that ask for nothing.

  Raises:
    InputError: names what to add.
  """
  if options.over_unused and not options.pieces:
    raise errors.InputError('--over_unused: of what? give --pieces=FILE too')
  if not options.pieces and options.max_position_embeddings is None:
    raise errors.InputError(
      'nothing to extend; give --pieces, --max_position_embeddings or both'
    )


def run(options: argparse.Namespace) -> dict[str, Any]:
  """Reads, extends, writes; says what was done and returns the report."""
  # Only now: wrong options should not wait for JAX.
  from biobert_jax.checkpoints import (
    extend,
    import_weights,
    model_folder,
    pretrained,
  )

  model_folder.check_output(options.output, options.overwrite)
  old = pretrained.load_pretrained(options.model, **reading_options(options))
  sys.stderr.write(f'{options.model}: {old.source.form}, {old.contents}\n')
  model, extra = old, {}
  done: dict[str, Any] = {'slots_dropped': len(old.contents.slots)}
  if options.pieces:
    pieces = extend.read_pieces(options.pieces, old)
    model, added = extend.add_pieces(old, pieces, options.over_unused)
    extra[extend.TABLE_FILE] = extend.table(model, added['new'])
    done['pieces'] = added
  if options.max_position_embeddings is not None:
    model = extend.longer_positions(model, options.max_position_embeddings)
    done['max_position_embeddings'] = [
      old.bert.max_position_embeddings,
      model.bert.max_position_embeddings,
    ]
  report = import_weights.import_weights(
    model, options.output, overwrite=options.overwrite, extra=extra
  )
  sys.stderr.writelines(f'{line}\n' for line in in_words(done))
  if 'pieces' in done:
    rows = [*done['pieces'].pop('new').items()]
    done['pieces']['first'] = dict(rows[:SHOWN])
  return report | done


def in_words(done: dict[str, Any]) -> list[str]:
  """What was done, a line each."""
  lines = []
  if 'pieces' in done:
    added = done['pieces']
    before, after = added['vocab_size']
    where = (
      'over [unused*] slots' if added['over_unused'] else 'appended at the end'
    )
    lines.append(
      f'{added["new_pieces"]} new pieces {where} ({added["already_there"]} '
      f'were there already); vocabulary {before} -> {after}'
    )
    lines.append(
      'each new row is the mean of the rows of its old pieces, listed in '
      'new_pieces.tsv'
    )
    if added['unknown_before']:
      lines.append(
        f'{len(added["unknown_before"])} were [UNK] before and start from the '
        f'mean of all pieces: {" ".join(added["unknown_before"][:SHOWN])}'
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
  lines.append('all other numbers are as they were; train before use')
  return lines


def main() -> int:
  """Runs; returns the exit code."""
  options = parser().parse_args()
  logging.basicConfig(format='%(message)s')
  logging.getLogger('biobert_jax').setLevel(logging.INFO)

  def program() -> None:
    check(options)
    print(json.dumps(run(options), ensure_ascii=False))

  return errors.exit_code_of(program)


if __name__ == '__main__':
  sys.exit(main())
