"""Citations and footnote marks of full texts, taken out without debris.

A reader marks where cross-references and superscripts begin and end, by
characters that XML cannot hold; `without_citations` takes them out again. A
whole run of marks goes with its separators, ranges and brackets, in whatever
typesetting; a citation by author and year outside of brackets is part of its
sentence and stays.
"""

import re
from collections import Counter

# Marks around a cross-reference, by what it points to, and a superscript.
_CITATION, _OTHER, _NOTE = '\x01', '\x02', '\x07'
XREF_END, SUP, SUP_END = '\x03', '\x04', '\x05'
# A label that needs the word in front of its bracket, `Li (2004)` or `Eq. (1)`;
# and what was taken out.
_LABEL, _HOLE = '\x06', '\x08'
_NOTES = {'fn', 'table-fn', 'author-notes', 'aff', 'corresp', 'contrib'}

_DASH = '\\-\u00ad\u2010-\u2015\u2212~\u223c\uff5e'
_BETWEEN = rf'[\s,;:&/.\u00b7\u2022\u22c5\u3001\uff0c\uff1b{_DASH}]'
_REFERENCE = r'[\x01\x02\x06\x07][^\x01-\x03\x06\x07]*\x03'
_NUMBER = r'(?<![\w.])[0-9]{1,3}(?!\w|\.[0-9])'
_RAW = re.compile(r'([\x01\x02\x07])([^\x01-\x03\x07]*)\x03')
# What stands at the edges of a cross-reference and is no part of it.
_EDGES = ' ,;\x04\x05'
_CITED = re.compile(r'(?:[A-Z]?[0-9]++[a-z]?|\W)*+|[a-zA-Z]|[ivx]{1,4}')
_YEARS = re.compile(
  rf'(?:1[89]|20)[0-9]{{2}}[a-z]?(?:[\s,;&{_DASH}]+(?:[0-9]{{4}}[a-z]?|[a-z]))*'
  r'|in\s(?:press|preparation)|forthcoming|n\.\s?d\.'
)
_LABELS = re.compile('[A-Z]?[0-9]+[a-z]?')
_MARK = re.compile(r'(?:\b\w{1,3}\b|\W)*+')
_SYMBOLS = re.compile(r'[*\u2217\u204e\u2020\u2021\u00a7\u00b6\u2016#\s]*')
_EMPTY = re.compile(r'\x04(\s*)\x05')
# A superscript of separators belongs to that of the citation before it.
_SPLIT = re.compile(
  rf'(?<=\x03)\x05\x04([,{_DASH}][0-9\s,{_DASH}]*)(?:\x05\x04(?=[\x01\x07])|\x05)'
)
# Brackets and separators that are raised stand as others do.
_LOOSE = re.compile(
  rf'\x04((?:{_BETWEEN}|[()\[\]])+)\x05(?=[\x01\x04\x07])'
  rf'|(?:(?<=\x03)|(?<=\x03\x05))\x04((?:{_BETWEEN}|[()\[\]])+)\x05'
)
# An unlinked number may stand between linked ones, but is an exponent or a
# figure where it comes first.
_LIST = (
  rf'{_REFERENCE}(?:(?:{_BETWEEN}|\band\b|\bto\b)*(?:{_REFERENCE}|{_NUMBER}))*'
  rf'{_BETWEEN}*'
)
_RAISED = re.compile(
  rf'\x04(?P<stop>[.,;:]?)\s*[(\[]?\s*{_LIST}?[)\]]?(?P<end>\.?)\x05'
)
_LOOSER = r'[\s,;&/\u00b7\u2022\u22c5\u3001\uff0c\uff1b' + _DASH + ']'
_FREE = re.compile(
  rf'\x01[^\x01-\x03]*\x03(?:(?:{_LOOSER}|and\b|[,{_DASH}]{_NUMBER})*?'
  rf'\x01[^\x01-\x03]*\x03|[{_DASH}]{_NUMBER})*'
)
_LISTED = re.compile(rf'{_BETWEEN}*{_LIST}')
_NESTED = 3  # Brackets in brackets.
_BRACKETS = re.compile(r'\(([^()\[\]]*)\)|\[([^()\[\]]*)\]')
_IN_LIST = re.compile(
  _LIST.replace(_REFERENCE, rf'\s*(?:{_NUMBER}[\s,{_DASH}]+)*{_REFERENCE}', 1)
)
# Words with which a bracket leads to its references; nothing else is in it.
_CUES = re.compile(
  rf"""(?:{_REFERENCE}|[\x04\x05\x08]|{_BETWEEN}
  |\b(?:see|also|e\.?\s?g|i\.?\s?e|cf|viz|for|an?|the|recent|recently|reviews?
    |reviewed|in|by|as|and|or|refs?|references?|therein|there|within|described
    |reported|shown|discussed|summari[sz]ed|proposed|published|demonstrated
    |established|noted|cited|documented|from|adapted|modified|after|according
    |to|of|on|example|instance|details?|more|further|information|previously
    |elsewhere|earlier|others?|but|both|among|with|works?|papers?|articles?
    |data|et|al|citations?|cited|literature|here|studies|study)\b
  |\bpp?\.?\s?[0-9]+|\b(?:chap|chapter|vol)\.?\s[0-9]+|(?<=[0-9])[{_DASH}][0-9]+
  )*""",
  re.VERBOSE | re.IGNORECASE,
)
_REFERENCE_WORD = re.compile(
  r'\b(?:refs?\.|(?:refs?|references?|citations?|(?:foot)?notes?)\s)\s*[\[(]?$',
  re.IGNORECASE,
)
_JOINED = re.compile(rf'\x08(?:(?:{_LOOSER}|[\x04\x05]|\band\b)*\x08)+')
_DANGLING = re.compile(
  r'[,;]\s*(\x08)(?=\s*[,;.)\]\x05])|(?<=[(\[])\s*\x08\s*[,;:]?\s*()'
)
_HOLES = re.compile(r'(?<!\s)(\s*)\x08(\s*)(?=(\S?))')
_LEFT = re.compile('[\x01-\x08]')


