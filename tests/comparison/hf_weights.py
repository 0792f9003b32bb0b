"""Saves and loads a BERT with transformers, for weights_comparison.py.

    BASELINE_PYTHON hf_weights.py draw SIZES.json FOLDER
    BASELINE_PYTHON hf_weights.py load FOLDER
    BASELINE_PYTHON hf_weights.py save FOLDER OUTPUT

`draw` makes a random BertForPreTraining of the sizes and saves it below
FOLDER as `safetensors/`, `zip/` and `legacy/`. `load` reads a folder and every
number in it; `save` writes what it read. The last line of both is one JSON
object: `seconds` without imports, and the process's `idle` and `peak` memory
in MiB, idle being before the work. Runs in the baselines' interpreter and
imports nothing of biobert_jax.
"""

import json
import pathlib
import sys
import time
from typing import Any

# The script's own folder stands first on the path.
import memory
import torch
import transformers

Model = transformers.BertForPreTraining


def draw(sizes: str, folder: pathlib.Path) -> None:
  """A random model in each form of file."""
  torch.manual_seed(0)
  model = Model(transformers.BertConfig.from_json_file(sizes))
  model.save_pretrained(folder / 'safetensors')
  for form in ('zip', 'legacy'):
    model.config.save_pretrained(folder / form)
    torch.save(
      model.state_dict(),
      folder / form / 'pytorch_model.bin',
      _use_new_zipfile_serialization=form == 'zip',
    )


def load(folder: str) -> Any:
  """A model of which every number was read: files may only be mapped."""
  model = Model.from_pretrained(folder)
  for parameter in model.parameters():
    parameter.detach().sum().item()
  return model


def main(action: str, *paths: str) -> None:
  """Does one of the three."""
  transformers.utils.logging.disable_progress_bar()
  if action == 'draw':
    draw(paths[0], pathlib.Path(paths[1]))
    return
  idle = memory.memory('VmRSS')
  began = time.perf_counter()
  model = load(paths[0])
  if action == 'save':
    began = time.perf_counter()
    model.save_pretrained(paths[1])
  seconds = time.perf_counter() - began
  figures = {'seconds': seconds, 'idle': idle, 'peak': memory.memory('VmHWM')}
  print(json.dumps(figures))


if __name__ == '__main__':
  main(*sys.argv[1:])
