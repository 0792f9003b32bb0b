"""Every written form, read back; and what a page may hold."""

import collections
import json
import os
import pathlib
import re
import xml.etree.ElementTree

import hypothesis
import pytest
from hypothesis import strategies as st

from biobert_jax.data.ner import corpus as conll
from biobert_jax.errors import InputError
from biobert_jax.text import brat
from biobert_jax.text.documents import (
  Document,
  Entity,
  split_words,
  write_conll,
  write_html,
  write_jsonl,
  write_pubtator,
)
from biobert_jax.text.readers.pubtator import read_pubtator
from tests.fixtures import browser
from tests.fixtures.tagged_documents import (
  DOCUMENT,
  TEXT,
  any_document,
  round_trip,
)

WRITERS = (
  write_jsonl,
  write_pubtator,
  write_conll,
  write_html,
)


def spans(entities):
  return [(e.start, e.end, e.text) for e in entities]


def test_jsonl_row(tmp_path):
  write_jsonl([DOCUMENT], tmp_path / 'out.jsonl')
  raw = (tmp_path / 'out.jsonl').read_text(encoding='utf-8')
  assert 'α-synuclein' in raw
  assert json.loads(raw) == {
    'id': 'd 1',
    'text': TEXT,
    'title_length': 27,
    'entities': [
      {
        'start': 0,
        'end': 6,
        'type': 'Disease',
        'text': 'Ataxia',
        'score': 0.987654,
      },
      {
        'start': 12,
        'end': 23,
        'type': 'Gene',
        'text': 'α-synuclein',
        'score': 0.5,
      },
      {
        'start': 31,
        'end': 37,
        'type': 'Species',
        'text': '😀 mice',
        'score': 1.0,
      },
    ],
  }


def test_jsonl_round_trip(tmp_path):
  path = tmp_path / 'out.jsonl'

  @round_trip
  @hypothesis.given(st.lists(any_document(), max_size=3))
  def check(documents):
    write_jsonl(documents, path)
    lines = path.read_bytes().decode().split('\n')
    assert lines.pop() == ''
    assert len(lines) == len(documents)
    for line, document in zip(lines, documents, strict=True):
      row = json.loads(line)
      assert (row['id'], row['text']) == (document.id, document.text)
      assert [
        (e['start'], e['end'], e['text']) for e in row['entities']
      ] == spans(document.entities)
      for e in row['entities']:
        assert row['text'][e['start'] : e['end']] == e['text']

  check()


def test_pubtator_round_trip(tmp_path):
  path = tmp_path / 'out.pubtator'

  @round_trip
  @hypothesis.given(any_document())
  def check(document):
    write_pubtator([document], path)
    (got,) = read_pubtator(path, collections.Counter())
    blank = {10: ' ', 13: ' '}
    assert got.text.translate(blank) == document.text.translate(blank)
    assert [(e.start, e.end) for e in got.entities] == [
      (e.start, e.end) for e in document.entities
    ]
    if not re.search('[\r\n]', document.text):
      cut = got.title_length
      joined = got.text if cut is None else got.text[:cut] + got.text[cut + 1 :]
      assert joined in (document.text, got.text.replace('\n', '', 1))

  check()


def test_pubtator_keeps_text_exactly_without_a_title(tmp_path):
  text = ' A\tb \x85c\u2028 |t| d\x00 '
  entity = Entity(1, 4, 'a\tb', 'A\tb')
  write_pubtator([Document('7', text, (entity,))], tmp_path / 'out')
  (got,) = read_pubtator(tmp_path / 'out', collections.Counter())
  assert got == Document('7', text, (Entity(1, 4, 'a b', 'A\tb'),))


@pytest.mark.parametrize(
  ('text', 'title_length', 'expected'),
  [
    ('A\nb\nc\r', 1, 'A\nb c '),
    ('A b', 1, 'A\nb'),
    ('A\n', 1, 'A '),
    ('A b', 3, 'A b'),
    ('Ab', 1, 'Ab'),
    ('\nb', 0, '\nb'),
  ],
)
def test_pubtator_line_ends(tmp_path, text, title_length, expected):
  document = Document('1', text, title_length=title_length)
  write_pubtator([document], tmp_path / 'out')
  (got,) = read_pubtator(tmp_path / 'out', collections.Counter())
  assert got.text == expected


def test_pubtator_keeps_the_title_apart(tmp_path):
  write_pubtator([DOCUMENT], tmp_path / 'out')
  lines = (tmp_path / 'out').read_bytes().decode().split('\n')
  assert lines[:2] == [
    'd 1|t|Ataxia & <b>α-synuclein</b>',
    'd 1|a|in 😀 mice,\u2028twice',
  ]
  (got,) = read_pubtator(tmp_path / 'out', collections.Counter())
  assert got.text == TEXT
  assert got.title_length == 27


