"""Sentences of raw biomedical text, by rule.

One regular expression finds the places where a sentence may end; a few look-ups
on what stands to the left and right decide. In doubt nothing is cut: a missed
cut only makes a longer sentence, a wrong one may cut an entity.
"""

import bisect
import itertools
import re
from collections.abc import Sequence

# Words that open sentences and are not names.
_OPENERS = (
  'A|After|All|Also|Although|Among|As|At|Because|Before|Between|Both|But|By|'
  'Compared|Conversely|Despite|Due|During|Each|Finally|For|From|Further|'
  'Furthermore|Hence|Here|How|However|If|In|Indeed|Interestingly|It|Its|'
  'Moreover|Most|Neither|No|None|Of|On|Only|Other|Our|Over|Overall|'
  'Participants|Patients|Several|She|Since|Some|Such|That|The|Their|Then|'
  'There|Therefore|These|They|This|Those|Through|Thus|To|Together|Two|Under|'
  'Until|Upon|Using|We|What|When|Where|Whereas|Whether|Which|While|Why|With|'
  'Within|Without|Aim|Aims|Background|Conclusion|Conclusions|Discussion|'
  'Methods|Objective|Objectives|Purpose|Results'
)
_OPENER = rf'(?:{_OPENERS})(?=[\s,:])'
# A point, perhaps with what closes after it, then white space and something
# to start a sentence with; or without white space, a reference set as a
# superscript ("disease.12 The") or a word that opens sentences ("cells.The").
# The character class comes first, and no run of stops is entered twice: the
# search stays linear, whatever the text.
_CANDIDATE = re.compile(
  r"""
  [.?!…\n](?<![.?!…][.?!…])
  (?:
    (?<=\n)
  |
    (?P<more>[.?!…]*+) ["'”’)\]}»]*+
    (?: [ ]? \[ [0-9]{1,3} (?: [,;–-] [ ]? [0-9]{1,3} ){0,30} \] )?
    (?P<gap> \s++ ) (?= [\w("'“‘«\[{] )
  |
    (?<=[a-z)\]]\.) [0-9]{1,3} (?: [,–-] [0-9]{1,3} ){0,30}
    (?P<after_reference> \s++ ) (?= [A-Z] )
  |
    (?<=[a-z)\]%][.?!]) (?P<touching> ) (?= OPENER )
  )
  """.replace('OPENER', _OPENER),
  re.VERBOSE,
)
_OPENS = re.compile(_OPENER)


def _words(text: str) -> frozenset[str]:
  return frozenset(text.split())


# Words before a point that is theirs, whatever follows.
_NEVER = _words(
  'acad aff approx bv cf cv dept dr drs e.g eg eq eqs et fig figs i.e ie mr '
  'mrs mt natl proc prof pv ref refs ssp st subsp suppl sv var viz vol vols vs'
)
# Words whose point may end a sentence too: only before one of the openers,
# since "Bacillus sp. PS832" and "SPSS Inc. Chicago" go on.
_SELDOM = _words(
  'al ca co corp ft inc jr ltd nov resp ser sp spp sr str tab univ'
)
# Words whose point is theirs before a number ("No. 5", "Sept. 2004").
_BEFORE_NUMBERS = _words(
  'apr art aug cat ch chap dec feb jan jul jun mar no nos nov nr oct par pp '
  'reg sec sect sep sept ver'
)
_NUMBERED = re.compile(r'#?[A-Z]{0,5}[-/]?[0-9]|[A-Z](?![A-Za-z])|[IVX]+\b')
_ALL_CAPITALS = frozenset(('FIG', 'FIGS', 'VS'))
_DOTTED = re.compile(r'(?<![A-Za-z0-9])(?:[A-Za-z]{1,2}\.)+[A-Za-z]{1,2}\Z')
# "24 h. Cells", not "S. Typhimurium"; "vitamin D. Mice", not "E. Smith".
_UNITS = frozenset('dghlmsy')
_LETTERED = _words(
  'class factor figure genotype grade group groups hepatitis influenza panel '
  'part protein stage subtype table type types vitamin vitamins'
)
# Names that begin a sentence in lower case: p53, mRNA, miR-21, c-Myc.
_LOWER_NAME = re.compile(
  r'[a-z]{1,4}-?[A-Z0-9][A-Za-z0-9]*+|[a-z]-[A-Z]|[α-ω](?![α-ω])'
)
_OPENING = '("\'“‘«[{'
# How far back a word, and how far a bracket that goes on, is looked for.
_LEFT, _BRACKET = 40, 300


