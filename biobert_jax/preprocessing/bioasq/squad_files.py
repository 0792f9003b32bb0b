"""Raw BioASQ questions -> training or test files in SQuAD's form.

A folder for each type of question (factoid, list, yesno) receives train.json
and dev.json or, of a test set, test.json; counts_SPLIT.json tells what was read
and left out. A row is a question beside one passage, under the id
`QUESTION_001`, `QUESTION_002`, …, 999 at most (rows_over_999 left out). The
passages are those of BioBERT at BioASQ 7b (Yoon et al. 2019):

  snippets    the experts' snippets as they are
  abstracts   title and abstract of each article that the question names
              (documents_not_in_corpus)
  appended    each snippet with the sentences before and after it in its
              article; as it is where it does not stand there
              (snippets_not_in_corpus, snippets_not_in_article)

One that a question has already is left out (repeated_passages). Of an answer
all synonyms are located: where one stands as it is written, else in any case;
runs of white space are alike. It must be whole words: `IL-2` is found in
`IL-2-dependent`, not in `IL-21`. Offsets count code points.

For training, a passage without an answer is left out
(passages_without_answer), and so a question without any that has one
(questions_unanswerable); each answer to a list question that stands in a
passage makes a row of its own, for a span is one answer. For a test, all rows
are kept, with what can be located. Also counted: questions_of_other_types,
questions_without_exact_answer (left out of training), questions_without_passage
(left out, but of yes/no questions with an empty one), answers_in_another_case,
answers_inside_words (not taken).
"""

import functools
import itertools
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from biobert_jax.data.qa.span_decoding import passage_id
from biobert_jax.data.random_streams import mix
from biobert_jax.errors import InputError
from biobert_jax.io import storage
from biobert_jax.io.json_files import write_json
from biobert_jax.preprocessing.bioasq import questions as bioasq_questions
from biobert_jax.preprocessing.bioasq.questions import RawQuestion, Snippet
from biobert_jax.text.readers import any_format, input_files
from biobert_jax.text.readers.article import Article, Deletion
from biobert_jax.text.sentence_splitter import sentence_spans

KINDS = ('snippets', 'abstracts', 'appended')  # Of passages.
Located = tuple[int, int]
FILES = {'train': 'train.json', 'devel': 'dev.json', 'test': 'test.json'}
_MOST_ROWS = 999  # Of a question: its ids have three digits.


class Abstract(NamedTuple):
  """An abstract that a question names."""

  text: str  # Title and abstract, joined by a blank.
  title_length: int  # Code points of the title, a sentence of its own.


def read_abstracts(
  patterns: Sequence[str], pmids: Iterable[str], counts: Counter[str]
) -> dict[str, Abstract]:
  """Title and abstract by PMID of the wanted articles of a raw corpus.

  Of several versions it is the highest, the last. An InputError: a file that
  cannot be read, or none of the articles.
  """
  wanted = {f'pmid:{pmid}' for pmid in pmids}
  found: dict[str, Article] = {}
  try:
    files = sorted(input_files.find_files(patterns))
  except InputError as error:
    said = str(error).replace('--input', '--corpus', 1)
    raise InputError(said) from error
  for path in files:
    for one in any_format.read_file(path, counts, lambda reason, id_: None):
      if isinstance(one, Deletion):
        found.pop(one.id, None)
        continue
      for name in wanted.intersection((one.id, *one.other_ids)):
        if name not in found or one.version >= found[name].version:
          found[name] = one
  if wanted and not found:
    raise InputError(
      f'--corpus {" ".join(patterns)}: has none of the {len(wanted)} articles '
      'that the questions name; give the files that have their PMIDs'
    )
  counts['abstracts_found'] += len(found)
  abstracts = {}
  for name, article in found.items():
    paragraphs = article.sections[0].paragraphs
    title = len(paragraphs[0]) if len(paragraphs) > 1 else 0
    if paragraphs:  # Not of a full text without either.
      abstract = Abstract(' '.join(paragraphs), title)
      abstracts[name.removeprefix('pmid:')] = abstract
  return abstracts


