import gzip
import subprocess
import sys
import tarfile
from collections import Counter

import hypothesis
import pytest
from hypothesis import strategies as st

from biobert_jax.errors import InputError
from biobert_jax.text.readers import any_format
from biobert_jax.text.readers.article import Article
from tests.fixtures.corpus_files import jats, pubmed, read, record, tar, written

TEXT = 'Of mice\u00a0and  men.\nThey ran.\n\n \nSecond.\r\n\nThird.'.encode()


@pytest.mark.parametrize('name', ['a.txt', 'a.text.gz', 'a'])
def test_plain_text_is_a_sentence_a_line(tmp_path, name):
  found, counts, _ = read(written(tmp_path, name, TEXT))
  assert [a.id for a in found] == [f'{name}:{n}' for n in (1, 2, 3)]
  assert found[0].sections[0].paragraphs == ('Of mice and men.', 'They ran.')
  assert all(a.presplit for a in found)
  assert counts['text_documents'] == counts['articles'] == 3


def test_the_name_in_ids_can_be_given(tmp_path):
  path = written(tmp_path, 'a.txt', TEXT)
  found = any_format.read_file(path, Counter(), lambda *_: None, name='x/a.txt')
  assert next(found).id == 'x/a.txt:1'


KINDS = {
  'a.xml': pubmed(record()),
  'b.xml.gz': jats(),
  'a.nxml': jats(),
  'a.jsonl': b'\xef\xbb\xbf{"text": "A b."}\n',
  'a.json.gz': b'\n{"text": "A b."}\n',
  'a.tar': tar(
    [('in/a.nxml', jats()), ('in/a.jpg', b'\xff'), ('._a.nxml', b'')]
  ),
  'a.tgz': tar([('a.xml', jats()), ('b.xml', pubmed(record()))]),
  'noending': pubmed(record()),
  'b.txt': b'{curly} brackets\n<b> and so on\n',
  'c.txt': b'<b> and so on\n',
}  # fmt: skip


@pytest.mark.parametrize('name', KINDS)
def test_a_file_is_what_its_content_is(tmp_path, name):
  path = written(tmp_path, name, KINDS[name])
  if name == 'a.tgz':
    path.write_bytes(gzip.compress(KINDS[name]))
  found, counts, _ = read(path)
  assert len(found) == counts['articles'] == (2 if name == 'a.tgz' else 1)
  assert counts['archive_members_skipped'] == (name == 'a.tar')


MEMBERS = [
  ('in/a.jsonl', b'{"text": "One a."}\n{"id": "", "title": " "}\n'),
  ('in/b/a.jsonl', b'{"text": "Two b."}\n'),
  ('bioc.json', b'{"documents": [{"id": "7", "passages": [{"infons": {}, '
   b'"offset": 0, "text": "Gout.", "annotations": [{"id": "T1", "text": "Gout",'
   b' "infons": {"type": "Disease"}, "locations": [{"offset": 0, "length": 4}]'
   b'}]}]}]}'),
  ('n.pubtator', b'9|t|Gout\n9|a|\n9\t0\t4\tGout\tDisease\n'),
  ('c.txt', b'Three c.\n'),
  ('d.xml.gz', gzip.compress(pubmed(record(pmid='5')))),
  ('unnamed', jats()),
  ('LICENSE', b'Do what you like.'),
  ('in/a.jsonl.md5', b'0' * 32),
  ('filelist.txt', b'c.txt'),
  ('figure.jpg', b'\xff\xd8'),
  ('notes.dat', b'Some text.'),
  # Beside the article of a package of PMC.
  ('table.tsv', b'gene\tfold change of it\nBRCA1\t2\n'),
  ('tokens.tsv', b'Gout\tB\nhurts\tO\n'),
  ('data.json', b'[1, 2]'),
  ('empty.txt', b''),
  ('page.txt', b'<html><body>'),
]  # fmt: skip


