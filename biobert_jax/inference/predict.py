"""Raw text to entities, these, or it, to relations; questions to answers."""

import logging
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import tqdm
from etils import epath

from biobert_jax.checkpoints import pretrained
from biobert_jax.data import counts as data_counts
from biobert_jax.errors import InputError
from biobert_jax.inference import (
  question_answerer,
  relation_extractor,
  yes_no_answerer,
)
from biobert_jax.inference.tagger import Tagger
from biobert_jax.text import document_writers, documents, entity_page
from biobert_jax.text.readers import any_format

_log = logging.getLogger(__name__)

FORMATS: dict[str, Callable[..., Any]] = {
  'jsonl': document_writers.write_jsonl,
  'brat': document_writers.write_brat,
  'pubtator': document_writers.write_pubtator,
  'conll': document_writers.write_conll,
  'html': entity_page.write_html,
}


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
  casing = pretrained.parse_casing(do_lower_case)
  if keep_entities not in ('', 'true', 'false'):
    raise InputError(
      f'--keep_entities is {keep_entities!r}; give true or false'
    )
  keep = keep_entities == 'true'
  if pipeline:
    return relation_extractor.pipeline(
      *(pipeline, source, output, form, casing),
      lambda name, counts, kept: Tagger(name, counts, casing, kept or keep),
    )
  for applies, program in (
    (relation_extractor.relates, relation_extractor.predict),
    (question_answerer.answers, question_answerer.predict),
    (yes_no_answerer.decides, yes_no_answerer.predict),
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
    tagged = tagger(any_format.read_documents(source, counts))
    # On a terminal only.
    for document in tqdm.tqdm(tagged, unit=' documents', disable=None):
      total += 1
      types.update(entity.type for entity in document.entities)
      yield document

  FORMATS[form](counted(), output)
  data_counts.log_counts(counts)
  return {
    'output': output,
    'documents': total,
    'entities': types.total(),
    'per_type': dict(sorted(types.items())),
  }
