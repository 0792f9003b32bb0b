"""Words of any text equal those of Google's BasicTokenizer."""

import hypothesis
import pytest
from hypothesis import strategies as st

from biobert_jax.text import bert_normalizer
from tests.fixtures import google_tokenization
from tests.fixtures.hostile_text import HOSTILE, TEXTS


@pytest.mark.parametrize(
  ('text', 'cased', 'uncased'),
  [row[1:] for row in HOSTILE],
  ids=[row[0] for row in HOSTILE],
)
def test_hostile_text(
  text: str, cased: list[str], uncased: list[str] | None
) -> None:
  uncased = [word.lower() for word in cased] if uncased is None else uncased
  assert bert_normalizer.basic_words(text, do_lower_case=False) == cased
  assert bert_normalizer.basic_words(text, do_lower_case=True) == uncased
  # The golden words are the oracle's own.
  assert google_tokenization.basic_words(text, False) == cased
  assert google_tokenization.basic_words(text, True) == uncased


# Blocks of one kind: every 97th of Han, Hangul, private use, surrogates.
UNIFORM = (
  range(0x3400, 0xA000),
  range(0xAC00, 0xF900),
  range(0x20000, 0x40000),
  range(0xF0000, 0x110000),
)
EDGES_OF_CJK = (0x2B81F, 0x2B820, 0x2B91F, 0x2B920, 0x2CEAF, 0x2CEB0, 0x9FFF)


@pytest.mark.parametrize('do_lower_case', [False, True])
def test_every_code_point_inside_a_word(do_lower_case: bool) -> None:
  codes = set(range(0x20000)).difference(*UNIFORM[:2]).union(EDGES_OF_CJK)
  codes = codes.union(*(block[::97] for block in UNIFORM))
  different = []
  for code in sorted(codes):
    word = f'a{chr(code)}b'
    words = bert_normalizer.basic_words(word, do_lower_case)
    if words != google_tokenization.basic_words(word, do_lower_case):
      different.append(f'U+{code:04X}')
  assert different == []


@hypothesis.settings(max_examples=400, deadline=None, derandomize=True)
@hypothesis.given(text=TEXTS, do_lower_case=st.booleans())
def test_any_text_has_googles_words(text: str, do_lower_case: bool) -> None:
  words = bert_normalizer.basic_words(text, do_lower_case)
  assert words == google_tokenization.basic_words(text, do_lower_case)


@hypothesis.settings(max_examples=200, deadline=None, derandomize=True)
@hypothesis.given(text=TEXTS, do_lower_case=st.booleans())
def test_settled_text_leads_back_to_its_characters(
  text: str, do_lower_case: bool
) -> None:
  settled, origin = bert_normalizer.to_bert_form(text, do_lower_case)
  settled.encode()  # The library takes UTF-8 only: no surrogate is left.
  if origin is None:
    assert settled == text
    return
  assert len(origin) == len(settled)
  assert origin == sorted(origin)
  kept = [
    (i, char)
    for i, char in zip(origin, settled, strict=True)
    if char == text[i]
  ]
  untouched = [
    (i, char)
    for i, char in enumerate(text)
    if bert_normalizer.to_bert_form(char, do_lower_case)[1] is None
  ]
  assert set(untouched) <= set(kept)


def test_plain_text_is_left_alone() -> None:
  text = 'BRCA1 β-catenin, 5 µg/ml'
  assert bert_normalizer.to_bert_form(text, do_lower_case=True) == (text, None)


def test_a_long_run_of_sigmas_takes_linear_time() -> None:
  # Looking at the whole word each time would take minutes.
  words = bert_normalizer.basic_words('Σ' * 20_000, do_lower_case=True)
  assert words == ['σ' * 19_999 + 'ς']
