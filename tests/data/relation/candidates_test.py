"""Each rule of pairs: what becomes a row, how it reads, what is counted."""

import collections

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from biobert_jax.data.relation.candidates import (
  Annotated,
  Mention,
  Relation,
  candidate_pairs,
  labelled_rows,
)
from biobert_jax.data.relation.pair_words import Placeholders
from biobert_jax.text.documents import Document, Entity

WORDS = Placeholders.from_types('CHEMICAL', 'GENE')


def mention(text, number, kind, name, occurrence=0):
  start = -1
  for _ in range(occurrence + 1):
    start = text.index(name, start + 1)
  entity = Entity(start, start + len(name), kind, name)
  return Mention(f'T{number}', entity, frozenset((f'T{number}',)))


def annotated(text, mentions, relations=(), title_length=None):
  made = [
    mention(text, number, *given) for number, given in enumerate(mentions, 1)
  ]
  made_of = tuple(Relation(*relation) for relation in relations)
  document = Document('1', text, (), title_length)
  return Annotated(document, tuple(made), made_of)


def rows(given, **options):
  counts = collections.Counter()
  found = labelled_rows(given, WORDS, counts, **options)
  return [(row.pair.text, row.label) for row in found], dict(+counts)


CHEMICAL, GENE = 'CHEMICAL', 'GENE-Y'


def test_every_chemical_with_every_gene_of_its_sentence():
  text = 'Iron and zinc bind p53. Lead binds p21.'
  names = ('Iron', 'zinc', 'Lead')
  given = annotated(
    text,
    [(CHEMICAL, n) for n in names] + [('GENE-N', 'p53'), (GENE, 'p21')],
    [('cpr:3', 'T1', 'T4'), ('cpr:9', 'T5', 'T3')],
  )
  found, counts = rows(given)
  assert found == [
    ('@CHEMICAL$ and zinc bind @GENE$.', 'cpr:3'),
    ('Iron and @CHEMICAL$ bind @GENE$.', 'false'),
    ('@CHEMICAL$ binds @GENE$.', 'cpr:9'),
  ]
  assert counts == {
    'documents': 1,
    'sentences': 2,
    'mentions': 5,
    'pairs': 3,
    'relations': 2,
  }


def test_the_gene_may_come_first():
  given = annotated('G is bound by C.', [(CHEMICAL, 'C'), (GENE, 'G')])
  assert rows(given)[0] == [('@GENE$ is bound by @CHEMICAL$.', 'false')]


def test_a_title_is_a_sentence_of_its_own():
  text = 'C and title\nG in text'
  given = annotated(text, [(CHEMICAL, 'C'), (GENE, 'G')], title_length=11)
  assert rows(given)[0] == []
  joined = annotated(text.replace('\n', ' '), [(CHEMICAL, 'C'), (GENE, 'G')])
  assert len(rows(joined)[0]) == 1


@pytest.mark.parametrize(
  ('gene', 'overlap'),
  [
    ('insulin receptor', 'pairs_nested'),
    ('insulin', 'pairs_nested'),
    ('lin receptor', 'pairs_overlapping'),
  ],
)
def test_an_overlapping_pair_is_one_word(gene, overlap):
  text = 'The insulin receptor binds.'
  mentions = [(CHEMICAL, 'insulin'), (GENE, gene)]
  given = annotated(text, mentions, [('cpr:3', 'T1', 'T2')])
  found, counts = rows(given)
  rest = '' if 'receptor' in gene else ' receptor'
  assert found == [(f'The @CHEM-GENE${rest} binds.', 'cpr:3')]
  assert counts[overlap] == 1
  found, counts = rows(given, keep_overlapping=False)
  assert found == []
  assert counts['pairs_overlapping_dropped'] == 1
  assert counts['relations_of_overlapping_dropped'] == 1
  assert 'relations_across_sentences' not in counts


def test_mentions_that_touch_do_not_overlap():
  given = annotated('CG binds.', [(CHEMICAL, 'C'), (GENE, 'G')])
  found, counts = rows(given)
  assert found == [('@CHEMICAL$@GENE$ binds.', 'false')]
  assert not {'pairs_nested', 'pairs_overlapping'} & set(counts)


def test_of_a_third_mention_the_rest_stays():
  text = 'Insulin binds insulin receptor beta.'
  mentions = [
    (CHEMICAL, 'Insulin'),
    (GENE, 'insulin receptor'),
    (GENE, 'receptor beta'),
  ]
  found, counts = rows(annotated(text, mentions))
  assert found == [
    ('@CHEMICAL$ binds @GENE$ beta.', 'false'),
    ('@CHEMICAL$ binds insulin @GENE$.', 'false'),
  ]
  assert counts['pairs_beside_an_overlap'] == 2
  assert 'pairs_overlapping' not in counts


def test_a_mention_given_twice_is_one_with_both_names():
  text = 'C binds G.'
  mentions = [(CHEMICAL, 'C'), ('GENE-Y', 'G'), ('GENE-N', 'G')]
  given = annotated(text, mentions, [('cpr:3', 'T1', 'T3')])
  found, counts = rows(given)
  assert found == [('@CHEMICAL$ binds @GENE$.', 'cpr:3')]
  assert counts['mentions_repeated'] == 1


def test_a_name_said_again_makes_a_pair_for_each_place():
  text = 'Iron binds G, and iron binds G.'
  mentions = [(CHEMICAL, 'Iron'), (CHEMICAL, 'iron'), (GENE, 'G', 1)]
  found, counts = rows(annotated(text, mentions, [('cpr:3', 'T2', 'T3')]))
  assert found == [
    ('@CHEMICAL$ binds G, and iron binds @GENE$.', 'false'),
    ('Iron binds G, and @CHEMICAL$ binds @GENE$.', 'cpr:3'),
  ]
  assert counts['pairs_with_a_repeated_name'] == 2


