"""Fine-tunes a sentence classifier as one does with transformers and PyTorch.

    BASELINE_PYTHON hf_relation.py --model=DIR --data=DIR --output=OUT.tsv

DIR of data holds train.tsv (`sentence<TAB>label`, no header) and test.tsv
(`index<TAB>sentence<TAB>label` below a header). Sentences are padded to the
longest of their batch and cut at --max_length pieces. OUT.tsv takes a line of
probabilities for each test sentence, in the order of the sorted labels, which
biobert-jax score scores. Optimizer and loop are those of hf_finetune.py. The
last line on standard output is one JSON object. Runs in the baselines'
interpreter and imports nothing of biobert_jax.
"""

import argparse
import json
import os
from typing import Any

import hf_finetune
import torch
import transformers

Sentences = list[tuple[str, str]]


def read(path: str, header: bool) -> Sentences:
  """(sentence, label) of every row; quotes are text."""
  with open(path, encoding='utf-8', newline='\n') as file:
    rows = file.read().strip('\n').split('\n')[header:]
  cells = [row.split('\t') for row in rows]
  return [(row[-2], row[-1]) for row in cells]


def encode(
  tokenizer: Any, sentences: Sentences, labels: list[str], max_length: int
) -> list[dict[str, Any]]:
  """Features of every sentence, not padded."""
  batch = tokenizer(
    [text for text, _ in sentences], truncation=True, max_length=max_length
  )
  return [
    {'input_ids': pieces, 'labels': labels.index(label)}
    for pieces, (_, label) in zip(batch['input_ids'], sentences, strict=True)
  ]


def batches(
  examples: list[Any], size: int, tokenizer: Any, generator: Any = None
) -> Any:
  """A loader; shuffled anew each epoch where a generator is given."""

  def collate(part: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
    pieces = [{'input_ids': example['input_ids']} for example in part]
    padded = tokenizer.pad(pieces, return_tensors='pt')
    labels = torch.tensor([example['labels'] for example in part])
    return {**padded, 'labels': labels}

  return torch.utils.data.DataLoader(
    examples,
    batch_size=size,
    shuffle=generator is not None,
    generator=generator,
    collate_fn=collate,
  )


@torch.inference_mode()
def predict(model: Any, loader: Any) -> list[list[float]]:
  """A probability of each label for every sentence."""
  model.eval()
  shares: list[list[float]] = []
  for batch in loader:
    del batch['labels']
    shares += model(**batch).logits.softmax(-1).tolist()
  return shares


def parse() -> argparse.Namespace:
  """Reads the command line."""
  parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
  parser.add_argument('--model', required=True, help='a Hugging Face folder')
  parser.add_argument('--data', required=True, help='has train.tsv, test.tsv')
  parser.add_argument('--output', required=True, help='takes probabilities')
  parser.add_argument('--epochs', type=int, default=3)
  parser.add_argument('--batch_size', type=int, default=32, help='sentences')
  parser.add_argument('--learning_rate', type=float, default=5e-5)
  parser.add_argument('--max_length', type=int, default=128, help='pieces')
  parser.add_argument('--seed', type=int, default=0)
  parser.add_argument('--threads', type=int, default=2)
  return parser.parse_args()


def main() -> None:
  """Trains, predicts, writes, reports."""
  flags = parse()
  torch.set_num_threads(flags.threads)
  torch.manual_seed(flags.seed)
  training = read(os.path.join(flags.data, 'train.tsv'), header=False)
  testing = read(os.path.join(flags.data, 'test.tsv'), header=True)
  labels = sorted({label for _, label in training})
  tokenizer = transformers.AutoTokenizer.from_pretrained(flags.model)
  model = transformers.AutoModelForSequenceClassification.from_pretrained(
    flags.model, num_labels=len(labels)
  )
  generator = torch.Generator().manual_seed(flags.seed)
  encoded = encode(tokenizer, training, labels, flags.max_length)
  loader = batches(encoded, flags.batch_size, tokenizer, generator)
  steps = hf_finetune.train(model, loader, flags)
  encoded = encode(tokenizer, testing, labels, flags.max_length)
  shares = predict(model, batches(encoded, flags.batch_size, tokenizer))
  with open(flags.output, 'w', encoding='utf-8', newline='\n') as file:
    for row in shares:
      file.write('\t'.join(f'{share:.6f}' for share in row) + '\n')
  print(json.dumps({'train_sentences': len(training), 'steps': steps}))


if __name__ == '__main__':
  main()