def question_passages(
  question: RawQuestion,
  kind: str,
  abstracts: Mapping[str, Abstract],
  counts: Counter[str],
  sentences: int = 1,
) -> list[str]:
  """The passages of a question, each once, in their order there.

  The kind is one of `KINDS`; abstracts are by PMID; `sentences` are those on
  either side of 'appended'.
  """
  if kind == 'abstracts':
    found = [abstracts[p].text for p in question.pmids if p in abstracts]
    counts['documents_not_in_corpus'] += len(question.pmids) - len(found)
  elif kind == 'appended':
    found = [
      _appended(snippet, abstracts, counts, sentences)
      for snippet in question.snippets
    ]
  else:
    found = [snippet.text for snippet in question.snippets]
  kept = list(dict.fromkeys(found))
  counts['repeated_passages'] += len(found) - len(kept)
  return kept


def _appended(
  snippet: Snippet,
  abstracts: Mapping[str, Abstract],
  counts: Counter[str],
  sentences: int,
) -> str:
  """A snippet with the sentences around it."""
  abstract = abstracts.get(snippet.pmid)
  if abstract is None:
    counts['snippets_not_in_corpus'] += 1
    return snippet.text
  text, cut = abstract
  core = ' '.join(snippet.text.split())  # The corpus has single blanks.
  start = text.find(core)
  if start < 0:
    counts['snippets_not_in_article'] += 1
    return snippet.text
  end = start + len(core)
  spans = [*sentence_spans(text[:cut])] if cut else []
  spans += [(cut + a, cut + b) for a, b in sentence_spans(text[cut:])]
  inside = [i for i, (a, b) in enumerate(spans) if a < end and start < b]
  first = max(0, inside[0] - sentences)
  last = min(len(spans) - 1, inside[-1] + sentences)
  return text[min(start, spans[first][0]) : max(end, spans[last][1])].strip()


def locate(
  passage: str, synonyms: Sequence[str], counts: Counter[str]
) -> list[Located]:
  """(start, end) of each occurrence of an answer, in any of its spellings.

  The first is first, and of those that begin together the longest. `counts`
  takes `answers_in_another_case` and `answers_inside_words`.
  """
  found: set[Located] = set()
  for text in synonyms:
    pattern = r'\s+'.join(map(re.escape, text.split()))
    exact = _whole(passage, re.finditer(pattern, passage))
    if not exact:
      anyhow = list(re.finditer(pattern, passage, re.IGNORECASE))
      exact = _whole(passage, anyhow)
      counts['answers_in_another_case'] += bool(exact)
      counts['answers_inside_words'] += bool(anyhow) and not exact
    found.update(exact)
  return sorted(found, key=lambda span: (span[0], -span[1]))


def _whole(passage: str, matches: Any) -> list[Located]:
  """The matches that are whole words."""

  def inside(place: int) -> bool:
    pair = passage[max(0, place - 1) : place + 1]
    return 0 < place < len(passage) and all(c.isalnum() for c in pair)

  spans = [match.span() for match in matches]
  return [s for s in spans if not inside(s[0]) and not inside(s[1])]


def squad_rows(
  question: RawQuestion,
  passages: Sequence[str],
  training: bool,
  counts: Counter[str],
) -> list[tuple[str, dict[str, Any]]]:
  """(passage, row as under "qas") of one question of any type but summary.

  For `training`, rows without an answer are left out; `counts` takes what is.
  """
  if training and not question.answers:
    counts['questions_without_exact_answer'] += 1
    return []
  if not passages:
    counts['questions_without_passage'] += 1
    passages = [''] if question.type == 'yesno' else []
  found: list[tuple[str, dict[str, Any]]] = []
  for passage in passages:
    for more in _answers(question, passage, training, counts):
      if len(found) == _MOST_ROWS:
        counts['rows_over_999'] += 1
        continue
      row = {'id': passage_id(question.id, len(found) + 1)}
      found.append((passage, row | {'question': question.body} | more))
  counts['questions_unanswerable'] += bool(passages) and not any(
    row.get('answers') for _, row in found
  )
  return found


def _answers(
  question: RawQuestion, passage: str, training: bool, counts: Counter[str]
) -> list[dict[str, Any]]:
  """The answer fields of each row of a passage."""
  if question.type == 'yesno':
    if not question.answers:
      return [{}]
    (answer,) = question.answers[0]
    return [{'answers': answer, 'is_impossible': answer == 'no'}]
  located = []
  for synonyms in question.answers:
    if spans := locate(passage, synonyms, counts):
      located.append(
        [{'text': passage[a:b], 'answer_start': a} for a, b in spans]
      )
  counts['passages_without_answer'] += bool(question.answers) and not located
  if training:
    return [{'answers': each, 'is_impossible': False} for each in located]
  if not question.answers:
    return [{}]
  return [{'answers': [one for each in located for one in each]}]


