"""Tokens added to a vocabulary, which text meets before WordPiece.

transformers keeps them in `added_tokens.json`, in `added_tokens` of
`tokenizer.json` or in `added_tokens_decoder` of `tokenizer_config.json`.
"""

import pathlib
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from biobert_jax.errors import InputError
from biobert_jax.io.json_files import read_json
from biobert_jax.text.vocabulary import SPECIALS

FILE = 'added_tokens.json'
CONFIG_FILE = 'tokenizer_config.json'
# All that may state added tokens, in the order of `_stated`.
FILES = ('tokenizer.json', CONFIG_FILE, 'special_tokens_map.json', FILE)
_FLAGS = ('single_word', 'normalized', 'special')


class AddedToken(NamedTuple):
  """A token that is looked for in a text before it is cut into words."""

  content: str
  id: int
  single_word: bool  # Not within a longer word.
  normalized: bool  # Looked for in the text as WordPiece reads it.
  special: bool


def read_added_tokens(
  folder: pathlib.Path, vocabulary: Sequence[str]
) -> tuple[AddedToken, ...]:
  """The added tokens of a model's folder, by id; without BERT's five.

  Ids up to the end of the vocabulary are those of its lines; others follow it.
  An InputError says where they cannot be read, and why.
  """
  ids = {token: i for i, token in enumerate(vocabulary)}
  found: dict[str, AddedToken] = {}
  for path, token in _stated(folder):
    where = f'{path}: the added token {token.content!r}'
    if token.content != token.content.strip() or not token.content:
      what = 'begins or ends with white space, or is empty'
      raise InputError(f'{where} {what}; no text meets it, remove it')
    before = found.get(token.content)
    known = ids.get(token.content, before.id if before else token.id)
    if known != token.id:
      what = f'has the id {token.id} here, but {known} in another file'
      raise InputError(f'{where} {what}; copy the files of one tokenizer')
    if token.id < len(ids) and token.content not in ids:
      what = f'has the id {token.id}, which is {vocabulary[token.id]!r}'
      raise InputError(f'{where} {what}; copy the files of one tokenizer')
    if token.content not in SPECIALS:
      found.setdefault(token.content, token)
  tokens = tuple(sorted(found.values(), key=lambda token: token.id))
  appended = [token.id for token in tokens if token.id >= len(ids)]
  if appended != list(range(len(ids), len(ids) + len(appended))):
    raise InputError(
      f'{folder}: the ids of added tokens, {appended[0]} to {appended[-1]}, do '
      f'not follow the {len(ids)} of the vocabulary one by one; copy the files '
      f'of one tokenizer, or name each missing id in {FILE}'
    )
  return tokens


def _stated(
  folder: pathlib.Path,
) -> Iterator[tuple[pathlib.Path, AddedToken]]:
  """Every statement of the files, the most telling ones first."""
  path = folder / 'tokenizer.json'
  listed = read_json(path).get('added_tokens')
  for entry in listed if isinstance(listed, list) else ():
    number = entry.get('id') if isinstance(entry, dict) else None
    yield path, _parsed(path, entry, number)
  path = folder / CONFIG_FILE
  settings = read_json(path)
  by_id = settings.get('added_tokens_decoder')
  for number, entry in (by_id if isinstance(by_id, dict) else {}).items():
    number = int(number) if number.isdecimal() else number
    yield path, _parsed(path, entry, number)
  special: set[str] = set()
  for also in (settings, read_json(folder / 'special_tokens_map.json')):
    names = also.get('additional_special_tokens')
    for one in names if isinstance(names, list) else ():
      special.add(str(one['content'] if isinstance(one, dict) else one))
  path = folder / FILE
  for content, number in read_json(path).items():
    entry = {'content': content, 'special': content in special}
    yield path, _parsed(path, entry, number)


def _parsed(path: pathlib.Path, given: Any, number: Any) -> AddedToken:
  entry = given if isinstance(given, dict) else {}
  # As in transformers: a special token is looked for in the text as it stands.
  special = entry.get('special') is True
  flags = {'single_word': False, 'normalized': not special} | {
    name: entry[name] for name in _FLAGS if name in entry
  }
  content = entry.get('content')
  known = type(number) is int and number >= 0 and isinstance(content, str)
  if not known or any(type(flag) is not bool for flag in flags.values()):
    what = f'{path}: not an added token: {str(given)[:100]!r}'
    raise InputError(f'{what}; copy the file again')
  return AddedToken(
    str(content), number, flags['single_word'], flags['normalized'], special
  )


def files(tokens: Sequence[AddedToken], size: int) -> dict[str, Any]:
  """What states tokens beside a vocabulary of that size.

  Returns:
    'added_tokens_decoder', as `tokenizer_config.json` has it, and, where
    tokens follow the vocabulary, `FILE` with its content.
  """
  decoder = {
    str(token.id): {
      'content': token.content,
      **dict.fromkeys(('lstrip', 'rstrip'), False),
      **{name: getattr(token, name) for name in _FLAGS},
    }
    for token in tokens
  }
  appended = {token.content: token.id for token in tokens if token.id >= size}
  found: dict[str, Any] = {'added_tokens_decoder': decoder} if tokens else {}
  return found | ({FILE: appended} if appended else {})