@pytest.mark.parametrize('name', ['a|b', 'a\tb', 'a\nb', ''])
def test_pubtator_refuses_an_id_it_cannot_hold(tmp_path, name):
  with pytest.raises(InputError, match='cannot hold id'):
    write_pubtator([Document(name, 'x')], tmp_path / 'out')
  assert not list(tmp_path.iterdir())


def test_conll_round_trip(tmp_path):
  path = tmp_path / 'out.conll'

  @round_trip
  @hypothesis.given(any_document())
  def check(document):
    hypothesis.assume(split_words(document.text))
    write_conll([document, document], path)
    sentences = conll.read_columns(path, collections.Counter())
    words = split_words(document.text)
    tokens = [token for s in sentences for token in s.tokens]
    assert tokens == 2 * [document.text[s:e] for s, e in words]
    tags = [tag for s in sentences for tag in s.tags]
    assert tags == 2 * tags[: len(words)]
    starts = [s for (s, _), t in zip(words, tags, strict=False) if t[0] == 'B']
    assert starts == [e.start for e in document.entities]

  check()


def test_conll_lines(tmp_path):
  documents = [DOCUMENT, Document('2', ' \u200b '), Document('3', 'x')]
  write_conll(documents, tmp_path / 'out')
  lines = (tmp_path / 'out').read_bytes().decode().split('\n')
  assert lines[:3] == ['Ataxia\tB-Disease', '&\tO', '<\tO']
  assert lines[-6:] == [',\tO', 'twice\tO', '', 'x\tO', '', '']


def read_brat(folder, stem):
  text = (folder / f'{stem}.txt').read_bytes().decode()
  entities = []
  for line in (folder / f'{stem}.ann').read_bytes().decode().split('\n')[:-1]:
    name, place, mention = line.split('\t', 2)
    kind, _, offsets = place.partition(' ')
    fragments = [tuple(map(int, f.split())) for f in offsets.split(';')]
    assert mention == ' '.join(text[s:e] for s, e in fragments)
    entities.append((name, kind, fragments))
  return text, entities


def test_brat_files(tmp_path):
  over_line_end = Entity(20, 30, 'Cell line', TEXT[20:30])
  document = Document('PMC/1:a', TEXT, (*DOCUMENT.entities, over_line_end))
  brat.write([document, Document('..', 'x')], tmp_path / 'out')
  assert sorted(os.listdir(tmp_path)) == ['out']
  assert sorted(os.listdir(tmp_path / 'out')) == [
    'PMC_1_a.ann',
    'PMC_1_a.txt',
    '_..ann',
    '_..txt',
    'annotation.conf',
  ]
  text, entities = read_brat(tmp_path / 'out', 'PMC_1_a')
  assert text == TEXT
  assert entities == [
    ('T1', 'Disease', [(0, 6)]),
    ('T2', 'Gene', [(12, 23)]),
    ('T3', 'Species', [(31, 37)]),
    ('T4', 'Cell_line', [(20, 27), (28, 30)]),
  ]


def test_brat_round_trip(tmp_path):
  numbers = iter(range(10**6))

  @round_trip
  @hypothesis.given(any_document())
  def check(document):
    folder = tmp_path / str(next(numbers))
    brat.write([document], folder)
    text, entities = read_brat(folder, document.id)
    assert text == document.text
    assert [(f[0][0], f[-1][1]) for _, _, f in entities] == [
      (e.start, e.end) for e in document.entities
    ]

  check()


@pytest.mark.parametrize(
  'names', [('a', 'a'), ('a/b', 'a b'), ('PMC1', 'pmc1'), ('x', 'X')]
)
def test_brat_refuses_ids_that_fall_together(tmp_path, names):
  documents = [Document(name, 'x') for name in names]
  with pytest.raises(InputError, match='give one file name'):
    brat.write(documents, tmp_path / 'out')
  assert not list(tmp_path.iterdir())


def test_brat_leaves_a_filled_folder_alone(tmp_path):
  (tmp_path / 'gold.ann').write_text('mine')
  with pytest.raises(InputError, match='exists; name a new or an empty folder'):
    brat.write(iter([DOCUMENT]), tmp_path)
  assert [p.name for p in tmp_path.iterdir()] == ['gold.ann']


@pytest.mark.parametrize('write', WRITERS)
def test_files_appear_whole_or_not_at_all(tmp_path, write):
  def broken():
    yield DOCUMENT
    raise RuntimeError('the model failed')

  path = tmp_path / 'new' / 'out'
  with pytest.raises(RuntimeError, match='the model failed'):
    write(broken(), path)
  assert not list(path.parent.iterdir())
  write([DOCUMENT], path)
  before = path.read_bytes()
  with pytest.raises(RuntimeError, match='the model failed'):
    write(broken(), path)
  assert path.read_bytes() == before
  assert [p.name for p in path.parent.iterdir()] == ['out']


