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
    'back_matter_dropped': 1,
    'sub_articles_dropped': 1,
  }


def test_lists_and_quotes_are_paragraphs(tmp_path):
  got, _ = body(
    tmp_path,
    'Before<list><list-item><p>one</p></list-item><list-item><p>two</p>'
    '</list-item></list>after <break/>it',
  )
  assert got == ('Before', 'one', 'two', 'after it')


@pytest.mark.parametrize(
  ('xml', 'dropped', 'text'),
  [
    ('<fig-group><caption><p>C.</p></caption><fig><p>C.</p></fig></fig-group>',
     {'groups_of_figures_or_tables_dropped': 1, 'figures_dropped': 1}, ''),
    ('<table-wrap-group><caption><p>C.</p></caption></table-wrap-group>',
     {'groups_of_figures_or_tables_dropped': 1}, ''),
    ('<array><tbody><tr><td>c</td></tr></tbody></array>',
     {'tables_dropped': 1}, ''),
    ('<table><tr><td><p>c</p></td></tr></table>', {'tables_dropped': 1}, ''),
    ('<media><caption><p>C.</p></caption></media>', {'media_dropped': 1}, ''),
    ('<disp-formula-group><disp-formula>E</disp-formula></disp-formula-group>',
     {'formulas_dropped': 1}, ''),
    ('<x><caption><title>C.</title></caption></x>',
     {'captions_dropped': 1}, ''),
    ('<inline-formula><tex-math>x</tex-math></inline-formula>',
     {'formulas_in_tex_dropped': 1}, ''),
    ('<disp-quote><attrib>W.</attrib></disp-quote>',
     {'attributions_dropped': 1}, ''),
    ('<boxed-text><caption><title>Box.</title></caption><sec><p>In it.</p>'
     '</sec></boxed-text>', {}, ' Box. In it.'),
    ('<verse-group><verse-line>One</verse-line><verse-line>two.</verse-line>'
     '</verse-group>', {}, ' One two.'),
    ('Loose <italic>E. coli</italic>.', {}, ' Loose E. coli.'),
    ('<p>See <mixed-citation><article-title>It</article-title>, 2001'
     '</mixed-citation>.</p>', {}, ' See It, 2001.'),
  ],
)  # fmt: skip
@pytest.mark.parametrize('place', ['body', 'p'])
def test_captions_and_cells_are_counted_and_all_other_text_is_read(
  tmp_path, xml, dropped, text, place
):
  if place == 'p' and '<p>See' in xml:
    return
  before = f'<p>A b. {xml}</p>' if place == 'p' else f'<p>A b.</p>{xml}'
  found, counts, _ = one(tmp_path, before)
  assert ' '.join(found[0].sections[1].paragraphs) == f'A b.{text}'
  got = {k: v for k, v in counts.items() if k.endswith('dropped')}
  assert got == dropped


def test_headings_of_nested_sections_are_no_text_of_their_own(tmp_path):
  abstract = (
    '<abstract><sec><title>Methods</title><sec><title>Mice</title><p>Ran.</p>'
    '</sec></sec><sec><title>Aim</title></sec><p>End.</p></abstract>'
    '<abstract xml:lang="es"><p>Resumen.</p></abstract>'
  )
  xml = (
    '<sec><title>Methods</title><sec><title>Mice</title><sec><title>Cages'
    '</title><fig/></sec><sec><title>Food</title><p>Oats.</p></sec></sec></sec>'
    '<sec><title>Declarations</title><sec><title>Funding</title><p>None.</p>'
    '</sec></sec>'
  )
  found, counts, _ = one(tmp_path, xml, abstract=abstract)
  assert list(any_format.documents(found[0])) == [
    ('pmcid:PMC7', ('A title', 'Mice: Ran.', 'End.')),
    ('pmcid:PMC7#1', ('Methods', 'Mice', 'Food', 'Oats.')),
  ]
  assert {k: v for k, v in counts.items() if k.endswith('dropped')} == {
    'parent_headings_dropped': 1,
    'empty_sections_dropped': 3,  # Aim, Cages, Declarations.
    'boilerplate_sections_dropped': 1,
    'other_abstracts_dropped': 1,
    'figures_dropped': 1,
  }


def test_a_subtitle_belongs_to_the_title(tmp_path):
  title = '<article-title>Zinc</article-title><subtitle>A trial</subtitle>'
  found, _, _ = one(tmp_path, '<p>A.</p>', title=title)
  assert found[0].sections[0].paragraphs[0] == 'Zinc: A trial'


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


RECORD = '<record><header><identifier>{}</identifier></header>{}</record>'
OAI = '<OAI-PMH xmlns="http://www.openarchives.org/OAI/2.0/"><ListRecords>'


@pytest.mark.parametrize(
  'namespace', ['', ' xmlns="https://jats.nlm.nih.gov/"']
)
@pytest.mark.parametrize(
  ('before', 'after', 'named'),
  [
    ('', '', []),
    ('<articles>', '<article/></articles>', ['a.xml:2']),
    ('<x:set xmlns:x="u">', '</x:set>', []),
    ('<pmc-articleset>', '<Reply Id="8" error="no"/></pmc-articleset>', ['8']),
    (f'{OAI}<record><metadata>', '</metadata></record>'
     f'{RECORD.format("oai:9", "")}</ListRecords></OAI-PMH>', ['oai:9']),
  ],
)  # fmt: skip
def test_namespaces_and_wrappers(tmp_path, before, after, named, namespace):
  article = jats('<sec><title>M</title><p>We.</p></sec>', attributes=namespace)
  content = f'{before}{article.decode().split(">", 1)[1]}{after}'
  found, counts, notes = read(written(tmp_path, 'a.xml', content.encode()))
  assert [list(any_format.documents(one)) for one in found] == [
    [('pmcid:PMC7', ('A title', 'One. Two.')), ('pmcid:PMC7#1', ('M', 'We.'))]
  ]
  assert [id for _, id in notes] == named
  assert counts['dropped_no_record'] + counts['dropped_no_text'] == len(named)


def test_a_file_without_a_record_is_named(tmp_path):
  path = written(tmp_path, 'a.xml', b'<pmc-articleset></pmc-articleset>')
  assert read(path) == (
    [],
    {'dropped_no_record': 1},
    [('no_record', str(path))],
  )


def test_a_set_of_articles_is_read_one_by_one(tmp_path):
  inner = [jats(f'<p>{n}.</p>').split(b'>', 1)[1] for n in 'ab']
  content = b'<pmc-articleset>' + b''.join(inner) + b'</pmc-articleset>'
  found, _, _ = read(written(tmp_path, 'a.xml', content))
  assert [a.sections[1].paragraphs for a in found] == [('a.',), ('b.',)]
