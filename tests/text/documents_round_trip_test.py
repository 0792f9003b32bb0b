"""Every form that is written, read again: the same entities, ids, relations."""

import dataclasses
import random
from collections import Counter

import pytest

from biobert_jax.text import documents
from biobert_jax.text.documents import Document, DocumentRelation, Entity
from tests.fixtures.written_forms import WRITTEN

TEXT = 'Renal and hepatic failure\nD-penicillamine (β) harms <kidneys> & liver.'


def entity(mention, kind, concept='', **extra):
  start = TEXT.index(mention)
  end = start + len(mention)
  return Entity(start, end, kind, mention, 1.0, concept, extra)


DOCUMENT = Document(
  'note-1',
  TEXT,
  (
    # A composite mention, one nested in it, and one of another corpus's ids.
    entity(
      *('Renal and hepatic failure', 'Disease', 'D058186|D017093'),
      individual_mentions='renal failure|hepatic failure',
    ),
    entity('hepatic failure', 'Disease', 'D017093'),
    entity('D-penicillamine', 'Chemical', 'MESH:D010396'),
    entity('β', 'Variant', 'p|SUB|R|132|H'),
    entity('kidneys', 'Anatomy'),
  ),
  title_length=25,
)
BY_CONCEPT = (
  DocumentRelation('CID', 'MESH:D010396', 'D058186'),
  DocumentRelation('Association', 'p|SUB|R|132|H', 'D017093', {'novel': 'No'}),
)
BY_MENTION = (DocumentRelation('CID', 2, 1), DocumentRelation('part-of', 4, 0))
ALSO = {
  'entities': tuple(
    dataclasses.replace(e, extra={**e.extra, 'source': f's{n}'})
    for n, e in enumerate(DOCUMENT.entities)
  ),
  'extra': {'journal': 'Nature'},
}


def parts(document, form):
  """What a form promises to keep; brat and BioC give entities ids."""
  entities = [
    dataclasses.replace(
      e, extra={k: v for k, v in e.extra.items() if k not in ('id', 'note')}
    )
    for e in document.entities
  ]
  if form == 'brat':  # Its reader does not know what is a title.
    entities = [dataclasses.replace(e, extra={}) for e in entities]
  return document.id, document.text, entities, document.relations


@pytest.mark.parametrize(
  ('form', 'relations', 'changes'),
  [
    ('jsonl', BY_CONCEPT + BY_MENTION, ALSO),
    ('bioc', BY_CONCEPT + BY_MENTION, ALSO),
    ('bioc-json', BY_CONCEPT + BY_MENTION, ALSO),
    ('pubtator', BY_CONCEPT, {}),
    ('brat', BY_MENTION, {}),
  ],
)
def test_what_is_written_is_read_again(tmp_path, form, relations, changes):
  document = dataclasses.replace(DOCUMENT, relations=relations, **changes)
  write, read = WRITTEN[form]
  counts = Counter()
  documents.count_losses(document, form, counts)
  write([document, Document('note 2', 'No entity')], tmp_path / 'out')
  found = {one.id: one for one in read(tmp_path / 'out')}
  assert parts(found['note-1'], form) == parts(document, form)
  assert found['note_2' if form == 'brat' else 'note 2'].text == 'No entity'
  if form == 'brat':
    assert counts == {'unknown_keys_that_brat_cannot_hold': 1}
  else:
    assert not counts
    assert found['note-1'].extra == document.extra
    assert found['note-1'].title_length == 25


@pytest.mark.parametrize('form', WRITTEN)
def test_long_texts_with_many_overlapping_mentions(tmp_path, form):
  # Full texts of CRAFT have thousands of mentions, some in several parts.
  draw = random.Random(0)
  words = [draw.choice(['BRCA1', 'liver', 'µ-opioid', 'α', 'of'])] * 9000
  text = ' '.join(words)
  starts = [m * (len(words[0]) + 1) for m in range(9000)]
  entities = []
  for number in range(1500):
    first = draw.randrange(8900)
    last = starts[first + draw.randrange(1, 9)] - 1
    extra = {}
    if form not in ('pubtator',) and number % 7 == 0 and first < 8000:
      last = starts[first + 4] - 1
      gap = [[starts[first], starts[first + 1] - 1]]
      extra = {'fragments': [*gap, [starts[first + 3], last]]}
    start = starts[first]
    one = Entity(
      start, last, 'GO', text[start:last], 1.0, f'GO:{number}', extra
    )
    entities.append(one)
  write, read = WRITTEN[form]
  write([Document('11532192', text, tuple(entities))], tmp_path / 'out')
  (found,) = read(tmp_path / 'out')
  plain = [
    dataclasses.replace(
      e, extra={k: v for k, v in e.extra.items() if k == 'fragments'}
    )
    for e in found.entities
  ]
  assert plain == entities


@pytest.mark.parametrize(
  ('form', 'lost'),
  [
    ('pubtator', {'relations': 1, 'unknown_keys': 6}),
    ('brat', {'relations': 2, 'unknown_keys': 8}),
    (
      'conll',
      {
        'overlapping_mentions': 1,
        'concepts': 4,
        'relations': 4,
        'unknown_keys': 8,
      },
    ),
  ],
)
def test_what_a_form_cannot_hold_is_counted(form, lost):
  document = dataclasses.replace(
    DOCUMENT, relations=BY_CONCEPT + BY_MENTION, **ALSO
  )
  counts = Counter()
  documents.count_losses(document, form, counts)
  assert counts == {f'{k}_that_{form}_cannot_hold': v for k, v in lost.items()}
  if form == 'pubtator':  # The relation that is lost has an end without one.
    assert documents.concept_of(document, 4) == ''


def test_conll_breaks_lines_at_sentences_but_not_in_an_entity(tmp_path):
  text = 'Gout hurts. It ends with Bc. Vitus dance today.'
  start = text.index('Bc.')
  found = Entity(start, start + 9, 'D', text[start : start + 9])
  documents.write_conll([Document('1', text, (found,))], tmp_path / 'out')
  blocks = (tmp_path / 'out').read_text().split('\n\n')
  assert [block.split('\t')[0] for block in blocks] == ['Gout', 'It', '']
  assert 'Bc\tB-D\n.\tI-D\nVitus\tI-D\ndance\tO' in blocks[1]
