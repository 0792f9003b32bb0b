"""PubMed records as articles.

Also of `text/readers/article.py` and `text/readers/xml_stream.py`.
"""

import gzip
from collections import Counter

import pytest

from biobert_jax.errors import InputError
from biobert_jax.text.readers import any_format
from biobert_jax.text.readers.article import Article, Deletion, Section
from tests.fixtures.corpus_files import pubmed, read, record, written

MATH = 'xmlns:mml="http://www.w3.org/1998/Math/MathML"'


def one(tmp_path, *parts, **options):
  found, counts, notes = read(
    written(tmp_path, 'a.xml', pubmed(*parts)), **options
  )
  return found, counts, notes


def paragraphs(tmp_path, *parts, **options):
  return one(tmp_path, *parts, **options)[0][0].sections[0].paragraphs


def test_a_record_is_title_and_paragraphs_of_the_abstract(tmp_path):
  found, counts, notes = one(
    tmp_path,
    record('31839728', 'Of mice.', '<AbstractText>A b.</AbstractText>'),
  )
  assert found == [
    Article(
      'pmid:31839728',
      1,
      (Section('', ('Of mice.', 'A b.'), titled=True),),
      str(tmp_path / 'a.xml'),
    )
  ]
  assert counts == {
    'pubmed_records': 1,
    'records_with_abstract': 1,
    'articles': 1,
  }
  assert notes == []


def test_all_versions_and_deletions_come_in_the_files_order(tmp_path):
  deleted = (
    '<DeleteCitation><PMID Version="1">5</PMID><PMID>6</PMID></DeleteCitation>'
  )
  found, counts, _ = one(
    tmp_path, record('5', version='3'), record('5', version='2'), deleted
  )
  assert [(a.id, a.version) for a in found[:2]] == [
    ('pmid:5', 3),
    ('pmid:5', 2),
  ]
  assert found[2:] == [
    Deletion('pmid:5'),
    Deletion('pmid:6'),
  ]
  assert counts['deletions'] == 2


def test_pmids_and_abstracts_of_others_are_not_taken(tmp_path):
  more = (
    '<CommentsCorrectionsList><CommentsCorrections><PMID>99</PMID>'
    '</CommentsCorrections></CommentsCorrectionsList><OtherAbstract>'
    '<AbstractText>Resumen.</AbstractText></OtherAbstract>'
  )
  found, counts, _ = one(tmp_path, record(more=more))
  assert found[0].id == 'pmid:1'
  assert found[0].sections[0].paragraphs == ('A title.', 'One. Two.')
  assert counts['other_abstracts_dropped'] == 1


@pytest.mark.parametrize(
  ('xml', 'text'),
  [
    ('CO<sub>2</sub> of <i>E. coli</i>.', 'CO2 of E. coli.'),
    ('<b>Bold</b>m<sup>2</sup><u>x</u>', 'Boldm2x'),
    ('<i>a<sub>b<sup>c</sup></sub></i>d', 'abcd'),
    ('p &lt; 0.05 &amp; more', 'p < 0.05 & more'),
    ('a<!-- no -->b<?pi x?>c<![CDATA[ <d>&]]>', 'abc <d>&'),
    ('two\n  lines\u00a0and\u2009thin', 'two lines and thin'),
    ('soft\u00adhyphen \ufeff\u200e kept \ufb01 \u00b2', None),
    ('&alpha;-actin &hellip;', 'α-actin …'),
    (f'(<mml:math {MATH}> <mml:mrow> <mml:msup> <mml:mrow><mml:mi>R</mml:mi>'
     '</mml:mrow> <mml:mn>2</mml:mn></mml:msup> <mml:mo>=</mml:mo>\n'
     '<mml:mn>0.15</mml:mn></mml:mrow> </mml:math>)', '(R2 = 0.15)'),
    (f'<mml:math {MATH}><mml:semantics><mml:mi>x</mml:mi><mml:annotation>'
     '\\alpha</mml:annotation></mml:semantics></mml:math> and', 'x and'),
    (f'<mml:math {MATH}><mml:mi>a</mml:mi><mml:msub><mml:mi>b</mml:mi><mml:mi>i'
     '</mml:mi></mml:msub><mml:mi>c</mml:mi></mml:math>', 'a bi c'),
  ],
)  # fmt: skip
def test_inline_markup_neither_glues_nor_loses(tmp_path, xml, text):
  got = paragraphs(
    tmp_path, record(abstract=f'<AbstractText>{xml}</AbstractText>')
  )
  assert got[1] == (xml if text is None else text)