def test_the_members_of_an_archive_are_those_of_a_folder(tmp_path):
  path = written(tmp_path, 'all.tar.gz', tar(MEMBERS))
  counts, notes = Counter(), []
  found = list(
    any_format.read_documents(path, counts, notes=lambda *n: notes.append(n))
  )
  assert [(one.id, one.text, len(one.entities)) for one in found] == [
    ('in/a.jsonl:1', 'One a.', 0),
    ('in/b/a.jsonl:1', 'Two b.', 0),
    ('7', 'Gout.', 1),
    ('9', 'Gout', 1),
    ('c.txt:1', 'Three c.', 0),
    ('5', 'A title.\nOne. Two.', 0),
    ('PMC7', 'A title\nOne. Two.', 0),
  ]
  assert counts['files_in_archives'] == 7
  assert counts['archive_members_skipped'] == 10
  skipped = [n for n in notes if n[0] == 'archive_member_skipped']
  assert skipped[0] == ('archive_member_skipped', f'{path}:LICENSE')
  assert ('no_text', f'{path}:in/a.jsonl:2') in notes
  articles, counts, notes = read(path, title_only=True)
  names = [f'all.tar.gz/in/{n}a.jsonl:1' for n in ('', 'b/')]
  assert [a.id for a in articles[:2]] == names
  assert len(articles) == counts['articles'] == 7
  assert sum(name == 'archive_member_skipped' for name, _ in notes) == 10


@pytest.mark.parametrize(
  ('name', 'content', 'what'),
  [
    ('b.tar', tar([('a.txt', b'A b.')]), 'a tar archive inside of an archive'),
    ('b.ann', b'T1\tDisease 0 4\tGout', 'holds brat inside of an archive'),
    ('a.xml', b'Gout.', 'a.tar:a.xml: .*it holds plain text: rename it'),
    ('a.nxml', b'', 'a.tar:a.nxml: the file is empty'),
    ('a.xml.gz', b'<article/>', 'is not packed by gzip as its name says'),
    ('a.jsonl', b'{"text": "a"}\n{"text": 7}\n', 'a.tar:a.jsonl:2: .*want'),
  ],
)
def test_a_member_that_is_no_text_is_refused_by_its_name(
  tmp_path, name, content, what
):
  path = written(tmp_path, 'a.tar', tar([(name, content)]))
  with pytest.raises(InputError, match=what) as raised:
    read(path)
  assert '\n' not in str(raised.value)


@pytest.mark.parametrize(
  ('name', 'content', 'what'),
  [
    ('a.xml', b'Some text.', 'ends in .xml, but it holds plain text'),
    ('a.nxml', KINDS['a.xml'], 'ends in .nxml, but it holds PubMed XML'),
    ('a.txt', KINDS['a.xml'], 'ends in .txt, but it holds PubMed XML'),
    ('a.txt', KINDS['a.jsonl'], 'ends in .txt, but it holds JSON'),
    ('a.jsonl', b'text', 'ends in .jsonl, but it holds plain text'),
    ('a.xml', KINDS['a.tar'], 'but it holds a tar archive'),
    ('a.tar', jats(), 'ends in .tar, but it holds JATS'),
    ('a.txt', gzip.compress(b'\x1f\x8b\x08', mtime=0), None),
    ('a.xml', b'', 'the file is empty'),
    ('a.xml.gz', b'', 'the file is empty'),
    ('a.xml', b'<!DOCTYPE html><html>404', 'a web page, not a corpus'),
    ('a.xml', b'<mets>x</mets>', 'XML of <mets>'),
    ('a.txt', b'caf\xe9 and \0', 'neither XML, JSON, a tar'),
    ('a.xml', '<article/>'.encode('utf-16'), 'neither XML'),
    ('a.xml', b'<?xml version="1.0" encoding="GBK"?><article/>', "b'GBK': con"),
  ],
)
def test_a_file_that_is_not_what_its_name_says(tmp_path, name, content, what):
  path = written(tmp_path, name, content)
  with pytest.raises(InputError, match=what or 'twice') as raised:
    read(path)
  assert str(path) in str(raised.value)
  assert '\n' not in str(raised.value)


def test_a_name_of_gzip_wants_gzip(tmp_path):
  path = tmp_path / 'a.xml.gz'
  path.write_bytes(KINDS['a.xml'])
  with pytest.raises(InputError, match='is not packed by gzip'):
    read(path)
  with pytest.raises(InputError, match='cannot read: No such file'):
    read(tmp_path / 'none.xml')
  with pytest.raises(InputError, match='cannot read: Is a directory'):
    read(tmp_path)