def draw_dev_ids(
  questions: Sequence[RawQuestion], fraction: float, seed: int
) -> set[str]:
  """Draws a fraction 0-1 of the ids of a type, whatever their order."""

  def place(question: RawQuestion) -> tuple[int, str]:
    # 96 bits, 48 at a time.
    high, low = int(question.id[:12], 16), int(question.id[12:], 16)
    return int(mix(seed, high, low)), question.id

  drawn = sorted(questions, key=place)[: round(fraction * len(questions))]
  return {question.id for question in drawn}


class Choices(NamedTuple):
  """Which files to make, and how."""

  split: str  # 'train' or 'test'.
  types: Sequence[str]  # Of questions.
  passages: str  # One of `KINDS`.
  corpus: Sequence[str]  # Files with articles, where the passages need them.
  sentences: int  # On either side of a snippet, where they are appended.
  devel: float  # Fraction 0-1 of a type's questions for the dev set.
  seed: int  # Of the choice of the dev set.
  max_broken: float  # Fraction 0-1 of questions that may be broken.


def prepare(
  sources: Sequence[str], output: str, choices: Choices
) -> dict[str, dict[str, int]]:
  """Reads the challenge's JSON files, writes ours, and returns all counts."""
  reading: Counter[str] = Counter()
  questions = bioasq_questions.read(sources, reading, choices.max_broken)
  found = {t: [q for q in questions if q.type == t] for t in choices.types}
  others = len(questions) - sum(map(len, found.values()))
  reading['questions_of_other_types'] += others
  abstracts: dict[str, Abstract] = {}
  if choices.corpus:
    pmids: set[str] = set()
    for question in itertools.chain.from_iterable(found.values()):
      pmids.update(question.pmids, (s.pmid for s in question.snippets))
    abstracts = read_abstracts(choices.corpus, pmids - {''}, reading)
  counts = {'reading': reading}
  folder = storage.path(output)
  for type_, some in found.items():
    for split, part in _parts(some, choices).items():
      name = f'{type_} {split}'
      counts[name] = Counter()
      texts = functools.partial(
        question_passages,
        kind=choices.passages,
        abstracts=abstracts,
        counts=counts[name],
        sentences=choices.sentences,
      )
      content = _squad_file(part, texts, split != 'test', counts[name])
      write_json(folder / type_ / FILES[split], content, indent=1)
  if not any(found['rows'] for found in counts.values()):
    raise InputError(
      f'--input {" ".join(sources)}: no question makes a row; look at '
      f'--types, --passages={choices.passages} and --split'
    )
  kept: dict[str, Any] = {name: dict(+each) for name, each in counts.items()}
  write_json(folder / f'counts_{choices.split}.json', kept, ascii=True)
  return kept


def _parts(
  questions: Sequence[RawQuestion], choices: Choices
) -> dict[str, list[RawQuestion]]:
  """The questions of each file; no dev set where it would be empty."""
  if choices.split == 'test':
    return {'test': list(questions)} if questions else {}
  devel = draw_dev_ids(questions, choices.devel, choices.seed)
  split = {
    'train': [q for q in questions if q.id not in devel],
    'devel': [q for q in questions if q.id in devel],
  }
  return {name: part for name, part in split.items() if part}


def _squad_file(
  questions: Sequence[RawQuestion],
  passages: Callable[[RawQuestion], list[str]],
  training: bool,
  counts: Counter[str],
) -> dict[str, Any]:
  """A file of rows: a paragraph for each, as BioBERT's files have it."""
  paragraphs = []
  for question in questions:
    rows = squad_rows(question, passages(question), training, counts)
    counts['questions_written'] += bool(rows)
    counts['rows'] += len(rows)
    paragraphs += [{'context': text, 'qas': [row]} for text, row in rows]
  return {
    'version': 'BioASQ',
    'data': [{'title': 'BioASQ', 'paragraphs': paragraphs}],
  }
