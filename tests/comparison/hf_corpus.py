"""Text to pieces on disk with `datasets`, and the Rust tokenizer by itself.

    python tests/comparison/hf_corpus.py JOB.json

Args:
  JOB.json: `way` (`datasets` or `rust`), `files` of lines, `vocabulary`,
    `workers`, `output` (a folder for `datasets`). Cased.

Output: one JSON line with `pieces` and `seconds`, of the work alone.
"""

import json
import multiprocessing
import sys
import time

_LINES = 1000  # A call of the Rust library; also the batch of `datasets`.


def make_tokenizer(vocabulary):
  """The fast BERT tokenizer of the `tokenizers` library, cased."""
  from tokenizers import BertWordPieceTokenizer

  return BertWordPieceTokenizer(vocabulary, lowercase=False)


def with_datasets(job):
  """As the library's guide has it: load, map in batches, save to disk."""
  import datasets
  from transformers import BertTokenizerFast

  datasets.disable_progress_bars()
  began = time.perf_counter()
  tokenizer = BertTokenizerFast(vocab=job['vocabulary'], do_lower_case=False)
  lines = datasets.load_dataset(
    'text',
    data_files=job['files'],
    split='train',
    cache_dir=f'{job["output"]}/cache',
  )

  def tokenize(batch):
    encoded = tokenizer(
      batch['text'],
      add_special_tokens=False,
      return_attention_mask=False,
      return_token_type_ids=False,
      verbose=False,
    )
    return {'input_ids': encoded['input_ids']}

  ids = lines.map(
    tokenize,
    batched=True,
    batch_size=_LINES,
    num_proc=job['workers'],
    remove_columns=['text'],
  )
  ids.save_to_disk(f'{job["output"]}/saved', num_proc=job['workers'])
  seconds = time.perf_counter() - began
  return {'seconds': seconds, 'pieces': sum(map(len, ids['input_ids']))}


def rust_alone(job, files):
  """Seconds in the library's fastest call, without reading or keeping."""
  tokenizer = make_tokenizer(job['vocabulary'])._tokenizer
  seconds, pieces = 0.0, 0
  for path in files:
    with open(path, encoding='utf-8') as file:
      lines = file.read().split('\n')
    for first in range(0, len(lines), _LINES):
      batch = lines[first : first + _LINES]
      began = time.perf_counter()
      encoded = tokenizer.encode_batch_fast(batch, add_special_tokens=False)
      seconds += time.perf_counter() - began
      pieces += sum(len(one.ids) for one in encoded)
  return seconds, pieces


def with_rust(job):
  """One process a worker, each with its files: the slowest decides."""
  shares = [job['files'][i :: job['workers']] for i in range(job['workers'])]
  with multiprocessing.get_context('fork').Pool(job['workers']) as pool:
    done = pool.starmap(rust_alone, [(job, share) for share in shares])
  return {
    'seconds': max(seconds for seconds, _ in done),
    'pieces': sum(pieces for _, pieces in done),
  }


def main(path):
  with open(path, encoding='utf-8') as file:
    job = json.load(file)
  done = with_rust(job) if job['way'] == 'rust' else with_datasets(job)
  print(json.dumps(done))


if __name__ == '__main__':
  main(sys.argv[1])
