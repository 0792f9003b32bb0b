"""Fine-tunes a token classifier as one does with transformers and PyTorch.

    BASELINE_PYTHON hf_finetune.py --model=DIR --data=DIR --output=OUT.tsv

DIR of data holds train.tsv and test.tsv, `token<TAB>tag` lines with blank
lines between sentences. Sentences are padded to the longest of their batch
and cut at --max_length pieces; the first piece of a word carries its label.
OUT.tsv takes the test split as `token<TAB>gold<TAB>predicted` lines, which
biobert-jax score scores; words that were cut off are predicted O. The last
line on standard output is one JSON object; `seconds` are those of the whole
process, imports included. Runs in the baselines' interpreter and imports
nothing of biobert_jax.
"""

# ruff: noqa: E402
import time

_BEGAN = time.perf_counter()  # Before the imports, which take seconds too.

import argparse
import json
import os
import sys
from typing import Any

import torch
import transformers

NO_LABEL = -100  # torch's cross_entropy leaves it out.

Sentences = list[tuple[list[str], list[str]]]


def read(path: str) -> Sentences:
  """(tokens, tags) of every sentence of a file."""
  with open(path, encoding='utf-8') as file:
    blocks = file.read().strip('\n').split('\n\n')
  sentences = []
  for block in blocks:
    rows = [line.split('\t') for line in block.split('\n') if line]
    if rows:
      sentences.append(([row[0] for row in rows], [row[-1] for row in rows]))
  return sentences


def encode(
  tokenizer: Any, sentences: Sentences, ids: dict[str, int], max_length: int
) -> list[dict[str, list[int]]]:
  """Features of every sentence, not padded.

  Args:
    tokenizer: a fast tokenizer.
    sentences: tokens and tags.
    ids: number of each tag.
    max_length: pieces of a sentence at most.

  Returns:
    `input_ids`; `labels`, NO_LABEL but on first pieces; `words`, the word
    whose first piece stands there, else -1.
  """
  batch = tokenizer(
    [tokens for tokens, _ in sentences],
    is_split_into_words=True,
    truncation=True,
    max_length=max_length,
  )
  examples = []
  for i, (_, tags) in enumerate(sentences):
    words, before = [], None
    for word in batch.word_ids(i):
      words.append(-1 if word is None or word == before else word)
      before = word
    labels = [NO_LABEL if w < 0 else ids[tags[w]] for w in words]
    examples.append(
      {'input_ids': batch['input_ids'][i], 'labels': labels, 'words': words}
    )
  return examples


def collate(
  examples: list[dict[str, list[int]]], pad_id: int
) -> dict[str, torch.Tensor]:
  """A batch, padded to its longest sentence."""
  longest = max(len(example['input_ids']) for example in examples)

  def padded(name: str, value: int) -> torch.Tensor:
    rows = [e[name] + [value] * (longest - len(e[name])) for e in examples]
    return torch.tensor(rows)

  mask = [
    [1] * len(e['words']) + [0] * (longest - len(e['words'])) for e in examples
  ]
  return {
    'input_ids': padded('input_ids', pad_id),
    'attention_mask': torch.tensor(mask),
    'labels': padded('labels', NO_LABEL),
    'words': padded('words', -1),
  }


def batches(
  examples: list[Any], size: int, pad_id: int, generator: Any = None
) -> Any:
  """A loader; shuffled anew each epoch where a generator is given."""
  return torch.utils.data.DataLoader(
    examples,
    batch_size=size,
    shuffle=generator is not None,
    generator=generator,
    collate_fn=lambda part: collate(part, pad_id),
  )


def make_optimizer(
  model: Any, learning_rate: float, num_steps: int
) -> tuple[Any, Any]:
  """AdamW, linear warmup over a tenth of the steps, linear decay."""
  decayed, kept = [], []
  for name, parameter in model.named_parameters():
    undecayed = name.endswith('bias') or 'LayerNorm' in name
    (kept if undecayed else decayed).append(parameter)
  optimizer = torch.optim.AdamW(
    [
      {'params': decayed, 'weight_decay': 0.01},
      {'params': kept, 'weight_decay': 0.0},
    ],
    lr=learning_rate,
  )
  schedule = transformers.get_linear_schedule_with_warmup(
    optimizer, num_steps // 10, num_steps
  )
  return optimizer, schedule


