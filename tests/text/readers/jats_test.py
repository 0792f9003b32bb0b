import pytest

from biobert_jax.text.readers import any_format
from tests.fixtures.corpus_files import jats, read, written


def one(tmp_path, *args, **kwargs):
  options = kwargs.pop('options', {})
  return read(written(tmp_path, 'a.nxml', jats(*args, **kwargs)), **options)


def body(tmp_path, xml):
  found, counts, _ = one(tmp_path, f'<p>{xml}</p>')
  return found[0].sections[1].paragraphs, counts


def test_front_and_top_level_sections_are_documents(tmp_path):
  xml = (
    '<p>Lead.</p><sec><label>1</label><title>Methods</title><p>We did.</p>'
    '<sec><title>Mice</title><p>They ran.</p></sec></sec>'
    '<sec><title>Results</title><p>It works.</p></sec><p>Last.</p>'
  )
  found, counts, notes = one(tmp_path, xml)
  assert list(any_format.documents(found[0])) == [
    ('pmcid:PMC7', ('A title', 'One. Two.')),
    ('pmcid:PMC7#1', ('Lead.',)),
    ('pmcid:PMC7#2', ('Methods', 'We did.', 'Mice', 'They ran.')),
    ('pmcid:PMC7#3', ('Results', 'It works.')),
    ('pmcid:PMC7#4', ('Last.',)),
  ]
  assert counts == {'full_texts': 1, 'articles': 1}
  assert notes == []


@pytest.mark.parametrize(
  ('ids', 'name', 'others'),
  [
    (
      '<article-id pub-id-type="pmid">5</article-id><article-id '
      'pub-id-type="pmc">PMC8</article-id><article-id pub-id-type="doi">10.1/x'
      '</article-id>',
      'pmcid:PMC8',
      ('pmid:5', 'doi:10.1/x'),
    ),
    ('<article-id pub-id-type="pmid">5</article-id>', 'pmid:5', ()),
    ('<article-id pub-id-type="publisher-id">a</article-id>', 'a.nxml:1', ()),
  ],
)
def test_ids(tmp_path, ids, name, others):
  found, _, _ = one(tmp_path, ids=ids)
  assert (found[0].id, found[0].other_ids) == (name, others)


def test_what_is_no_running_text_is_dropped_and_counted(tmp_path):
  xml = (
    '<p>A <table-wrap><table><tr><td>1</td></tr></table><table-wrap-foot><fn>'
    '<p>n</p></fn></table-wrap-foot></table-wrap>b<fn><p>note</p></fn>, '
    '<inline-formula><alternatives><tex-math>\\x</tex-math><mml:math><mml:mi>x'
    '</mml:mi></mml:math></alternatives></inline-formula> c.</p>'
    '<fig><caption><p>Fig.</p></caption></fig><disp-formula>E</disp-formula>'
    '<supplementary-material><p>S</p></supplementary-material>'
    '<def-list><def-item><term>AB</term><def><p>a b</p></def></def-item>'
    '</def-list>'
  )
  back = (
    '<back><ack><p>Thanks.</p></ack><ref-list><ref><mixed-citation>X.'
    '</mixed-citation></ref></ref-list></back><floats-group><fig><p>F</p></fig>'
    '</floats-group><sub-article><front-stub><article-id>9</article-id>'
    '</front-stub><body><p>Reply.</p></body></sub-article>'
  )
  found, counts, _ = one(tmp_path, xml, back=back)
  assert found[0].sections[1].paragraphs == ('A b, x c.',)
  assert {k: v for k, v in counts.items() if k.endswith('dropped')} == {
    'tables_dropped': 1,
    'footnotes_dropped': 2,  # One is under the table.
    'figures_dropped': 2,
    'formulas_dropped': 1,
    'supplements_dropped': 1,
    'definition_lists_dropped': 1,
    'references_dropped': 1,
    'sub_articles_dropped': 1,
  }


def test_lists_and_quotes_are_paragraphs(tmp_path):
  got, _ = body(
    tmp_path,
    'Before<list><list-item><p>one</p></list-item><list-item><p>two</p>'
    '</list-item></list>after <break/>it',
  )
  assert got == ('Before', 'one', 'two', 'after it')


def cite(text, kind='bibr'):
  return f'<xref ref-type="{kind}" rid="r">{text}</xref>'


