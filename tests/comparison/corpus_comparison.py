"""Text to files of pieces, in four systems: speed, and how memory grows.

    BIOBERT_BASELINE_PYTHON=.venv/baselines/bin/python \
      .venv/bin/python tests/comparison/corpus_comparison.py \
      [--reference=CHECKOUT] [--sizes=1,4,16] [--threads=2]

The text is that of `$BIOBERT_DATA/pmc-oa-ccby`, abstracts and full texts, cut
into sentences, a sentence a line and a blank line between documents: the form
that create_pretraining_data.py of google-research/bert reads. Size 4 is four
copies of it, each an article of its own. The ways are

  ours       biobert-jax prepare-corpus: pieces with sentence boundaries, sorted
             by article, in sharded files with checksums
  ours, raw  the same from JSON lines, so sentences are found as well
  datasets   Hugging Face `datasets` with the fast tokenizer, a process a core
             (hf_corpus.py): load, map in batches, save to disk
  rust       the Rust tokenizer alone, a process a core: no reading, no writing
  reference  create_pretraining_data.py of CHECKOUT, one process as it is, with
             its own settings except for cased text: ten masked copies;
             `reference, once` makes one (--dupe_factor=1). Runs on our
             TensorFlow, under whose compatibility names TF1 code still runs

Seconds are those of the whole process, except for `rust`; MB are of the text,
in UTF-8. Memory is what all processes of a way hold at once, at most, shared
pages counted in each. `ours` and `datasets` run at each of --sizes; the others
at 1, the reference on a sample of --reference_share of the articles. Wanted: 30
x the reference, 1.5 x `datasets`, 0.7 of `rust`, and memory that does not grow.
About 10 minutes on 2 cores, otherwise idle.

A table, and on the last line one JSON object, go to standard output.
"""

import argparse
import collections
import dataclasses
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from typing import Any

# The script's own folder stands first; `tests` is beside `biobert_jax`.
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))

from tests.comparison import baseline

_FILES = 8  # That a copy of the text is in, so that all cores have work.
_LOOK = 0.05  # Seconds between two looks at the memory.
_SOURCES = ('abstracts.jsonl', 'fulltext.jsonl')
_PAGE = os.sysconf('SC_PAGE_SIZE')
# The reference imports `tensorflow` and means version 1.
_REFERENCE = """
import runpy, sys
import tensorflow.compat.v1 as tf
sys.modules['tensorflow'] = tf
sys.path.insert(0, sys.argv[1])
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0] + '/create_pretraining_data.py', run_name='__main__')
"""

Figures = dict[str, float]
Article = tuple[dict[str, Any], list[list[str]]]


@dataclasses.dataclass(frozen=True)
class Text:
  """Files of one text in both forms.

  Attributes:
    lines: files with a sentence a line.
    raw: the same articles as JSON lines.
    bytes: of `lines`.
  """

  lines: tuple[pathlib.Path, ...]
  raw: tuple[pathlib.Path, ...]
  bytes: int


def read_articles(source: pathlib.Path) -> list[Article]:
  """Each article of the corpus: its record, and its sentences."""
  from biobert_jax.preprocessing.token_shards import stages
  from biobert_jax.text.readers import any_format

  articles: list[Article] = []
  for name in _SOURCES:
    counts: collections.Counter[str] = collections.Counter()
    found = any_format.read_file(source / name, counts, lambda *_: None)
    with (source / name).open(encoding='utf-8') as file:
      for article, line in zip(found, file, strict=True):
        sentences = [
          [' '.join(s.split()) for s in stages.sentences(article, texts)]
          for _, texts in any_format.documents(article)
        ]
        articles.append((json.loads(line), sentences))
  return articles


def write_text(
  articles: Sequence[Article], folder: pathlib.Path, copies: int
) -> Text:
  """Writes copies of articles in both forms."""
  folder.mkdir(parents=True)
  lines: list[pathlib.Path] = []
  raw: list[pathlib.Path] = []
  for copy in range(copies):
    for share in range(_FILES):
      name = f'{copy:02}-{share}'
      lines.append(folder / f'{name}.txt')
      raw.append(folder / f'{name}.jsonl')
      with (
        lines[-1].open('w', encoding='utf-8') as plain,
        raw[-1].open('w', encoding='utf-8') as records,
      ):
        for at in range(share, len(articles), _FILES):
          record, documents = articles[at]
          for sentences in documents:
            plain.write('\n'.join(sentences) + '\n\n')
          # The same article twice would be kept once.
          id = {'id': f'{copy}-{at}', 'pmid': None, 'pmcid': None, 'doi': None}
          records.write(json.dumps(record | id, ensure_ascii=False) + '\n')
  size = sum(path.stat().st_size for path in lines)
  return Text(tuple(lines), tuple(raw), size)


