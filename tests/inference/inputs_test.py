"""One in, one out; a list in, a list out; an iterator in, an iterator out."""

import itertools

import pytest

from biobert_jax.inference import inputs
from biobert_jax.text.documents import Document


def stream(documents):
  for document in documents:
    yield document.text.upper()


def apply(given):
  return inputs.apply(given, inputs.document_of, stream)


def test_the_output_has_the_form_of_the_input():
  assert apply('a') == apply(Document('7', 'a')) == 'A'
  assert apply(['a', Document('7', 'b')]) == apply(('a', 'b')) == ['A', 'B']
  assert apply([]) == []
  assert [*apply(iter([]))] == []


def test_an_iterator_is_read_as_it_is_needed():
  endless = (str(n) for n in itertools.count())
  found = apply(endless)
  assert [next(found) for _ in range(3)] == ['0', '1', '2']
  assert next(endless) == '3'


@pytest.mark.parametrize(
  'given', [3, None, b'a', {'a': 1}, ['a', 3], iter([3]), [b'a']]
)
def test_a_wrong_type_is_refused_at_the_call(given):
  with pytest.raises(TypeError, match=r'input \d is \w+; give a string or'):
    apply(given)


def test_later_inputs_of_an_iterator_are_checked_when_read():
  found = apply(iter(['a', 3]))
  assert next(found) == 'A'
  with pytest.raises(TypeError, match='input 2 is int'):
    next(found)


def test_strings_are_named_by_their_numbers():
  assert inputs.document_of(3, 'a') == Document('3', 'a')


def test_chunks_are_processed_one_at_a_time():
  sizes = []

  def process(chunk):
    sizes.append(len(chunk))
    return chunk

  assert [*inputs.chunked(process, 2)(range(5))] == [0, 1, 2, 3, 4]
  assert sizes == [2, 2, 1]