def train(model: Any, loader: Any, flags: argparse.Namespace) -> int:
  """Trains; returns the number of steps."""
  num_steps = flags.epochs * len(loader)
  optimizer, schedule = make_optimizer(model, flags.learning_rate, num_steps)
  model.train()
  step = 0
  for _ in range(flags.epochs):
    for batch in loader:
      batch.pop('words', None)
      loss = model(**batch).loss
      loss.backward()
      torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
      optimizer.step()
      schedule.step()
      optimizer.zero_grad(set_to_none=True)
      step += 1
      if step % 50 == 0 or step == num_steps:
        rate = step / (time.perf_counter() - _BEGAN)
        note = f'loss {loss.item():.4f}, {rate:.2f} steps/s'
        print(f'step {step}/{num_steps}, {note}', file=sys.stderr)
  return step


@torch.inference_mode()
def predict(
  model: Any, loader: Any, sentences: Sentences, labels: list[str]
) -> list[list[str]]:
  """A tag for every token; O where the window ended before."""
  model.eval()
  predicted: list[list[str]] = []
  for batch in loader:
    words = batch.pop('words')
    del batch['labels']
    best = model(**batch).logits.argmax(-1)
    for of_words, of_pieces in zip(words.tolist(), best.tolist(), strict=True):
      tags = ['O'] * len(sentences[len(predicted)][0])
      for word, label in zip(of_words, of_pieces, strict=True):
        if word >= 0:
          tags[word] = labels[label]
      predicted.append(tags)
  return predicted


def write(path: str, sentences: Sentences, predicted: list[list[str]]) -> None:
  """Writes conlleval's input, aside and then renamed."""
  with open(path + '.tmp', 'w', encoding='utf-8', newline='\n') as file:
    for (tokens, gold), tags in zip(sentences, predicted, strict=True):
      for row in zip(tokens, gold, tags, strict=True):
        file.write('\t'.join(row) + '\n')
      file.write('\n')
  os.replace(path + '.tmp', path)


def parse() -> argparse.Namespace:
  """Reads the command line."""
  parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
  parser.add_argument('--model', required=True, help='a Hugging Face folder')
  parser.add_argument('--data', required=True, help='has train.tsv, test.tsv')
  parser.add_argument('--output', required=True, help='takes test predictions')
  parser.add_argument('--epochs', type=int, default=3)
  parser.add_argument('--batch_size', type=int, default=32, help='sentences')
  parser.add_argument('--learning_rate', type=float, default=1e-4)
  parser.add_argument('--max_length', type=int, default=128, help='pieces')
  parser.add_argument('--seed', type=int, default=0)
  parser.add_argument('--threads', type=int, default=2)
  return parser.parse_args()


def main() -> None:
  """Trains, predicts, writes, reports."""
  flags = parse()
  torch.set_num_threads(flags.threads)
  torch.manual_seed(flags.seed)
  training = read(os.path.join(flags.data, 'train.tsv'))
  testing = read(os.path.join(flags.data, 'test.tsv'))
  labels = sorted({tag for _, tags in training for tag in tags}, reverse=True)
  ids = {label: i for i, label in enumerate(labels)}
  tokenizer = transformers.AutoTokenizer.from_pretrained(flags.model)
  model = transformers.AutoModelForTokenClassification.from_pretrained(
    flags.model, id2label=dict(enumerate(labels)), label2id=ids
  )
  pad = tokenizer.pad_token_id
  generator = torch.Generator().manual_seed(flags.seed)
  loader = batches(
    encode(tokenizer, training, ids, flags.max_length),
    flags.batch_size,
    pad,
    generator,
  )
  steps = train(model, loader, flags)
  encoded = encode(tokenizer, testing, ids, flags.max_length)
  predicted = predict(
    model, batches(encoded, flags.batch_size, pad), testing, labels
  )
  write(flags.output, testing, predicted)
  seconds = time.perf_counter() - _BEGAN
  report = {
    'seconds': seconds,
    'sentences_per_second': len(training) * flags.epochs / seconds,
    'train_sentences': len(training),
    'steps': steps,
    'predictions': flags.output,
  }
  print(json.dumps(report))


if __name__ == '__main__':
  main()
