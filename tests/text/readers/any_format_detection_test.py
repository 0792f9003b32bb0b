"""What every form is recognised by, and read as; what none is, is refused.

Also `text/readers/json_stream.py`, `text/readers/plain_text.py`,
`text/readers/brat.py`, `text/readers/bioc.py` and
`text/readers/flat_records.py`.
"""

import io
import json
from collections import Counter

import pytest

from biobert_jax.errors import InputError
from biobert_jax.text.readers import any_format
from tests.fixtures.corpus_files import jats, pubmed, read, record, tar, written


def passage(kind, offset, text, *mentions, **infons):
  rows = [
    {
      'id': f'T{offset + at}',
      'infons': {'type': 'Disease'},
      'text': text[at:end],
      'locations': [{'offset': offset + at, 'length': end - at}],
    }
    for at, end in mentions
  ]
  infons = {'type': kind, **infons}
  return {'infons': infons, 'offset': offset, 'text': text, 'annotations': rows}


BIOC = {
  'id': '7',
  'passages': [
    passage('title', 0, 'Gout hurts.', (0, 4)),
    passage('abstract', 12, 'Bad gout. It is.', (4, 8)),
  ],
}
BIOC_XML = (
  '<?xml version="1.0"?><!DOCTYPE collection SYSTEM "BioC.dtd"><collection>'
  '<source>x</source><document><id>7</id>'
  + ''.join(
    f'<passage><infon key="type">{one["infons"]["type"]}</infon>'
    f'<offset>{one["offset"]}</offset>'
    # Some files have sentences in place of a passage's text.
    f'<sentence><offset>{one["offset"]}</offset><text>{one["text"]}</text>'
    '<annotation id="1"><infon key="type">Disease</infon><location offset='
    f'"{one["annotations"][0]["locations"][0]["offset"]}" length="4"/>'
    f'<text>{one["annotations"][0]["text"]}</text></annotation></sentence>'
    '</passage>'
    for one in BIOC['passages']
  )
  + '</document></collection>'
)
GOUT = ('7', 'Gout hurts.\nBad gout. It is.', ('Gout', 'gout'))
ONE = {'pmid': '101', 'text': 'Aspirin helps.'}
TWO = {'doc_id': 'b', 'title': 'On gout', 'abstract': 'It hurts.'}
READ = [('101', 'Aspirin helps.', ()), ('b', 'On gout\nIt hurts.', ())]
FORMS = {
  'lines.jsonl': (f'{json.dumps(ONE)}\n\n{json.dumps(TWO)}\n', READ),
  'array.json': (json.dumps([ONE, TWO]), READ),
  'pretty.json': (json.dumps([ONE, TWO], indent=2), READ),
  'in_a_row.json': (json.dumps(ONE, indent=1) + json.dumps(TWO), READ),
  'object.json': (json.dumps({'x': 1, 'docs': [ONE, TWO]}, indent=2), READ),
  'by_id.json': (
    json.dumps({'101': {'text': 'Aspirin helps.'}, 'b': TWO}),
    READ,
  ),
  'text_first.json': ('{"text": "A.", "x": {}, "id": 3}', [('3', 'A.', ())]),
  'a.pubtator': (
    'note-1|t|Gout\nnote-1|a|\nnote-1\t0\t4\tGout\tDisease\n\n',
    [('note-1', 'Gout', ('Gout',))],
  ),
  'bioc.json': (json.dumps({'source': 'x', 'documents': [BIOC]}), [GOUT]),
  'bioc_lines.json': (json.dumps(BIOC), [GOUT]),
  'bioc_in_key.json': (json.dumps({'PubTator3': [BIOC]}, indent=1), [GOUT]),
  'bioc.xml': (BIOC_XML, [GOUT]),
  'pubmed.xml': (
    pubmed(record(), record(pmid='2', abstract='')),
    [('1', 'A title.\nOne. Two.', ()), ('2', 'A title.', ())],
  ),
  'a.nxml': (
    jats('<sec><title>In</title><p>B c.</p></sec>'),
    [('PMC7', 'A title\nOne. Two.\nIn\nB c.', ())],
  ),
  'europe_pmc.xml': (
    '<?xml version="1.0"?><responseWrapper xmlns="urn:x"><hitCount>2</hitCount>'
    '<resultList><result><id>3</id><source>MED</source><pmid>3</pmid><title>'
    'On &lt;i&gt;E. coli&lt;/i&gt;.</title><comments><id>4</id></comments>'
    '<abstractText>&lt;h4&gt;Aim&lt;/h4&gt;p&lt;0.05 and H&lt;sub&gt;2&lt;/sub'
    '&gt;O.&lt;h4&gt;End:&lt;/h4&gt;&lt;p&gt;It is.&lt;/p&gt;</abstractText>'
    '</result><result><id>PPR9</id><title>[Of gout].</title><language>ger'
    '</language></result></resultList></responseWrapper>',
    [
      ('3', 'On E. coli.\nAim: p<0.05 and H2O.\nEnd: It is.', ()),
      ('PPR9', 'Of gout.', ()),
    ],
  ),
  'europe_pmc.json': (
    json.dumps({
      'version': '6',
      'resultList': {
        'result': [
          {
            'id': '3', 'pmid': '3', 'title': 'On <i>E. coli</i>.',
            'abstractText': '<h4>Aim</h4>p &lt; 0.05.',
          },
          {'id': 'PPR9', 'title': 'Of <b>gout</b>'},
        ]
      },
    }),
    [('3', 'On E. coli.\nAim: p < 0.05.', ()), ('PPR9', 'Of gout', ())],
  ),
  'oai_dc.xml': (
    '<OAI-PMH xmlns="http://www.openarchives.org/OAI/2.0/"><ListRecords>'
    '<record><header status="deleted"><identifier>oai:x:1</identifier></header>'
    '</record><record><header><identifier>oai:x:2</identifier></header>'
    '<metadata><oai_dc:dc xmlns:oai_dc="urn:y" xmlns:dc="urn:z">'
    '<dc:title>On gout</dc:title><dc:description xml:lang="de">Es tut weh.'
    '</dc:description><dc:description>It hurts.</dc:description>'
    '<dc:description>12 pages</dc:description><dc:identifier>https://doi.org/10.1234/x.5'
    '</dc:identifier><dc:language>en</dc:language></oai_dc:dc></metadata>'
    '</record><record><header><identifier>oai:x:3</identifier></header>'
    '<metadata><oai_dc:dc xmlns:oai_dc="urn:y" xmlns:dc="urn:z"><dc:title>Gicht'
    '</dc:title><dc:language>de</dc:language></oai_dc:dc></metadata></record>'
    '</ListRecords></OAI-PMH>',
    [('oai:x:2', 'On gout\nIt hurts.', ())],
  ),
  'a.tar': (
    tar([('a.nxml', jats()), ('LICENSE', b'x')]),
    [('PMC7', 'A title\nOne. Two.', ())],
  ),
  'a.txt.gz': ('A b.\n\nThree', [('1', 'A b.', ()), ('3', 'Three', ())]),
}  # fmt: skip


