"""README.md of an export: what the model is, its data, scores and command."""

from collections.abc import Mapping
from typing import Any

from biobert_jax.checkpoints import detect
from biobert_jax.checkpoints.pretrained import Pretrained, last_part

# Head -> the tag that model hubs sort by, transformers' class after `Auto`.
_HEADS = {
  'encoder': ('feature-extraction', 'Model'),
  'pretraining': ('fill-mask', 'ModelForPreTraining'),
  'masked_lm': ('fill-mask', 'ModelForMaskedLM'),
  'token': ('token-classification', 'ModelForTokenClassification'),
  'sequence': ('text-classification', 'ModelForSequenceClassification'),
  'span': ('question-answering', 'ModelForQuestionAnswering'),
  'yes_no': ('question-answering', 'Model'),
  'entity_pair': ('text-classification', 'Model'),
}
_OPEN = {
  detect.HUGGINGFACE: """```python
from transformers import {auto}, AutoTokenizer

tokenizer = AutoTokenizer.from_pretrained('.')
model = {auto}.from_pretrained('.')
```{pipeline}""",
  detect.TENSORFLOW: """The 2019 code loads it by name:
`--init_checkpoint=bert_model.ckpt --bert_config_file=bert_config.json
--vocab_file=vocab.txt --do_lower_case={lower}`.""",
  detect.STABLEHLO: """It needs only jax, on CPU, CUDA or TPU:

```python
import numpy as np
from load import Model  # load.py stands beside this card.

model = Model('.')
ids = np.asarray([[{cls}, {sep}]], np.int32)
print(model(ids, np.ones_like(ids), np.zeros_like(ids)))
```""",
  detect.ONNX: """It needs only onnxruntime; `model_int8.onnx` is smaller:

```python
import numpy as np
import onnxruntime

model = onnxruntime.InferenceSession('model.onnx')
ids = np.asarray([[{cls}, {sep}]], np.int64)
feed = {{'input_ids': ids, 'attention_mask': np.ones_like(ids),
        'token_type_ids': np.zeros_like(ids)}}
print(model.run(None, feed))
```""",
}
_PIPELINE = """

Entities with their places, a word labelled by its first token as in training:

```python
from transformers import pipeline

tag = pipeline('ner', '.', aggregation_strategy='first')
```"""
_ENTITY_PAIR = (
  '\n\nNeither transformers nor the 2019 code has a class with this head; they '
  'read the encoder. `entity_classifier` is one linear layer on the last '
  'vectors at the first tokens (markers, if any) of the two entities, one '
  'after the other: `biobert-jax predict --model=.` knows it.'
)
_CARD = """---
{license}library_name: {library}
pipeline_tag: {tag}
language: en
tags: [biomedical, bert, jax]
---

# BERT {kind}, for {form}

Written by BioBERT in JAX (`biobert-jax export`).

{facts}
## Use

{use}

## Checked

Before it was put in place, this export was read again and compared with \
the model it came from:

{checked}

`sha256sum --check SHA256SUMS` finds damaged files.
"""


def write(model: Pretrained, form: str, checked: Mapping[str, Any]) -> str:
  """The text of a model card, with the front matter of model hubs.

  `checked` is what comparing the export with the model gave.
  """
  head = model.head
  tag, auto = _HEADS[head]
  name = head.replace('_', '-')
  use = _OPEN[form].format(
    auto=f'Auto{auto}',
    pipeline=_PIPELINE if head == 'token' else '',
    lower=model.tokenizer.do_lower_case,
    cls=model.tokenizer.cls_id,
    sep=model.tokenizer.sep_id,
  )
  sections = _facts(model) + _training(model.about) + _extended(model.about)
  lines = [f'- {k.replace("_", " ")}: {_shown(v)}' for k, v in checked.items()]
  stated = model.about.get('license')
  return _CARD.format(
    license=f'license: {stated}\n' if stated else '',
    library='transformers' if form == detect.HUGGINGFACE else form,
    tag=tag,
    kind='encoder' if head == 'encoder' else f'with a {name} head',
    form=form,
    facts='\n'.join(sections),
    use=use + (_ENTITY_PAIR if head == 'entity_pair' else ''),
    checked='\n'.join(lines),
  )


