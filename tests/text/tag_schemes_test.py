"""Labels of any spelling as tags, and every scheme as BIO."""

import collections

import pytest

from biobert_jax.text import tag_schemes


@pytest.mark.parametrize(
  ('labels', 'tags', 'scheme'),
  [
    ('O B I', 'O B I', 'bio'),
    ('X B-Drug I-Drug [CLS]', 'O B-Drug I-Drug O', 'bio'),
    ('O B_Drug I_Drug', 'O B-Drug I-Drug', 'bio'),
    ('0 B-cell-line I-cell-line', 'O B-cell-line I-cell-line', 'bio'),
    ('o b-Drug i-Drug', 'O B-Drug I-Drug', 'bio'),
    ('O Drug-B Drug-I', 'O B-Drug I-Drug', 'bio'),
    ('O B-X I-X E-X S-X', 'O B-X I-X E-X S-X', 'iobes'),
    ('O S-X', 'O S-X', 'iobes'),
    ('O B_X I_X L_X U_X', 'O B-X I-X L-X U-X', 'bilou'),
    ('O CHEM Disease', 'O I-CHEM I-Disease', 'io'),
    ('O B_cell T_cell', 'O I-B_cell I-T_cell', None),  # Mixed with letters.
    ('LABEL_0 LABEL_1', '', None),
    ('0 1 2', '', None),
    ('O LABEL_1', '', None),
    ('O Drug I', '', None),
    ('yes no', '', None),
    ('O', '', None),
  ],
)
def test_labels(labels, tags, scheme):
  found = tag_schemes.read_labels(labels.split())
  expected = scheme and (tuple(tags.split()), scheme)
  assert found == expected


@pytest.mark.parametrize(
  ('labels', 'are'),
  [('O B-X I-X', True), ('O X-Y', False), ('yes no', False), ('B I', False)],
)
def test_only_tags_are_tags(labels, are):
  assert tag_schemes.are_tags(labels.split()) == are


@pytest.mark.parametrize(
  ('scheme', 'tags', 'bio'),
  [
    ('bio', 'B-x E I-x', 'B-x E I-x'),
    ('iobes', 'S-x B-y I-y E-y I-y', 'B-x B-y I-y I-y B-y'),
    ('bioes', 'S E B E', 'B B B I'),
    ('bilou', 'U-x B-y I-y L-y L-y', 'B-x B-y I-y I-y B-y'),
    ('io', 'x x O x y I-y', 'B-x I-x O B-x B-y I-y'),
    ('io', 'I I O I', 'B I O B'),
  ],
)
def test_every_scheme_becomes_bio(scheme, tags, bio):
  counts = collections.Counter()
  assert ' '.join(tag_schemes.to_bio(tags.split(), scheme, counts)) == bio
  assert bool(counts) == (scheme != 'bio')


@pytest.mark.parametrize(
  ('tags', 'scheme'),
  [
    ('O B-x', 'bio'),
    ('O B E', 'iobes'),
    ('O B L', 'bilou'),
    ('O x', 'io'),
    ('O B x', ''),
  ],
)
def test_the_scheme_of_a_corpus(tags, scheme):
  assert tag_schemes.scheme_of(tags.split()) == scheme
