import json
import pathlib
import subprocess

import pytest

from biobert_jax.checkpoints import model_folder
from biobert_jax.errors import InputError


def make(path: pathlib.Path, overwrite: bool = False) -> None:
  with model_folder.publish_folder(path, overwrite) as aside:
    (aside / 'below').mkdir()
    (aside / 'below' / 'b').write_text('two')
    (aside / 'a').write_text('one')
    (aside / model_folder.RECORD).write_text('{}')
    (aside / model_folder.CARD).write_text('may be edited')


def test_a_folder_appears_whole_with_its_checksums(
  tmp_path: pathlib.Path,
) -> None:
  target = tmp_path / 'new' / 'out'
  make(target)
  assert model_folder.verify(target)
  (target / model_folder.CARD).write_text('edited')
  assert model_folder.verify(target)
  done = subprocess.run(
    ['sha256sum', '--check', 'SHA256SUMS'],
    cwd=target,
    capture_output=True,
    text=True,
    check=True,
  )
  assert done.stdout == 'a: OK\nbelow/b: OK\nbiobert_jax.json: OK\n'
  assert [p.name for p in target.parent.iterdir()] == ['out']


def test_a_failure_leaves_nothing_and_keeps_what_was_there(
  tmp_path: pathlib.Path,
) -> None:
  target = tmp_path / 'out'

  def fail(overwrite: bool) -> None:
    with model_folder.publish_folder(target, overwrite) as aside:
      (aside / 'other').write_text('')
      raise RuntimeError('differs')

  with pytest.raises(RuntimeError, match='differs'):
    fail(overwrite=False)
  assert list(tmp_path.iterdir()) == []
  make(target)
  with pytest.raises(RuntimeError, match='differs'):
    fail(overwrite=True)
  assert (target / 'a').read_text() == 'one'
  assert [p.name for p in tmp_path.iterdir()] == ['out']


def test_a_full_disk_is_one_error(tmp_path: pathlib.Path) -> None:
  with (
    pytest.raises(OSError, match=f'No space left on device: .{tmp_path}/out'),
    model_folder.publish_folder(tmp_path / 'out', False),
  ):
    raise OSError(28, 'No space left on device')
  assert list(tmp_path.iterdir()) == []


def test_what_is_there_is_replaced_only_when_asked(
  tmp_path: pathlib.Path,
) -> None:
  target = tmp_path / 'out'
  target.mkdir()
  make(target)  # An empty folder is no loss.
  (target / 'stale').write_text('')
  with pytest.raises(InputError, match=r'not empty; .* --overwrite'):
    make(target)
  make(target, overwrite=True)
  assert not (target / 'stale').exists()
  assert [p.name for p in tmp_path.iterdir()] == ['out']
  file = tmp_path / 'file'
  file.write_text('')
  with pytest.raises(InputError, match='is a file'):
    make(file, overwrite=True)


def test_a_place_that_cannot_be_written(tmp_path: pathlib.Path) -> None:
  (tmp_path / 'file').write_text('')
  with pytest.raises(InputError, match='--output'):
    make(tmp_path / 'file' / 'out')


def test_each_damage_is_named(tmp_path: pathlib.Path) -> None:
  target = tmp_path / 'out'
  make(target)
  (target / 'below' / 'b').write_text('twp')
  with pytest.raises(InputError, match=r'below/b: differs from its checksum'):
    model_folder.verify(target)
  (target / 'below' / 'b').unlink()
  with pytest.raises(InputError, match=r'below/b: missing'):
    model_folder.verify(target)
  for line in ('nonsense', 'abc  ../../etc/passwd'):
    (target / model_folder.SUMS).write_text(f'{line}\n')
    with pytest.raises(InputError, match=r'SHA256SUMS:1: not a checksum'):
      model_folder.verify(target)


def test_folders_without_checksums_pass(tmp_path: pathlib.Path) -> None:
  assert not model_folder.verify(tmp_path)


def test_records(tmp_path: pathlib.Path) -> None:
  assert model_folder.read_record(tmp_path) == {}
  path = tmp_path / model_folder.RECORD
  keys = ('form', 'weights', 'head', 'labels', 'settings', 'about')
  record = dict(zip(keys, ('', '', '', ['A'], {}, {}), strict=True))
  path.write_text(json.dumps(record))
  assert model_folder.read_record(tmp_path) == record
  del record['labels']
  for text in ('{', '[]', json.dumps({'a': 1}), json.dumps(record)):
    path.write_text(text)
    with pytest.raises(InputError, match=r'biobert_jax\.json: not'):
      model_folder.read_record(tmp_path)


@pytest.mark.parametrize(
  ('name', 'text', 'stated'),
  [
    (
      'README.md',
      '---\ntags: [x]\nlicense: cc-by-4.0\n---\n# A\n',
      'cc-by-4.0',
    ),
    ('README.md', '# A\nlicense: mit\n', ''),
    (
      'LICENSE',
      '  Apache License\n  Version 2.0, January 2004\n',
      'apache-2.0',
    ),
    ('LICENSE.txt', 'Permission is hereby granted, free of charge, to', 'mit'),
    ('LICENSE', 'All rights reserved.', ''),
    ('vocab.txt', 'license: mit', ''),
  ],
)
def test_a_licence_is_known_or_not(tmp_path, name, text, stated):
  (tmp_path / name).write_text(text)
  assert model_folder.license_of(tmp_path) == stated
