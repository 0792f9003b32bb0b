"""Every way of making pieces gives as many, and all are timed and watched."""

import json
import pathlib
import sys

import pytest

from biobert_jax.text.vocabulary import SPECIALS
from tests.comparison import baseline, corpus_comparison

pytestmark = pytest.mark.skipif(not baseline.PYTHON, reason=baseline.REASON)

WORDS = ('the', 'gene', 'was', 'seen', 'in', 'cells', '.')
PIECES = (*SPECIALS, *WORDS, *'abc', *(f'##{letter}' for letter in 'abc'))
# As create_pretraining_data.py has it: flags, TF1's names, one output.
REFERENCE = """
import tensorflow as tf
tf.flags.DEFINE_string('input_file', None, '')
tf.flags.DEFINE_string('output_file', None, '')
tf.flags.DEFINE_string('vocab_file', None, '')
tf.flags.DEFINE_bool('do_lower_case', True, '')
tf.flags.DEFINE_integer('dupe_factor', 10, '')
def main(_):
  flags = tf.flags.FLAGS
  assert not flags.do_lower_case
  lines = open(flags.input_file.split(',')[0]).read()
  with tf.python_io.TFRecordWriter(flags.output_file) as writer:
    for _ in range(flags.dupe_factor):
      writer.write(lines.encode())
if __name__ == '__main__':
  tf.app.run()
"""


def write_articles(folder: pathlib.Path) -> None:
  folder.mkdir()
  text = 'The gene was seen in cells. In cells abc was seen.'
  records = [
    {'pmid': str(i), 'title': 'The gene.', 'abstract': text} for i in range(40)
  ]
  full = {'pmcid': 'PMC1', 'title': 'Cells.', 'abstract': text, 'body': text}
  for name, rows in (('abstracts', records), ('fulltext', [full])):
    (folder / f'{name}.jsonl').write_text(
      ''.join(json.dumps(row) + '\n' for row in rows)
    )


def test_all_ways_see_the_same_text(tmp_path: pathlib.Path) -> None:
  write_articles(tmp_path / 'data')
  (tmp_path / 'vocab.txt').write_text('\n'.join(PIECES) + '\n')
  (tmp_path / 'checkout').mkdir()
  (tmp_path / 'checkout/create_pretraining_data.py').write_text(REFERENCE)
  # Not by `main`, which would keep this process itself to one core.
  flags = corpus_comparison.parse(
    [
      *('--data', str(tmp_path / 'data'), '--sizes=1,2', '--threads=1'),
      *('--vocab', str(tmp_path / 'vocab.txt')),
      *('--reference', str(tmp_path / 'checkout')),
    ]
  )
  rows = corpus_comparison.compare(flags, tmp_path / 'work')
  assert {row['way'] for row in rows} == {
    *('ours', 'ours, raw', 'datasets', 'rust'),
    *('reference', 'reference, once'),
  }
  once = {row['pieces'] for row in rows if row['size'] == 1}
  assert len(once) == 1  # Sentences are the same, found or given.
  twice = {row['pieces'] for row in rows if row['size'] == 2}
  assert twice == {2 * once.pop()}
  print(corpus_comparison.show(rows))
  for row in rows:
    assert row['seconds'] > 0, row
    assert row['mib'] > 1, row
  assert corpus_comparison.summary(rows)['over']['reference'] > 0


def test_memory_is_that_of_all_processes() -> None:
  child = 'x = bytearray(60 << 20); import time; time.sleep(1)'
  program = (
    f'import subprocess, sys; x = bytearray(40 << 20);'
    f'subprocess.run([sys.executable, "-c", {child!r}])'
  )
  figures, _ = corpus_comparison.watched(sys.executable, '-c', program)
  assert 100 < figures['mib'] < 200


def test_what_a_failing_program_said_is_kept() -> None:
  with pytest.raises(RuntimeError, match='No module named nothing'):
    corpus_comparison.watched(sys.executable, '-m', 'nothing')
