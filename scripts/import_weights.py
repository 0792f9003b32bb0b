"""Reads weights of any form and keeps them in ours, checked.

    python scripts/import_weights.py --input=PATH --output=DIR

PATH is a TF1 checkpoint (its prefix, its folder, or a .tar.gz of it), a
Hugging Face folder (model.safetensors, sharded or not, or pytorch_model.bin),
a work folder of `train`, an import or an export; which, is found out by
looking. DIR can be trained from (`--config.init_from=DIR`), predicted with
and exported. Every tensor of PATH is taken or accounted for. The last line is
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


def parser() -> argparse.ArgumentParser:
  """The options."""
  made = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
  )
  made.add_argument('--input', required=True, help='what to read')
  made.add_argument('--output', required=True, help='the folder to write')
  made.add_argument('--overwrite', action='store_true', help='replace it')
  made.add_argument(
    '--keep_slots',
    action='store_true',
    help="keep the optimizer's moments and counters too",
  )
  add_reading_options(made)
  return made


def add_reading_options(made: argparse.ArgumentParser) -> None:
  """What some checkpoints do not say of themselves."""
  made.add_argument(
    '--do_lower_case',
    choices=('true', 'false'),
    help='casing, where no file states it',
  )
  made.add_argument(
    '--head',
    default='',
    choices=('token', 'sequence'),
    help='what a classifier labels, where no file states it',
  )
  made.add_argument(
    '--labels', default='', help='A,B,C: its classes by id, likewise'
  )
  made.add_argument(
    '--skip', default='', help='regular expression of tensors to leave out'
  )


def reading_options(options: argparse.Namespace) -> dict[str, Any]:
  """The arguments of `weights.open_model` that `add_reading_options` asks."""
  casing = options.do_lower_case
  return {
    'do_lower_case': casing == 'true' if casing else None,
    'head': options.head,
    'labels': tuple(filter(None, options.labels.split(','))),
    'skip': options.skip,
  }


def main() -> int:
  """Reads, writes, reports; returns the exit code."""
  options = parser().parse_args()
  logging.basicConfig(format='%(message)s')
  logging.getLogger('biobert_jax').setLevel(logging.INFO)
  from biobert_jax.checkpoints import (
    import_weights,
    model_folder,
    pretrained,  # Only now: wrong options don't wait for JAX.
  )

  def program() -> None:
    model_folder.check_output(options.output, options.overwrite)
    model = pretrained.load_pretrained(
      options.input, **reading_options(options)
    )
    sys.stderr.write(
      f'{options.input}: {model.source.form}, {model.contents}\n'
    )
    report = import_weights.import_weights(
      model,
      options.output,
      overwrite=options.overwrite,
      slots=options.keep_slots,
    )
    print(json.dumps(report, ensure_ascii=False))

  return errors.exit_code_of(program)


if __name__ == '__main__':
  sys.exit(main())
