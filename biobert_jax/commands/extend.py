"""Give a model more tokens, more positions, or both.

FILE lists new tokens, one per line; what continues a word begins with ##. A
new token starts from the mean of the tokens that the old vocabulary splits it
into; DIR/new_pieces.tsv lists them all. Further positions repeat the old
ones. Train the model before use.
"""

import sys
from typing import Any

from biobert_jax.commands import checkpoint_flags, command
from biobert_jax.commands.command import Command, Flag, Flags, Summary
from biobert_jax.errors import InputError

SHOWN = 20  # New tokens that standard output tells; the file tells all.


def _run(flags: Flags) -> Summary:
  if flags.over_unused and not flags.pieces:
    raise InputError('--over_unused needs --pieces=FILE')
  if not flags.pieces and flags.max_position_embeddings is None:
    what = 'nothing to extend; give --pieces, --max_position_embeddings or both'
    raise InputError(what)
  from biobert_jax.checkpoints import extend, import_weights, model_folder

  model_folder.check_output(flags.output, flags.overwrite)
  old = checkpoint_flags.read(flags)
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
      one.bert.max_position_embeddings for one in (old, model)
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
  """The changes that were made, one line each."""
  lines = []
  if added := done.get('pieces'):
    before, after = added['vocab_size']
    over = added['over_unused']
    where = 'over [unused*] slots' if over else 'appended at the end'
    lines += [
      f'{added["new_pieces"]} new tokens {where} ({added["already_there"]} '
      f'already existed); vocabulary {before} -> {after}',
      'each new row is the mean of the rows of its old tokens, listed in '
      'new_pieces.tsv',
    ]
    if unknown := added['unknown_before']:
      lines.append(
        f'{len(unknown)} were [UNK] before and start from the mean of all '
        f'tokens: {" ".join(unknown[:SHOWN])}'
      )
  if 'max_position_embeddings' in done:
    before, after = done['max_position_embeddings']
    lines.append(
      f'positions {before} -> {after}: position i from {before} on starts as '
      f'position i modulo {before}'
    )
  if slots := done['slots_dropped']:
    lines.append(f'{slots} optimizer slots and counters were dropped')
  return [*lines, 'all other numbers are unchanged; train before use']


FLAGS = (
  command.model(),
  *checkpoint_flags.OUTPUT,
  Flag('--pieces=FILE', 'new tokens, one per line', '', 'input'),
  Flag('--over_unused', 'put them over [unused*], lowest first', False),
  Flag(
    '--max_position_embeddings', 'longest sequence', type=int, unset='unchanged'
  ),
  *checkpoint_flags.READING,
)
EXAMPLES = (
  '--model=MODEL --pieces=tokens.txt --output=runs/extended',
  '--model=MODEL --max_position_embeddings=1024 --output=runs/longer',
)
WRITES = 'DIR, to train from (--config.init_from=DIR); new_pieces.tsv in it'
COMMAND = Command('extend', __doc__, FLAGS, _run, EXAMPLES, WRITES)
