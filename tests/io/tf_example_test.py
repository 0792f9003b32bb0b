"""Records by hand: what goes in comes out, and nothing else is taken."""

import hypothesis
import pytest
from hypothesis import strategies as st

from biobert_jax.io import tf_example


@hypothesis.given(
  st.dictionaries(st.text(min_size=1, max_size=9), st.binary(max_size=300))
)
def test_features_come_back(features: dict[str, bytes]) -> None:
  assert tf_example.decode(tf_example.encode(features)) == features


def test_a_long_value_has_a_long_size() -> None:
  features = {'input_ids': bytes(range(256)) * 300}
  assert tf_example.decode(tf_example.encode(features)) == features


def test_a_cut_record_is_refused() -> None:
  record = tf_example.encode({'id': b'pmid:1'})
  with pytest.raises((ValueError, LookupError)):
    tf_example.decode(record[:-1])


@pytest.mark.parametrize(
  'record',
  [
    # tf.train.Example of a: int64_list [7], as TensorFlow writes it.
    '0a0c0a0a0a016112051a030a0107',
    '0800',  # A number, not a message.
  ],
)
def test_another_kind_of_record_is_refused(record: str) -> None:
  with pytest.raises((ValueError, LookupError)):
    tf_example.decode(bytes.fromhex(record))