def _facts(model: Pretrained) -> list[str]:
  bert, settings = model.bert, model.settings
  layers = f'{bert.num_hidden_layers} layers of {bert.hidden_size}'
  casing = 'lower-cased' if model.tokenizer.do_lower_case else 'cased'
  rows = {
    'architecture': f'BERT, {layers}, {bert.num_attention_heads} heads',
    'vocabulary': f'{bert.vocab_size} tokens, {casing}',
    'longest input': f'{bert.max_position_embeddings} tokens',
    'weights from': f'{model.source.form}: `{model.source.name}`',
    'labels': ', '.join(f'`{label}`' for label in model.labels),
    'windows': ', '.join(f'{k} {v}' for k, v in settings.items()),
  }
  shown = [f'| {name} | {text} |' for name, text in rows.items() if text]
  return ['| | |', '| --- | --- |', *shown, '']


def _training(about: Mapping[str, Any]) -> list[str]:
  """Data, scores and command of the run that trained it."""
  if 'task' not in about:
    return []
  config = about['config']
  steps = config['train'].get('steps')  # Folders of older runs have epochs.
  length = f'{steps} steps' if steps else f'{config["train"]["epochs"]} epochs'
  lines = [
    '## Training',
    '',
    f'- task: {about["task"]}; corpus: `{last_part(config["data"]["dir"])}` '
    f'(trained on its split {config["data"]["train_split"]}; sha256 of the '
    f'examples {about["data_sha256"][:16]}…)',
    f'- started from: `{last_part(config["init_from"] or "random weights")}`',
    f'- recipe: {length} of batches of {config["batch_size"]} rows, learning '
    f'rate {config["optim"]["learning_rate"]}, seed {config["seed"]}',
  ]
  if about.get('command'):
    lines.append(f'- command: `{about["command"]}`')
  lines += ['', *_scores(about['results'])]
  return lines


def _extended(about: Mapping[str, Any]) -> list[str]:
  """The changes of `biobert-jax extend` after training, step by step."""
  lines = []
  for step in about.get('extended', ()):
    if 'new_pieces' in step:
      where = 'over [unused*] slots' if step['over_unused'] else 'at the end'
      sizes = ' → '.join(map(str, step['vocab_size']))
      lines.append(
        f'- {step["new_pieces"]} tokens added {where}, each started from the '
        f'mean of its old tokens (vocabulary {sizes})'
      )
    if 'max_position_embeddings' in step:
      before, after = step['max_position_embeddings']
      modulo = f'position i starts as i modulo {before}'
      lines.append(f'- positions {before} → {after}: {modulo}')
  title = ['## Extended, not trained since', '']
  return [*title, *lines, ''] if lines else []


# Figures that a card shows, where a run has all of a row.
_COLUMNS = (
  {'precision': 'precision', 'recall': 'recall', 'f1': 'F1'},
  {'exact_match': 'exact match', 'f1': 'F1'},
  {'exact': 'exact match', 'f1': 'F1'},
  {'accuracy': 'accuracy (0-1)', 'macro_f1': 'macro F1 (0-1)'},
  {'masked_lm_loss': 'loss of masked tokens (nats)'}
  | {'masked_lm_accuracy': 'accuracy (%)'},
)


def _scores(results: Mapping[str, Any]) -> list[str]:
  lines = []
  for columns in _COLUMNS:
    rows = [
      f'| {split} | {" | ".join(str(f[name]) for name in columns)} |'
      for split, f in results.items()
      if isinstance(f, dict) and set(columns) <= set(f)
    ]
    if rows:
      head = f'| split | {" | ".join(columns.values())} |'
      rule = '| --- ' * (len(columns) + 1) + '|'
      lines += [head, rule, *rows, '']
  return lines


def _shown(value: Any) -> str:
  if isinstance(value, dict):
    parts = [f'{k.replace("_", " ")} {_shown(v)}' for k, v in value.items()]
    return ', '.join(parts)
  return f'{value:.4g}' if isinstance(value, float) else str(value)
