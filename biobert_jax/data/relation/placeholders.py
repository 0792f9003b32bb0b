"""The words that stand for a pair of entities in a sentence: `@GENE$`.

BioBERT's corpora of relations hide the two entities that a row is about
behind such words; all other entities are left as they are written. Where the
two overlap, one word stands for both (`@CHEM-GENE$`, as in BLUE).
"""

import dataclasses
import re

from biobert_jax.errors import InputError

Span = tuple[int, int]

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


@dataclasses.dataclass(frozen=True)
class Placeholders:
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
        "two words without blanks, such as ('@GENE$', '@DISEASE$'), and any "
        'number of joint ones'
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
