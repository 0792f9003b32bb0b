"""Fine-tunes a question answerer as one does with transformers and PyTorch.

    BASELINE_PYTHON hf_question.py --model=DIR --train=FILE.json
    --test=FILE.json \\
      --output=predictions.json

Files are in the form of SQuAD 1.1. The steps are those of transformers' own
example (run_qa_no_trainer.py): windows by the tokenizer's overflow, which share
--overlap pieces, the first answer of a question, [CLS] where it lies outside,
batches padded to their longest window; then the best of 20 x 20 pairs of start
and end over all windows, answers cut out of the context. --order=FILE holds the
windows of each step, in place of its own and a shuffle; --mask_padding leaves
padding out of the softmax, which transformers does not; --save=DIR writes
the model as it starts, a new head and no dropout, and ends. The last line on
standard output is one JSON object; `seconds` are those of the whole process,
imports included, `losses` those of all steps. Runs in the baselines'
interpreter and imports nothing of biobert_jax.
"""

# ruff: noqa: E402
import time

_BEGAN = time.perf_counter()  # Before the imports, which take seconds too.

import argparse
import json
import os
import sys
from typing import Any

import hf_finetune
import numpy as np
import torch
import transformers

_BEST = 20  # Starts and ends of a window.
_LONGEST = 30  # Pieces of an answer.


def read(path: str) -> list[dict[str, Any]]:
  """Every question with its context."""
  with open(path, encoding='utf-8') as file:
    content = json.load(file)
  return [
    {**question, 'context': paragraph['context']}
    for article in content['data']
    for paragraph in article['paragraphs']
    for question in paragraph['qas']
  ]


def encode(
  tokenizer: Any, questions: list[dict[str, Any]], max_length: int, overlap: int
) -> list[dict[str, Any]]:
  """Features of every window, not padded.

  Returns:
    `input_ids`, `token_type_ids`; `spans`, of each piece of the context its
    first code point and the one after the last, else None; `question`, its
    number.
  """
  batch = tokenizer(
    [question['question'].lstrip() for question in questions],
    [question['context'] for question in questions],
    truncation='only_second',
    max_length=max_length,
    stride=overlap,
    return_overflowing_tokens=True,
    return_offsets_mapping=True,
    return_token_type_ids=True,
  )
  windows = []
  for i, number in enumerate(batch['overflow_to_sample_mapping']):
    spans = [
      tuple(span) if part == 1 else None
      for span, part in zip(
        batch['offset_mapping'][i], batch.sequence_ids(i), strict=True
      )
    ]
    windows.append(
      {
        'input_ids': batch['input_ids'][i],
        'token_type_ids': batch['token_type_ids'][i],
        'spans': spans,
        'question': number,
      }
    )
  return windows


def label(window: dict[str, Any], question: dict[str, Any]) -> None:
  """Adds `start` and `end`, the places of the first answer or of [CLS]."""
  answer = question['answers'][0]
  begin = answer['answer_start']
  end = begin + len(answer['text'])
  places = [i for i, span in enumerate(window['spans']) if span]
  spans = [window['spans'][i] for i in places]
  window['start'] = window['end'] = 0
  if spans[0][0] <= begin and spans[-1][1] >= end:
    pairs = list(zip(places, spans, strict=True))
    window['start'] = max(i for i, span in pairs if span[0] <= begin)
    window['end'] = min(i for i, span in pairs if span[1] >= end)


def collate(windows: list[dict[str, Any]], pad_id: int) -> dict[str, Any]:
  """A batch, padded to its longest window."""
  longest = max(len(window['input_ids']) for window in windows)

  def padded(name: str, value: int) -> torch.Tensor:
    rows = [w[name] + [value] * (longest - len(w[name])) for w in windows]
    return torch.tensor(rows)

  ids = padded('input_ids', pad_id)
  lengths = torch.tensor([len(window['input_ids']) for window in windows])
  batch = {
    'input_ids': ids,
    'token_type_ids': padded('token_type_ids', 0),
    'attention_mask': (torch.arange(longest) < lengths[:, None]).long(),
  }
  if 'start' in windows[0]:
    for name in ('start', 'end'):
      places = torch.tensor([window[name] for window in windows])
      batch[f'{name}_positions'] = places
  return batch


def batches(
  windows: list[dict[str, Any]], flags: Any
) -> list[list[dict[str, Any]]]:
  """The windows of each step of the whole training."""
  if flags.order:
    with open(flags.order, encoding='utf-8') as file:
      steps: list[list[dict[str, Any]]] = json.load(file)
    return steps
  sampler = torch.utils.data.RandomSampler(
    windows, generator=torch.Generator().manual_seed(flags.seed)
  )
  return [
    [windows[i] for i in part]
    for _ in range(flags.epochs)
    for part in torch.utils.data.BatchSampler(
      sampler, flags.batch_size, drop_last=False
    )
  ]


def loss_of(model: Any, batch: dict[str, Any], mask_padding: bool) -> Any:
  """The model's own loss, whose softmax takes padding in; or without it."""
  if not mask_padding:
    return model(**batch).loss
  places = [batch.pop(f'{name}_positions') for name in ('start', 'end')]
  output = model(**batch)
  padding = batch['attention_mask'] == 0
  losses = [
    torch.nn.functional.cross_entropy(
      logits.masked_fill(padding, float('-inf')), place
    )
    for logits, place in zip(
      (output.start_logits, output.end_logits), places, strict=True
    )
  ]
  return (losses[0] + losses[1]) / 2


