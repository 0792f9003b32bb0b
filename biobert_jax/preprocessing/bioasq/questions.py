"""Questions of the BioASQ challenge, task B, as its server hands them out.

    {"questions": [{"id": 24 hexadecimal digits, "type": "factoid", "body": …,
      "documents": [links to PubMed], "snippets": [{"text": …, "document": …}],
      "exact_answer": …}]}

Test sets have no "exact_answer", and the first of two phases no "snippets".
The form of an exact answer differs by edition; all are read, and counted:
answers_as_text, answers_as_list, answers_as_lists. One of no such form is
counted (questions_with_malformed_answers) and its question has none, above a
share of a file it is refused. Also counted: snippets_without_text,
documents_without_pmid (of other databases), empty_answers.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from biobert_jax.data.broken_rows import BrokenRows
from biobert_jax.errors import InputError
from biobert_jax.io.strict_json import (
  read_object,
  require_id,
  require_list,
  require_text,
)

TYPES = ('factoid', 'list', 'yesno', 'summary')
_ID = re.compile('[0-9a-f]{24}')
_PMID = re.compile(
  r'(?:pubmed(?:\.ncbi\.nlm\.nih\.gov)?/|pmid:|^)([0-9]{1,9})/?$'
)


class Snippet(NamedTuple):
  """A passage that an expert marked."""

  text: str  # As it stands there.
  pmid: str  # Of its article; '' where it is of none in PubMed.


class RawQuestion(NamedTuple):
  """A question; of factoid and yes/no ones there is one answer at most."""

  id: str  # 24 hexadecimal digits.
  type: str  # One of `TYPES`.
  body: str
  answers: tuple[tuple[str, ...], ...] = ()  # Exact ones, with synonyms.
  pmids: tuple[str, ...] = ()  # Of the articles that answer it.
  snippets: tuple[Snippet, ...] = ()  # Passages of these.


def read(
  paths: Sequence[str], counts: Counter[str], max_broken: float | None
) -> list[RawQuestion]:
  """Reads files of questions that belong together; `counts` takes oddities.

  Above a fraction 0-1 of questions with malformed answers, `max_broken`, a file
  is refused; None: exact answers are not looked at.
  """
  questions: dict[str, RawQuestion] = {}
  for path in paths:
    content = read_object(path, numbers_as_text=True)
    rows = require_list(path, '', content, 'questions')
    broken = BrokenRows(path, counts, 'questions')
    for i, row in enumerate(rows):
      id_ = require_id(path, f'questions[{i}]', row, questions)
      if not _ID.fullmatch(id_):
        what = f'the id {id_[:40]!r} is not 24 hexadecimal digits'
        raise InputError(
          f"{path}: questions[{i}]: {what}; give the challenge's own file"
        )
      where = f'questions[{i}] (id {id_})'
      if (type_ := require_text(path, where, row, 'type')) not in TYPES:
        what = f'type {type_[:40]!r} is not one of {", ".join(TYPES)}'
        raise InputError(f'{path}: {where}: {what}; fix it')
      answers: tuple[tuple[str, ...], ...] = ()
      try:
        if max_broken is not None:
          answers = tuple(_answers(row, counts))
      except ValueError as error:
        broken.add(where, 'questions_with_malformed_answers', str(error))
      questions[id_] = _question(path, where, row, answers, counts)
    broken.check(len(rows), max_broken or 0.0)
  if not questions:
    raise InputError(f'{paths[0]}: holds no question; name a file that does')
  counts['questions'] += len(questions)
  return list(questions.values())


def _question(
  path: str,
  where: str,
  row: dict[str, Any],
  answers: tuple[tuple[str, ...], ...],
  counts: Counter[str],
) -> RawQuestion:
  def optional_list(key: str) -> list[Any]:
    missing = row.get(key) is None
    return [] if missing else require_list(path, where, row, key)

  body = ' '.join(require_text(path, where, row, 'body').split())
  if not body:
    raise InputError(f'{path}: {where}: the body is empty; write the question')
  snippets = []
  for n, one in enumerate(optional_list('snippets')):
    text = require_text(path, f'{where}.snippets[{n}]', one, 'text')
    if text.strip():
      snippets.append(Snippet(text, _pmid(str(one.get('document', '')))))
    else:
      counts['snippets_without_text'] += 1
  pmids = [_pmid(str(document)) for document in optional_list('documents')]
  counts['documents_without_pmid'] += pmids.count('')
  kept = tuple(dict.fromkeys(filter(None, pmids)))
  return RawQuestion(
    row['id'], row['type'], body, answers, kept, tuple(snippets)
  )


def _pmid(link: str) -> str:
  """`http://www.ncbi.nlm.nih.gov/pubmed/123` -> `123`; '' where it is none."""
  found = _PMID.search(link.strip())
  return found[1] if found else ''


def _answers(
  row: dict[str, Any], counts: Counter[str]
) -> Iterator[tuple[str, ...]]:
  """The exact answers, each with its synonyms; a ValueError if malformed."""
  type_, exact = row['type'], row.get('exact_answer')
  if exact is None or exact in ('', []) or type_ == 'summary':
    return
  groups = _groups(exact, counts)
  if type_ == 'yesno':
    answer = groups[0][0].strip(' .').lower() if groups and groups[0] else ''
    if len(groups) != 1 or answer not in ('yes', 'no'):
      what = f'exact_answer {str(exact)[:40]!r} is neither yes nor no: fix it'
      raise ValueError(what)
    yield (answer,)
    return
  if type_ == 'factoid' or isinstance(exact, str):
    groups = [[text for group in groups for text in group]]
  for group in groups:
    texts = [' '.join(text.split()) for text in group]
    kept = tuple(dict.fromkeys(text for text in texts if text))
    counts['empty_answers'] += not kept
    if kept:
      yield kept


def _groups(exact: Any, counts: Counter[str]) -> list[list[str]]:
  """Any edition's form as lists of synonyms."""
  if isinstance(exact, str):
    counts['answers_as_text'] += 1
    return [[exact]]
  if isinstance(exact, list):
    groups = [[one] if isinstance(one, str) else one for one in exact]
    if all(
      isinstance(group, list) and all(isinstance(text, str) for text in group)
      for group in groups
    ):
      nested = any(isinstance(one, list) for one in exact)
      counts['answers_as_lists' if nested else 'answers_as_list'] += 1
      return groups
  what = f'exact_answer {str(exact)[:40]!r} is not a string, list of strings'
  raise ValueError(f'{what} or list of lists of strings: fix it')
