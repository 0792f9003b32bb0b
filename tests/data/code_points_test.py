"""Words of any text equal those of Google's BasicTokenizer."""

import hypothesis
import pytest
from hypothesis import strategies as st

from biobert_jax.data import code_points
from tests.data import google_tokenization

# One row per class of hostile text: name, text, words cased, words uncased.
HOSTILE: tuple[tuple[str, str, list[str], list[str] | None], ...] = (
  ('accents', 'Sjögren É', ['Sjögren', 'É'], ['sjogren', 'e']),
  ('decomposed', 'Sjo\u0308gren', ['Sjo\u0308gren'], ['sjogren']),
  ('chinese', 'p53基因A', ['p53', '基', '因', 'A'], ['p53', '基', '因', 'a']),
  ('late chinese', 'a\U0002b820b', ['a', '\U0002b820', 'b'], None),
  ('hangul', '각', ['각'], ['\u1100\u1161\u11a8']),
  ('kana', 'がん', ['がん'], ['かん']),
  ('controls', 'a\x00\x01b\x96c\x7fd', ['abcd'], None),
  ('tab and newlines', 'a\tb\nc\rd', ['a', 'b', 'c', 'd'], None),
  ('vertical tab joins', 'a\x0bb\x85c', ['abc'], None),
  ('odd spaces', '(n\u00a0=\u20091\u202f)', ['(', 'n', '=', '1', ')'], None),
  ('line separator', 'a\u2028b\u2029c', ['a', 'b', 'c'], None),
  ('zero-width space', 'a\u200bb \u200b', ['ab'], None),
  ('bidi mark', '\u200ea\u202eb', ['ab'], None),
  ('soft hyphen', 'can\u00adcer', ['cancer'], None),
  ('byte order mark', '\ufeffa', ['a'], None),
  ('replacement', 'a\ufffdb', ['ab'], None),
  ('private use', '\uf061-1', ['\uf061', '-', '1'], None),
  ('private plane', 'a\U0010fffdb', ['a\U0010fffdb'], None),
  ('lone surrogate', 'a\ud800b', ['a\ud800b'], None),
  ('unassigned', 'a\u0378b', ['a\u0378b'], None),
  ('astral letter', '𝛼-helix', ['𝛼', '-', 'helix'], None),
  ('emoji', 'ok😀👩\u200d🔬', ['ok😀👩🔬'], None),
  ('micro and mu', 'µ μ', ['µ', 'μ'], None),
  ('greek', 'TNF-Α', ['TNF', '-', 'Α'], ['tnf', '-', 'α']),
  ('final sigma', 'ΟΔΟΣ ΣΑ', ['ΟΔΟΣ', 'ΣΑ'], ['οδος', 'σα']),
  ('sigma, soft hyphen', 'ΑΣ\u00adΑ', ['ΑΣΑ'], ['ασα']),
  ('sigma, control', 'ΑΣ\x00Α', ['ΑΣΑ'], ['ασα']),
  ('sigma, replacement', 'ΑΣ\ufffdΑ', ['ΑΣΑ'], ['ασα']),
  ('sigma, newline', 'ΑΣ\nΑ', ['ΑΣ', 'Α'], ['ας', 'α']),
  ('sigma, i with dot', 'İΣ', ['İΣ'], ['iς']),
  ('sigma, stop', 'ΑΣ.', ['ΑΣ', '.'], ['ας', '.']),
  ('sigma, chinese', 'ΑΣ中Α', ['ΑΣ', '中', 'Α'], ['ας', '中', 'α']),
  ('dotted capital i', 'İ', ['İ'], ['i']),
  ('sharp s', 'ẞß', ['ẞß'], ['ßß']),
  ('symbols', '±5≥£', ['±5≥£'], None),
  ('ascii symbols', '^a`~|', ['^', 'a', '`', '~', '|'], None),
  ('young punctuation', 'a\u2e4fb', ['a', '\u2e4f', 'b'], None),
  ('young mark', 'a\U0001e130b', ['a\U0001e130b'], ['ab']),
  ('young format', 'a\u0890b', ['ab'], None),
  ('empty', '', [], None),
  ('only white space', ' \u00a0\n', [], None),
)

# Text that mixes what matters: plain letters, every hostile character above,
# and any code point at all save those that the module takes as stand-ins.
CHARACTERS = st.one_of(
  st.sampled_from('abAB1 .-[]'),
  st.sampled_from(sorted(set(''.join(row[1] for row in HOSTILE)))),
  st.characters(max_codepoint=0x3FFFF, exclude_categories=()),
  st.characters(min_codepoint=0xB0000, exclude_categories=()),
)
TEXTS = st.text(CHARACTERS, max_size=40)


@pytest.mark.parametrize(
  ('text', 'cased', 'uncased'),
  [row[1:] for row in HOSTILE],
  ids=[row[0] for row in HOSTILE],
)
def test_hostile_text(
  text: str, cased: list[str], uncased: list[str] | None
) -> None:
  uncased = [word.lower() for word in cased] if uncased is None else uncased
  assert code_points.basic_words(text, do_lower_case=False) == cased
  assert code_points.basic_words(text, do_lower_case=True) == uncased
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
    words = code_points.basic_words(word, do_lower_case)
    if words != google_tokenization.basic_words(word, do_lower_case):
      different.append(f'U+{code:04X}')
  assert different == []


@hypothesis.settings(max_examples=400, deadline=None, derandomize=True)
@hypothesis.given(text=TEXTS, do_lower_case=st.booleans())
def test_any_text_has_googles_words(text: str, do_lower_case: bool) -> None:
  words = code_points.basic_words(text, do_lower_case)
  assert words == google_tokenization.basic_words(text, do_lower_case)


@hypothesis.settings(max_examples=200, deadline=None, derandomize=True)
@hypothesis.given(text=TEXTS, do_lower_case=st.booleans())
def test_settled_text_leads_back_to_its_characters(
  text: str, do_lower_case: bool
) -> None:
  settled, origin = code_points.settle(text, do_lower_case)
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
    if code_points.settle(char, do_lower_case)[1] is None
  ]
  assert set(untouched) <= set(kept)


def test_plain_text_is_left_alone() -> None:
  text = 'BRCA1 β-catenin, 5 µg/ml'
  assert code_points.settle(text, do_lower_case=True) == (text, None)


def test_a_long_run_of_sigmas_takes_linear_time() -> None:
  # Looking at the whole word each time would take minutes.
  words = code_points.basic_words('Σ' * 20_000, do_lower_case=True)
  assert words == ['σ' * 19_999 + 'ς']