def test_labels_stand_in_front_as_pubmed_shows_them(tmp_path):
  abstract = (
    '<AbstractText Label="METHODS" NlmCategory="METHODS">We did.</AbstractText>'
    '<AbstractText Label="Why?">So.</AbstractText>'
    '<AbstractText Label="UNLABELLED">Plain.</AbstractText>'
    '<AbstractText Label="EMPTY"/>'
  )
  found, counts, _ = one(tmp_path, record(abstract=abstract))
  assert found[0].sections[0].paragraphs[1:] == (
    *('METHODS: We did.', 'Why? So.', 'Plain.'),
  )
  assert counts['empty_paragraphs_dropped'] == 1
  got = paragraphs(tmp_path, record(abstract=abstract), labels=False)
  assert got[1:] == ('We did.', 'So.', 'Plain.')


@pytest.mark.parametrize(
  ('tail', 'left'),
  [
    ('This article is protected by copyright. All rights reserved.', ''),
    ('© 2019 The Authors. Journal of A published by B, Inc.', ''),
    ('Copyright © 2001 Elsevier.', ''),
    ('We asked who holds the copyright.', None),
    ('Copyright laws of 1999 were read.', None),
  ],
)
def test_copyright_lines_go(tmp_path, tail, left):
  abstract = f'<AbstractText>We did it. {tail}</AbstractText>'
  abstract += '<CopyrightInformation>© 2020 X</CopyrightInformation>'
  found, counts, _ = one(tmp_path, record(abstract=abstract))
  want = 'We did it.' if left == '' else f'We did it. {tail}'
  assert found[0].sections[0].paragraphs[1] == want
  assert counts['copyright_sentences_dropped'] == (left == '')
  assert counts['copyright_elements_dropped'] == 1


@pytest.mark.parametrize(
  ('text', 'left'),
  [
    ('It was spared. (ABSTRACT TRUNCATED AT 250 WORDS)', 'It was spared.'),
    ('It was spared.(ABSTRACT TRUNCATED AT 400 WORDS)', 'It was spared.'),
    ('It was(ABSTRACT TRUNCATED)', 'It was'),
    ('It was spared. (Abstract truncated at 400 words.)', 'It was spared.'),
    ('It was [ABSTRACT TRUNCATED AT 250 WORDS].', 'It was'),
    ('It was ABSTRACT TRUNCATED AT 250 WORDS', 'It was'),
    ('It was.(ABSTRACT TRUNCATED AT 250 WORDS)Then', 'It was. Then'),
    ('Is an abstract truncated at 250 words any good?', None),
  ],
)
def test_marks_of_cut_abstracts_go_wherever_they_stand(tmp_path, text, left):
  xml = f'<AbstractText>{text}</AbstractText>'
  found, counts, _ = one(tmp_path, record(abstract=xml))
  assert found[0].sections[0].paragraphs[1] == (left or text)
  assert counts['truncation_marks_dropped'] == (left is not None)
  assert counts['copyright_sentences_dropped'] == 0


@pytest.mark.parametrize(
  ('title', 'language', 'want'),
  [
    ('[Fire in forests].', 'chi', 'Fire in forests.'),
    ('[Fire in forests]', 'chi', 'Fire in forests'),
    ('[Fire] in forests.', 'chi', '[Fire] in forests.'),
    ('[Fire in forests].', 'eng', '[Fire in forests].'),
    ('[Not Available].', 'fre', None),
    ('[Fire [in] forests].', 'fre', 'Fire [in] forests.'),
    ('[Fire] in [forests].', 'fre', '[Fire] in [forests].'),
    ("[Fire in forests (author's transl)].", 'fre', 'Fire in forests.'),
    ("[Fire in forests] (authors' transl).", 'fre', 'Fire in forests.'),
    ('[Is fire bad?].', 'fre', 'Is fire bad?'),
    ('[Is fire [so] bad]?', 'fre', 'Is fire [so] bad?'),
  ],
)
def test_brackets_of_translated_titles_go(tmp_path, title, language, want):
  found, counts, notes = one(tmp_path, record(title=title, language=language))
  got = found[0].sections[0].paragraphs
  assert got == ((want,) if want else ()) + ('One. Two.',)
  assert counts['title_brackets_removed'] == (want not in (title, None))
  assert counts['records_without_title'] == (want is None)
  foreign = [] if language == 'eng' else [('translated_kept', 'pmid:1')]
  assert notes == foreign