@pytest.mark.parametrize('name', FORMS)
def test_a_form_is_recognised_and_read(tmp_path, name):
  content, expected = FORMS[name]
  content = content if isinstance(content, bytes) else content.encode()
  path = written(tmp_path, name, content)
  found = list(any_format.read_documents(path))
  assert [
    (one.id, one.text, tuple(e.text for e in one.entities)) for one in found
  ] == expected
  for one in found:
    assert all(one.text[e.start : e.end] == e.text for e in one.entities)
  # Lines, and what comes by a pipe, have no name.
  if not name.endswith(('.gz', '.tar')):
    assert list(any_format.read_documents(io.BytesIO(content))) == found
  # The same files are corpora to learn from.
  articles, counts, _ = read(path, title_only=True)
  said = [text for a in articles for s in a.sections for text in s.paragraphs]
  assert counts['articles'] == len(articles) == len(expected)
  kept = '\n'.join(text for _, text, _ in expected).replace('In\n', '')
  assert ' '.join(said) == ' '.join(kept.split())


def test_records_of_oai_that_are_left_out_are_counted_and_named(tmp_path):
  path = written(tmp_path, 'a.xml', FORMS['oai_dc.xml'][0].encode())
  (found,), counts, notes = read(path)
  assert (found.id, found.other_ids) == ('oai:x:2', ('doi:10.1234/x.5',))
  assert notes == [('no_record', 'oai:x:1'), ('not_english', 'oai:x:3')]
  assert counts['other_abstracts_dropped'] == 2