def sentence_spans(text: str) -> list[tuple[int, int]]:
  """(start, end) of the sentences of a text; a newline always ends one.

  In code points, in order: disjoint, without white space at either end, and
  together all that is not white space.
  """
  spans: list[tuple[int, int]] = []
  start = 0
  for match in _CANDIDATE.finditer(text):
    # White space is passed over once, here, whatever the number of matches.
    start, _ = _trimmed(text, start, match.start())
    kind = match.lastgroup
    end = match.start(kind) if kind else match.start()
    if kind and '\n' not in match[kind] and not _ends(text, start, match):
      continue
    spans.append(_trimmed(text, start, end))
    start = match.end()
  spans.append(_trimmed(text, start, len(text)))
  return [(start, end) for start, end in spans if start < end]


def split_sentences(
  text: str, words: Sequence[tuple[int, int]], boundary: int | None = None
) -> list[list[tuple[int, int]]]:
  """Groups the spans of words, which are in order, into sentences.

  No sentence crosses `boundary` (the end of a title).
  """
  starts = [start for start, _ in sentence_spans(text[:boundary])]
  if boundary is not None:
    rest = sentence_spans(text[boundary:])
    starts += [boundary + start for start, _ in rest]
  groups = itertools.groupby(
    words, key=lambda word: bisect.bisect_right(starts, word[0])
  )
  return [list(sentence) for _, sentence in groups]


def _trimmed(text: str, start: int, end: int) -> tuple[int, int]:
  while start < end and text[start].isspace():
    start += 1
  while start < end and text[end - 1].isspace():
    end -= 1
  return start, end


def _ends(text: str, start: int, match: re.Match[str]) -> bool:
  """Whether a candidate ends the sentence that began at `start`."""
  stop, following = match.start(), match.end()
  first = text[following]
  opening = first in _OPENING
  if first.islower() and not _LOWER_NAME.match(text, following):
    return False
  if _in_brackets(text, start, stop, match.end()):
    return False
  if text[stop] in '?!':
    return True
  if text[stop] == '…' or match['more']:
    # "a, b, ... Z" goes on.
    return opening or text[following + 1 : following + 2].isalnum()
  left = text[max(start, stop - _LEFT) : stop].split()
  if not left:
    return True
  word = left[-1].lstrip('([{"\'“‘«')
  before = left[-2].lower() if len(left) > 1 else ''
  if word[-1:].isdecimal():
    at_start = stop - start == len(word) or before[-1:] in (':', ';')
    # "12." is a list's number, or the first half of "0. 05".
    short = word.isdecimal() and len(word) < 4
    return not (short and (at_start or first.isdecimal()))
  return not _is_abbreviation(text, following, word, before)


def _in_brackets(text: str, start: int, stop: int, following: int) -> bool:
  """Whether a parenthesis inside the sentence is open and closes later."""
  low = max(start, stop - _BRACKET)
  opened = text.rfind('(', low, following)
  if opened <= start or text.rfind(')', opened, following) >= 0:
    return False
  closed = text.find(')', following, following + _BRACKET)
  return closed >= 0 and text.find('(', following, closed) < 0


def _is_abbreviation(text: str, following: int, word: str, before: str) -> bool:
  """Whether the point after `word` belongs to it and ends no sentence."""
  plain = word.lower()
  known = word != word.upper() or len(word) < 2 or word in _ALL_CAPITALS
  if known and plain in _NEVER:
    return True
  if known and plain in _BEFORE_NUMBERS and _NUMBERED.match(text, following):
    return True
  seldom = known and plain in _SELDOM
  letter = word.removeprefix('non-').removeprefix('anti-')  # "E", "non-E".
  if not seldom and re.fullmatch('[A-Za-z]', letter):
    if before in _LETTERED or word in _UNITS and before[-1:].isdecimal():
      return False
    seldom = True
  if seldom or _DOTTED.search(word):
    return not _OPENS.match(text, following)
  return False
