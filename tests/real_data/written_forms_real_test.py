"""Real corpora in every form that is written, read again.

The same entities, concept ids and relations, but for what `count_losses` says.
Set BIOBERT_DATA to the folder that holds the corpora.
"""

import dataclasses
import itertools
import os
import pathlib
import random
import re
from collections import Counter
from collections.abc import Iterator

import pytest

from biobert_jax.data.ner import corpus
from biobert_jax.text import documents
from biobert_jax.text.documents import Document, Entity
from biobert_jax.text.readers import any_format
from tests.fixtures.written_forms import WRITTEN

DATA = pathlib.Path(
  os.environ.get(
    'BIOBERT_DATA', pathlib.Path(__file__).parents[2] / '../shared/data'
  )
)
# Corpus -> of how many documents one is taken.
CORPORA = {
  'ncbi-disease/original-pubtator/NCBItrainset_corpus.txt': 40,
  'biored/Dev.PubTator': 8,
  'biored/Dev.BioC.XML': 8,
  'biored/Dev.BioC.JSON': 8,
  'aioner-pubtator/pubtator/Linnaeus_Train.PubTator': 20,
  'anatem-standoff/train': 8,
  'pmc-oa-ccby/fulltext.jsonl': 40,
}
NESTED = 1000  # Mentions that a full text of PMC gets, as CRAFT's have them.


def sample(name: str) -> list[Document]:
  """Documents of a corpus, each id once; full texts with mentions made up."""
  path = DATA / name
  if not path.exists():
    pytest.skip(f'{path} is not there; see the top of this file')
  files = sorted(path.rglob('*.txt')) if path.is_dir() else [path]
  every = itertools.chain(*map(any_format.read_documents, files))
  taken = list(itertools.islice(every, 0, None, CORPORA[name]))
  found = {one.id: one for one in taken}
  if name.startswith('pmc'):
    return [annotated(one) for one in found.values()]
  return list(found.values())


def annotated(document: Document) -> Document:
  """A long text with overlapping mentions, some of them in two parts."""
  draw, text = random.Random(document.id), document.text
  spans = [match.span() for match in re.finditer(r'\S+', text)]
  entities = []
  for number in range(NESTED):
    first = draw.randrange(len(spans) - 9)
    start, end = spans[first][0], spans[first + draw.randrange(1, 8)][1]
    parts = [[*spans[first]], [*spans[first + 8]]]
    in_parts = number % 7 == 0 and '\n' not in text[start : parts[1][1]]
    end = parts[1][1] if in_parts else end
    extra = {'fragments': parts} if in_parts else {}
    concept = f'GO:{number:07}'
    entity = Entity(start, end, 'GO', text[start:end], 1.0, concept, extra)
    if '\n' not in entity.text:
      entities.append(entity)
  return dataclasses.replace(document, entities=tuple(entities))


def facts(document: Document) -> tuple[list[tuple], Counter[tuple]]:
  """Its entities, and its relations by the places or concepts of their ends."""
  entities = [(e.start, e.end, e.type, e.text) for e in document.entities]

  def end(given: int | str) -> object:
    return given if isinstance(given, str) else entities[given]

  relations = Counter(
    (one.type, end(one.first), end(one.second)) for one in document.relations
  )
  concepts = [entity.concept for entity in document.entities]
  return sorted(zip(entities, concepts, strict=True)), relations


def by_concept(document: Document) -> Counter[tuple]:
  ends = ((r.type, r.first, r.second) for r in document.relations)
  return Counter(
    (kind, *(documents.concept_of(document, end) for end in both))
    for kind, *both in ends
  )


@pytest.mark.parametrize('name', CORPORA)
def test_what_is_written_of_a_corpus_is_read_again(name, tmp_path):
  given = sample(name)
  assert sum(len(one.entities) for one in given) > 20
  for form, (write, read) in WRITTEN.items():
    write(given, tmp_path / form)
    found = list(read(tmp_path / form))
    if form == 'brat':
      names = {re.sub(r'[^A-Za-z0-9._-]', '_', one.id): one for one in given}
      pairs = [(names[one.id], one) for one in found]
    else:
      pairs = list(zip(given, found, strict=True))
      assert all(before.id == after.id for before, after in pairs)
    assert len(pairs) == len(given)
    for before, after in pairs:
      counts: Counter[str] = Counter()
      documents.count_losses(before, form, counts)
      lost = counts[f'relations_that_{form}_cannot_hold']
      entities, relations = facts(before)
      assert facts(after)[0] == entities, (form, before.id)
      if form == 'pubtator':
        relations, kept = by_concept(before), by_concept(after)
      else:
        kept = facts(after)[1]
      assert not kept - relations, (form, before.id)
      assert sum(kept.values()) == sum(relations.values()) - lost


@pytest.mark.parametrize('name', CORPORA)
def test_conll_holds_the_words_and_tags_of_a_corpus(name, tmp_path):
  given = sample(name)
  documents.write_conll(given, tmp_path / 'a.tsv')
  read = corpus.read_columns(tmp_path / 'a.tsv', Counter())
  found = [
    row for one in read for row in zip(one.tokens, one.tags, strict=True)
  ]
  assert found == list(_tagged(given))


def _tagged(given: list[Document]) -> Iterator[tuple[str, str]]:
  for one in given:
    words = documents.split_words(one.text)
    tags = documents.tag_words(words, one.entities, Counter())
    texts = (one.text[start:end] for start, end in words)
    yield from zip(texts, tags, strict=True)
