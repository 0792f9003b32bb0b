"""Words of raw text to sentences, by rule.

Models are fine-tuned on single sentences, so raw text is cut alike. A missed
cut only makes a longer sentence, which `windows` handles; a wrong one may
cut an entity: so the rule is careful.
"""

from collections.abc import Sequence

# Words before a full stop that does not end a sentence.
_ABBREVIATIONS = frozenset(
  (
    *('al', 'approx', 'ca', 'cf', 'co', 'dr', 'e.g', 'eq', 'eqs', 'fig'),
    *('figs', 'i.e', 'inc', 'no', 'nos', 'prof', 'ref', 'refs', 'resp'),
    *('sp', 'spp', 'st', 'subsp', 'suppl', 'tab', 'var', 'viz', 'vol', 'vs'),
  )
)
_ENDS = frozenset('.!?')
_CLOSING = frozenset('"\')]}’”')


def split_sentences(
  text: str, words: Sequence[tuple[int, int]], boundary: int | None = None
) -> list[list[tuple[int, int]]]:
  """Groups words into sentences.

  Args:
    text: the text.
    words: character spans of its words, in order.
    boundary: an offset that no sentence crosses (the end of a title).

  Returns:
    The words of each sentence; together, all words in order.
  """
  sentences: list[list[tuple[int, int]]] = []
  current: list[tuple[int, int]] = []
  for i, (start, end) in enumerate(words):
    if current:
      before = words[i - 1][1]
      crosses = boundary is not None and before <= boundary <= start
      gap = text[before:start]
      if crosses or '\n' in gap or (gap and _ends_before(text, words, i)):
        sentences.append(current)
        current = []
    current.append((start, end))
  if current:
    sentences.append(current)
  return sentences


def _ends_before(
  text: str, words: Sequence[tuple[int, int]], index: int
) -> bool:
  """Whether white space before a word separates two sentences."""
  first = text[words[index][0]]
  if first.islower() or not (first.isalnum() or first in '(["\'“‘'):
    return False
  last = index - 1
  while last >= 0 and text[words[last][0]] in _CLOSING:
    last -= 1
  if last < 0 or text[words[last][0]] not in _ENDS:
    return False
  if text[words[last][0]] != '.' or last == 0:
    return True
  # The run of characters that touches the full stop: "e.g", "Fig", "E".
  stop = words[last][0]
  start = stop
  while start and not text[start - 1].isspace() and text[start - 1] not in '([':
    start -= 1
  touching = text[start:stop]
  single_initial = len(touching) == 1 and touching.isupper()
  return not single_initial and touching.lower() not in _ABBREVIATIONS
