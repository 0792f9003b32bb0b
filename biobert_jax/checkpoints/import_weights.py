"""Keeps the weights of any form as our own: Orbax, with checksums."""

from collections.abc import Mapping
from typing import Any

from biobert_jax.checkpoints import (
  detect,
  huggingface,
  model_folder,
  pretrained,
)
from biobert_jax.checkpoints.formats import orbax_params, safetensors_file
from biobert_jax.checkpoints.pretrained import PARAMS_FOLDER, SLOTS_FILE
from biobert_jax.io.json_files import write_json
from biobert_jax.models.param_tree import to_tree


def import_weights(
  model: pretrained.Pretrained,
  output: str,
  *,
  overwrite: bool = False,
  slots: bool = False,
  extra: Mapping[str, str] | None = None,
) -> dict[str, Any]:
  """Keeps a model in our own form: Orbax, for any mesh, with checksums.

  `slots` keeps the optimizer's leftovers too; `extra` are text files to put
  beside, by name. Returns a report for the user.
  """
  pretrained.check_known(model)
  reads = model.source.origin or model.source.folder
  with model_folder.publish_folder(output, overwrite, reads) as aside:
    params = to_tree(model.params, scan_layers=False)
    orbax_params.write_params(aside / PARAMS_FOLDER, params)
    model.tokenizer.save(aside, model.bert.max_position_embeddings)
    described = huggingface.config_json(
      *(model.bert, model.head, model.labels, model.tokenizer.pad_id)
    )
    write_json(aside / 'bert_config.json', described)
    kept = model.contents.read_slots(model.source.given) if slots else {}
    if kept:
      safetensors_file.write(aside / SLOTS_FILE, kept)
    for name, text in (extra or {}).items():
      (aside / name).write_text(text, 'utf-8', newline='\n')
    record = pretrained.export_record(model, detect.IMPORTED, PARAMS_FOLDER)
    write_json(aside / model_folder.RECORD, record)
    pretrained.check_equal(model, pretrained.load_pretrained(aside))
  return {
    'output': output,
    'form': model.source.form,
    'head': model.head,
    'tensors': len(model.params),
    'groups': list(model.contents.groups),
    'skipped': dict(model.contents.skipped),
    'slots_kept': len(kept),
  }