def resident(root: int) -> int:
  """Bytes that a process and all below it hold."""
  parents: dict[int, list[int]] = {}
  for entry in os.listdir('/proc'):
    if entry.isdigit():
      try:
        text = pathlib.Path('/proc', entry, 'stat').read_text('utf-8')
      except OSError:  # It has ended.
        continue
      parent = int(text.rpartition(')')[2].split()[1])
      parents.setdefault(parent, []).append(int(entry))
  total, waiting = 0, [root]
  while waiting:
    pid = waiting.pop()
    waiting += parents.get(pid, [])
    try:
      text = pathlib.Path(f'/proc/{pid}/statm').read_text('utf-8')
      total += int(text.split()[1]) * _PAGE
    except OSError:
      continue
  return total


def watched(python: str, *arguments: object) -> tuple[Figures, str]:
  """Runs a program to its end.

  Returns:
    `seconds` of the whole process and `mib`, what it and its children held at
    most at once; and its standard output.

  Raises:
    RuntimeError: it failed; what it said.
  """
  # Files, for a pipe that nobody empties fills up.
  with tempfile.TemporaryFile() as said, tempfile.TemporaryFile() as printed:
    began = time.perf_counter()
    process = subprocess.Popen(
      [python, *map(str, arguments)],
      stdout=printed,
      stderr=said,
      cwd=baseline.REPOSITORY,
      env=baseline.environment() | {'TF_CPP_MIN_LOG_LEVEL': '2'},
    )
    most = 0
    while process.poll() is None:
      most = max(most, resident(process.pid))
      time.sleep(_LOOK)
    seconds = time.perf_counter() - began
    for file in (said, printed):
      file.seek(0)
    if process.returncode:
      raise RuntimeError(said.read().decode(errors='replace')[-2000:])
    output = printed.read().decode()
  return {'seconds': seconds, 'mib': most / 2**20}, output


def last_line(output: str) -> dict[str, Any]:
  """The JSON object that a program ends with."""
  return json.loads(output.rstrip().rpartition('\n')[2])


def ours(
  flags: argparse.Namespace,
  files: Sequence[pathlib.Path],
  output: pathlib.Path,
) -> Figures:
  """Our command on files."""
  figures, printed = watched(
    sys.executable,
    *('-m', 'biobert_jax', 'prepare-corpus', '--output', output),
    *('--vocab', flags.vocab, '--do_lower_case', 'false'),
    *('--workers', flags.threads, '--input', *files),
  )
  splits = last_line(printed)['splits'].values()
  return figures | {'pieces': sum(split['pieces'] for split in splits)}


def theirs(
  flags: argparse.Namespace, way: str, text: Text, folder: pathlib.Path
) -> Figures:
  """`datasets` or `rust` on lines."""
  folder.mkdir()
  job = {
    'way': way,
    'files': [str(path) for path in text.lines],
    'vocabulary': str(flags.vocab),
    'workers': flags.threads,
    'output': str(folder),
  }
  (folder / 'job.json').write_text(json.dumps(job), 'utf-8')
  figures, printed = watched(
    baseline.PYTHON, baseline.script('hf_corpus.py'), folder / 'job.json'
  )
  done = last_line(printed)
  if way == 'rust':
    figures['seconds'] = done['seconds']
  return figures | {'pieces': done['pieces']}


def reference(
  flags: argparse.Namespace, text: Text, output: pathlib.Path, copies: int
) -> Figures:
  """Google's program on lines."""
  figures, _ = watched(
    sys.executable,
    *('-c', _REFERENCE, flags.reference),
    f'--input_file={",".join(map(str, text.lines))}',
    *(f'--output_file={output}', f'--vocab_file={flags.vocab}'),
    *('--do_lower_case=false', f'--dupe_factor={copies}'),
  )
  return figures


