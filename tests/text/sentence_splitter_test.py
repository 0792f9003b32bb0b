import itertools
import pathlib
import time

import hypothesis
import pytest
from hypothesis import strategies as st

from biobert_jax.text.documents import split_words
from biobert_jax.text.sentence_splitter import sentence_spans, split_sentences

GOLD = pathlib.Path(__file__).with_name('sentences_gold.txt')

# Ends that are missed: what follows could go on with the sentence ("non-E.
# Coli", "Example Inc. Chicago"), or be an address ("ClinicalTrials.Gov").
MISSED = {
  'Three genes were mapped in mice.',
  'Cells were kept in medium E.',
  'Plates were washed with buffer.',
  'The dye came from Example Inc.',
}


def cut(text: str, boundary: int | None = None) -> list[str]:
  sentences = split_sentences(text, split_words(text), boundary)
  return [text[s[0][0] : s[-1][1]] for s in sentences]


def gold() -> list[tuple[str, dict[int, str]]]:
  """Paragraphs with the ends inside them, each with its sentence.

  A line is a sentence, a blank line ends a paragraph, and a backslash says
  that the next sentence follows without white space.
  """
  paragraphs = []
  for block in GOLD.read_text('utf-8').split('\n\n'):
    text, ends = '', {}
    for line in block.strip().split('\n'):
      sentence = line.removesuffix('\\')
      text += sentence
      ends[len(text)] = sentence
      text += '' if line.endswith('\\') else ' '
    text = text.rstrip()
    ends.pop(len(text))
    paragraphs.append((text, ends))
  return paragraphs


def test_the_gold_sentences():
  wrong, missed, total = [], set(), 0
  for text, ends in gold():
    found = {end for _, end in sentence_spans(text)} - {len(text)}
    wrong += [text[max(0, e - 30) : e + 10] for e in sorted(found - set(ends))]
    missed |= {ends[end] for end in set(ends) - found}
    total += len(ends)
  assert (wrong, missed) == ([], MISSED)
  assert total >= 200


def test_cuts_at_full_stops_before_capitals():
  text = 'Aspirin was given. The fever fell! Why? (Not known.) Later it rose.'
  assert cut(text) == [
    'Aspirin was given.',
    'The fever fell!',
    'Why?',
    '(Not known.)',
    'Later it rose.',
  ]


def test_does_not_cut_within_biomedical_shorthand():
  for text in (
    'Growth of E. coli and S. Aureus fell (P < 0.05) in Fig. 2 of Smith et al.',
    'Drugs, e.g. Aspirin, vs. Placebo; approx. 5 mg.',
    'The gene p53.1 and IL-2.Rα rose 1.5 fold.',
    'See J. B. Smith.',
    'Glucose-6-phosphate dehydrogenase (G6PD; EC 1. 1. 1. 49) deficiency.',
    'A maximum lod score of 3. 28 at theta = 0. 04.',
    '1. Reflux is rare.',
  ):
    assert cut(text) == [text]


def test_cuts_at_a_title_and_at_line_ends():
  assert cut('Fever in rats\nmethods were used', 13) == [
    'Fever in rats',
    'methods were used',
  ]
  assert cut('Fever in rats methods were used', 13) == [
    'Fever in rats',
    'methods were used',
  ]


def test_a_newline_ends_a_sentence_and_white_space_belongs_to_none():
  text = ' \n Fever. \r\n\n rats\u2003died?\u00a0\u2003Yes \n'
  spans = sentence_spans(text)
  assert [text[s:e] for s, e in spans] == [
    'Fever.',
    'rats\u2003died?',
    'Yes',
  ]
  assert sentence_spans('') == sentence_spans(' \n\t') == []


@hypothesis.given(
  st.text(max_size=80)
  | st.text('aAé.?!…()[]"\' \n\u00a012,;:-α中', max_size=80)
  | st.lists(st.sampled_from(GOLD.read_text('utf-8').split()), max_size=30).map(
    ' '.join
  )
)
def test_spans_cover_all_that_is_not_white_space(text):
  spans = sentence_spans(text)
  assert all(start < end for start, end in spans)
  assert all(text[s:e] == text[s:e].strip() for s, e in spans)
  bounds = [0, *itertools.chain.from_iterable(spans), len(text)]
  assert bounds == sorted(bounds)
  assert not any(
    text[end:start].strip()
    for end, start in zip(bounds[::2], bounds[1::2], strict=True)
  )


@hypothesis.given(
  st.text(max_size=80) | st.text('aA.?!() \n12', max_size=80),
  st.integers(0, 80) | st.none(),
)
def test_every_word_stays_once_and_in_order(text, boundary):
  words = split_words(text)
  sentences = split_sentences(text, words, boundary)
  assert [word for sentence in sentences for word in sentence] == words
  assert all(sentences)


@pytest.mark.parametrize(
  'unit',
  [
    *('.', ' ', '. ', '.)', '.[1', '.\u00a0(', '(. A', '. a', '\n', '.\n '),
    *('?!', '.1', 'a.1,', 'a.1,2 ', 'A. ', ') . A', '. [1,', 'a', '."'),
    '(a. B ',
  ],
)
def test_time_is_linear_in_the_text(unit):
  text = 'x' + unit * (40_000 // len(unit))
  start = time.process_time()
  sentence_spans(text)
  assert time.process_time() - start < 0.5


@pytest.mark.parametrize('unit', ['E. Mα ', '(E. Mα '])
def test_brackets_are_looked_for_nearby_only(unit):
  text = 'x ' + unit * (1_500_000 // len(unit))
  start = time.process_time()
  assert len(sentence_spans(text)) == 1
  assert time.process_time() - start < 3
