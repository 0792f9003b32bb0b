"""Documents with mentions and the relations between them."""

import dataclasses

from biobert_jax.text.documents import Document, Entity


@dataclasses.dataclass(frozen=True)
class Mention:
  """An entity and what relations call it.

  Attributes:
    id: its own in the document, such as T12.
    entity: where it stands, and its type.
    names: its id, or its concepts: what relations are between.
  """

  id: str
  entity: Entity
  names: frozenset[str] = frozenset()


@dataclasses.dataclass(frozen=True)
class Relation:
  """A relation between two mentions, or two concepts.

  Attributes:
    type: its name, ChemProt's groups in small letters: `cpr:3`.
    first: a name of mentions.
    second: another.
    scored: whether the corpus scores it.
  """

  type: str
  first: str
  second: str
  scored: bool = True


@dataclasses.dataclass(frozen=True)
class Annotated:
  """A document with its mentions and relations."""

  document: Document
  mentions: tuple[Mention, ...]
  relations: tuple[Relation, ...]
