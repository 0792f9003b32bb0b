"""A model of any form is read whole, kept in ours, and equal bit for bit.

Also of `checkpoints/import_weights.py`; tests/end_to_end/weights_test.py reads
every form.
"""

import dataclasses

import numpy as np
import pytest

from biobert_jax.checkpoints import import_weights, pretrained
from biobert_jax.errors import InputError
from tests.fixtures import model_folders


@pytest.fixture
def model(tmp_path):
  model_folders.write_huggingface(tmp_path / 'model')
  return pretrained.load_pretrained(tmp_path / 'model')


def test_an_import_has_the_same_bits(model, tmp_path):
  output = str(tmp_path / 'imported')
  report = import_weights.import_weights(model, output, extra={'note': 'a\n'})
  assert (report['form'], report['head']) == ('huggingface', 'token')
  assert report['tensors'] == len(model.params)
  assert (tmp_path / 'imported' / 'note').read_text() == 'a\n'
  again = pretrained.load_pretrained(output)
  assert again.labels == model.labels
  assert again.source.form == 'imported'
  pretrained.check_equal(model, again)
  with pytest.raises(InputError, match='imported'):
    import_weights.import_weights(model, output)


def test_another_number_is_a_difference(model):
  name, array = next(iter(model.params.items()))
  other = np.array(array)
  other.flat[0] += 1
  params = {**model.params, name: other}
  contents = model.contents._replace(params=params)
  changed = dataclasses.replace(model, contents=contents)
  with pytest.raises(RuntimeError, match=name):
    pretrained.check_equal(model, changed)


def test_skip_is_checked(tmp_path):
  with pytest.raises(InputError, match='no regular expression'):
    pretrained.load_pretrained(tmp_path, skip='(')