TOKENS = 'Aspirin{0}O\ncaused{0}O\nheadache{0}B-X\n\nYes{0}O\n'


@pytest.mark.parametrize(
  ('name', 'content', 'what'),
  [
    ('a.tsv', TOKENS.format('\t'), 'a token/tag file, not text: to tag it use'),
    ('a.txt', TOKENS.format(' '), 'a token/tag file'),
    ('a.txt', TOKENS.format('\tNN\tO\t'), 'a token/tag file'),
    ('a.conll', '-DOCSTART- O\n\nGout B\nhurts O\n. O', 'a token/tag file'),
    ('a.txt', 'Gout\nhurts\n.\n', 'a token/tag file'),
    ('a.txt', '<TEI><p>a</p></TEI>', 'XML of <TEI>'),
    ('a', '<?xml version="1.0"?>\n<svg/>', 'XML of <svg>'),
    ('a.txt', '<html><body>404', 'a web page'),
    ('a.txt', '<!-- x -->\n<tei:TEI><p/></tei:TEI>', 'XML of <'),
    ('a.txt', 'PMID- 1\nTI  - Gout\n', 'citations of MEDLINE or RIS'),
    ('a.json', '[1, 2]', 'JSON that holds no documents'),
    ('a.json', '[]', 'JSON that holds no documents'),
    ('a.json', '{"a": {"b": 1}}', 'JSON that holds no documents'),
    ('a.json', '{"questions": [{"body": "a"}]}', 'JSON of questions'),
    (
      'a.json',
      '{"data": [{"title": "a", "paragraphs": [{"qas": []}]}]}',
      'JSON of questions',
    ),
    ('a.zip', 'PK\x03\x04', 'a zip archive: unpack it'),
    ('a.pdf', '%PDF-1.4', 'a PDF: convert it'),
    ('a.txt', f'MD5(a.gz)= {"0a" * 16}\n', 'a list of files or checksums'),
    ('a.md', 'Some text.', '.md is no ending of a text: name it .txt'),
    ('a.csv', 'a,b\n', '.csv is no ending of a text'),
    ('a.ann', 'T1\tDisease 0 4\tGout', 'brat without their text'),
    ('a.json', '[{"text": "a"}, {"text": 7}]', 'a.json:1: .*want'),
    ('a.json', '[{"text": "a"},\n {"text": "b"', 'a.json:2: .*it is cut'),
    ('a.json', '[{"text": "a"},\n {"text"; "b", "c": "d"}]', 'a.json:2: not'),
  ],
)  # fmt: skip
def test_any_other_form_is_refused_by_its_name(tmp_path, name, content, what):
  path = written(tmp_path, name, content.encode())
  for reader in (any_format.read_documents, lambda path: read(path)[0]):
    with pytest.raises(InputError, match=what) as raised:
      list(reader(path))
    assert str(path) in str(raised.value)
    assert '\n' not in str(raised.value)


@pytest.mark.parametrize(
  'text',
  [
    '{curly} brackets', '[1] Smith et al.', '[Translated.]', '<b>bold</b> it',
    'p<0.05', '<5 mg', '<!-- a note',
    'hepatitis B\nhepatitis E\nvitamin B', 'p|t|q\n10|b|x',
    'a\tb', 'gout\nasthma\ndiabetes', '{"a": 1} is JSON', '"a"',
  ],
)  # fmt: skip
def test_text_that_only_looks_like_another_form_is_text(text):
  found = any_format.read_documents(io.BytesIO(f'{text}\n'.encode()))
  assert [one.text for one in found] == text.split('\n')


def test_a_pair_of_brat_is_one_document(tmp_path):
  (tmp_path / 'n.txt').write_text('Lung or\nskin cancer.')
  (tmp_path / 'n.ann').write_text(
    'T1\tDisease 8 12;13 19\tskin cancer\nT2\tDisease 0 4;13 19\tLung cancer\n'
    'T3\tOrgan 5 7;8 12\tor skin\nR1\tx Arg1:T1 Arg2:T2\n'
  )
  counts = Counter()
  (found,) = any_format.read_documents(tmp_path / 'n.txt', counts)
  assert found.id == 'n'
  assert [e.text for e in found.entities] == [
    *('skin cancer', 'Lung or\nskin cancer', 'or\nskin')
  ]
  assert counts == {'discontinuous_mentions': 1}
  assert len(found.relations) == 1
  (tmp_path / 'n.ann').write_text('T1\tDisease 0 4\tlung\n')
  with pytest.raises(InputError, match=r"n\.ann:1: .*holds 'Lung', not 'lung'"):
    list(any_format.read_documents(tmp_path / 'n.txt'))


