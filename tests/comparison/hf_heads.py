"""Every BERT head of transformers: saved for us, and loaded from our exports.

    BASELINE_PYTHON hf_heads.py FOLDER

FOLDER holds `config.json`, sizes of a BERT; `vocabulary/`, what a tokenizer
needs; `exports/NAME/`, models to load; `texts.json`, NAME -> texts to cut up;
`batches.npz`, 'NAME/input_ids', 'NAME/attention_mask', 'NAME/token_type_ids'
for each export and for 'saved'. Written are `saved/HEAD/FORM/`, random models
in each form of file; `theirs.npz`, 'saved/HEAD/OUTPUT' and
'exports/NAME/OUTPUT'; and `theirs.json`: `loading`, NAME -> kind -> keys that
did not fit, and `ids`, NAME -> ids of the texts. Runs in the baselines'
interpreter and imports nothing of biobert_jax.
"""

import json
import pathlib
import sys
from typing import Any

import numpy as np
import torch
import transformers

Arrays = dict[str, np.ndarray]

MODELS = {
  'encoder': 'BertModel',
  'pretraining': 'BertForPreTraining',
  'masked_lm': 'BertForMaskedLM',
  'token': 'BertForTokenClassification',
  'sequence': 'BertForSequenceClassification',
  'span': 'BertForQuestionAnswering',
}
# The class that `config.json` names -> the one a user would load it with.
AUTO = {
  'BertModel': 'AutoModel',
  'BertForPreTraining': 'AutoModelForPreTraining',
  'BertForMaskedLM': 'AutoModelForMaskedLM',
  'BertForTokenClassification': 'AutoModelForTokenClassification',
  'BertForSequenceClassification': 'AutoModelForSequenceClassification',
  'BertForQuestionAnswering': 'AutoModelForQuestionAnswering',
}
LABELS = ('O', 'B', 'I')
KINDS = ('missing_keys', 'unexpected_keys', 'mismatched_keys')


def random_model(head: str, sizes: pathlib.Path) -> Any:
  """A model none of whose tensors is all zeros or all ones."""
  config = transformers.BertConfig.from_json_file(sizes)
  if head in ('token', 'sequence'):
    config.id2label = dict(enumerate(LABELS))
    config.label2id = {label: i for i, label in enumerate(LABELS)}
  torch.manual_seed(len(head))
  model = getattr(transformers, MODELS[head])(config).eval()
  with torch.no_grad():
    for parameter in model.parameters():
      parameter += torch.randn_like(parameter) * 0.2
  return model


def save(model: Any, tokenizer: Any, folder: pathlib.Path) -> None:
  """A model in every form of file that transformers writes or wrote."""
  model.save_pretrained(folder / 'safetensors')
  model.save_pretrained(folder / 'sharded', max_shard_size='20KB')
  state = model.state_dict()
  for form in ('zip', 'legacy'):
    model.config.save_pretrained(folder / form)
    torch.save(
      state,
      folder / form / 'pytorch_model.bin',
      _use_new_zipfile_serialization=form == 'zip',
    )
  for form in folder.iterdir():
    tokenizer.save_pretrained(form)


def outputs(model: Any, batch: Arrays) -> Arrays:
  """All that a model says of a batch, and its encoder's last vectors."""
  tensors = {name: torch.from_numpy(array) for name, array in batch.items()}
  with torch.inference_mode():
    given = dict(model.eval()(**tensors))
    bert = model.base_model(**tensors)
  given['last_hidden_state'] = bert.last_hidden_state
  return {name: tensor.numpy() for name, tensor in given.items()}


def load(folder: pathlib.Path) -> tuple[Any, dict[str, list[str]]]:
  """An export as a user opens it, and the keys that did not fit."""
  config = json.loads((folder / 'config.json').read_text('utf-8'))
  # Before 3.0 a folder did not say what it is, and Auto classes guess.
  classes = config.get('architectures')
  name = AUTO[classes[0]] if classes else 'BertModel'
  auto = getattr(transformers, name)
  model, info = auto.from_pretrained(folder, output_loading_info=True)
  return model, {kind: sorted(map(str, info[kind])) for kind in KINDS}


def part(arrays: Arrays, name: str) -> Arrays:
  """The arrays below a name."""
  prefix = f'{name}/'
  return {
    key.removeprefix(prefix): array
    for key, array in arrays.items()
    if key.startswith(prefix)
  }


def main(folder: pathlib.Path) -> None:
  """Saves, loads, computes, writes."""
  torch.set_num_threads(1)
  transformers.utils.logging.disable_progress_bar()
  with np.load(folder / 'batches.npz') as arrays:
    batches = dict(arrays)
  texts = json.loads((folder / 'texts.json').read_text('utf-8'))
  theirs: Arrays = {}
  loading, ids, pairs = {}, {}, {}
  tokenizer = transformers.BertTokenizer.from_pretrained(folder / 'vocabulary')
  for head in MODELS:
    model = random_model(head, folder / 'config.json')
    save(model, tokenizer, folder / 'saved' / head)
    for name, array in outputs(model, part(batches, 'saved')).items():
      theirs[f'saved/{head}/{name}'] = array
  for export in sorted((folder / 'exports').iterdir()):
    model, loading[export.name] = load(export)
    for name, array in outputs(model, part(batches, export.name)).items():
      theirs[f'exports/{export.name}/{name}'] = array
    if export.name in texts:
      tokenizer = transformers.AutoTokenizer.from_pretrained(export)
      ids[export.name] = tokenizer(texts[export.name])['input_ids']
      pairs[export.name] = dict(tokenizer(*texts[export.name][:2]))
  np.savez(folder / 'theirs.npz', **theirs)
  (folder / 'theirs.json').write_text(
    json.dumps({'loading': loading, 'ids': ids, 'pairs': pairs}), 'utf-8'
  )


if __name__ == '__main__':
  main(pathlib.Path(sys.argv[1]))