def test_relations_that_no_sentence_holds():
  text = 'C is here. G is there. D too.'
  mentions = [(CHEMICAL, 'C'), (GENE, 'G'), (CHEMICAL, 'D')]
  relations = [
    ('cpr:3', 'T1', 'T2'),
    ('cpr:3', 'T2', 'T3'),
    ('cpr:3', 'T1', 'T3'),
    ('cpr:3', 'T1', 'T3'),
    ('cpr:1', 'T1', 'T2', False),
  ]
  found, counts = rows(annotated(text, mentions, relations))
  assert found == []
  assert counts['relations_across_sentences'] == 2
  assert counts['relations_between_other_types'] == 1
  assert counts['relations'] == 3
  assert counts['relations_unwanted'] == 1
  assert counts['relations_repeated'] == 1


def test_several_relations_make_several_rows_and_unwanted_ones_none():
  given = annotated(
    'C binds G, not H.',
    [(CHEMICAL, 'C'), (GENE, 'G'), (GENE, 'H')],
    [
      ('cpr:3', 'T1', 'T2'),
      ('cpr:9', 'T1', 'T2'),
      ('cpr:1', 'T1', 'T3', False),
    ],
  )
  pair, other = (
    '@CHEMICAL$ binds @GENE$, not H.',
    '@CHEMICAL$ binds G, not @GENE$.',
  )
  found, counts = rows(given)
  assert found == [(pair, 'cpr:3'), (pair, 'cpr:9'), (other, 'false')]
  assert counts['pairs_with_several_relations'] == 1
  assert counts['pairs_of_unwanted_relations'] == 1
  found, counts = rows(given, wanted=('CPR:1',), negative='no')
  assert found == [(pair, 'no'), (other, 'cpr:1')]
  assert counts['pairs_of_unwanted_relations'] == 1


def test_a_sentence_that_ends_inside_a_mention_goes_on():
  text = 'We gave C. The G of rats bound C. It fell.'
  mentions = [(CHEMICAL, 'C'), (GENE, 'C. The G'), (CHEMICAL, 'C', 1)]
  found, counts = rows(annotated(text, mentions))
  assert found[1] == ('We gave @GENE$ of rats bound @CHEMICAL$.', 'false')
  assert counts['sentences_joined_at_mentions'] == 1


def test_mentions_of_other_types_and_of_blanks_make_no_pairs():
  text = 'C  binds G\tin rats.'
  mentions = [(CHEMICAL, 'C'), (GENE, 'G'), ('Species', 'rats'), (GENE, ' ')]
  found, counts = rows(annotated(text, mentions))
  assert found == [('@CHEMICAL$  binds @GENE$ in rats.', 'false')]
  assert counts['mentions_of_other_types'] == 2


def test_pairs_of_one_type():
  words = Placeholders.from_types('GENE', 'GENE')
  given = annotated('G, H and I.', [(GENE, c) for c in 'GHI'])
  found = candidate_pairs(
    given.document, given.mentions, words, collections.Counter()
  )
  assert [pair.text for pair in found] == [
    '@GENE$, @GENE$ and I.',
    '@GENE$, H and @GENE$.',
    'G, @GENE$ and @GENE$.',
  ]


def test_without_a_joint_word_overlapping_pairs_are_dropped():
  words = Placeholders('@CHEMICAL$', '@GENE$')
  given = annotated(
    'insulin receptor', [(CHEMICAL, 'insulin'), (GENE, 'insulin receptor')]
  )
  counts = collections.Counter()
  assert candidate_pairs(given.document, given.mentions, words, counts) == []
  assert counts['pairs_overlapping_dropped'] == 1


@settings(max_examples=300)
@given(
  st.text('ab .A\n', min_size=1, max_size=30),
  st.lists(
    st.tuples(
      st.integers(0, 29), st.integers(1, 8), st.sampled_from([CHEMICAL, GENE])
    ),
    max_size=6,
  ),
)
def test_the_sentence_is_got_back_from_its_pair(text, places):
  """Whatever overlaps: mentions put back, a row is a part of the text."""
  mentions = []
  for number, (start, size, kind) in enumerate(places):
    found = text[start : start + size]
    if found:
      entity = Entity(start, start + len(found), kind, found)
      mentions.append(Mention(str(number), entity))
  counts = collections.Counter()
  document = Document('1', text)
  for pair in candidate_pairs(document, mentions, WORDS, counts):
    a, b = pair.first.entity, pair.second.entity
    assert WORDS.locate(pair.text) is not None
    if pair.overlap:
      both = text[min(a.start, b.start) : max(a.end, b.end)]
      assert pair.text.count('@') == 1
      again = pair.text.replace('@CHEM-GENE$', both)
    else:
      assert pair.text.count('@') == 2
      again = pair.text.replace('@CHEMICAL$', a.text)
      again = again.replace('@GENE$', b.text)
    assert again.replace('\n', ' ') in text.replace('\n', ' ')
  assert counts['mentions'] == len(mentions)


def test_equal_relations_count_once_in_a_set():
  relations = [Relation('cpr:3', 'T1', 'T2'), Relation('cpr:3', 'T1', 'T2')]
  assert len(set(relations)) == 1
  assert len({*relations, Relation('cpr:3', 'T1', 'T2', scored=False)}) == 2


def test_a_mention_has_no_names_unless_given():
  mention = Mention('T1', Entity('aspirin', 'CHEMICAL', 0, 7))
  assert mention.names == frozenset()
