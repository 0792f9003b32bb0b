"""Documents with mentions to sentences that tell a pair, one for each pair.

The rules, each with what it counts:

- A pair is a mention of the first type and one of the second in one sentence
  (title and abstract apart). A sentence that ends inside a mention goes on
  (`sentences_joined_at_mentions`).
- Mentions of one type at one place are one mention, which has all their names
  (`mentions_repeated`).
- The two mentions of the pair become `@FIRST$` and `@SECOND$`, or get markers;
  all other mentions stay as they are written. Each place of a repeated name
  makes its own pair (`pairs_with_a_repeated_name`).
- Where the two overlap (`pairs_overlapping`), or one lies in the other
  (`pairs_nested`), one word takes the place of both (`@CHEM-GENE$`), or, if so
  wished, there is no row (`pairs_overlapping_dropped`, and of their relations
  `relations_of_overlapping_dropped`). Mentions that only touch do not overlap.
- Where a third mention overlaps one of the pair, what juts out stays as text
  (`pairs_beside_an_overlap`).
- No row is made by a relation between mentions that no sentence has together
  (`relations_across_sentences`) or of other types
  (`relations_between_other_types`).
- With a window of several sentences, a pair may stand in neighbouring ones
  (`pairs_across_sentences`), also of title and abstract; its text is that from
  the first to the last.
- A pair makes a row for each relation (`pairs_with_several_relations`); without
  a wanted one it is labelled as having none (`pairs_of_unwanted_relations`).
"""

import bisect
import itertools
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from biobert_jax.data.relation import pair_words
from biobert_jax.data.relation.pair_words import Placeholders, Span, is_of_type
from biobert_jax.text.documents import Document, Entity, flat
from biobert_jax.text.sentence_splitter import sentence_spans


class Mention(NamedTuple):
  """An entity and what relations call it."""

  id: str  # Its own in the document, such as T12.
  entity: Entity  # Where it stands, and its type.
  # Its id, or its concepts: what relations are between.
  names: frozenset[str] = frozenset()


class Relation(NamedTuple):
  """A relation between two mentions, or two concepts."""

  type: str  # Its name, ChemProt's groups in small letters: `cpr:3`.
  first: str  # A name of mentions.
  second: str  # Another.
  scored: bool = True  # Whether the corpus scores it.


class Annotated(NamedTuple):
  """A document with its mentions and relations."""

  document: Document
  mentions: tuple[Mention, ...]
  relations: tuple[Relation, ...]


class Pair(NamedTuple):
  """Two mentions in a sentence."""

  document: str  # The id of its document.
  first: Mention  # The mention of the first type.
  second: Mention  # That of the second type.
  text: str  # The sentence, anonymised or with markers, on one line.
  overlap: str  # 'overlapping', 'nested', or '' where they stand apart.


def candidate_pairs(
  document: Document,
  mentions: Sequence[Mention],
  words: Placeholders,
  counts: Counter[str],
  marked: bool = False,
  window: int = 1,
) -> list[Pair]:
  """All pairs of a document, by sentence, first and second mention.

  Args:
    document: its text; entities that it has by itself are not looked at.
    words: what is put in their place; they name the types too.
    counts: takes `mentions`, `mentions_of_other_types`, `pairs`, and those in
      this file's first lines.
    marked: whether the two get markers around them, not words in their place.
    window: neighbouring sentences in which a pair may stand.
  """
  kept = _distinct(mentions, words, counts)
  pairs: list[Pair] = []
  for span, inside, two in _windows(document, kept, words, counts, window):
    for first, second in two:
      overlap = _overlap(first, second)
      counts[f'pairs_{overlap}'] += bool(overlap)
      if overlap and not (words.joint or marked):
        counts['pairs_overlapping_dropped'] += 1
        continue
      counts['pairs'] += 1
      _count_surroundings(first, second, inside, counts)
      if marked:
        places = [(m.entity.start, m.entity.end) for m in (first, second)]
        text = flat(pair_words.marked(document.text, span, *places))
      else:
        text = anonymised(document.text, span, first, second, words)
      pairs.append(Pair(document.id, first, second, text, overlap))
  return pairs


