"""Keeps the weights of any form as our own: Orbax, with checksums."""

from collections.abc import Mapping
from typing import Any

from biobert_jax.checkpoints import detect, huggingface, model_folder
from biobert_jax.checkpoints.formats import orbax_params, safetensors_file
from biobert_jax.checkpoints.pretrained import (
  PARAMS_FOLDER,
  SLOTS_FILE,
  Pretrained,
  check_equal,
  check_known,
  export_record,
  load_pretrained,
)
from biobert_jax.io.json_files import write_json
from biobert_jax.models.param_tree import to_tree


def import_weights(
  model: Pretrained,
  output: str,
  *,
  overwrite: bool = False,
  slots: bool = False,
  extra: Mapping[str, str] | None = None,
) -> dict[str, Any]:
  """Keeps a model in our own form: Orbax, for any mesh, with checksums.

  Args:
    model: the one that `load_pretrained` read.
    output: the folder to write.
    overwrite: whether a folder there is replaced.
    slots: whether the optimizer's leftovers are kept too.
    extra: text files to put beside, by name.

  Returns:
    A report for the user.

  Raises:
    InputError: the folder cannot be written; a classifier without a name.
  """
  check_known(model)
  reads = model.source.folder
  with model_folder.publish_folder(output, overwrite, reads) as aside:
    orbax_params.write_params(
      aside / PARAMS_FOLDER, to_tree(model.params, scan_layers=False)
    )
    model.tokenizer.save(aside, model.bert.max_position_embeddings)
    write_json(
      aside / 'bert_config.json',
      huggingface.config_json(model.bert, model.head, model.labels),
    )
    kept = model.contents.slots if slots else {}
    if kept:
      arrays = {name: tensor.read() for name, tensor in kept.items()}
      safetensors_file.write(aside / SLOTS_FILE, arrays, {})
    for name, text in (extra or {}).items():
      (aside / name).write_text(text, 'utf-8', newline='\n')
    write_json(
      aside / model_folder.RECORD,
      export_record(model, detect.IMPORTED, PARAMS_FOLDER),
    )
    check_equal(model, load_pretrained(aside))
  return {
    'output': output,
    'form': model.source.form,
    'head': model.head,
    'tensors': len(model.params),
    'groups': list(model.contents.groups),
    'skipped': dict(model.contents.skipped),
    'slots_kept': len(kept),
  }
