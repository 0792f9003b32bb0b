"""Corpora in buckets: the same shards, whatever happens on the way.

Of `preprocessing/token_shards/prepare.py` and `output_folder.py`.
"""

import gzip
import hashlib
import pathlib
import re
from typing import Any

import pytest

from biobert_jax.errors import BucketChangedError, BucketError, InputError
from biobert_jax.io import storage
from biobert_jax.preprocessing.token_shards import prepare
from tests.fixtures.corpus_files import pubmed, record, tar
from tests.fixtures.prepared_corpora import TOKENIZER, digests, write_inputs
from tests.gcs.door import ALWAYS, Door, Fault

TINY = prepare.Sizes(unit=1, run=2000, group=3000, shard=1 << 20)
UPLOAD = '^POST /upload/'
OTHERS = ('a.xml.gz.md5', 'c.ann')
FILES = 14  # Of a corpus of three shards and a held-out one.
# 8 % of the requests fail, one way or another, and 5 % are late.
CHAOS = (
  Fault('status', times=ALWAYS, probability=0.03),
  Fault('status', code=429, times=ALWAYS, probability=0.01),
  Fault('reset', times=ALWAYS, probability=0.01),
  Fault('cut', '^GET', times=ALWAYS, probability=0.02),
  Fault('lost', times=ALWAYS, probability=0.01),
  Fault('delay', times=ALWAYS, probability=0.05, seconds=0.1),
)


def make(inputs: Any, output: Any, **options: Any) -> dict[str, Any]:
  options = {'workers': 1, 'sizes': TINY, 'num_shards': 3, **options}
  return prepare.prepare([str(inputs)], output, TOKENIZER, **options)


def reads(door: Door, name: str) -> int:
  """How often the content of an object was asked for."""
  return door.count(f'^GET .*{name}.*alt=media')


@pytest.fixture
def inputs(tmp_path: pathlib.Path) -> pathlib.Path:
  """A folder with every kind of file."""
  folder = tmp_path / 'in'
  write_inputs(folder, files=3, each=30)
  rows = [record(str(i)) for i in range(20)]
  (folder / 'a.xml.gz').write_bytes(gzip.compress(pubmed(*rows)))
  (folder / 'a.xml.gz.md5').write_text('MD5(a.xml.gz)= 00')
  members = [('x/1.xml', pubmed(record('91'), record('92')))]
  (folder / 'b.tar').write_bytes(tar(members))
  (folder / 'c.txt').write_text('The gene was seen. It was.')
  (folder / 'c.ann').write_text('T1\tGene 4 8\tgene\n')
  return folder


@pytest.fixture
def there(inputs: pathlib.Path, bucket: str) -> str:
  """The same folder in a bucket."""
  storage.add_files(inputs, storage.BucketPath(bucket[5:], 'in'))
  return f'{bucket}/in'


def in_bucket(folder: str) -> dict[str, str]:
  """As `digests` of a folder."""
  return {
    file.place.name: hashlib.sha256(storage.read_bytes(file.place)).hexdigest()
    for file in storage.files(folder)
  }


def test_the_same_bytes_of_shards_though_requests_fail(
  inputs: pathlib.Path,
  there: str,
  bucket: str,
  door: Door,
  tmp_path: pathlib.Path,
) -> None:
  made = make(inputs, tmp_path / 'out')
  assert made['inputs']['files'] == 6
  door.log.clear()
  door.faults = list(CHAOS)
  assert make(there, f'{bucket}/out', workers=2) == made
  door.faults = []
  assert in_bucket(f'{bucket}/out') == digests(tmp_path / 'out')
  # Which upload made an object: a larger one is later.
  last = max(storage.files(f'{bucket}/out'), key=lambda file: file.generation)
  assert last.place.name == 'manifest.json'
  # Nothing is left on this disk.
  left = [p for p in (tmp_path / 'cache').rglob('*') if p.is_file()]
  assert [path.name for path in left] == ['lock']
  # The same command has nothing to do.
  door.log.clear()
  assert make(there, f'{bucket}/out') == made
  assert not door.count('/upload/')
  assert not reads(door, 'xml')