def _distinct(
  mentions: Sequence[Mention], words: Placeholders, counts: Counter[str]
) -> list[Mention]:
  """Mentions of the two types in reading order, each place once a type."""
  found: dict[tuple[int, int, str], Mention] = {}
  for mention in mentions:
    entity = mention.entity
    types = [t for t in words.types if is_of_type(entity.type, t)]
    counts['mentions'] += 1
    if not types or not entity.text.strip():
      counts['mentions_of_other_types'] += 1
      continue
    key = (entity.start, -entity.end, types[0])
    if key in found:
      counts['mentions_repeated'] += 1
      names = found[key].names | mention.names
      found[key] = found[key]._replace(names=names)
    else:
      found[key] = mention
  return [found[key] for key in sorted(found)]


def _sentences(
  document: Document, mentions: Sequence[Mention], counts: Counter[str]
) -> Iterator[tuple[Span, list[Mention], Span]]:
  """Each sentence with its mentions; joined where one runs across.

  Behind them stand the numbers of the first and of the last that were joined.
  """
  cut = document.title_length or 0
  spans = sentence_spans(document.text[:cut])
  rest = sentence_spans(document.text[cut:])
  spans += [(start + cut, end + cut) for start, end in rest]
  starts = [start for start, _ in spans]
  groups: list[tuple[int, int, list[Mention]]] = []
  for mention in mentions:
    entity = mention.entity
    first = max(0, bisect.bisect(starts, entity.start) - 1)
    last = max(first, bisect.bisect_left(starts, entity.end) - 1)
    if groups and first <= groups[-1][1]:
      begin, end, inside = groups[-1]
      counts['sentences_joined_at_mentions'] += max(0, last - end)
      groups[-1] = (begin, max(end, last), [*inside, mention])
    else:
      counts['sentences_joined_at_mentions'] += last - first
      groups.append((first, last, [mention]))
  counts['sentences'] += len(spans)
  for first, last, inside in groups:
    begin = min(spans[first][0], inside[0].entity.start)
    end = max(spans[last][1], *(m.entity.end for m in inside))
    yield (begin, end), inside, (first, last)


def _windows(
  document: Document,
  mentions: Sequence[Mention],
  words: Placeholders,
  counts: Counter[str],
  window: int,
) -> Iterator[tuple[Span, list[Mention], list[tuple[Mention, Mention]]]]:
  """Each sentence, or neighbouring ones, with its mentions and pairs."""
  groups = [*_sentences(document, mentions, counts)]
  for number, (span, inside, (_, last)) in enumerate(groups):
    yield span, inside, [*_combinations(inside, words)]
    for end in range(number + 1, len(groups)):
      (_, stop), others, (first, _) = groups[end]
      if first - last >= window:
        break
      between = [m for group in groups[number : end + 1] for m in group[1]]
      two = [
        pair
        for pair in _combinations([*inside, *others], words)
        if (pair[0] in inside) != (pair[1] in inside)
      ]
      if two:
        counts['pairs_across_sentences'] += len(two)
        yield (span[0], stop), between, two


def _combinations(
  mentions: Sequence[Mention], words: Placeholders
) -> Iterator[tuple[Mention, Mention]]:
  one, other = words.types
  first = [m for m in mentions if is_of_type(m.entity.type, one)]
  second = [m for m in mentions if is_of_type(m.entity.type, other)]
  if one == other:
    return itertools.combinations(first, 2)
  return itertools.product(first, second)


def _overlap(first: Mention, second: Mention) -> str:
  a, b = sorted((m.entity.start, m.entity.end) for m in (first, second))
  if b[0] >= a[1]:
    return ''
  return 'nested' if b[1] <= a[1] or a[0] == b[0] else 'overlapping'


