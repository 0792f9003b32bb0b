"""Documents with entities to relations between these."""

import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import tqdm

from biobert_jax.checkpoints import detect as sources
from biobert_jax.checkpoints import pretrained
from biobert_jax.data import counts as data_counts
from biobert_jax.data.packed_sequences import PackedSequences
from biobert_jax.data.relation import features as relation_features
from biobert_jax.data.relation.annotated import Mention
from biobert_jax.data.relation.candidates import Pair, candidate_pairs
from biobert_jax.data.relation.features import PairForm
from biobert_jax.data.relation.markers import Markers
from biobert_jax.data.relation.placeholders import Placeholders
from biobert_jax.errors import InputError
from biobert_jax.inference import relation_files
from biobert_jax.inference.model_runner import SequenceRunner
from biobert_jax.inference.relation_files import (
  PredictedRelation,
  RelatedDocument,
)
from biobert_jax.tasks.task import merge
from biobert_jax.text import documents
from biobert_jax.text.readers import any_format

FORMATS: dict[str, Callable[..., Any]] = {
  'jsonl': relation_files.write_jsonl,
  'tsv': relation_files.write_tsv,
}
Documents = Iterable[documents.Document]
# Documents -> the same with their entities; notes go to the counter.
Tag = Callable[[Documents, Counter[str]], Documents]
# (a model, where notes go, whether entities that are there stay) -> a tagger.
MakeTagger = Callable[
  [str, Counter[str], bool], Callable[[Documents], Documents]
]
# Documents whose pairs are packed and judged together: bounds memory.
_CHUNK = 512


class RelationExtractor:
  """A trained model that says how entities of a sentence are related."""

  def __init__(
    self,
    model: str,
    counts: Counter[str] | None = None,
    do_lower_case: bool | None = None,
  ):
    """Opens a classifier of sentences about pairs and compiles it.

    Args:
      model: a work folder of `train`, an import or an export of one.
      counts: receives what `relation_pairs.pairs_of` and
        `pair_windows.encode` notice.
      do_lower_case: casing, where no file of the model states it.

    Raises:
      InputError: no sequence classifier there, or one that does not say which
        pairs it is about.
    """
    opened = pretrained.load_pretrained(model, do_lower_case)
    pretrained.check_known(opened)
    settings = opened.settings
    classifies = opened.head in ('sequence', 'entity_pair')
    if classifies and 'placeholders' not in settings:
      raise InputError(
        f'{model}: nothing says which pairs it was trained on; give a work '
        'folder of relation extraction, or an import or export of one'
      )
    positions = opened.bert.max_position_embeddings
    self._length = min(settings.get('max_seq_length', positions), positions)
    self._most = settings.get('max_sequences', 1)
    self._run = SequenceRunner(opened, self._length, self._most)
    self._words = Placeholders.from_config(
      settings['placeholders'], settings['joint_placeholders']
    )
    self._pair: PairForm = self._words
    # Models of before there were markers do not say.
    if settings.get('entities', 'anonymised') == 'markers':
      self._pair = Markers.from_config(settings['markers'])
      self._pair.ids(opened.tokenizer)
    self._labels, self._negative = opened.labels, settings['negative']
    self._tokenizer = opened.tokenizer
    self._counts = Counter() if counts is None else counts

  def __call__(
    self, source: Iterable[documents.Document]
  ) -> Iterator[RelatedDocument]:
    """Yields each document with the relations between its entities.

    Args:
      source: documents with entities of the two types.

    Yields:
      The documents in their order.
    """
    iterator = iter(source)
    while chunk := list(itertools.islice(iterator, _CHUNK)):
      yield from self._relate(chunk)

  def _relate(
    self, chunk: list[documents.Document]
  ) -> Iterator[RelatedDocument]:
    found = [self._pairs(document) for document in chunk]
    shares = self._judge([pair.text for pairs in found for pair in pairs])
    first = 0
    for document, pairs in zip(chunk, found, strict=True):
      last = first + len(pairs)
      relations = self._relations(pairs, shares[first:last])
      yield RelatedDocument(document, tuple(relations))
      first = last

  def _pairs(self, document: documents.Document) -> list[Pair]:
    mentions = [
      Mention(str(number), entity)
      for number, entity in enumerate(document.entities)
    ]
    marked = isinstance(self._pair, Markers)
    return candidate_pairs(
      document, mentions, self._words, self._counts, marked
    )

  def _judge(self, texts: list[str]) -> np.ndarray:
    """Probabilities [texts, C]."""
    if not texts:
      return np.zeros((0, len(self._labels)), np.float32)
    windows, starts = relation_features.encode(
      texts,
      self._tokenizer,
      self._pair,
      max_seq_length=self._length,
      counts=self._counts,
    )
    rows = PackedSequences(
      windows,
      np.zeros(len(texts), np.int32),
      max_seq_length=self._length,
      max_sequences=self._most,
      pack=self._run.pack,
      starts=starts if self._run.needs_starts else None,
    )
    return merge(self._run(rows), 'probability', len(texts), len(self._labels))

  def _relations(
    self, pairs: list[Pair], shares: np.ndarray
  ) -> Iterator[PredictedRelation]:
    for pair, row in zip(pairs, shares, strict=True):
      label = self._labels[row.argmax()]
      if label != self._negative:
        score = round(float(row.max()), 4)
        ends = (int(pair.first.id), int(pair.second.id))
        yield PredictedRelation(label, score, *ends, pair.text)