def compare(
  flags: argparse.Namespace, folder: pathlib.Path
) -> list[dict[str, Any]]:
  """Runs every way: a row of figures for each."""
  table: list[dict[str, Any]] = []

  def add(way: str, size: float, text: Text, figures: Figures) -> None:
    megabytes = text.bytes / 1e6
    rate = megabytes / figures['seconds']
    row = {'way': way, 'size': size, 'mb': megabytes, 'mb_per_s': rate}
    table.append(row | figures)
    print(json.dumps(table[-1]), file=sys.stderr)

  articles = read_articles(flags.data)
  for size in flags.sizes:
    text = write_text(articles, folder / f'text-{size}', size)
    at = folder / f'out-{size}'
    at.mkdir()
    add('ours', size, text, ours(flags, text.lines, at / 'ours'))
    done = theirs(flags, 'datasets', text, at / 'datasets')
    add('datasets', size, text, done)
    if size == flags.sizes[0]:
      add('ours, raw', size, text, ours(flags, text.raw, at / 'raw'))
      add('rust', size, text, theirs(flags, 'rust', text, at / 'rust'))
  if flags.reference:
    share = articles[:: max(1, round(1 / flags.reference_share))]
    text = write_text(share, folder / 'text-reference', 1)
    at = folder / 'reference.tfrecord'
    for way, copies in (('reference, once', 1), ('reference', 10)):
      done = reference(flags, text, at, copies)
      add(way, flags.reference_share, text, done)
  return table


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
  """Ratios of rates, and memory at the largest size over the smallest."""
  first: dict[str, float] = {}
  for row in rows:
    first.setdefault(row['way'], row['mb_per_s'])
  mine = [row for row in rows if row['way'] == 'ours']
  largest = {row['way']: row['mb_per_s'] for row in rows}
  return {
    'over': {
      way: mine[0]['mb_per_s'] / rate
      for way, rate in first.items()
      if way != 'ours'
    },
    'over_datasets_at_the_largest': largest['ours'] / largest['datasets'],
    'memory_growth': mine[-1]['mib'] / mine[0]['mib'],
  }


def show(rows: list[dict[str, Any]]) -> str:
  """The rows as a person reads them."""
  titles = f'{"size":>6}{"MB":>8}{"s":>9}{"MB/s":>8}{"MiB":>8}{"pieces":>12}'
  lines = [f'{"":16}{titles}']
  for row in rows:
    pieces = f'{row["pieces"]:12,}' if 'pieces' in row else ''
    lines.append(
      f'{row["way"]:16}{row["size"]:6.4g}{row["mb"]:8.1f}{row["seconds"]:9.2f}'
      f'{row["mb_per_s"]:8.2f}{row["mib"]:8.0f}{pieces}'
    )
  return '\n'.join(lines)


def parse(arguments: list[str]) -> argparse.Namespace:
  """Reads the command line."""
  parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
  add = parser.add_argument
  add('--data', type=pathlib.Path, default=baseline.DATA / 'pmc-oa-ccby')
  add(
    '--vocab',
    type=pathlib.Path,
    default=baseline.DATA / 'vocab-bert-base-cased' / 'vocab.txt',
    help='of a cased BERT',
  )
  add('--reference', type=pathlib.Path, help='checkout of google-research/bert')
  add('--reference_share', type=float, default=0.25, help='of the articles')
  add(
    '--sizes',
    type=lambda text: [int(size) for size in text.split(',')],
    default=[1, 4, 16],
    help='copies of the text',
  )
  add('--threads', type=int, default=2, help='cores and processes of each')
  return parser.parse_args(arguments)


def main(arguments: list[str]) -> int:
  """Runs all; returns the exit code."""
  flags = parse(arguments)
  if not baseline.PYTHON:
    print(baseline.REASON, file=sys.stderr)
    return 3
  load = baseline.keep_to_cores(flags.threads)
  with tempfile.TemporaryDirectory() as name:
    rows = compare(flags, pathlib.Path(name))
  print(show(rows))
  print(json.dumps({**summary(rows), 'rows': rows, 'load_before': load}))
  return 0


if __name__ == '__main__':
  sys.exit(main(sys.argv[1:]))