def test_a_run_goes_on_where_it_was_broken_off(
  there: str, bucket: str, door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
  monkeypatch.setenv('BIOBERT_STORAGE_TIMEOUT', '1')
  # The smallest file is the last.
  door.faults = [Fault('status', r'c\.txt.*alt=media', times=ALWAYS)]
  with pytest.raises(BucketError, match=r'in/c\.txt: no answer within'):
    make(there, f'{bucket}/out')
  assert not storage.names(f'{bucket}/out')
  door.reset()
  door.faults = [Fault('status', UPLOAD, times=ALWAYS, skip=FILES - 1)]
  with pytest.raises(BucketError, match=r'out/manifest\.json: no answer with'):
    make(there, f'{bucket}/out')
  assert reads(door, r'c\.txt') == 1
  assert not reads(door, 'jsonl')
  door.reset()
  made = make(there, f'{bucket}/out')
  assert not reads(door, 'jsonl')
  assert door.count(UPLOAD) == 1
  assert len(storage.files(f'{bucket}/out')) == FILES
  assert make(there, f'{bucket}/out') == made


def write_while_it_reads(door: Door, name: str, text: str) -> None:
  """Writes an object when the first input is asked for."""

  def before(line: str) -> None:
    if re.search(r'GET .*00\.jsonl.*alt=media', line):
      door.before = lambda line: None
      storage.write(name, text)

  door.before = before


def test_an_input_that_changes_meanwhile_is_noticed(
  there: str, bucket: str, door: Door
) -> None:
  write_while_it_reads(
    door, f'{there}/c.txt', 'The gene is new. It is. So it is.'
  )
  with pytest.raises(BucketChangedError, match=r'in/c\.txt: was changed'):
    make(there, f'{bucket}/out', on_error='skip')
  door.log.clear()
  made = make(there, f'{bucket}/out')
  assert made['inputs']['bytes'] == sum(
    file.size for file in storage.files(there) if file.place.name not in OTHERS
  )
  assert not reads(door, 'jsonl')
  # Finished, and of other content: it is not taken for the same.
  storage.write(f'{there}/c.txt', 'The gene.')
  with pytest.raises(InputError, match=r'manifest\.json: the folder is of ot'):
    make(there, f'{bucket}/out')


def test_what_is_there_is_never_overwritten(
  there: str, bucket: str, door: Door
) -> None:
  storage.write(f'{bucket}/out/notes.txt', 'mine')
  with pytest.raises(InputError, match='out: holds something that no run of'):
    make(there, f'{bucket}/out')
  storage.remove(f'{bucket}/out/notes.txt')
  name = 'corpus-train.array_record-00001-of-00003'
  write_while_it_reads(door, f'{bucket}/out/{name}', 'of another')
  with pytest.raises(InputError, match=f'{name}: is there already with other'):
    make(there, f'{bucket}/out')
  assert storage.read_text(f'{bucket}/out/{name}') == 'of another'
  assert not storage.exists(f'{bucket}/out/manifest.json')


def test_a_file_at_fault_is_called_by_its_name(
  there: str, bucket: str, door: Door
) -> None:
  storage.write(f'{there}/d.xml.gz', gzip.compress(pubmed(record()))[:-9])
  made = make(there, f'{bucket}/out', on_error='skip')
  assert made['counts']['files skipped'] == 1
  dropped = storage.read_text(f'{bucket}/out/dropped.tsv')
  assert f'files skipped\t{there}/d.xml.gz: cut or damaged' in dropped


@pytest.mark.parametrize(
  ('pattern', 'names'),
  [
    ('in/*.jsonl', ['00.jsonl', '01.jsonl', '02.jsonl']),
    ('in/0[12].*', ['01.jsonl', '02.jsonl']),
    ('**/c.*', ['c.txt']),
    ('in/a.xml.gz', ['a.xml.gz']),
    ('in/', ['00.jsonl', '01.jsonl', '02.jsonl', 'a.xml.gz', 'b.tar', 'c.txt']),
  ],
)
def test_patterns_and_folders_name_objects(
  there: str, bucket: str, pattern: str, names: list[str]
) -> None:
  found = prepare.find_inputs([f'{bucket}/{pattern}'])
  assert [file.name for file in found] == names
  for file in found:
    assert file.modified == storage.generation(file.path)


def test_patterns_that_name_nothing_are_one_line(there: str) -> None:
  for pattern in (f'{there}/x', f'{there}/*.zip', f'{there}/*.md5'):
    with pytest.raises(InputError, match=r'--input .*; check the path'):
      prepare.find_inputs([pattern])