def test_other_scripts_are_dropped_by_name(tmp_path):
  text = '森林 生态系统 服务。\n\nПривет, мир.\n\n'
  text += 'α and β rose 5 °C.\n\n汉 in a long text.'
  found, counts, notes = read(written(tmp_path, 'a.txt', text.encode()))
  assert [a.id for a in found] == ['a.txt:3', 'a.txt:4']
  assert notes == [('not_latin_script', f'a.txt:{n}') for n in (1, 2)]
  assert counts['dropped_not_latin_script'] == 2


# Hostile files. A first part that is good is handed on before the error.
PREFIX = (
  '<PubmedArticleSet><PubmedArticle><MedlineCitation><PMID>1</PMID><Article>'
  '<Abstract><AbstractText>'
)
LAUGHS = '<!DOCTYPE PubmedArticleSet [<!ENTITY a0 "lol">' + ''.join(
  f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 10)
)
EXTERNAL = (
  '<!DOCTYPE article [<!ENTITY a SYSTEM "file:///etc/passwd">]><article>'
)
# name: (text before, text that is repeated, how often, what is said of it)
HOSTILE = {
  'laughs.xml': (
    f'{LAUGHS}]><PubmedArticleSet>&a9;', '', 1, 'entities of its own'),
  'quadratic.xml': (
    f'<!DOCTYPE article [<!ENTITY a "{"x" * 50000}">]><article>',
    '&a;', 50_000, 'entities of its own'),
  'external.xml': (EXTERNAL, '&a;', 1, 'entities of its own'),
  'token.xml': (PREFIX, 'x', 3 * 10**7, 'longer or with more tags'),
  'tokens.xml': (PREFIX, 'x<i/>', 10**7, 'longer or with more tags'),
  'attribute.xml': (
    "<article a='", 'x', 3 * 10**7, 'longer or with more tags'),
  'attributes.xml': (
    '<article ' + ' '.join(f"a{n}=''" for n in range(2 * 10**5)),
    '', 1, 'longer or with more tags'),
  'deep.nxml': ('<article>', '<p>', 10**7, 'longer or with more tags'),
  'tags.nxml': ('<article>', '<p/>', 10**7, 'longer or with more tags'),
  'comment.xml': ('<!--', ' ', 3 * 10**7, 'no root element'),
  'blank.xml': ("<?xml version='1.0'?>", ' ', 3 * 10**7, 'no root element'),
  'ampersands.xml': ('<article>', '&', 3 * 10**7, 'names no character'),
  'named.xml': ('<article>', '&alpha;', 10**7, 'longer or with more tags'),
  'line.jsonl': ('{"text": "', 'x', 15 * 10**7, 'a line of more than'),
  'deep.jsonl': ('{"text": ', '[', 10**6, 'not JSON'),
  'objects.jsonl': (
    f'{{"text": [{"{}," * 10**6}1]}}', '', 1, 'want a text'),
  'document.txt': ('', 'a\n', 10**7, 'more than any article'),
}  # fmt: skip
# Reads each file that is named to it in a fork: what one takes is its own.
CHILD = """
import collections, os, sys, time
from biobert_jax.text.readers import any_format
from biobert_jax.errors import InputError
for line in sys.stdin:
  if os.fork():
    os.wait()
    continue
  begun, read = time.process_time(), 0
  try:
    counts = collections.Counter()
    for _ in any_format.read_file(line[:-1], counts, lambda *_: 0):
      read += 1
    said = 'no error'
  except InputError as error:
    said = str(error)
  peak = open('/proc/self/status').read().split('VmHWM:')[1].split()[0]
  seconds = time.process_time() - begun
  print(seconds, int(peak) / 1024, read, said, sep='|', flush=True)
  os._exit(0)
"""