@pytest.mark.parametrize(
  ('xml', 'text'),
  [
    (f'known [{cite("1")},{cite("2")}-{cite("4")}].', 'known.'),
    (f'known {cite("[1]")}, {cite("[3]")} but', 'known but'),
    (f'cells<sup>{cite("1")},{cite("2")}</sup> grow', 'cells grow'),
    (f'cells{cite("<sup>1,2</sup>")} grow', 'cells grow'),
    (f'cells{cite("<sup>a</sup>")} grow', 'cells grow'),
    (f'known ({cite("Smith et al. 2004")}; {cite("Li 2001")}).', 'known.'),
    (f'known (see {cite("Li 2001")} and {cite("Wu 2002")}).', 'known.'),
    (f'rose ({cite("Figure 1A", "fig")}).', 'rose.'),
    (f'rose (p = 0.01; {cite("Fig. 1", "fig")}).', 'rose (p = 0.01; Fig. 1).'),
    (f'{cite("Smith et al. (2004)")} showed', 'Smith et al. (2004) showed'),
    (f'As {cite("Figure 1", "fig")} shows', 'As Figure 1 shows'),
    ('10<sup>3</sup> m<sup>2</sup> (3) [4]', '103 m2 (3) [4]'),
  ],
)  # fmt: skip
def test_brackets_of_cross_references_alone_go(tmp_path, xml, text):
  got, counts = body(tmp_path, xml)
  assert got == (text,)
  dropped = (
    counts['cross_reference_brackets_dropped'] + counts['citations_dropped']
  )
  assert (dropped > 0) == (
    text in ('known.', 'known but', 'cells grow', 'rose.')
  )


def test_sections_of_an_abstract_are_labelled_and_other_abstracts_go(tmp_path):
  abstract = (
    '<abstract><title>Abstract</title><sec><title>Aim</title><p>To do.</p>'
    '<p>More.</p></sec><sec><title>Results:</title><p>Done.</p></sec></abstract>'
    '<abstract abstract-type="summary"><p>Lay.</p></abstract>'
    '<trans-abstract><p>Resumen.</p></trans-abstract>'
  )
  found, counts, _ = one(tmp_path, abstract=abstract)
  assert found[0].sections[0].paragraphs == (
    *('A title', 'Aim: To do.', 'More.', 'Results: Done.'),
  )
  assert counts['other_abstracts_dropped'] == 2
  found, _, _ = one(tmp_path, abstract=abstract, options={'labels': False})
  assert found[0].sections[0].paragraphs[1] == 'To do.'


def test_declarations_and_empty_sections_go(tmp_path):
  headings = ['Methods', 'Competing interests', "Authors' contributions",
    'Conflict of Interest Statement', 'Supplementary Material', 'Abbreviations',
    '5. Funding', 'Acknowledgments', 'Data availability statement',
    'Abbreviated protocol', 'Funding of hospitals in Europe']  # fmt: skip
  xml = ''.join(f'<sec><title>{h}</title><p>T.</p></sec>' for h in headings)
  found, counts, _ = one(tmp_path, xml + '<sec><title>Empty</title></sec>')
  assert [s.heading for s in found[0].sections[1:]] == [
    headings[0],
    *headings[-2:],
  ]
  assert counts['boilerplate_sections_dropped'] == 8
  assert counts['empty_sections_dropped'] == 1


def test_other_languages_and_nothing_are_named(tmp_path):
  found, counts, notes = one(
    tmp_path, '<p>Texto.</p>', attributes=' xml:lang="es"'
  )
  assert (found, notes) == ([], [('not_english', 'pmcid:PMC7')])
  assert counts['dropped_not_english'] == 1
  assert len(one(tmp_path, attributes=' xml:lang="EN-gb"')[0]) == 1
  found, counts, notes = one(tmp_path, abstract='')
  assert (found, notes) == ([], [('no_text', 'pmcid:PMC7')])
  assert counts['titles_without_abstract_dropped'] == 1
  found, _, _ = one(tmp_path, '<p>Body.</p>', abstract='')
  assert list(any_format.documents(found[0])) == [('pmcid:PMC7#1', ('Body.',))]
  found, _, _ = one(tmp_path, abstract='', options={'title_only': True})
  assert list(any_format.documents(found[0])) == [('pmcid:PMC7', ('A title',))]


def test_a_set_of_articles_is_read_one_by_one(tmp_path):
  inner = [jats(f'<p>{n}.</p>').split(b'>', 1)[1] for n in 'ab']
  content = b'<pmc-articleset>' + b''.join(inner) + b'</pmc-articleset>'
  found, _, _ = read(written(tmp_path, 'a.xml', content))
  assert [a.sections[1].paragraphs for a in found] == [('a.',), ('b.',)]