def opening(ref_type: str) -> str:
  """The mark with which a cross-reference of JATS's `ref-type` begins."""
  if ref_type == 'bibr':
    return _CITATION
  return _NOTE if ref_type in _NOTES else _OTHER


def without_citations(text: str, counts: Counter[str]) -> str:
  """Takes the citations out that no sentence needs, and all marks.

  Args:
    text: one paragraph with marks, its white space single blanks.
    counts: takes `citations_dropped`, `cross_reference_brackets_dropped` and
      `footnote_marks_dropped`, by runs.
  """
  if not _LEFT.search(text):
    return text
  text = _EMPTY.sub(r'\1', _RAW.sub(_classified, text))
  text = _SPLIT.sub(_rejoined, text)
  text = _LOOSE.sub(lambda match: match[1] or match[2], text)

  def dropped(match: re.Match[str]) -> str:
    if _is_named(match):
      return match[0]
    note = '\x07' in match[0] and '\x01' not in match[0]
    counts['footnote_marks_dropped' if note else 'citations_dropped'] += 1
    if match.re is not _RAISED:
      return _HOLE
    # A full stop may be raised with the citation that follows it.
    following = match.string[match.end() : match.end() + 1]
    end = '' if match['stop'] or following in ('.', ',', ';') else match['end']
    return match['stop'] + _HOLE + end

  text = _RAISED.sub(dropped, text)
  text = _without_brackets(text, counts)
  text = _FREE.sub(dropped, text)
  text = re.sub(r'\x07[^\x03\x07]*\x03', dropped, text)
  text = _without_brackets(_JOINED.sub(_HOLE, text), counts)
  text = _DANGLING.sub(r'\1', _JOINED.sub(_HOLE, text))
  return _LEFT.sub('', _HOLES.sub(_closed, text))


def _classified(match: re.Match[str]) -> str:
  """A cross-reference without the brackets and superscripts at its edges."""
  whole = match[2]
  core = whole.lstrip(_EDGES + '([')
  before, core = whole[: len(whole) - len(core)], core.rstrip(_EDGES + ')]')
  after = whole[len(before) + len(core) :]
  core = core.translate({4: None, 5: None})
  for opener, closer in ('()', '[]'):
    if core.count(opener) > core.count(closer) and closer in after:
      core, after = core + closer, after.replace(closer, '', 1)
  kind = match[1]
  if kind == _CITATION:
    years = _YEARS.fullmatch(core)
    kind = _LABEL if years else kind if _CITED.fullmatch(core) else _OTHER
  elif kind == _NOTE:
    kind = kind if _MARK.fullmatch(core) else _OTHER
  elif core and _SYMBOLS.fullmatch(core):
    kind = _NOTE
  elif _LABELS.fullmatch(core):
    kind = _LABEL
  return f'{before}{kind}{core}{XREF_END}{after}'


def _is_named(match: re.Match[str]) -> bool:
  """Whether a word in front, as in `ref. 12`, makes it part of a sentence."""
  text, at = match.string, match.start()
  nearby = max(0, at - 1000)
  if text.rfind('(', nearby, at) > text.rfind(')', nearby, at):
    return False
  return _REFERENCE_WORD.search(text, max(0, at - 16), at) is not None


def _rejoined(match: re.Match[str]) -> str:
  return match[1] + SUP_END * match[0].endswith(SUP_END)


def _without_brackets(text: str, counts: Counter[str]) -> str:
  """Takes out brackets that hold nothing but references and their cues."""

  def dropped(match: re.Match[str]) -> str:
    inside = match[1] if match[1] is not None else match[2]
    if not re.search('[\x01\x02\x07\x08]', inside):
      return match[0]
    flat = re.sub('[\x04\x05]', '', inside)
    of = _IN_LIST if match[2] is not None else _LISTED
    listed = '\x01' in flat and of.fullmatch(flat)
    if not listed and not _CUES.fullmatch(flat) or _is_named(match):
      return match[0]
    if _HOLE not in inside:
      counts['cross_reference_brackets_dropped'] += 1
    return _HOLE

  for _ in range(_NESTED):
    text = _BRACKETS.sub(dropped, text)
  return text


def _closed(match: re.Match[str]) -> str:
  """The blank, if any, where something was taken out."""
  left, right, following = match.groups()
  at = match.start()
  before = match.string[at - 1] if at else ''
  if not before or before in '([' or following in '.,;:)]':
    return ''
  word = following.isalnum() or following in '\x01\x02\x06\x07'
  return ' ' if right or word and (left or before.isalnum()) else ''
