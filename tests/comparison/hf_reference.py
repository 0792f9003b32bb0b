"""What transformers and PyTorch compute, for encoder_test.py.

    BASELINE_PYTHON hf_reference.py MODEL_FOLDER INPUT.json HEAD.npz OUTPUT.npz

INPUT.json holds `sentences` and `texts` to encode, and `batches` of sentences
with labels to train on; HEAD.npz the classifier's `weight` and `bias`. Runs in
the baselines' interpreter and imports nothing of biobert_jax.
"""

import json
import sys
from typing import Any

import numpy as np
import torch
import transformers

Arrays = dict[str, np.ndarray]


def encode(model_folder: str, given: dict[str, Any]) -> Arrays:
  """Token ids and last hidden states, the sentences end to end.

  Args:
    model_folder: the checkpoint.
    given: `sentences`, lists of words, and `texts`.

  Returns:
    `input_ids` and `hidden` of real pieces, with [CLS] and [SEP]; `text_ids`,
    the ids of the texts without them; all without padding.
  """
  tokenizer = transformers.AutoTokenizer.from_pretrained(model_folder)
  model = transformers.BertModel.from_pretrained(model_folder).eval()
  ids, hidden = [], []
  for first in range(0, len(given['sentences']), 16):
    batch = tokenizer(
      given['sentences'][first : first + 16],
      is_split_into_words=True,
      padding=True,
      return_tensors='pt',
    )
    with torch.inference_mode():
      states = model(**batch).last_hidden_state
    real = batch['attention_mask'].bool()
    ids.append(batch['input_ids'][real].numpy())
    hidden.append(states[real].numpy())
  texts = tokenizer(given['texts'], add_special_tokens=False)['input_ids']
  return {
    'input_ids': np.concatenate(ids),
    'hidden': np.concatenate(hidden),
    'text_ids': np.concatenate([np.asarray(t) for t in texts]),
  }


def labelled(tokenizer: Any, batch: dict[str, Any]) -> dict[str, torch.Tensor]:
  """Features of a batch; labels on first pieces, -100 elsewhere."""
  features = tokenizer(
    batch['sentences'],
    is_split_into_words=True,
    padding=True,
    return_tensors='pt',
  )
  labels = torch.full_like(features['input_ids'], -100)
  for row, of_words in enumerate(batch['labels']):
    before = None
    for place, word in enumerate(features.word_ids(row)):
      if word is not None and word != before:
        labels[row, place] = of_words[word]
      before = word
  return {**features, 'labels': labels}


def train(model_folder: str, given: dict[str, Any], head: Arrays) -> Arrays:
  """A few steps without dropout: losses, norms, the first gradients.

  Args:
    model_folder: the checkpoint.
    given: `batches`, and `recipe`: learning_rate, num_steps, warmup_steps,
      b1, b2, eps, weight_decay, clip_norm.
    head: the classifier's first weights.

  Returns:
    `loss` and `grad_norm` of every step, and `grad/NAME` of the first one,
    before clipping.
  """
  recipe = given['recipe']
  tokenizer = transformers.AutoTokenizer.from_pretrained(model_folder)
  model = transformers.BertForTokenClassification.from_pretrained(
    model_folder, num_labels=len(head['bias'])
  ).eval()
  model.classifier.load_state_dict(
    {name: torch.from_numpy(array) for name, array in head.items()}
  )
  kept = [p for n, p in model.named_parameters() if is_undecayed(n)]
  decayed = [p for n, p in model.named_parameters() if not is_undecayed(n)]
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
  out: Arrays = {}
  losses, norms = [], []
  for step, batch in enumerate(given['batches']):
    loss = model(**labelled(tokenizer, batch)).loss
    loss.backward()
    if step == 0:
      for name, parameter in model.named_parameters():
        out[f'grad/{name}'] = parameter.grad.numpy().copy()
    norm = torch.nn.utils.clip_grad_norm_(
      model.parameters(), recipe['clip_norm']
    )
    optimizer.step()
    schedule.step()
    optimizer.zero_grad()
    losses.append(loss.item())
    norms.append(norm.item())
  return out | {'loss': np.asarray(losses), 'grad_norm': np.asarray(norms)}


def is_undecayed(name: str) -> bool:
  """Biases and layer norms do not decay, as in BERT."""
  return name.endswith('bias') or 'LayerNorm' in name


def main(model_folder: str, source: str, head: str, target: str) -> None:
  """Reads, computes, writes."""
  torch.set_num_threads(2)
  with open(source, encoding='utf-8') as file:
    given = json.load(file)
  with np.load(head) as arrays:
    trained = train(model_folder, given, dict(arrays))
  np.savez(target, **encode(model_folder, given), **trained)


if __name__ == '__main__':
  main(*sys.argv[1:])
