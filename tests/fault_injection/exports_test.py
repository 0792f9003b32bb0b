"""An export that is killed shows no half folder; a damaged one is named."""

import os
import pathlib
import signal
import sys
from collections.abc import Callable

import pytest

from biobert_jax.checkpoints import detect, export, model_folder, pretrained
from biobert_jax.errors import InputError
from tests.fixtures import model_folders
from tests.fixtures.saved_state import flip_byte

_MOMENTS = (1, 3, 5, 7, 9)
_FORM = detect.HUGGINGFACE


def kill_at(moment: int, parent: pathlib.Path) -> Callable[..., None]:
  """An audit hook that ends its process when so many files were opened."""
  opened = [0]

  def hook(event: str, arguments: tuple) -> None:
    if event == 'open' and str(parent) in str(arguments[0]):
      writes = arguments[1] is None or set('wax') & set(str(arguments[1]))
      opened[0] += bool(writes)
      if opened[0] == moment:
        os.kill(os.getpid(), signal.SIGKILL)

  return hook


# The child does as little as it can: NumPy and files.
@pytest.mark.filterwarnings('ignore:.*fork.*')
def test_a_killed_export_leaves_no_half_folder(tmp_path):
  """Killed as it opens its first, third, … file; then it is done again."""
  model_folders.write_huggingface(tmp_path / 'model')
  model = pretrained.load_pretrained(tmp_path / 'model')
  output, killed = tmp_path / 'out' / 'hf', 0
  for moment in _MOMENTS:
    child = os.fork()
    if not child:
      sys.addaudithook(kill_at(moment, output.parent))
      try:
        export.export(model, _FORM, str(output), overwrite=True)
      finally:
        os._exit(0)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
      assert os.WTERMSIG(status) == signal.SIGKILL
      assert not output.exists()
      assert [*output.parent.glob('.hf.*')] or moment == 1
      killed += 1
  assert killed >= 4, 'the kills did not land within the export'
  export.export(model, _FORM, str(output), overwrite=True)
  assert model_folder.verify(output)
  assert not [*output.parent.glob('.hf.*')]


def test_a_flip_in_any_file_of_an_export_is_named(tmp_path):
  model_folders.write_huggingface(tmp_path / 'model')
  model = pretrained.load_pretrained(tmp_path / 'model')
  output = tmp_path / 'hf'
  export.export(model, _FORM, str(output))
  listed = (output / model_folder.SUMS).read_text().splitlines()
  assert len(listed) >= 5
  for line in listed:
    path = output / line.partition('  ')[2]
    whole = path.read_bytes()
    flip_byte(path)
    assert path.read_bytes() != whole
    with pytest.raises(InputError, match=path.name):
      pretrained.load_pretrained(output)
    path.write_bytes(whole)
  pretrained.load_pretrained(output)