def test_translated_records_can_be_left_out_by_name(tmp_path):
  parts = (record('1', language='chi'), record('2'))
  found, counts, notes = one(tmp_path, *parts, translated=False)
  assert [a.id for a in found] == ['pmid:2']
  assert notes == [('not_english', 'pmid:1')]
  assert counts['dropped_not_english'] == 1


def test_a_title_alone_gives_no_pair_and_goes_unless_wanted(tmp_path):
  parts = (record('1', abstract=''), record('2', abstract='<AbstractText/>'))
  found, counts, notes = one(tmp_path, *parts)
  assert found == []
  assert notes == [('title_without_abstract', f'pmid:{n}') for n in '12']
  assert counts['dropped_title_without_abstract'] == 2
  found, _, _ = one(tmp_path, *parts, title_only=True)
  assert [a.sections[0].paragraphs for a in found] == [('A title.',)] * 2


def test_records_of_nothing_are_named(tmp_path):
  parts = (record('1', title='', abstract=''), record('x'), record('3'))
  book = '<BookDocument><PMID>4</PMID></BookDocument>'
  book = f'<PubmedBookArticle>{book}</PubmedBookArticle>'
  found, counts, notes = one(tmp_path, *parts, book)
  assert [a.id for a in found] == ['pmid:3']
  assert [reason for reason, _ in notes] == [
    'no_text',
    'no_pmid',
    'book_record',
  ]
  assert counts['pubmed_records'] == 3


def test_the_form_in_which_publishers_submit(tmp_path):
  ids = '<ArticleIdList><ArticleId IdType="doi">10.1/{}</ArticleId>{}'
  ids += '</ArticleIdList>'
  pubmed_id = '<ArticleId IdType="pubmed">5</ArticleId>'
  articles = [
    '<Abstract>Plain <i>E. coli</i> text.</Abstract>' + ids.format('a', ''),
    '<Abstract><AbstractText Label="AIM">One.</AbstractText>'
    '<CopyrightInformation>C</CopyrightInformation></Abstract>'
    + ids.format('b', pubmed_id),
    '<Language>EN</Language><Abstract>A b.</Abstract>',
  ]
  xml = '</Article><Article><ArticleTitle>T.</ArticleTitle>'.join(articles)
  xml = f'<ArticleSet><Article><ArticleTitle>T.</ArticleTitle>{xml}</Article>'
  found, counts, _ = read(
    written(tmp_path, 'a.xml', f'{xml}</ArticleSet>'.encode())
  )
  assert [(a.id, a.other_ids, a.sections[0].paragraphs) for a in found] == [
    ('doi:10.1/a', (), ('T.', 'Plain E. coli text.')),
    ('pmid:5', ('doi:10.1/b',), ('T.', 'AIM: One.')),
    ('a.xml:3', (), ('T.', 'A b.')),
  ]
  assert counts['pubmed_records'] == counts['articles'] == 3


@pytest.mark.parametrize(
  ('xml', 'found', 'named'),
  [
    ('<PubmedArticleSet/>', 0, ['no_record']),
    ('<PubmedArticleSet><PubmedArticle/></PubmedArticleSet>', 0, ['no_record']),
    (f'<PubmedArticleSet xmlns="u">{record()}</PubmedArticleSet>', 1, []),
    (f'<x:mine xmlns:x="v" xmlns="u">{record()}</x:mine>', 1, []),
  ],
)
def test_namespaces_and_what_holds_no_record(tmp_path, xml, found, named):
  got, counts, notes = read(written(tmp_path, 'a.xml', xml.encode()))
  assert (len(got), [reason for reason, _ in notes]) == (found, named)
  assert counts['dropped_no_record'] == len(named)


def test_what_was_read_before_a_cut_is_there(tmp_path):
  whole = pubmed(record('1'), record('2'), record('3'))
  cut = whole[: whole.index(b'>3</PMID>')]
  path = written(tmp_path, 'a.xml', cut)
  found = any_format.read_file(path, Counter(), lambda *_: None)
  assert [next(found).id, next(found).id] == ['pmid:1', 'pmid:2']
  with pytest.raises(InputError, match=r'a\.xml:\d+: not well-formed, or cut'):
    next(found)


def test_gzip_is_told_by_its_bytes(tmp_path):
  content = pubmed(record('1'))
  path = written(tmp_path, 'a.xml.gz', content)
  assert gzip.decompress(path.read_bytes()) == content
  assert [a.id for a in read(path)[0]] == ['pmid:1']
