"""Words that tell a sentence's pair of entities: `@GENE$`, `[E1] … [/E1]`.

Placeholders hide the two entities, as in BioBERT's corpora. Where the two
overlap, one word stands for both (`@CHEM-GENE$`, as in BLUE). Between markers
they keep their names (Baldini Soares et al. 2019, arXiv:1906.03158, section
3.2); to the model a marker is one of the spare `[unusedN]` tokens that BERT's
vocabularies have, so that no embedding is added.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

from biobert_jax.errors import InputError
from biobert_jax.text.wordpiece import WordPieceTokenizer

# Start and end of the first entity, start and end of the second.
WORDS = ('[E1]', '[/E1]', '[E2]', '[/E2]')

Span = tuple[int, int]


class Markers(NamedTuple):
  """The tokens that stand for `WORDS`, in their order."""

  pieces: tuple[str, ...]

  @classmethod
  def from_config(cls, pieces: Sequence[str]) -> 'Markers':
    """From the value of a config; an InputError unless four differ."""
    if len(pieces) != 4 or len(set(pieces)) != 4 or not all(pieces):
      raise InputError(
        f'data.markers is {tuple(pieces)}; name four spare tokens of the '
        f'vocabulary, each once, for {" ".join(WORDS)}, by '
        '--config.data.markers=A,B,C,D'
      )
    return cls(tuple(pieces))

  def ids(self, tokenizer: WordPieceTokenizer) -> tuple[int, ...]:
    """Their ids; an InputError says which spare ones a vocabulary has."""
    known = {piece: i for i, piece in enumerate(tokenizer.pieces)}
    missing = [piece for piece in self.pieces if piece not in known]
    if missing:
      spare = [piece for piece in known if piece.startswith('[unused')]
      remedy = (
        'name four of its spare ones, as '
        f'--config.data.markers={",".join(spare[:4])}'
        if len(spare) >= 4
        else 'it has no four spare ones: use --config.data.entities=anonymised'
      )
      raise InputError(
        f'the vocabulary has no token {missing[0]} for the markers of '
        f'data.entities=markers; {remedy}'
      )
    return tuple(known[piece] for piece in self.pieces)

  def locate(self, text: str) -> tuple[Span, ...] | None:
    """(start, end) of each of `WORDS` in a sentence, in code points.

    None unless each stands there once, starts before ends.
    """
    if any(text.count(word) != 1 for word in WORDS):
      return None
    spans = [(text.index(word), text.index(word) + len(word)) for word in WORDS]
    return None if spans[0] > spans[1] or spans[2] > spans[3] else tuple(spans)

  @property
  def lacking(self) -> str:
    """The fault of a sentence without markers, and the remedy."""
    return (
      'no [E1] … [/E1] with [E2] … [/E2], each once: make the files of the raw '
      'corpus by biobert-jax prepare-relation --entities=markers, or, where '
      'the pair is hidden already, set --config.data.entities=anonymised'
    )


def marked(text: str, span: Span, first: Span, second: Span) -> str:
  """A sentence (a span of a text) with markers around its two entities.

  Of two that begin at one place the longer begins first, of two that end at
  one place it ends last; of equal ones the second is inside. The markers of two
  that overlap otherwise cross. White space stands on either side of a marker.
  Words that look like markers get blanks inside, which changes no token.
  """
  places: list[tuple[int, int, int, str]] = []
  for number, (start, end) in enumerate((first, second)):
    opens, closes = WORDS[2 * number : 2 * number + 2]
    # Ends before starts; outer starts first, inner ends first.
    places.append((start, 1, number - 2 * (end - start), opens))
    places.append((end, 0, 2 * (end - start) - number, closes))
  made, begin = '', span[0]
  for at, _, _, word in sorted(places):
    made = _apart(_apart(made, plain(text[begin:at])), word)
    begin = at
  return _apart(made, plain(text[begin : span[1]]))


def _apart(left: str, right: str) -> str:
  """Two texts with white space between them, if neither is empty."""
  joined = left[-1:].isspace() or right[:1].isspace()
  return left + ' ' * bool(left and right and not joined) + right


def plain(text: str) -> str:
  """Text in which no word is taken for a marker."""
  for word in WORDS:
    text = text.replace(word, f'[ {word[1:-1]} ]')
  return text


# Names of entity types, in the corpora and in what taggers write, that stand
# for one of the paper's three.
_ALIASES = {
  'GENE-Y': 'GENE',  # ChemProt: with an entry in a database, and without.
  'GENE-N': 'GENE',
  'GENEORGENEPRODUCT': 'GENE',
  'PROTEIN': 'GENE',
  'CHEMICALENTITY': 'CHEMICAL',
  'DRUG': 'CHEMICAL',
  'DISEASEORPHENOTYPICFEATURE': 'DISEASE',
}
# How BLUE shortens a name where it is joined with another.
_SHORT = {'CHEMICAL': 'CHEM'}


class Placeholders(NamedTuple):
  """The two words of a corpus, and those that stand for both."""

  first: str  # Such as `@CHEMICAL$`; may be the same as `second`.
  second: str  # Such as `@GENE$`.
  joint: tuple[str, ...] = ()  # Any of these stands for the two at once.

  @classmethod
  def from_config(
    cls, words: tuple[str, ...], joint: tuple[str, ...]
  ) -> 'Placeholders':
    """From a config; an InputError unless two words without blanks."""
    words, joint = tuple(words), tuple(joint)
    if len(words) != 2 or any(
      w.split() != [w] or not (w.isascii() and w.isprintable())
      for w in words + joint
    ):
      raise InputError(
        f'data.placeholders is {words}, data.joint_placeholders {joint}; give '
        'two words without blanks, as --config.data.placeholders=@GENE$,'
        '@DISEASE$, and any number of joint ones'
      )
    return cls(*words, joint)

  @classmethod
  def from_types(cls, first: str, second: str) -> 'Placeholders':
    """The words that are written for two entity types: CHEMICAL, GENE."""
    names = f'{_SHORT.get(first, first)}-{_SHORT.get(second, second)}'
    return cls(f'@{first}$', f'@{second}$', (f'@{names}$',))

  @property
  def types(self) -> tuple[str, str]:
    """The entity types that the two words name: GENE of `@GENE$`."""
    words = (self.first, self.second)
    first, second = (w.removeprefix('@').removesuffix('$') for w in words)
    return first, second

  @property
  def lacking(self) -> str:
    """The fault of a sentence without the pair, and the remedy."""
    joint = ''.join(f' or {word}' for word in self.joint)
    return (
      f'no {self.first} with {self.second}{joint}; fix it, or set '
      '--config.data.placeholders'
    )

  def locate(self, text: str) -> tuple[Span, Span] | None:
    """(start, end) of the first and of the second word, in code points.

    They are equal where one stands for both; of several pairs the closest.
    """
    for word in self.joint:
      if (start := text.find(word)) >= 0:
        span = (start, start + len(word))
        return span, span
    words = {self.first, self.second}
    pattern = '|'.join(map(re.escape, sorted(words, key=len, reverse=True)))
    found = list(re.finditer(pattern, text))
    # In reading order, the closest of different words are always neighbours.
    pairs = [
      (right.start() - left.end(), left, right)
      for left, right in zip(found, found[1:], strict=False)
      if len(words) == 1 or left[0] != right[0]
    ]
    if not pairs:
      return None
    _, left, right = min(pairs, key=lambda pair: pair[0])
    if left[0] != self.first:
      left, right = right, left
    return left.span(), right.span()


def is_of_type(given: str, wanted: str) -> bool:
  """Whether a type such as `Disease` or `GENE-Y` is one such as `GENE`."""
  name = given.upper()
  return wanted in (name, _ALIASES.get(name, name))
