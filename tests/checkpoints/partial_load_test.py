from collections import Counter

import numpy as np
import pytest

from biobert_jax.checkpoints import name_map
from biobert_jax.checkpoints.partial_load import load_matching
from biobert_jax.errors import InputError
from tests.fixtures import bert_parameters


def contents(*leave_out: str) -> name_map.Imported:
  params = {
    path: array
    for path, array in bert_parameters.parameters().items()
    if not path.startswith(leave_out)
  }
  return name_map.Imported(params, {}, Counter({'counters (global_step)': 1}))


def shapes(*prefixes: str) -> dict[str, tuple[int, ...]]:
  return {
    path: array.shape
    for path, array in bert_parameters.parameters().items()
    if path.startswith(('bert/e', *prefixes))
  }


def test_the_encoder_and_the_same_head_are_taken() -> None:
  wanted = shapes('classifier')
  params, report = load_matching(contents(), wanted, 'here', same_classes=True)
  assert params.keys() == wanted.keys() == set(report.loaded)
  assert report.new == ()
  assert 'qa_outputs/bias' in report.unused
  assert '  1 skipped: counters (global_step)' in str(report)


def test_a_head_of_other_classes_starts_anew() -> None:
  wanted = shapes('classifier')
  _, report = load_matching(contents(), wanted, 'here', same_classes=False)
  assert report.new == ('classifier/kernel', 'classifier/bias')
  assert {'classifier/kernel', 'classifier/bias'} <= set(report.unused)
  assert '  new: classifier/kernel' in str(report)


def test_an_absent_head_or_pooler_starts_anew() -> None:
  wanted = shapes('qa_outputs', 'bert/pooler')
  stored = contents('qa_outputs', 'bert/pooler')
  _, report = load_matching(stored, wanted, 'here', same_classes=True)
  assert set(report.new) == {
    'bert/pooler/dense/kernel',
    'bert/pooler/dense/bias',
    'qa_outputs/kernel',
    'qa_outputs/bias',
  }


def test_the_encoder_must_be_whole() -> None:
  stored = contents('bert/encoder/layer_1/output/dense/bias')
  with pytest.raises(
    InputError, match='missing bert/encoder/layer_1/output/dense/bias'
  ):
    load_matching(stored, shapes(), 'here', same_classes=True)


def test_a_head_of_another_width_is_an_error() -> None:
  wanted = shapes('yes_no') | {'yes_no/kernel': (4, 5)}
  with pytest.raises(InputError, match=r'yes_no/kernel is \[4, 1\], not'):
    load_matching(contents(), wanted, 'here', same_classes=True)
  assert np.shape(contents().params['yes_no/kernel']) == (4, 1)
  wanted = shapes('classifier') | {'classifier/bias': (5,)}
  with pytest.raises(InputError, match=r'bias is \[3\], .*init_from_labels=A'):
    load_matching(contents(), wanted, 'here', same_classes=True)
