"""What a failed download left is told before it is parsed."""

import pytest

from biobert_jax.checkpoints.formats import file_magic
from biobert_jax.errors import InputError


@pytest.mark.parametrize(
  ('content', 'said'),
  [
    (b'', 'empty; copy it again'),
    (b'version https://git-lfs.github.com/spec/v1', 'run git lfs pull'),
    (b'\n <!DOCTYPE html><html>', 'a web page, not weights'),
  ],
)
def test_what_cannot_be_weights_is_named(content, said, tmp_path):
  path = tmp_path / 'file'
  path.write_bytes(content)
  with pytest.raises(InputError, match=said):
    file_magic.read_start(path)


def test_the_start_of_a_file(tmp_path):
  path = tmp_path / 'file'
  path.write_bytes(bytes(range(1, 100)))
  assert file_magic.read_start(path) == bytes(range(1, 65))
  with pytest.raises(InputError, match='No such file'):
    file_magic.read_start(tmp_path / 'absent')


def test_names_fit_in_a_line():
  assert file_magic.shown('encoder/kernel') == 'encoder/kernel'
  assert file_magic.shown('a\nb') == "'a\\nb'"
  assert len(file_magic.shown('a' * 999)) < 210
