import hypothesis
from hypothesis import strategies as st

from biobert_jax.data.documents import split_words
from biobert_jax.data.sentences import split_sentences


def cut(text: str, boundary: int | None = None) -> list[str]:
  sentences = split_sentences(text, split_words(text), boundary)
  return [text[s[0][0] : s[-1][1]] for s in sentences]


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


@hypothesis.given(st.text(max_size=80), st.integers(0, 80) | st.none())
def test_every_word_stays_once_and_in_order(text, boundary):
  words = split_words(text)
  sentences = split_sentences(text, words, boundary)
  assert [word for sentence in sentences for word in sentence] == words
  assert all(sentences)