def _count_surroundings(
  first: Mention,
  second: Mention,
  inside: Sequence[Mention],
  counts: Counter[str],
) -> None:
  """Counts overlaps and repeated names around a pair."""
  others = [m for m in inside if m is not first and m is not second]
  beside = list(itertools.product(others, (first, second)))
  counts['pairs_beside_an_overlap'] += any(_overlap(*two) for two in beside)
  counts['pairs_with_a_repeated_name'] += any(
    one.entity.text.casefold() == other.entity.text.casefold()
    for one, other in beside
  )


def anonymised(
  text: str, span: Span, first: Mention, second: Mention, words: Placeholders
) -> str:
  """The sentence with the pair's words in place of its mentions."""
  begin, end = span
  a, b = first.entity, second.entity
  if _overlap(first, second):
    places = [(min(a.start, b.start), max(a.end, b.end), words.joint[0])]
  else:
    places = [(a.start, a.end, words.first), (b.start, b.end, words.second)]
    places.sort()
  parts = []
  for start, stop, word in places:
    parts += [text[begin:start], word]
    begin = stop
  return flat(''.join([*parts, text[begin:end]]))


class Row(NamedTuple):
  """A pair with the label that a model is to learn."""

  pair: Pair
  label: str


def labelled_rows(
  annotated: Annotated,
  words: Placeholders,
  counts: Counter[str],
  *,
  wanted: Sequence[str] = (),
  negative: str = 'false',
  keep_overlapping: bool = True,
  marked: bool = False,
  window: int = 1,
) -> list[Row]:
  """A row for each pair and relation of a document.

  Args:
    counts: takes `documents`, `relations`, and those of `candidate_pairs`.
    wanted: types of relations to be found; (): those the corpus scores.
    negative: the label of a pair without a relation.
    keep_overlapping: whether the two of a pair may overlap.
    window: neighbouring sentences in which a pair may stand.
  """
  counts['documents'] += 1
  mentions = annotated.mentions
  relations = list(dict.fromkeys(annotated.relations))
  counts['relations_repeated'] += len(annotated.relations) - len(relations)
  rows: list[Row] = []
  met: set[Relation] = set()
  dropped: set[Relation] = set()
  for pair in candidate_pairs(
    *(annotated.document, mentions, words, counts, marked), window=window
  ):
    two = (pair.first, pair.second)
    between_pair = [r for r in relations if _is_between(r, *two)]
    if pair.overlap and not keep_overlapping:
      counts['pairs_overlapping_dropped'] += 1
      dropped.update(between_pair)
      continue
    met.update(between_pair)
    types = [r.type for r in between_pair if _is_wanted(r, wanted)]
    labels = list(dict.fromkeys(types))
    counts['pairs_with_several_relations'] += len(labels) > 1
    counts['pairs_of_unwanted_relations'] += bool(between_pair and not labels)
    rows += [Row(pair, label) for label in labels or [negative]]
  found = [r for r in relations if _is_wanted(r, wanted)]
  counts['relations'] += len(found)
  counts['relations_unwanted'] += len(relations) - len(found)
  for relation in found:
    if relation in dropped - met:
      counts['relations_of_overlapping_dropped'] += 1
    elif relation not in met:
      counts[_why_unmet(relation, mentions, words)] += 1
  return rows


def _is_wanted(relation: Relation, wanted: Sequence[str]) -> bool:
  if not wanted:
    return relation.scored
  return relation.type.casefold() in (name.casefold() for name in wanted)


def _is_between(relation: Relation, one: Mention, other: Mention) -> bool:
  names = (relation.first, relation.second)
  return any(
    names[i] in one.names and names[1 - i] in other.names for i in (0, 1)
  )


def _why_unmet(
  relation: Relation, mentions: Sequence[Mention], words: Placeholders
) -> str:
  """The name of the count for a relation that no sentence holds."""
  kinds = [
    {
      wanted
      for m in mentions
      if name in m.names
      for wanted in words.types
      if is_of_type(m.entity.type, wanted)
    }
    for name in (relation.first, relation.second)
  ]
  one, other = words.types
  for a, b in (kinds, kinds[::-1]):
    if one in a and other in b:
      return 'relations_across_sentences'
  return 'relations_between_other_types'
