"""README.md of an export: what the model is, its data, scores and command."""

from collections.abc import Mapping
from typing import Any

from biobert_jax.checkpoints import detect
from biobert_jax.checkpoints.pretrained import Pretrained, last_part

# Head -> the tag that model hubs sort by.
_PIPELINES = {
  'encoder': 'feature-extraction',
  'pretraining': 'fill-mask',
  'masked_lm': 'fill-mask',
  'token': 'token-classification',
  'sequence': 'text-classification',
  'span': 'question-answering',
  'yes_no': 'question-answering',
  'entity_pair': 'text-classification',
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
_AUTO = {
  'encoder': 'AutoModel',
  'pretraining': 'AutoModelForPreTraining',
  'masked_lm': 'AutoModelForMaskedLM',
  'token': 'AutoModelForTokenClassification',
  'sequence': 'AutoModelForSequenceClassification',
  'span': 'AutoModelForQuestionAnswering',
  'yes_no': 'AutoModel',
  'entity_pair': 'AutoModel',
}


_ENTITY_PAIR = (
  '',
  'Neither transformers nor the 2019 code has a class with this head; they '
  'read the encoder. `entity_classifier` is one linear layer on the last '
  'vectors at the first tokens (markers, if any) of the two entities, one '
  'after the other: `biobert-jax predict --model=.` knows it.',
)


def write(model: Pretrained, form: str, checked: Mapping[str, Any]) -> str:
  """The text of a model card.

  Args:
    model: what was exported.
    form: to what.
    checked: what comparing it with the model gave.

  Returns:
    Markdown, with the front matter of model hubs.
  """
  lines = [
    '---',
    f'library_name: {"transformers" if form == detect.HUGGINGFACE else form}',
    f'pipeline_tag: {_PIPELINES[model.head]}',
    'language: en',
    'tags: [biomedical, bert, jax]',
    '---',
    '',
    f'# BERT with a {model.head.replace("_", "-")} head, for {form}'
    if model.head != 'encoder'
    else f'# BERT encoder, for {form}',
    '',
    'Written by BioBERT in JAX (`biobert-jax export`).',
    '',
    *_facts(model),
    *_training(model.about),
    *_extended(model.about),
    '## Use',
    '',
    _OPEN[form].format(
      auto=_AUTO[model.head],
      pipeline=_PIPELINE if model.head == 'token' else '',
      lower=model.tokenizer.do_lower_case,
      cls=model.tokenizer.cls_id,
      sep=model.tokenizer.sep_id,
    ),
    *(_ENTITY_PAIR if model.head == 'entity_pair' else ()),
    '',
    '## Checked',
    '',
    'Before it was put in place, this export was read again and compared with '
    'the model it came from:',
    '',
    *(
      f'- {name.replace("_", " ")}: {_shown(v)}' for name, v in checked.items()
    ),
    '',
    '`sha256sum --check SHA256SUMS` finds damaged files.',
    '',
  ]
  return '\n'.join(lines)


def _facts(model: Pretrained) -> list[str]:
  bert = model.bert
  casing = 'lower-cased' if model.tokenizer.do_lower_case else 'cased'
  rows = [
    (
      'architecture',
      f'BERT, {bert.num_hidden_layers} layers of '
      f'{bert.hidden_size}, {bert.num_attention_heads} heads',
    ),
    ('vocabulary', f'{bert.vocab_size} tokens, {casing}'),
    ('longest input', f'{bert.max_position_embeddings} tokens'),
    ('weights from', f'{model.source.form}: `{model.source.name}`'),
  ]
  if model.labels:
    rows.append(('labels', ', '.join(f'`{label}`' for label in model.labels)))
  if model.settings:
    rows.append(
      ('windows', ', '.join(f'{k} {v}' for k, v in model.settings.items()))
    )
  return ['| | |', '| --- | --- |', *(f'| {a} | {b} |' for a, b in rows), '']


def _training(about: Mapping[str, Any]) -> list[str]:
  """Data, scores and command of the run that trained it."""
  if 'task' not in about:
    return []
  config = about['config']
  lines = [
    '## Training',
    '',
    f'- task: {about["task"]}; corpus: `{last_part(config["data"]["dir"])}` '
    f'(trained on its split {config["data"]["train_split"]}; sha256 of the '
    f'examples {about["data_sha256"][:16]}…)',
    f'- started from: `{last_part(config["init_from"] or "random weights")}`',
    f'- recipe: {_duration(config["train"])} of batches of '
    f'{config["batch_size"]} rows, learning rate '
    f'{config["optim"]["learning_rate"]}, seed {config["seed"]}',
  ]
  if about.get('command'):
    lines.append(f'- command: `{about["command"]}`')
  lines += ['', *_scores(about['results'])]
  return lines


def _extended(about: Mapping[str, Any]) -> list[str]:
  """What `biobert-jax extend` changed after training, step by step."""
  lines = []
  for step in about.get('extended', ()):
    if 'new_pieces' in step:
      where = 'over [unused*] slots' if step['over_unused'] else 'at the end'
      lines.append(
        f'- {step["new_pieces"]} tokens added {where}, each started from the '
        'mean of its old tokens '
        f'(vocabulary {" → ".join(map(str, step["vocab_size"]))})'
      )
    if 'max_position_embeddings' in step:
      before, after = step['max_position_embeddings']
      lines.append(
        f'- positions {before} → {after}: position i starts as i modulo '
        f'{before}'
      )
  if not lines:
    return []
  return ['## Extended, not trained since', '', *lines, '']


def _duration(train: Mapping[str, Any]) -> str:
  steps = train.get('steps')  # Folders of older runs have epochs alone.
  return f'{steps} steps' if steps else f'{train["epochs"]} epochs'


# Figures that a card shows, where a run has all of a row.
_COLUMNS = (
  {'precision': 'precision', 'recall': 'recall', 'f1': 'F1'},
  {'exact_match': 'exact match', 'f1': 'F1'},
  {'exact': 'exact match', 'f1': 'F1'},
  {'accuracy': 'accuracy (0-1)', 'macro_f1': 'macro F1 (0-1)'},
  {
    'masked_lm_loss': 'loss of masked tokens (nats)',
    'masked_lm_accuracy': 'accuracy (%)',
  },
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
    return ', '.join(
      f'{k.replace("_", " ")} {_shown(v)}' for k, v in value.items()
    )
  return f'{value:.4g}' if isinstance(value, float) else str(value)