@pytest.fixture(scope='module')
def measured():
  """(CPU seconds, peak MiB, articles, what was said) of a child reading it."""

  def measure(path):
    child.stdin.write(f'{path}\n')
    child.stdin.flush()
    seconds, peak, found, said = child.stdout.readline().strip().split('|', 3)
    return float(seconds), float(peak), int(found), said

  command = [sys.executable, '-c', CHILD]
  pipes = {'stdin': subprocess.PIPE, 'stdout': subprocess.PIPE}
  with subprocess.Popen(command, text=True, **pipes) as child:
    yield measure


def assert_refused(measured, path, what):
  seconds, peak, _, said = measured(path)
  assert what in said
  assert path.name in said
  assert '\n' not in said
  assert seconds < 2
  assert peak < 128


@pytest.mark.parametrize('name', HOSTILE)
def test_hostile_files_are_refused_at_once(tmp_path, measured, name):
  begin, more, times, what = HOSTILE[name]
  (tmp_path / name).write_text(begin + more * times)
  assert_refused(measured, tmp_path / name, what)
  (tmp_path / name).unlink()


def test_bombs_of_gzip_are_refused_at_once(tmp_path, measured):
  zeros = gzip.compress(bytes(10**7), 1)
  text = gzip.compress(PREFIX.encode() + b'</AbstractText>')
  (tmp_path / 'a.xml.gz').write_bytes(text + gzip.compress(b'<i/>' * 10**7, 1))
  assert_refused(
    measured, tmp_path / 'a.xml.gz', 'unpacks to more than 100 times'
  )
  (tmp_path / 'a.txt.gz').write_bytes(gzip.compress(b'a\n\n' * 10**7))
  assert_refused(
    measured, tmp_path / 'a.txt.gz', 'unpacks to more than 100 times'
  )
  lines = gzip.compress(b'{"text": "%s"}\n' % (b'words ' * 10**5) * 40)
  (tmp_path / 'a.jsonl.gz').write_bytes(lines)
  assert_refused(
    measured, tmp_path / 'a.jsonl.gz', 'unpacks to more than 100 times'
  )
  big = tarfile.TarInfo('a.jpg')
  big.size = 10**9
  (tmp_path / 'a.tar.gz').write_bytes(gzip.compress(big.tobuf()) + zeros * 100)
  assert_refused(
    measured, tmp_path / 'a.tar.gz', 'unpacks to more than 100 times'
  )
  big.type, big.name = tarfile.GNUTYPE_LONGNAME, '././@LongLink'
  (tmp_path / 'b.tar.gz').write_bytes(gzip.compress(big.tobuf()) + zeros * 100)
  assert_refused(
    measured, tmp_path / 'b.tar.gz', 'a header claims 1000000000 bytes'
  )


