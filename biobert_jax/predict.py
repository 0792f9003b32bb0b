"""Raw text to entities, these, or it, to relations; questions to answers."""

import dataclasses
import itertools
import logging
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import tqdm
from etils import epath

from biobert_jax import answer, decide, relate, run, weights
from biobert_jax.data import annotations, documents, windows
from biobert_jax.data.packing import PackedRows
from biobert_jax.data.sentences import split_sentences
from biobert_jax.errors import InputError
from biobert_jax.metrics.ner import spans
from biobert_jax.runner import TokenRunner
from biobert_jax.tasks.ner import merge

_log = logging.getLogger(__name__)

FORMATS: dict[str, Callable[..., Any]] = {
  'jsonl': annotations.write_jsonl,
  'brat': annotations.write_brat,
  'pubtator': annotations.write_pubtator,
  'conll': annotations.write_conll,
  'html': annotations.write_html,
}
# Documents read, packed and tagged together: bounds memory.
_CHUNK = 512
# How text is cut where a model does not say (configs/common/ner.py).
_DEFAULTS = {
  'max_seq_length': 128,
  'window_overlap': 32,
  'entity_type': 'Entity',
}
_NO_ENTITY = ('[PAD]', 'X', '[CLS]', '[SEP]')


class Tagger:
  """A trained model that marks entities in text."""

  def __init__(
    self,
    model: str,
    counts: Counter[str] | None = None,
    do_lower_case: bool | None = None,
    keep_entities: bool = False,
  ):
    """Opens a token classifier and compiles it.

    Args:
      model: a work folder of `train`, an import, an export in any form, a
        Hugging Face folder.
      counts: receives what `windows.encode` notices.
      do_lower_case: casing, where no file of the model states it.
      keep_entities: whether entities that documents have already stay.

    Raises:
      InputError: no token classifier there, or labels that are no BIO tags.
    """
    opened = weights.open_model(model, do_lower_case)
    weights.check_known(opened)
    positions = opened.bert.max_position_embeddings
    settings = {**_DEFAULTS, **opened.settings}
    self._length = min(settings['max_seq_length'], positions)
    self._overlap = min(settings['window_overlap'], self._length // 4)
    self._entity_type = settings['entity_type']
    self._run = TokenRunner(opened, self._length)
    self._tags = bio_tags(opened.labels, model)
    self._tokenizer = opened.tokenizer
    self._counts = Counter() if counts is None else counts
    self._keep = keep_entities

  def __call__(
    self, source: Iterable[documents.Document]
  ) -> Iterator[documents.Document]:
    """Yields each document with the entities found in it.

    Args:
      source: documents; entities they already have are dropped, unless they
        are to be kept.

    Yields:
      The documents in their order; `text[start:end]` is an entity's text.
    """
    iterator = iter(source)
    while chunk := list(itertools.islice(iterator, _CHUNK)):
      yield from self._tag(chunk)

  def _tag(self, chunk: list[documents.Document]) -> list[documents.Document]:
    words = [_sentences(document) for document in chunk]
    flat = [sentence for document in words for sentence in document]
    texts = [
      [document.text[start:end] for start, end in sentence]
      for document, sentences in zip(chunk, words, strict=True)
      for sentence in sentences
    ]
    if not flat:
      return [self._with(document, []) for document in chunk]
    encoded = windows.encode(
      texts,
      self._tokenizer,
      max_seq_length=self._length,
      overlap=self._overlap,
      counts=self._counts,
    )
    rows = PackedRows(
      encoded,
      np.zeros(encoded.num_words, np.int32),
      max_seq_length=self._length,
      pack=self._run.pack,
    )
    ids, probabilities = merge(self._run(rows), encoded.num_words)
    tagged, first = [], 0
    for document, sentences in zip(chunk, words, strict=True):
      found: list[documents.Entity] = []
      for sentence in sentences:
        last = first + len(sentence)
        found += self._entities(
          document.text, sentence, ids[first:last], probabilities[first:last]
        )
        first = last
      tagged.append(self._with(document, found))
    return tagged

  def _with(
    self, document: documents.Document, found: list[documents.Entity]
  ) -> documents.Document:
    if self._keep:
      both = {(e.start, e.end, e.type): e for e in (*document.entities, *found)}
      found = [both[key] for key in sorted(both)]
    return dataclasses.replace(document, entities=tuple(found))

  def _entities(
    self,
    text: str,
    words: list[tuple[int, int]],
    ids: np.ndarray,
    probabilities: np.ndarray,
  ) -> Iterator[documents.Entity]:
    for first, last, kind in spans([self._tags[i] for i in ids]):
      start, end = words[first][0], words[last - 1][1]
      yield documents.Entity(
        start,
        end,
        kind or self._entity_type,
        text[start:end],
        round(float(np.mean(probabilities[first:last])), 4),
      )


def bio_tags(labels: Sequence[str], model: str) -> tuple[str, ...]:
  """A classifier's labels as BIO tags.

  Args:
    labels: by id. The reference's own [PAD], X, [CLS] and [SEP]
      (run_ner.py:191) mark no entity.
    model: for the message.

  Returns:
    Tags 'O', 'B', 'I', 'B-Type', 'I-Type'.

  Raises:
    InputError: a label is none of these.
  """
  tags = ['O' if label in _NO_ENTITY else label for label in labels]
  wrong = [tag for tag in tags if not re.fullmatch('O|[BI](-.+)?', tag)]
  if wrong:
    raise InputError(
      f'{model}: its label {wrong[0]!r} is no BIO tag (O, B-Type, I-Type); '
      'name them in the order of their ids: import it with --labels=O,B-Type,…'
    )
  return tuple(tags)


def _sentences(document: documents.Document) -> list[list[tuple[int, int]]]:
  """Character spans of the words of each sentence."""
  words = documents.split_words(document.text)
  return split_sentences(document.text, words, document.title_length)


def predict(
  workdir: str,
  source: str,
  output: str,
  form: str,
  model: str = '',
  do_lower_case: str = '',
  keep_entities: str = '',
  pipeline: str = '',
) -> dict[str, Any]:
  """Tags a file of raw text, relates entities of one, answers questions.

  Args:
    workdir: folder of a training run; '' where `model` is given.
    source: a file with one document a line, PubTator or JSONL; '-' is standard
      input. A model of relations needs entities in it, one of answers a file
      that `data.asked.read` takes.
    output: the file (for brat, the folder) to write.
    form: a key of `FORMATS`; of relations, of `relate.FORMATS`; of answers, of
      `answer.FORMATS`, or `decide.FORMATS` where they are yes and no.
    model: instead of `workdir`, any model that `Tagger`, `Relater`, `Answerer`
      or `Decider` opens.
    do_lower_case: 'true' or 'false', where no file of the model states it.
    keep_entities: 'true': those that are there already stay beside those that
      are found.
    pipeline: instead of `workdir` and `model`, taggers and, last, a model of
      relations, with commas between: what they do one after the other, each
      tagger keeping the entities of those before it.

  Returns:
    `{"output", "documents", "entities", "per_type"}`, or that of
    `relate.predict`, `answer.predict` or `decide.predict`.

  Raises:
    InputError: no model there, or unreadable text.
  """
  if [workdir, model, pipeline].count('') != 2:
    what = 'predict needs one of --workdir, --model and --pipeline'
    raise InputError(what)
  if source != '-' and not epath.Path(source).exists():
    raise InputError(f'--input {source}: no such file')
  casing = weights.casing_of(do_lower_case)
  if keep_entities not in ('', 'true', 'false'):
    raise InputError(
      f'--keep_entities is {keep_entities!r}; give true or false'
    )
  keep = keep_entities == 'true'
  if pipeline:
    return relate.pipeline(
      *(pipeline, source, output, form, casing),
      lambda name, counts, kept: Tagger(name, counts, casing, kept or keep),
    )
  for applies, program in (
    (relate.relates, relate.predict),
    (answer.answers, answer.predict),
    (decide.decides, decide.predict),
  ):
    if applies(workdir or model):
      return program(workdir or model, source, output, form, casing)
  if form not in FORMATS:
    raise InputError(f'--format is {form!r}; choose from {sorted(FORMATS)}')
  return _tag(workdir or model, source, output, form, casing, keep)


def _tag(
  model: str,
  source: str,
  output: str,
  form: str,
  casing: bool | None,
  keep: bool,
) -> dict[str, Any]:
  """What `predict` does with a tagger."""
  counts: Counter[str] = Counter()
  types: Counter[str] = Counter()
  total = 0

  def counted() -> Iterator[documents.Document]:
    nonlocal total
    # Only now: a writer has refused a wrong output by then.
    tagger = Tagger(model, counts, casing, keep)
    tagged = tagger(documents.read_documents(source, counts))
    # On a terminal only.
    for document in tqdm.tqdm(tagged, unit=' documents', disable=None):
      total += 1
      types.update(entity.type for entity in document.entities)
      yield document

  FORMATS[form](counted(), output)
  run.say_counts(counts)
  return {
    'output': output,
    'documents': total,
    'entities': types.total(),
    'per_type': dict(sorted(types.items())),
  }
