import json

import pytest

from biobert_jax.errors import InputError
from biobert_jax.text.readers import any_format
from tests.fixtures.corpus_files import read, written


def rows(tmp_path, *records, **options):
  content = '\n'.join(
    r if isinstance(r, str) else json.dumps(r) for r in records
  )
  return read(written(tmp_path, 'a.jsonl', content.encode()), **options)


@pytest.mark.parametrize(
  ('record', 'documents'),
  [
    ({'id': 'x', 'text': 'A  b.\n\nC.'}, [('x', ('A b.', 'C.'))]),
    ({'text': 'A.'}, [('a.jsonl:1', ('A.',))]),
    ({'id': 3, 'title': 'T', 'abstract': 'A.'}, [('3', ('T', 'A.'))]),
    ({'pmid': '12', 'title': 'T', 'abstract': ['A.', 'B.']},
     [('pmid:12', ('T', 'A.', 'B.'))]),
    ({'pmcid': 'PMC1', 'pmid': '2', 'title': 'T',
      'abstract': [{'section': 'Aim', 'text': 'A.'}],
      'body': [{'section': '', 'text': 'L.'}, {'section': 'M', 'text': 'B.'},
               {'section': 'M', 'text': 'C.'},
               {'section': 'Funding', 'text': 'F.'}]},
     [('pmcid:PMC1', ('T', 'Aim: A.')), ('pmcid:PMC1#1', ('L.',)),
      ('pmcid:PMC1#2', ('M', 'B.', 'C.'))]),
    ({'id': 'x', 'text': [{'section': 'M', 'text': 'B.'}]},
     [('x#1', ('M', 'B.'))]),
  ],
)  # fmt: skip
def test_layouts(tmp_path, record, documents):
  found, counts, notes = rows(tmp_path, record)
  assert list(any_format.documents(found[0])) == documents
  assert (counts['json_lines'], counts['articles'], notes) == (1, 1, [])


def test_other_ids_and_the_first_that_names(tmp_path):
  record = {'pmid': 2, 'pmcid': '1', 'id': 'x', 'doi': '10.1/a', 'text': 'A.'}
  (article,), _, _ = rows(tmp_path, record)
  assert article.id == 'pmcid:PMC1'
  assert article.other_ids == ('pmid:2', 'x', 'doi:10.1/a')


def test_what_has_no_text_is_named(tmp_path):
  found, counts, notes = rows(
    tmp_path, {'id': 'a', 'text': ' '}, '', {'id': 'b', 'title': 'T'}
  )
  assert found == []
  assert notes == [('no_text', 'a'), ('title_without_abstract', 'b')]
  assert counts['blank_lines'] == counts['dropped_no_text'] == 1


def test_a_heading_without_text_is_that_of_a_parent_section(tmp_path):
  parts = [('M', ''), ('Mice', 'A.'), ('End', ' ')]
  body = [{'section': heading, 'text': text} for heading, text in parts]
  (article,), counts, _ = rows(tmp_path, {'id': 'x', 'body': body})
  assert [part.heading for part in article.sections[1:]] == ['Mice']
  assert counts['parent_headings_dropped'] == 1
  assert counts['empty_paragraphs_dropped'] == 1


@pytest.mark.parametrize(
  ('line', 'what'),
  [
    ('{"text": "a"', 'not JSON'),
    ('{"text": ' + '[' * 9999, 'not JSON'),
    ('{"text": 1' + '0' * 9999 + '}', 'not JSON|want a text'),
    ('["a"]', 'want an object with some of title, abstract, text, body'),
    ('{"words": "a"}', 'want an object with some of'),
    ('{"text": 3}', 'text: want a text'),
    ('{"body": [{"section": 1, "text": "a"}]}', 'body: want a text'),
    ('{"title": ["a"], "text": "b"}', 'title'),
    ('{"pmid": "x1", "text": "a"}', "pmid 'x1' is not a valid pmid"),
    ('{"id": true, "text": "a"}', "id 'True' is not a valid id"),
    ('{"id": {}, "text": "a"}', "id '{}' is not a valid id"),
  ],
)
def test_a_wrong_line_is_named(tmp_path, line, what):
  with pytest.raises(InputError, match=rf'a\.jsonl:2: ({what})'):
    rows(tmp_path, {'text': 'A.'}, line)


def test_bytes_that_are_not_utf8_are_named(tmp_path):
  path = written(tmp_path, 'a.jsonl', b'{"text": "a"}\n{"text": "\xff"}\n')
  with pytest.raises(InputError, match=r'a\.jsonl:2: byte 0xff is not UTF-8'):
    read(path)
