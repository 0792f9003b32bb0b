"""A disk that fills: one line, exit code 1, and nothing half written.

Of every command, by `commands/main.py`.
"""

import pathlib
import re
import shlex
import sys
import threading

import pytest

from biobert_jax.commands import main
from biobert_jax.io.json_files import write_json
from tests.fixtures import small_bioasq
from tests.fixtures.remedy_lines import (
  BIOASQ,
  CORPUS,
  EMBED,
  EXTEND,
  GAD,
  IMPORT,
  NER,
  PREDICT,
  PROTOCOL,
  RELATION,
  REPORT,
  VOCABULARY,
)
from tests.fixtures.remedy_places import Places

EXPORT = 'export --model={hf} --output={new}'
LINES = (
  *(f'{EXPORT} --format={form}' for form in ('huggingface', 'tensorflow')),
  *(f'{EXPORT} --format={form}' for form in ('onnx', 'stablehlo')),
  *(f'{PREDICT} --format={form}' for form in ('jsonl', 'brat', 'bioc')),
  *(EMBED.replace('.npz', end) for end in ('.npz', '.parquet', '.jsonl')),
  IMPORT,
  f'{EXTEND} --max_position_embeddings=128',
  NER,
  GAD,
  f'{PROTOCOL} --grid=batch_size=8',
  VOCABULARY,
  CORPUS,
  REPORT,
  RELATION,
  BIOASQ,
  'prepare-submission --questions={bioasq_yes_no} --predictions={answers} '
  '--output={new}',
  'table --workdirs={protocol} --output={new}',
  'score ner {tags} --errors={new}',
)
MIDDLE = (
  *((f'{EXPORT} --format={f}', '24k') for f in ('huggingface', 'tensorflow')),
  *((f'{EXPORT} --format={f}', '24k') for f in ('onnx', 'stablehlo')),
  (IMPORT, '24k'),
  (CORPUS, '16k'),
)


@pytest.fixture(scope='module')
def places(tmp_path_factory: pytest.TempPathFactory) -> Places:
  """Models and corpora, on a disk with space."""
  places = Places(tmp_path_factory.mktemp('places'))
  questions = small_bioasq.raw_bioasq()['questions']
  answers = {q['id']: 'yes' for q in questions if q['type'] == 'yesno'}
  write_json(path := pathlib.Path(places['new']), answers)
  places['answers'] = str(path)
  return places


def test_every_command_that_writes_is_tried():
  tried = {main._find(shlex.split(line))[0] for line in LINES}
  # Others of `score`, and `cache`, print alone; preflight and Beam need more
  # than is here, and tests/fault_injection/folder_test.py has evaluate.
  others = {
    name for name in main.COMMANDS if name.startswith(('score ', 'cache '))
  }
  others |= {'preflight', 'prepare-corpus-beam', 'evaluate'}
  assert tried | others == main.COMMANDS.keys()


@pytest.mark.parametrize(
  ('line', 'size'), [*((line, '4k') for line in LINES), *MIDDLE]
)
def test_a_disk_that_fills_is_one_line(
  line, size, places, small_disk, capfd, monkeypatch
):
  # What threads say is seen, too.
  monkeypatch.setattr('threading.excepthook', threading.__excepthook__)
  monkeypatch.setattr('sys.unraisablehook', sys.__unraisablehook__)
  folder = small_disk(size, filled=size == '4k')
  line = places.fill(line.replace('{new}', str(folder / 'out')))
  capfd.readouterr()
  code = main.main(shlex.split(line))
  said = capfd.readouterr().err
  assert code == 1, said
  assert re.match(rf'not saved: (--\w+ )?{folder}/out', said.splitlines()[-1])
  assert said.endswith('free some space, then run the same command again\n')
  assert 'Traceback' not in said, said
  assert 'Exception' not in said, said
  assert 'W0000' not in said, said
  left = [p.name for p in folder.iterdir()]
  assert not [n for n in left if n.startswith('.out') or n.endswith('.tmp')]