@pytest.mark.parametrize('write', [*WRITERS, brat.write])
def test_an_unwritable_place_is_named_before_any_work(tmp_path, write):
  (tmp_path / 'file').write_text('')

  def never():
    pytest.fail('a document was read')
    yield DOCUMENT

  path = tmp_path / 'file' / 'out'
  with pytest.raises(InputError, match=re.escape(str(path))):
    write(never(), path)


@pytest.mark.parametrize('write', WRITERS)
def test_a_folder_is_no_file(tmp_path, write):
  with pytest.raises(InputError, match='is a folder'):
    write([DOCUMENT], pathlib.Path(tmp_path))


needs_browser = pytest.mark.skipif(not browser.CHROMIUM, reason=browser.REASON)


def body_texts(path):
  root = xml.etree.ElementTree.parse(path).getroot()
  return root, [''.join(p.itertext()) for p in root.iter('p')][1:]


def test_html_is_well_formed_and_shows_the_text(tmp_path):
  path = tmp_path / 'out.html'

  @round_trip
  @hypothesis.given(any_document())
  @hypothesis.example(Document('1', '\x00\x0b\r\x1f\x7f\x85\ufffe\uffff'))
  def check(document):
    write_html([document], path)
    root, (text,) = body_texts(path)
    shown = re.sub(
      '[\x00-\x08\x0b-\x1f\x7f\ufffe\uffff]', '\ufffd', document.text
    )
    assert text == shown
    marks = [m.text for m in root.iter('mark') if 'title' in m.attrib]
    assert len(marks) == len(document.entities)

  check()


def test_html_page(tmp_path):
  write_html([DOCUMENT, DOCUMENT], tmp_path / 'out.html')
  page = (tmp_path / 'out.html').read_text(encoding='utf-8')
  assert page.startswith('<!DOCTYPE html>\n<html lang="en">')
  assert '<title>6 entities in 2 documents</title>' in page
  assert 'title="Disease, score 0.988">Ataxia</mark> &amp; &lt;b&gt;' in page
  assert page.count('>Gene</mark> 2</label>') == 1
  assert not re.search(r'<link|<img|https?:|url\(|@import|src=', page)
  hues = dict(re.findall(r'--hue:(\d+)" data-type="(\w+)"', page))
  assert sorted(hues.values()) == ['Disease', 'Gene', 'Species']


def test_html_escapes_types_and_ids(tmp_path):
  document = Document('<i>"', 'x', (Entity(0, 1, '"><script>', 'x'),))
  write_html([document], tmp_path / 'out.html')
  page = (tmp_path / 'out.html').read_text()
  assert page.count('<script') == 1  # The filter's.
  root, texts = body_texts(tmp_path / 'out.html')
  assert texts == ['x']
  assert root.find('.//h2').text == '<i>"'


def test_html_shows_the_longest_of_overlapping_entities(tmp_path):
  entities = (Entity(0, 1, 'A', 'a'), Entity(0, 3, 'B', 'a b'))
  write_html([Document('1', 'a b', entities)], tmp_path / 'out')
  page = (tmp_path / 'out').read_text()
  assert '1 entity in 1 document<' in page
  assert '>a b</mark>' in page


def test_an_index_leads_to_each_document(tmp_path):
  write_html([DOCUMENT] * 3, tmp_path / 'out')
  page = (tmp_path / 'out').read_text()
  links = re.findall('href="#(d[0-9]+)"', page)
  assert links == ['d1', 'd2', 'd3']
  assert re.findall('<article id="(d[0-9]+)"', page) == links


@needs_browser
def test_the_page_is_whole_and_readable_for_everybody(tmp_path):
  words = ' '.join(f'{kind}-word' for kind in 'ABCDEFGHIJ')
  starts = [m.start() for m in re.finditer('[A-J]-word', words)]
  many = tuple(
    Entity(s, s + 6, f'Type{words[s]}', words[s : s + 6]) for s in starts
  )
  long = Document('x' * 200, 'ACGT' * 100)
  documents = [DOCUMENT, Document('2', words, many), long]
  write_html(documents, tmp_path / 'out')
  browser.check((tmp_path / 'out').read_text(), tmp_path)


@needs_browser
def test_types_and_scores_are_filtered(tmp_path):
  gene = "page.querySelector('[value=Gene]').click();"
  species = "page.querySelector('[value=Species]').click();"
  score = 'page.forms[0].least.value = 0.9; page.forms[0].oninput();'
  shown = {'': '3', gene: '2', score: '2', score + species: '1'}
  write_html([DOCUMENT], tmp_path / 'out')
  page = (tmp_path / 'out').read_text()
  views = browser.measure(page, tmp_path, actions=tuple(shown))
  for count, found in zip(shown.values(), views, strict=True):
    assert f'{count} of 3 entities shown' in found['text']
