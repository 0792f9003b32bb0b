"""500 mutated inputs for every reader: each is read, dropped or refused.

A reader may raise nothing but an InputError of one line that names the file.
What it reads has to agree with an account of the same content that is taken
here without it: the number of records, and each word of their texts.
"""

import collections
import json
import random
import re
from collections.abc import Callable
from typing import NamedTuple

import pytest
from lxml import etree

from biobert_jax.data.ner import corpus as ner_corpus
from biobert_jax.data.qa import squad
from biobert_jax.data.relation import corpus as relation_corpus
from biobert_jax.data.relation.pair_words import Placeholders
from biobert_jax.errors import InputError
from biobert_jax.preprocessing.bioasq import questions as bioasq_questions
from biobert_jax.text.readers import any_format
from biobert_jax.text.readers.article import Deletion, Options
from tests.fixtures import mutated_inputs

INPUTS = 500
_WORD = re.compile(r'w\d+x')


class Account(NamedTuple):
  """What a reader made of a file."""

  text: str  # All text that it read.
  sums: tuple[int, ...]  # How many records and parts, dropped ones counted too.


class Case(NamedTuple):
  """A reader and the account without it."""

  name: str  # Of the file.
  content: str
  read: Callable[[str, collections.Counter], Account]
  sums: Callable[[str], tuple[int, ...]]  # As `Account` has them.
  # What is counted of texts that are left out, as a pattern.
  left_out: str = 'nothing'
  text: Callable[[str], str] = str  # What has to be read; all by default.


def _articles(path, counts):
  options = Options(title_only=True)
  found = [*any_format.read_file(path, counts, lambda *_: None, options)]
  articles = [one for one in found if not isinstance(one, Deletion)]
  parts = [part for one in articles for part in one.sections]
  texts = [text for one in parts for text in (one.heading, *one.paragraphs)]
  dropped = [key for key in counts if key.startswith('dropped_')]
  dropped = sum(counts[key] for key in dropped if key != 'dropped_no_record')
  deletions = len(found) - len(articles)
  return Account(' '.join(texts), (len(articles) + dropped, deletions))


def _annotated(path, counts):
  found = [*any_format.read_documents(path, counts)]
  entities = sum(len(one.entities) for one in found)
  entities += counts['annotations_without_a_place']
  relations = sum(len(one.relations) for one in found)
  relations += counts['relations_without_two_ends']
  text = ' '.join(one.text for one in found)
  return Account(text, (len(found), entities, relations))


def _tokens(path, counts):
  found = ner_corpus.read_columns(path, counts)
  tokens = [token for one in found for token in one.tokens]
  return Account(' '.join(tokens), (len(tokens),))


def _relations(path, counts):
  pair = Placeholders('@GENE$', '@DISEASE$')
  rules = relation_corpus.RelationRules(pair, ('0', '1'), max_broken=1.0)
  found = relation_corpus.read_rows(path, counts, rules)
  broken = [key for key in counts if re.fullmatch(BROKEN, key)]
  rows = len(found) + sum(counts[key] for key in broken)
  return Account(' '.join(one.text for one in found), (rows,))


BROKEN = 'rows_with_.*|rows_without_sentence|headers_amid_rows'


def _squad(path, counts):
  rules = squad.SquadRules('2.0', training=True, max_broken=1.0)
  found = squad.read_files([path], counts, rules)
  text = ' '.join(part for one in found for part in (one.text, one.context))
  return Account(text, (len(found) + counts['questions_dropped'],))


def _bioasq(path, counts):
  found = bioasq_questions.read([path], counts, 1.0)
  texts = [snippet.text for one in found for snippet in one.snippets]
  texts += [one.body for one in found]
  return Account(' '.join(texts), (len(found),))


def _tree(content):
  parser = etree.XMLParser(recover=True)
  return etree.fromstring(content.encode('utf-8', 'surrogatepass'), parser)


def _elements(content, *paths):
  """The elements at each path of local names, such as `Article/Abstract`."""
  return [
    _tree(content).xpath(
      '//' + '/'.join(f'*[local-name()="{n}"]' for n in path.split('/'))
    )
    for path in paths
  ]


def _sizes(*paths):
  return lambda content: tuple(map(len, _elements(content, *paths)))


def _text_of(*paths):
  def text(content):
    found = [one for part in _elements(content, *paths) for one in part]
    return ' '.join(''.join(one.itertext()) for one in found)

  return text


def _values(content):
  """The JSON values of a text, whatever stands between them."""
  at, found = 0, []
  content = content.removeprefix('\ufeff')
  while at < len(content):
    if content[at] in ' \t\r\n,[]':
      at += 1
      continue
    value, at = json.JSONDecoder().raw_decode(content, at)
    found.append(value)
  return found


def _bioc_sums(content):
  found = _values(content)
  parts = [part for one in found for part in (one, *one['passages'])]
  kinds = ('annotations', 'relations')
  sizes = (sum(len(one.get(kind) or ()) for one in parts) for kind in kinds)
  return (len(found), *sizes)


def _bioc_text(content):
  return ' '.join(
    str(part.get('text'))
    for one in _values(content)
    for part in one['passages']
  )


def _pubtator_sums(content):
  lines = [line for line in content.split('\n') if line.strip()]
  parts = [line for line in lines if re.match(r'[^|\t]+\|[ta]\|', line)]
  rows = [line.split('\t')[1] for line in lines if line not in parts]
  relations = sum(row[:1].isalpha() for row in rows)
  titles = sum(line[line.index('|') + 1] == 't' for line in parts)
  return titles, len(rows) - relations, relations


