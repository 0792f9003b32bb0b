"""The page of entities: every character is shown, and the filter filters."""

import re
import xml.etree.ElementTree

import hypothesis
import pytest

from biobert_jax.text import entity_page
from biobert_jax.text.documents import Document, Entity
from tests.fixtures import browser
from tests.fixtures.tagged_documents import DOCUMENT, any_document, round_trip

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
    entity_page.write_html([document], path)
    root, (text,) = body_texts(path)
    shown = re.sub(
      '[\x00-\x08\x0b-\x1f\x7f\ufffe\uffff]', '\ufffd', document.text
    )
    assert text == shown
    marks = [m.text for m in root.iter('mark') if 'title' in m.attrib]
    assert len(marks) == len(document.entities)

  check()


def test_html_page(tmp_path):
  entity_page.write_html([DOCUMENT, DOCUMENT], tmp_path / 'out.html')
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
  entity_page.write_html([document], tmp_path / 'out.html')
  page = (tmp_path / 'out.html').read_text()
  assert page.count('<script') == 1  # The filter's.
  root, texts = body_texts(tmp_path / 'out.html')
  assert texts == ['x']
  assert root.find('.//h2').text == '<i>"'


def test_html_shows_the_longest_of_overlapping_entities(tmp_path):
  entities = (Entity(0, 1, 'A', 'a'), Entity(0, 3, 'B', 'a b'))
  entity_page.write_html([Document('1', 'a b', entities)], tmp_path / 'out')
  page = (tmp_path / 'out').read_text()
  assert '1 entity in 1 document<' in page
  assert '>a b</mark>' in page


def test_an_index_leads_to_each_document(tmp_path):
  entity_page.write_html([DOCUMENT] * 3, tmp_path / 'out')
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
  entity_page.write_html(documents, tmp_path / 'out')
  browser.check((tmp_path / 'out').read_text(), tmp_path)


@needs_browser
@pytest.mark.parametrize(
  ('action', 'shown'),
  [
    ('', '3 of 3'),
    ("page.querySelector('[value=Gene]').click();", '2 of 3'),
    ('page.forms[0].least.value = 0.9; page.forms[0].oninput();', '2 of 3'),
    (
      'page.forms[0].least.value = 0.9;'
      "page.querySelector('[value=Species]').click();",
      '1 of 3',
    ),
  ],
)
def test_types_and_scores_are_filtered(tmp_path, action, shown):
  entity_page.write_html([DOCUMENT], tmp_path / 'out')
  page = (tmp_path / 'out').read_text()
  found = browser.measure(page, tmp_path, action=action)
  assert f'{shown} entities shown' in found['text']
