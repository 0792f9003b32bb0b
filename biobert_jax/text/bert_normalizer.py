"""Where `tokenizers` and Google's BERT disagree on a character, and the cure.

The Rust library's Unicode tables are older than Python's, so that it disagrees
with google-research/bert `tokenization.py` on the code points of `_DISPUTED`
and, when lower-casing, on the final sigma. Rewritten by `to_bert_form`, words
agree on every code point (Unicode 14.0 to 15.1, Python 3.11 to 3.13).

One limit is left: stand-ins are taken from the unassigned planes 4 to 10, so
a text that itself uses code points of those planes (U+40000-U+AFFFF) could
meet a vocabulary entry made of private-use characters. These are kept, as by
Google; dmis-lab/biobert's older copy of `tokenization.py` drops them.
"""

import functools
import re
import unicodedata

from tokenizers import normalizers, pre_tokenizers

# Marks, punctuation and format characters younger than Unicode 8 (the
# library's table of categories), letters younger than Unicode 14, lone
# surrogates and private use (the library drops them), and the CJK ideographs
# before U+2B920, where the library's range begins. Ranges are rounded up to
# blocks: what is listed needlessly costs time, not tokens.
_DISPUTED = (
  '\u061d\u07fd\u0890-\u08e2\u09fd-\u0d81\u0eba\u0ece\u166d\u1734\u180f'
  '\u1885-\u1886\u1abf-\u1ace\u1b7d-\u1b7e\u1c89-\u1c8a\u1df6-\u1dfb'
  '\u2e43-\u2e5d\ua7cb-\ua7dc\ua82c\ua8c5-\ua9bd\ud800-\uf8ff'
  '\U00010d24-\U00010f89\U00011070-\U00011fff\U00012ff1-\U00012ff2'
  '\U00013430-\U00013455\U00016e97-\U00016fe4\U0001cf00-\U0001cf46'
  '\U0001e000-\U0001e95f\U0002b820-\U0002b91f\U000f0000-\U0010ffff'
)
_DISPUTED_CASED = re.compile(f'[{_DISPUTED}]')
_DISPUTED_LOWER = re.compile(f'[Σ{_DISPUTED}]')
_STAND_INS = re.compile('[\U00040000-\U000affff]')

# google-research/bert tokenization.py, BasicTokenizer._is_chinese_char.
_CJK = re.compile(
  '[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0002a6df'
  '\U0002a700-\U0002b73f\U0002b740-\U0002ceaf\U0002f800-\U0002fa1f]'
)

# Characters looked at on each side of a capital sigma. Its form hangs on the
# nearest letters, past marks and points; the bound keeps a long run linear.
_SIGMA_CONTEXT = 50


def to_bert_form(
  text: str, do_lower_case: bool, split_cjk: bool = True
) -> tuple[str, list[int] | None]:
  """A text rewritten as the library needs it, and each character's old index.

  These are None when nothing was rewritten.
  """
  pattern = _DISPUTED_LOWER if do_lower_case else _DISPUTED_CASED
  if text.isascii() or not pattern.search(text):
    return text, None
  parts: list[str] = []
  origin: list[int] = []
  end = 0
  for match in pattern.finditer(text):
    at = match.start()
    form = _google_form(text, at, do_lower_case, split_cjk)
    parts += text[end:at], form
    origin += range(end, at)
    origin += [at] * len(form)
    end = at + 1
  parts.append(text[end:])
  origin += range(end, len(text))
  return ''.join(parts), origin


def token_in_bert_form(piece: str) -> str:
  """A vocabulary token as `to_bert_form` leaves its characters."""
  return _DISPUTED_CASED.sub(_stand_in, piece)


@functools.cache
def normalizer(
  do_lower_case: bool, split_cjk: bool = True
) -> normalizers.BertNormalizer:
  """The library's normaliser, to be run on rewritten text."""
  return normalizers.BertNormalizer(
    clean_text=True,
    handle_chinese_chars=split_cjk,
    strip_accents=do_lower_case,
    lowercase=do_lower_case,
  )


def basic_words(text: str, do_lower_case: bool) -> list[str]:
  """The words that BasicTokenizer hands to WordPiece, cleaned."""
  rewritten, origin = to_bert_form(text, do_lower_case)
  rewritten = normalizer(do_lower_case).normalize_str(rewritten)
  splits = pre_tokenizers.BertPreTokenizer().pre_tokenize_str(rewritten)
  if origin is None:
    return [word for word, _ in splits]
  return [_STAND_INS.sub(_stood_for, word) for word, _ in splits]


def _google_form(
  text: str, at: int, do_lower_case: bool, split_cjk: bool
) -> str:
  """The form that Google's BasicTokenizer gives a disputed character."""
  char = text[at]
  if unicodedata.category(char) in ('Cc', 'Cf'):
    return ''
  if _CJK.match(char):
    form = token_in_bert_form(char)
    return f' {form} ' if split_cjk else form
  if do_lower_case:
    lower = _lower_sigma(text, at) if char == 'Σ' else char.lower()
    decomposed = unicodedata.normalize('NFD', lower)
    char = ''.join(c for c in decomposed if unicodedata.category(c) != 'Mn')
  form = ''
  for c in char:
    part = token_in_bert_form(c)
    form += f' {part} ' if unicodedata.category(c)[0] == 'P' else part
  return form


def _lower_sigma(text: str, at: int) -> str:
  """Σ lower-cased, σ or final ς, by its word; the library looks at Σ alone."""
  left = _cleaned(text[max(0, at - _SIGMA_CONTEXT) : at])
  right = _cleaned(text[at + 1 : at + 1 + _SIGMA_CONTEXT])
  # White space and CJK end the look-around by themselves: they are no letters.
  return f'{left}Σ{right}'.lower()[len(left.lower())]


def _cleaned(text: str) -> str:
  """A text without the characters that BasicTokenizer._clean_text drops."""
  return ''.join(
    char
    for char in text
    if char in '\t\n\r'
    or (char != '\ufffd' and unicodedata.category(char) not in ('Cc', 'Cf'))
  )


def _stand_in(match: re.Match[str]) -> str:
  """An unassigned code point, which the library leaves alone, for another."""
  code = ord(match.group())
  return chr(code + 0x40000 if code < 0x40000 else code - 0x60000)


def _stood_for(match: re.Match[str]) -> str:
  """The inverse of `_stand_in`."""
  code = ord(match.group())
  return chr(code - 0x40000 if code < 0x80000 else code + 0x60000)