def test_of_full_texts_in_bioc_references_and_tables_teach_nothing(tmp_path):
  full = {
    'id': '13900',
    'passages': [
      passage('front', 0, 'Title', **{'article-id_pmc': '13900'}),
      passage('abstract_title_1', 6, 'Background', section_type='ABSTRACT'),
      passage('abstract', 17, 'Short. Text.', section_type='ABSTRACT'),
      passage('title_1', 30, 'Methods', section_type='METHODS'),
      passage('paragraph', 38, 'We did.', section_type='METHODS'),
      passage('ref', 46, 'Smith 2001', section_type='REF'),
      passage('table', 57, '1 2 3', section_type='TABLE'),
      passage('fig_caption', 63, 'A picture', section_type='FIG'),
    ],
  }
  path = written(tmp_path, 'a.json', json.dumps([full]).encode())
  (found,), counts, _ = read(path)
  assert list(any_format.documents(found)) == [
    ('pmcid:PMC13900', ('Title', 'Short. Text.')),
    ('pmcid:PMC13900#1', ('Methods', 'We did.')),
  ]
  names = ('references_dropped', 'tables_dropped', 'figures_dropped')
  assert [counts[name] for name in names] == [1, 1, 1]
  (whole,) = any_format.read_documents(path)
  assert whole.text.endswith('1 2 3\nA picture')
  assert whole.text.index('We did.') == 38


def test_offsets_of_bioc_are_checked(tmp_path):
  wrong = {'id': '7', 'passages': [passage('title', 0, 'Gout hurts.', (0, 4))]}
  wrong['passages'][0]['annotations'][0]['text'] = 'gout'
  path = written(tmp_path, 'a.json', json.dumps(wrong).encode())
  with pytest.raises(InputError, match="document 7: annotation .*hold 'Gout'"):
    list(any_format.read_documents(path))


PARAGRAPHS = 'Mice ran. Cells grew.\n\nIt was. We left.\n'
WRAPPED = 'Mice that\nwere fed ran. They\nslept.\n\nWe\nleft.\n'
LINES = 'Mice ran.\nCells grew.\n\nIt was cold.\nWe left.\n'


@pytest.mark.parametrize(
  ('text', 'choice', 'split', 'sentences'),
  [
    (PARAGRAPHS, 'auto', True, 'Mice ran. Cells grew.||It was. We left.'),
    (PARAGRAPHS, 'lines', False, 'Mice ran. Cells grew.||It was. We left.'),
    (LINES, 'auto', False, 'Mice ran.|Cells grew.||It was cold.|We left.'),
    (LINES, 'split', True, 'Mice ran.|Cells grew.||It was cold.|We left.'),
    (WRAPPED, 'auto', True, 'Mice that were fed ran. They slept.||We left.'),
    ('one\n\ntwo', 'auto', False, 'one||two'),
  ],
)  # fmt: skip
def test_lines_are_sentences_or_paragraphs(
  tmp_path, text, choice, split, sentences
):
  path = written(tmp_path, 'a.txt', text.encode())
  found, counts, _ = read(path, sentences=choice)
  paragraphs = ['|'.join(one.sections[0].paragraphs) for one in found]
  assert '||'.join(paragraphs) == sentences
  assert all(one.presplit is not split for one in found)
  chosen = 'text_files_split' if split else 'text_files_of_lines'
  assert counts[chosen] == 1


def test_long_arrays_are_read_element_by_element(tmp_path):
  rows = [{'id': n, 'text': f'Text {n}. "' + 'word ' * 40} for n in range(3000)]
  path = written(tmp_path, 'a.json', json.dumps(rows).encode())
  found = any_format.read_documents(path)
  assert next(found).id == '0'
  assert [one.id for one in found] == [str(n) for n in range(1, 3000)]
