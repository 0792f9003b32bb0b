"""Pre-training reads buckets: the same batches, from copies or in place.

Of `data/pretraining/shards.py` and `tasks/pretraining.py`.
"""

import json
import pathlib
import shutil

import numpy as np
import pytest

from biobert_jax.commands.main import main
from biobert_jax.data.pretraining import shards
from biobert_jax.errors import InputError
from biobert_jax.io import storage
from biobert_jax.tasks import pretraining
from tests.fixtures import small_corpus, small_run
from tests.fixtures.small_corpus import TOKENIZER
from tests.gcs.door import Door, Fault

READS = '^GET .*alt=media'


@pytest.fixture(scope='module')
def corpus(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
  """A corpus on this disk."""
  return small_corpus.make(tmp_path_factory.mktemp('corpus'))


@pytest.fixture
def there(corpus: pathlib.Path, bucket: str) -> str:
  """The same corpus in a bucket."""
  storage.add_files(corpus, storage.BucketPath(bucket[5:], 'corpus'))
  return f'{bucket}/corpus'


def batch_of(
  directory: object, **overrides: object
) -> tuple[str, dict[str, np.ndarray]]:
  """The digest of the corpus, and a batch of it."""
  config = small_run.pretraining(str(directory), **overrides)
  found = pretraining.dataset_of(config, TOKENIZER)
  return found.sha256, found.rows('train').train_batch(3, 8)


def assert_same(first, second) -> None:
  (digest, batch), (other, others) = first, second
  assert digest == other
  assert batch.keys() == others.keys()
  for name, array in batch.items():
    np.testing.assert_array_equal(array, others[name])


def test_each_machine_copies_shards_once_and_batches_are_the_same(
  corpus: pathlib.Path, there: str, door: Door, tmp_path: pathlib.Path
) -> None:
  door.faults = [Fault('flip', 'array_record'), Fault('cut', 'lengths')]
  assert_same(batch_of(there), batch_of(corpus))
  # What lies beside is not fetched, and changes nothing.
  storage.write(f'{there}/notes.txt', 'x')
  door.log.clear()
  config = small_run.pretraining(there)
  assert pretraining.tokenizer_of(config) == TOKENIZER
  assert_same(batch_of(there), batch_of(corpus))
  # The manifest tells what to look for; its vocabulary is asked for alone.
  assert not door.count(f'{READS}.*array_record|array_record.*alt=media')
  assert not door.count('notes.*alt=media')
  assert (tmp_path / 'cache').exists()


def test_a_copy_is_compared_with_the_manifest_once(
  corpus: pathlib.Path,
  there: str,
  tmp_path: pathlib.Path,
  monkeypatch: pytest.MonkeyPatch,
) -> None:
  hashed: list[str] = []
  sha256 = shards.file_sha256
  monkeypatch.setattr(
    shards, 'file_sha256', lambda path: hashed.append(path) or sha256(path)
  )
  for _ in range(2):
    folder = shards.local_copy(there)
    assert len(hashed) == 2 * 3  # Two shards and a held-out one; lengths.
  assert shards.local_copy(corpus) == corpus
  # Of the right size and of other content, in the bucket itself.
  name = 'corpus-train.array_record-00001-of-00002'
  damaged = bytearray((folder / name).read_bytes())
  damaged[len(damaged) // 2] ^= 1
  storage.write(f'{there}/{name}', bytes(damaged))
  for _ in range(2):
    with pytest.raises(InputError) as raised:
      shards.local_copy(there)
    said = storage.shown(str(raised.value))
    assert f'{there}/{name}: differs from its sha256 in manifest.json' in said
  storage.write(f'{there}/{name}', bytes(damaged[1:]))
  with pytest.raises(InputError, match=f'{there}/{name}: has .* bytes, manif'):
    shards.local_copy(there)
  shutil.rmtree(tmp_path / 'cache')
  storage.remove(f'{there}/manifest.json')
  with pytest.raises(InputError, match=r'/manifest.json: cannot be read'):
    shards.local_copy(there)
  assert not (tmp_path / 'cache').exists()


def test_shards_are_read_in_place_where_that_is_wanted(
  corpus: pathlib.Path, there: str, door: Door, tmp_path: pathlib.Path
) -> None:
  in_place = batch_of(there, data__read_in_place=True)
  assert_same(in_place, batch_of(corpus))
  cache = (tmp_path / 'cache').rglob('*array_record*')
  assert not list(cache)
  everything = shards.Shards(storage.path(there), verify='all')
  for one, other in zip(everything, shards.Shards(corpus), strict=True):
    assert one.id == other.id
    np.testing.assert_array_equal(one.input_ids, other.input_ids)


def test_files_of_the_reference_are_copied_from_a_bucket(
  bucket: str, door: Door
) -> None:
  contents = {'b.tfrecord': b'second', 'a.tfrecord': b'first', 'x.txt': b'no'}
  for name, content in contents.items():
    storage.write(f'{bucket}/tf/{name}', content)
  config = small_run.pretraining(f'{bucket}/tf/*.tfrecord')
  door.log.clear()
  files = pretraining._files(config.data, 'train')
  assert [pathlib.Path(f).read_bytes() for f in files] == [b'first', b'second']
  assert door.count(READS) == 2
  with pytest.raises(InputError, match='TFRecord files hold no vocabulary'):
    pretraining.tokenizer_of(config)
  config = small_run.pretraining(f'{bucket}/tf/*.record')
  with pytest.raises(InputError, match=r"\*\.record': no such folder or file"):
    pretraining.dataset_of(config, TOKENIZER)


def test_the_report_of_a_bucket_is_that_of_the_folder(
  corpus: pathlib.Path, there: str, capsys: pytest.CaptureFixture[str]
) -> None:
  vocab = corpus.parent / 'vocab.txt'
  vocab.write_text('\n'.join(small_corpus.PIECES) + '\n')
  said = []
  for folder, given in ((corpus, corpus.parent / 'in'), (there, f'{there}-in')):
    if folder == there:
      storage.add_files(corpus.parent / 'in', storage.path(given))
    flags = (f'--vocab={vocab}', '--input', str(given), '--texts=2')
    report = str(corpus.parent / 'report') if folder == corpus else ''
    flags += (f'--output={report}',) if report else ()
    assert main(['corpus-report', str(folder), *flags]) == 0
    *text, last = capsys.readouterr().out.splitlines()
    said.append(text)
  page = json.loads(last)['report']
  assert page == f'{there}/report/report.html'
  shown = storage.read_text(page.replace('.html', '.md')).splitlines()
  said.append(shown)
  assert len({'\n'.join(text[1:]).rstrip() for text in said}) == 1