def train(
  model: Any, windows: list[dict[str, Any]], flags: Any, pad: int
) -> list[float]:
  """Trains; returns the loss of each step."""
  steps = batches(windows, flags)
  num_steps = len(steps)
  optimizer, schedule = hf_finetune.make_optimizer(
    model, flags.learning_rate, num_steps
  )
  model.train()
  losses: list[float] = []
  for step, part in enumerate(steps, 1):
    loss = loss_of(model, collate(part, pad), flags.mask_padding)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    schedule.step()
    optimizer.zero_grad(set_to_none=True)
    losses.append(loss.item())
    if step % 20 == 0 or step == num_steps:
      print(f'step {step}/{num_steps}, loss {losses[-1]:.4f}', file=sys.stderr)
  return losses


def best_of(
  window: dict[str, Any], starts: np.ndarray, ends: np.ndarray
) -> tuple[float, tuple[int, int]]:
  """The best pair of a window: its score, and its code points."""
  best = (-np.inf, (0, 0))
  spans = window['spans']
  size = len(spans)
  for start in np.argsort(-starts[:size])[:_BEST]:
    for end in np.argsort(-ends[:size])[:_BEST]:
      if spans[start] is None or spans[end] is None:
        continue
      if not 0 <= end - start < _LONGEST:
        continue
      score = float(starts[start]) + float(ends[end])
      if score > best[0]:
        best = (score, (spans[start][0], spans[end][1]))
  return best


@torch.inference_mode()
def predict(
  model: Any,
  windows: list[dict[str, Any]],
  questions: list[dict[str, Any]],
  flags: Any,
  pad: int,
) -> dict[str, str]:
  """An answer for every question, by its id."""
  model.eval()
  best: dict[int, tuple[float, tuple[int, int]]] = {}
  for first in range(0, len(windows), flags.batch_size):
    part = windows[first : first + flags.batch_size]
    output = model(**collate(part, pad))
    for window, starts, ends in zip(
      part, output.start_logits.numpy(), output.end_logits.numpy(), strict=True
    ):
      found = best_of(window, starts, ends)
      best[window['question']] = max(
        best.get(window['question'], found), found, key=lambda pair: pair[0]
      )
  return {
    question['id']: question['context'][slice(*best[i][1])]
    for i, question in enumerate(questions)
  }


def parse() -> argparse.Namespace:
  """Reads the command line."""
  parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
  parser.add_argument('--model', required=True, help='a Hugging Face folder')
  parser.add_argument('--save', help='a folder for the model as it starts')
  parser.add_argument('--train', help='SQuAD 1.1 as JSON')
  parser.add_argument('--test', help='SQuAD 1.1 as JSON')
  parser.add_argument('--output', help='takes predictions.json')
  parser.add_argument('--mask_padding', action='store_true')
  parser.add_argument('--order', help='JSON: steps of windows of pieces')
  parser.add_argument('--epochs', type=int, default=3)
  parser.add_argument('--batch_size', type=int, default=12, help='windows')
  parser.add_argument('--learning_rate', type=float, default=1e-4)
  parser.add_argument('--max_length', type=int, default=384, help='pieces')
  parser.add_argument('--overlap', type=int, default=128, help='pieces')
  parser.add_argument('--seed', type=int, default=0)
  parser.add_argument('--threads', type=int, default=2)
  flags = parser.parse_args()
  if not flags.save and not (flags.train and flags.test and flags.output):
    parser.error('give --train, --test and --output; or --save')
  return flags


def main() -> None:
  """Trains, predicts, writes, reports."""
  flags = parse()
  torch.set_num_threads(flags.threads)
  torch.manual_seed(flags.seed)
  tokenizer = transformers.AutoTokenizer.from_pretrained(flags.model)
  model = transformers.AutoModelForQuestionAnswering.from_pretrained(
    flags.model
  )
  if flags.save:
    model.config.hidden_dropout_prob = 0.0
    model.config.attention_probs_dropout_prob = 0.0
    model.save_pretrained(flags.save)
    tokenizer.save_pretrained(flags.save)
    return
  pad = tokenizer.pad_token_id
  training, testing = read(flags.train), read(flags.test)
  lengths = flags.max_length, flags.overlap
  windows = encode(tokenizer, training, *lengths)
  for window in windows:
    label(window, training[window['question']])
  losses = train(model, windows, flags, pad)
  predicted = predict(
    model, encode(tokenizer, testing, *lengths), testing, flags, pad
  )
  with open(flags.output + '.tmp', 'w', encoding='utf-8') as file:
    json.dump(predicted, file)
  os.replace(flags.output + '.tmp', flags.output)
  report = {
    'seconds': time.perf_counter() - _BEGAN,
    'train_questions': len(training),
    'train_windows': len(windows),
    'steps': len(losses),
    'losses': losses,
    'predictions': flags.output,
  }
  print(json.dumps(report))


if __name__ == '__main__':
  main()