@pytest.mark.parametrize(
  ('member', 'kind', 'what'),
  [
    ('../../b.nxml', tarfile.REGTYPE, "'../../b.nxml' would lie outside"),
    ('/b.nxml', tarfile.REGTYPE, "'/b.nxml' would lie outside"),
    ('b.nxml', tarfile.SYMTYPE, "'b.nxml' is a link, a device"),
    ('b.nxml', tarfile.LNKTYPE, "'b.nxml' is a link, a device"),
    ('b.nxml', tarfile.CHRTYPE, "'b.nxml' is a link, a device"),
    ('b.nxml', tarfile.FIFOTYPE, "'b.nxml' is a link, a device"),
  ],
)
def test_members_that_lead_elsewhere_are_refused(tmp_path, member, kind, what):
  good = tar([('a.nxml', jats())])
  good = good[: 512 + -(-len(jats()) // 512) * 512]  # Without its end.
  path = written(tmp_path, 'a.tar.gz', good + tar([(member, jats())], kind))
  found = any_format.read_file(path, Counter(), lambda *_: None)
  assert next(found).id == 'pmcid:PMC7'
  with pytest.raises(InputError, match=what):
    next(found)


@pytest.mark.parametrize('kind', ['a.tar', 'a.tar.gz', 'a.xml.gz', 'a.xml'])
def test_a_cut_anywhere_is_an_error(tmp_path, kind):
  many = b''.join(
    b'%d' % (n * n) for n in range(3000)
  )  # Else gzip's blocks are too few.
  article = jats(f'<p>{many.decode()}</p>')
  content = article if 'xml' in kind else tar([('a.nxml', article)] * 3)
  whole = written(tmp_path, kind, content).read_bytes()
  assert len(read(tmp_path / kind)[0]) == (1 if 'xml' in kind else 3)
  # A tar ends with zeros of which two blocks are enough.
  end = len(content.rstrip(b'\0')) if kind == 'a.tar' else len(whole) - 1
  for cut in [*range(1, end, end // 40), end - 600, end]:
    (tmp_path / kind).write_bytes(whole[:cut])
    with pytest.raises(InputError, match=kind):
      read(tmp_path / kind)


def test_a_member_that_is_wrong_is_named(tmp_path):
  for content, what in (
    (b'<article>', r'a\.tar:x/a\.nxml:1: not well-formed'),
    (b'text', r'a\.tar:x/a\.nxml: .*nxml, but it holds plain text: rename'),
    (b'', r'a\.tar:x/a\.nxml: the file is empty'),
  ):
    path = written(tmp_path, 'a.tar', tar([('x/a.nxml', content)]))
    with pytest.raises(InputError, match=what):
      read(path)


def test_memory_is_flat_for_any_number_of_records(tmp_path, measured):
  filler = '<MeshHeading><DescriptorName>Mice</DescriptorName></MeshHeading>'
  abstract = f'<AbstractText>{"A sentence of some words. " * 20}</AbstractText>'
  one = record(abstract=abstract, more=filler * 5)
  path, peaks = tmp_path / 'a.xml', []
  for count in (100, 6000):
    rows = [one.replace('>1<', f'>{number}<', 1) for number in range(count)]
    path.write_bytes(pubmed(*rows))
    _, peak, found, said = measured(path)
    assert (found, said) == (count, 'no error')
    peaks.append(peak)
  assert peaks[1] < min(64, peaks[0] + 4), peaks


SEEDS = {
  name: content if not name.endswith('gz') else gzip.compress(content)
  for name, content in KINDS.items()
}
SEEDS['c.xml'] = pubmed(
  '<DeleteCitation><PMID>3</PMID></DeleteCitation>',
  record(title='<i>a</i>&lt;'),
)
SEEDS['d.nxml'] = jats(
  '<sec><title>A</title><p>b [<xref ref-type="bibr">1</xref>]<sup>2</sup>'
  '<mml:math><mml:msup><mml:mi>a</mml:mi><mml:mn>2</mml:mn></mml:msup></mml:math>'
  '<list><list-item><p>c</p></list-item></list></p><fig/></sec>'
)
PIECES = [
  *(b'<', b'>', b'&', b';', b'</p>', b'<p>', b'</article>', b'<!--', b']]>'),
  *(b'<!DOCTYPE a [', b'<![CDATA[', b'\0', b'\xff', b'{', b'"', b'\n', b'<?'),
  *(b'&#0;', b'&alpha;', b'<abstract>', b'<sec>', b'<article>', b'<PMID>'),
  b'ustar',
]


@hypothesis.settings(max_examples=300)
@hypothesis.given(
  name=st.sampled_from(sorted(SEEDS)),
  edits=st.lists(
    st.tuples(
      st.floats(0, 1),
      st.integers(0, 40),
      st.one_of(st.sampled_from(PIECES), st.binary(max_size=8)),
    ),
    min_size=1,
    max_size=4,
  ),
)
def test_damaged_files_raise_nothing_but_input_errors(
  tmp_path_factory, name, edits
):
  content = SEEDS[name]
  for place, gone, piece in edits:
    at = int(place * len(content))
    content = content[:at] + piece + content[at + gone :]
  path = tmp_path_factory.getbasetemp() / name
  path.write_bytes(content)
  said = ''
  found, counts = [], Counter()
  try:
    found, counts, _ = read(path)
  except InputError as error:
    said = str(error)
  assert not said or str(path) in said
  assert '\n' not in said
  articles = [one for one in found if isinstance(one, Article)]
  assert len(articles) == counts['articles']
  for article in articles:
    for _, paragraphs in any_format.documents(article):
      assert all(p and p == ' '.join(p.split()) for p in paragraphs)