def relates(model: str) -> bool:
  """Whether a model says of itself that it relates entities."""
  record = sources.detect(model).record
  if 'config' in record:
    return record['config'].get('task') == 'relation'
  return 'placeholders' in record.get('settings', {})


def predict(
  model: str,
  source: str,
  output: str,
  form: str,
  casing: bool | None,
  tag: Tag | None = None,
) -> dict[str, Any]:
  """Relates the entities in a file of JSONL or PubTator.

  Args:
    model: any that `Relater` opens.
    source: the file, as `predict` of a tagger writes it; '-' is standard
      input.
    output: the file to write.
    form: a key of `FORMATS`.
    casing: where no file of the model states it.
    tag: finds the entities first, where the file need not have any.

  Returns:
    `{"output", "documents", "entities", "pairs", "relations", "per_type"}`.

  Raises:
    InputError: no model there, or unreadable text.
  """
  if form not in FORMATS:
    raise InputError(
      f'--format is {form!r}; of relations choose from {sorted(FORMATS)}'
    )
  counts: Counter[str] = Counter()
  types: Counter[str] = Counter()

  def counted() -> Iterator[RelatedDocument]:
    # Only now: a writer has refused a wrong output by then.
    relater = RelationExtractor(model, counts, casing)
    found = any_format.read_documents(source, counts)
    done = relater(found if tag is None else tag(found, counts))
    # On a terminal only.
    for one in tqdm.tqdm(done, unit=' documents', disable=None):
      counts['documents'] += 1
      types.update(relation.type for relation in one.relations)
      yield one
    if tag is None and not counts['mentions']:
      raise InputError(
        f'--input {source}: no document has entities; give what predict of a '
        'tagger wrote, JSONL or PubTator'
      )

  FORMATS[form](counted(), output)
  data_counts.log_counts(counts)
  return {
    'output': output,
    'documents': counts['documents'],
    'entities': counts['mentions'],
    'pairs': counts['pairs'],
    'relations': types.total(),
    'per_type': dict(sorted(types.items())),
  }


def pipeline(
  models: str,
  source: str,
  output: str,
  form: str,
  casing: bool | None,
  make_tagger: MakeTagger,
) -> dict[str, Any]:
  """Finds the entities of a text and relates them; see `predict`.

  Args:
    models: taggers and, last, a model of relations, with commas between.
    source: raw text, a document a line, PubTator or JSONL; '-' is standard
      input.
    output: the file to write.
    form: a key of `FORMATS`.
    casing: where no file of a model states it.
    make_tagger: opens a tagger.

  Returns:
    What `predict` does; the file has the bytes that the models' own steps
    write, one after the other, with JSONL between.

  Raises:
    InputError: the models are others, or unreadable text.
  """
  names = [name.strip() for name in models.split(',')]
  *taggers, last = names
  if not taggers or [*map(relates, names)] != [False] * len(taggers) + [True]:
    raise InputError(
      f'--pipeline={models}: name one or several taggers, then one model of '
      'relations, with commas between'
    )

  def tag(found: Documents, counts: Counter[str]) -> Documents:
    for number, name in enumerate(taggers):
      found = make_tagger(name, counts, number > 0)(found)
    return found

  return predict(last, source, output, form, casing, tag)