def _brat_sums(content):
  lines = content.removeprefix('\ufeff').split('\n')
  return 1, *(sum(line.startswith(kind) for line in lines) for kind in 'TR')


def _token_sums(content):
  lines = content.removeprefix('\ufeff').split('\n')
  tokens = [line for line in lines if line.strip(' \t\r')]
  return (sum(not re.match(r'-DOCSTART-(?:[\t ]|$)', one) for one in tokens),)


def _relation_sums(content):
  lines = [line for line in content.split('\n') if line.strip()]
  cells = [one.strip() for one in lines[0].strip('\ufeff').lower().split('\t')]
  return (len(lines) - ({'sentence', 'label'} <= {*cells}),)


def _squad_sums(content):
  rows = json.loads(content)['data']
  return (sum(len(one['qas']) for row in rows for one in row['paragraphs']),)


def _bioasq_text(content):
  rows = json.loads(content)['questions']
  snippets = [one for row in rows for one in row.get('snippets') or ()]
  texts = [str(one['text']) for one in snippets]
  return ' '.join((*texts, *(str(row['body']) for row in rows)))


CASES = {
  'pubmed': Case(
    *('a.xml', mutated_inputs.PUBMED, _articles),
    _sizes('MedlineCitation', 'DeleteCitation/PMID'),
    'dropped_|further_titles_|truncation',
    _text_of('Article/ArticleTitle', 'Article/Abstract'),
  ),
  'jats': Case(
    *('a.xml', mutated_inputs.JATS, _articles),
    lambda text: (*_sizes('article')(text), 0),
    'dropped_|sections_|paragraphs_|titles_|headings_|figures_|further_',
    _text_of('article/body', 'article-meta/abstract', 'article-title'),
  ),
  'flat_records': Case(
    *('a.xml', mutated_inputs.EUROPE_PMC, _articles),
    lambda text: (*_sizes('resultList/result')(text), 0),
    'dropped_|further_|other_',
    _text_of('resultList/result/title', 'resultList/result/abstractText'),
  ),
  'jsonl': Case(
    *('a.jsonl', mutated_inputs.JSONL, _articles),
    lambda text: (len(_values(text)), 0),
    'dropped_|not_read|paragraphs_|titles_|sections_|headings_',
  ),
  'pubtator': Case(
    'a.pubtator', mutated_inputs.PUBTATOR, _annotated, _pubtator_sums
  ),
  'text': Case(
    *('a.txt', mutated_inputs.PLAIN, _articles),
    lambda text: (
      len(re.findall(r'(?:[^\S\n]*\S[^\n]*(?:\n|\Z))+', text)),
      0,
    ),
    'dropped_',
  ),
  'bioc_xml': Case(
    *('b.xml', mutated_inputs.BIOC_XML, _annotated),
    _sizes('document', 'annotation', 'relation'),
    text=_text_of('passage/text'),
  ),
  'bioc_json': Case(
    *('b.json', mutated_inputs.BIOC_JSON, _annotated, _bioc_sums),
    text=_bioc_text,
  ),
  'brat': Case('a.ann', mutated_inputs.BRAT, _annotated, _brat_sums),
  'conll': Case('a.tsv', mutated_inputs.CONLL, _tokens, _token_sums),
  'relation': Case(
    'a.tsv', mutated_inputs.RELATIONS, _relations, _relation_sums, BROKEN
  ),
  'squad': Case(
    *('a.json', mutated_inputs.SQUAD, _squad, _squad_sums, 'questions_dropped'),
  ),
  'bioasq': Case(
    *('a.json', mutated_inputs.BIOASQ, _bioasq),
    lambda text: (len(json.loads(text)['questions']),),
    'snippets_without_text',
    _bioasq_text,
  ),
}


def fault(case: Case, path, content: str) -> str | None:
  """What is wrong with a reader's account; None: the file is refused."""
  path.write_bytes(content.encode('utf-8', 'surrogatepass'))
  counts = collections.Counter()
  try:
    account = case.read(str(path), counts)
  except InputError as error:
    said = str(error)
    fine = '\n' not in said and str(path.with_suffix('')) in said
    return None if fine else f'refused by {said!r}'
  sums = case.sums(content)
  if account.sums != sums:
    return f'{account.sums} of {sums}, {dict(+counts)}'
  lost = {*_WORD.findall(case.text(content))} - {*_WORD.findall(account.text)}
  if lost and not any(re.search(case.left_out, kind) for kind in +counts):
    return f'{lost} is lost, {dict(+counts)}'
  return ''


@pytest.mark.parametrize('reader', CASES)
def test_what_goes_in_is_read_dropped_or_refused(tmp_path, reader):
  case, random_ = CASES[reader], random.Random(reader)
  path = tmp_path / case.name
  if reader == 'brat':
    path.with_suffix('.txt').write_text(mutated_inputs.BRAT_TEXT)
  assert fault(case, path, case.content) == ''
  read = 0
  for _ in range(INPUTS):
    content = mutated_inputs.mutated(case.content, random_)
    found = fault(case, path, content)
    assert not found, f'{found}\n{content}'
    read += found == ''
  # Were nearly all refused, or none, the rest would say little.
  assert INPUTS / 10 < read < INPUTS
