"""Vectors of transformers and sentence-transformers, for our `embed`.

    BASELINE_PYTHON hf_embed.py MODEL_FOLDER INPUT.json OUTPUT.npz

INPUT.json holds `texts`; `hidden`, whether all layers' vectors are wanted; and
`repeats`, how often sentence-transformers is timed, on `threads` threads. Runs
in the baselines' interpreter and imports nothing of biobert_jax.
"""

import json
import sys
import time

import numpy as np
import sentence_transformers
import torch
import transformers

Arrays = dict[str, np.ndarray]
BATCH = 32  # Its default.


def hidden_states(model_folder: str, texts: list[str]) -> Arrays:
  """Every layer's vectors of every piece, each text run by itself.

  Args:
    model_folder: the checkpoint.
    texts: none longer than the model takes.

  Returns:
    `input_ids` [pieces] with [CLS] and [SEP], and `hidden` [pieces, N + 1, D],
    the embeddings first.
  """
  tokenizer = transformers.AutoTokenizer.from_pretrained(model_folder)
  model = transformers.BertModel.from_pretrained(model_folder).eval()
  ids, hidden = [], []
  for text in texts:
    given = tokenizer(text, return_tensors='pt')
    with torch.inference_mode():
      states = model(**given, output_hidden_states=True).hidden_states
    ids.append(given['input_ids'][0].numpy())
    hidden.append(torch.stack(states, dim=2)[0].numpy())
  return {'input_ids': np.concatenate(ids), 'hidden': np.concatenate(hidden)}


def sentences(model_folder: str, texts: list[str], repeats: int) -> Arrays:
  """One vector a text, and the time it takes.

  Args:
    model_folder: the checkpoint.
    texts: any; the package cuts long ones.
    repeats: passes that are timed, after one that warms up.

  Returns:
    `sentences` [texts, D], normalised, and `seconds` [repeats].
  """
  model = sentence_transformers.SentenceTransformer(model_folder, device='cpu')
  vectors = model.encode(texts, batch_size=BATCH)
  seconds = []
  for _ in range(repeats):
    began = time.perf_counter()
    model.encode(texts, batch_size=BATCH)
    seconds.append(time.perf_counter() - began)
  return {'sentences': vectors, 'seconds': np.asarray(seconds)}


def main(model_folder: str, source: str, target: str) -> None:
  """Reads, computes, writes."""
  with open(source, encoding='utf-8') as file:
    given = json.load(file)
  torch.set_num_threads(given['threads'])
  arrays = sentences(model_folder, given['texts'], given['repeats'])
  if given['hidden']:
    arrays |= hidden_states(model_folder, given['texts'])
  np.savez(target, **arrays)


if __name__ == '__main__':
  main(*sys.argv[1:])
