"""Writes a model in a form that opens elsewhere, and checks it there.

    python scripts/export_weights.py --workdir=W --format=FORMAT --output=DIR

FORMAT is huggingface, tensorflow (a TF1 checkpoint), stablehlo or onnx (with
an int8 variant). Instead of a work folder of `train`, `--model=PATH` takes
all that scripts/import_weights.py does, so one command converts between
foreign forms. DIR appears when it is complete and was compared with the
model. The last line is one JSON object.
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


def parser() -> argparse.ArgumentParser:
  """The options."""
  made = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
  )
  given = made.add_mutually_exclusive_group(required=True)
  given.add_argument('--workdir', help='a work folder of `train`')
  given.add_argument('--model', help='any other checkpoint')
  made.add_argument('--format', required=True, help='the form to write')
  made.add_argument('--output', required=True, help='the folder to write')
  made.add_argument('--overwrite', action='store_true', help='replace it')
  add_reading_options(made)
  return made


def int8_scorer(model: Any) -> Any:
  """What scores an int8 export on the data of the run; None without one.

  Args:
    model: what `load_pretrained` read.

  Returns:
    Folder of the export -> figures; none where the corpus has moved.
  """
  from etils import epath

  from biobert_jax.checkpoints import detect
  from biobert_jax.inference import int8_accuracy
  from biobert_jax.training import workdir

  log = logging.getLogger('biobert_jax.export')
  if model.source.form != detect.WORKDIR:
    return None
  if model.head not in int8_accuracy.HEADS:
    return None
  data = model.source.record['config']['data']
  split = data['test_split'] or data['devel_split']

  def score(folder: pathlib.Path) -> dict[str, float]:
    log.info('scoring float32 and int8 on %s', split)
    try:
      run = workdir.from_workdir(
        epath.Path(model.source.folder), {'data.pack': False}, (split,)
      )
    except errors.InputError as error:
      log.warning('F1 of int8 is not measured: %s', error)
      return {}
    return int8_accuracy.score_int8(folder, model.head, run.dataset, split)

  return score


def main() -> int:
  """Reads, writes, reports; returns the exit code."""
  options = parser().parse_args()
  logging.basicConfig(format='%(message)s')
  logging.getLogger('biobert_jax').setLevel(logging.INFO)
  # Only now: wrong options should not wait for JAX.
  from biobert_jax.checkpoints import detect, export, model_folder, pretrained

  def program() -> None:
    model_folder.check_output(options.output, options.overwrite)
    export.check_form(options.format)
    model = pretrained.load_pretrained(
      options.workdir or options.model, **reading_options(options)
    )
    sys.stderr.write(
      f'{model.source.given}: {model.source.form}, {model.contents}\n'
    )
    report = export.export(
      model,
      options.format,
      options.output,
      options.overwrite,
      int8_scorer(model) if options.format == detect.ONNX else None,
    )
    print(json.dumps(report, ensure_ascii=False))

  return errors.exit_code_of(program)


if __name__ == '__main__':
  sys.exit(main())
