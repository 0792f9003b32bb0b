"""Pre-trains a BERT as one does with transformers and PyTorch.

    BASELINE_PYTHON hf_pretrain.py FOLDER

FOLDER holds `model/`, first weights of a BertForPreTraining, its dropout in
`config.json`; `recipe.json`: learning_rate, num_steps, warmup_steps, b1, b2,
eps, weight_decay, clip_norm, evaluate_after (steps), seed, threads; and, in
`train.npz` and `held_out.npz`, masked rows as arrays [steps, B, ...]:
input_ids, segment_ids, position_ids and sequence_ids (0: padding, 1, 2, ...:
the sequence of the row, which attention does not leave), cls_positions and
next_sentence_labels (-1: none), masked_positions and masked_ids (-1: none).

Only masked places are decoded, which is less than `BertForPreTraining` does by
itself. Written is `theirs.json`: `train`, the figures of each step; `held_out`,
those of each evaluation; and `seconds_of_steps`. Runs in the baselines'
interpreter and imports nothing of biobert_jax.
"""

import json
import pathlib
import sys
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
import transformers

NO_LABEL = -1

Batch = dict[str, torch.Tensor]
Figures = dict[str, float]


def read(path: pathlib.Path) -> dict[str, np.ndarray]:
  """The arrays of a file, all in memory."""
  with np.load(path) as arrays:
    return dict(arrays)


def batches(arrays: dict[str, np.ndarray]) -> Iterator[Batch]:
  """The batch of each step."""
  for step in range(len(arrays['input_ids'])):
    yield {
      name: torch.from_numpy(array[step].astype(np.int64))
      for name, array in arrays.items()
    }


def logits(model: Any, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
  """Scores of the masked tokens [n, V] and of the pairs [B, P, 2]."""
  ids = batch['sequence_ids']
  same = ids[:, :, None] == ids[:, None, :]
  hidden = model.bert(
    input_ids=batch['input_ids'],
    attention_mask=same[:, None],
    token_type_ids=batch['segment_ids'],
    position_ids=batch['position_ids'],
  ).last_hidden_state
  rows = torch.arange(len(ids))[:, None]
  masked = hidden[rows, batch['masked_positions']]
  masked = masked[batch['masked_ids'] != NO_LABEL]
  # Its own pooler reads the first place of a row, which holds several pairs.
  pooler = model.bert.pooler
  first = hidden[rows, batch['cls_positions']]
  pooled = pooler.activation(pooler.dense(first))
  return model.cls.predictions(masked), model.cls.seq_relationship(pooled)


def sums(model: Any, batch: Batch) -> dict[str, tuple[torch.Tensor, int]]:
  """Each loss as its sum, and over how many."""
  of_pieces, of_pairs = logits(model, batch)
  pieces, pairs = batch['masked_ids'], batch['next_sentence_labels']
  labels = {
    'masked_lm_loss': (of_pieces, pieces[pieces != NO_LABEL]),
    'next_sentence_loss': (
      of_pairs[pairs != NO_LABEL],
      pairs[pairs != NO_LABEL],
    ),
  }
  cross_entropy = torch.nn.functional.cross_entropy
  return {
    name: (cross_entropy(scores, given, reduction='sum'), len(given))
    for name, (scores, given) in labels.items()
  }


@torch.inference_mode()
def evaluate(model: Any, arrays: dict[str, np.ndarray]) -> Figures:
  """Mean losses of the held-out rows."""
  model.eval()
  totals: dict[str, list[float]] = {}
  for batch in batches(arrays):
    for name, (loss, count) in sums(model, batch).items():
      total = totals.setdefault(name, [0.0, 0])
      total[0] += loss.item()
      total[1] += count
  model.train()
  return {n: loss / max(1, count) for n, (loss, count) in totals.items()}


def make_optimizer(model: Any, recipe: dict[str, Any]) -> tuple[Any, Any]:
  """AdamW, linear warmup and decay; biases and layer norms do not decay."""
  decayed, kept = [], []
  for name, parameter in model.named_parameters():
    undecayed = name.endswith('bias') or 'LayerNorm' in name
    (kept if undecayed else decayed).append(parameter)
  optimizer = torch.optim.AdamW(
    [
      {'params': decayed, 'weight_decay': recipe['weight_decay']},
      {'params': kept, 'weight_decay': 0.0},
    ],
    lr=recipe['learning_rate'],
    betas=(recipe['b1'], recipe['b2']),
    eps=recipe['eps'],
  )
  schedule = transformers.get_linear_schedule_with_warmup(
    optimizer, recipe['warmup_steps'], recipe['num_steps']
  )
  return optimizer, schedule


def train(
  model: Any,
  arrays: dict[str, np.ndarray],
  held_out: dict[str, np.ndarray],
  recipe: dict[str, Any],
) -> dict[str, Any]:
  """Trains: figures of the steps and evaluations, seconds of the steps."""
  optimizer, schedule = make_optimizer(model, recipe)
  report: dict[str, Any] = {'train': [], 'held_out': []}
  spent, began = 0.0, time.perf_counter()
  model.train()
  for step, batch in enumerate(batches(arrays), 1):
    means = {
      name: loss / max(1, count)
      for name, (loss, count) in sums(model, batch).items()
    }
    sum(means.values()).backward()
    norm = torch.nn.utils.clip_grad_norm_(
      model.parameters(), recipe['clip_norm']
    )
    optimizer.step()
    schedule.step()
    optimizer.zero_grad(set_to_none=True)
    figures = {name: mean.item() for name, mean in means.items()}
    figures['grad_norm'] = norm.item()
    report['train'].append({'step': step, **figures})
    if step in recipe['evaluate_after']:
      spent += time.perf_counter() - began
      scores = {'step': step, **evaluate(model, held_out)}
      report['held_out'].append(scores)
      rate = f'{step / spent:.2f} steps/s'
      print(f'{scores}, {rate}', file=sys.stderr, flush=True)
      began = time.perf_counter()
  spent += time.perf_counter() - began
  return {**report, 'seconds_of_steps': spent}


def main(folder: pathlib.Path) -> None:
  """Reads, trains, writes."""
  recipe = json.loads((folder / 'recipe.json').read_text('utf-8'))
  torch.set_num_threads(recipe['threads'])
  torch.manual_seed(recipe['seed'])
  transformers.utils.logging.disable_progress_bar()
  model, info = transformers.BertForPreTraining.from_pretrained(
    folder / 'model', output_loading_info=True
  )
  strange = {kind: sorted(map(str, info[kind])) for kind in info if info[kind]}
  if strange:
    raise SystemExit(f'{folder}/model: {strange}')
  report = train(
    model, read(folder / 'train.npz'), read(folder / 'held_out.npz'), recipe
  )
  (folder / 'theirs.json').write_text(json.dumps(report), 'utf-8')


if __name__ == '__main__':
  main(pathlib.Path(sys.argv[1]))
