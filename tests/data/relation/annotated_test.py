"""Annotated documents."""

from biobert_jax.data.relation.annotated import Mention, Relation
from biobert_jax.text.documents import Entity


def test_equal_relations_count_once_in_a_set():
  relations = [Relation('cpr:3', 'T1', 'T2'), Relation('cpr:3', 'T1', 'T2')]
  assert len(set(relations)) == 1
  assert len({*relations, Relation('cpr:3', 'T1', 'T2', scored=False)}) == 2


def test_a_mention_has_no_names_unless_given():
  mention = Mention('T1', Entity('aspirin', 'CHEMICAL', 0, 7))
  assert mention.names == frozenset()
