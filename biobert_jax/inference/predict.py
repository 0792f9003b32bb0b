"""`predict`: a file of texts or questions to a file of predictions.

The model says what it is for: its form is detected once, its task looked up
in `JOBS`, and the rest is one path for all tasks.
"""

import functools
import logging
import os
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import tqdm

from biobert_jax.checkpoints import pretrained
from biobert_jax.checkpoints.pretrained import Pretrained
from biobert_jax.data.broken_rows import log_counts
from biobert_jax.data.relation.pair_words import Placeholders, is_of_type
from biobert_jax.errors import InputError
from biobert_jax.inference import (
  finished_parts,
  question_files,
  result_pages,
  results,
)
from biobert_jax.inference import question_answerer as answerers
from biobert_jax.inference.model_runner import load_for
from biobert_jax.inference.relation_extractor import RelationExtractor
from biobert_jax.inference.results import QuestionResult, RelatedDocument
from biobert_jax.inference.tagger import Tagger, entity_tags, entity_types
from biobert_jax.text import bioc, brat, documents
from biobert_jax.text.documents import Document
from biobert_jax.text.readers import input_files

SECONDS_BETWEEN_LINES = 60.0  # Of progress off a terminal.
_log = logging.getLogger(__name__)

Tag = Callable[[Iterator[Document]], Iterator[Document]]
_ANSWERS = {'yes', 'no', 'maybe'}


class Prediction(NamedTuple):
  """The prediction of one task for a file."""

  predictor: Callable[..., Any]
  # (files, counts, predictor) -> what the predictor takes. Without counts,
  # nothing is logged either.
  read: Callable[[Sequence[str], Counter[str] | None, Any], Iterable[Any]]
  # Format -> writer of (results, path).
  writers: Mapping[str, Callable[..., None]]
  noun: str  # Whose formats a message lists.
  # Result -> (its increment of each total, the kinds found in it).
  measure: Callable[[Any], tuple[dict[str, int], list[str]]]
  # Totals, or exceptions, in the report; the progress bar counts the first.
  figures: tuple[str, ...]
  kinds: str  # The report's name for the number of each kind; '' for none.
  # Records kept together; what predictors take at once divides it.
  part_size: int = 1024


def _measure_relations(
  found: RelatedDocument,
) -> tuple[dict[str, int], list[str]]:
  entities, relations = found.document.entities, found.relations
  sizes = {'entities': len(entities), 'relations': len(relations)}
  return {'documents': 1, **sizes}, [relation.type for relation in relations]


def _measure_answers(found: QuestionResult) -> tuple[dict[str, int], list[str]]:
  sizes = {'questions': 1, 'passages': len(found.by_passage)}
  return {**sizes, 'with_answer': int(found.has_answer)}, []


# Forms of documents that hold relations, too.
_WITH_RELATIONS = {
  'brat': brat.write,
  'bioc': bioc.write_xml,
  'bioc-json': bioc.write_json,
  'pubtator': documents.write_pubtator,
}
JOBS = {
  'ner': Prediction(
    Tagger,
    lambda files, counts, _: input_files.read_documents(files, counts),
    {
      'jsonl': documents.write_jsonl,
      **_WITH_RELATIONS,
      'conll': documents.write_conll,
      'html': documents.write_html,
    },
    '',
    lambda document: (
      {'documents': 1, 'entities': len(document.entities)},
      [entity.type for entity in document.entities],
    ),
    ('documents', 'entities'),
    'per_type',
    512,
  ),
  'relation': Prediction(
    RelationExtractor,
    lambda files, counts, extractor: extractor.read(files, counts),
    {
      'jsonl': results.write_jsonl,
      'tsv': results.write_relations_tsv,
      **{
        form: functools.partial(results.write_documents, write)
        for form, write in _WITH_RELATIONS.items()
      },
      'html': result_pages.write_relations,
    },
    'of relations ',
    _measure_relations,
    ('documents', 'entities', 'pairs', 'relations'),
    'per_type',
    512,
  ),
  'qa': Prediction(
    answerers.QuestionAnswerer,
    lambda files, counts, _: question_files.read_all(files, counts),
    {
      'jsonl': results.write_jsonl,
      'squad': results.write_squad,
      'nbest': results.write_nbest,
      'html': result_pages.write_answers,
    },
    'of answers ',
    _measure_answers,
    ('questions', 'passages', 'with_answer'),
    '',
  ),
  'yes_no': Prediction(
    answerers.YesNoAnswerer,
    lambda files, counts, answerer: question_files.read_all(
      files, counts, answerer.reasoning
    ),
    {
      'jsonl': results.write_jsonl,
      # For PubMedQA's evaluation.py and prepare-submission.
      'json': results.write_pubmedqa,
      'html': result_pages.write_yes_no,
    },
    'of yes/no questions ',
    lambda found: (
      {'questions': 1, 'passages': found.passages},
      [found.answer],
    ),
    ('questions', 'passages'),
    'answers',
  ),
}


def task_of(model: Pretrained) -> str:
  """The task of an open model, a key of `JOBS`.

  It is 'ner' where nothing states another; its predictor then refuses it.
  """
  trained_for = model.source.record.get('config', {}).get('task')
  if trained_for is not None:
    return trained_for if trained_for in JOBS else 'ner'
  if model.head != 'sequence':
    by_head = {'span': 'qa', 'yes_no': 'yes_no', 'entity_pair': 'relation'}
    return by_head.get(model.head, 'ner')
  labels = {label.lower() for label in model.labels}
  answers = len(labels) > 1 and labels <= _ANSWERS
  answers = answers and 'placeholders' not in model.settings
  return 'yes_no' if answers else 'relation'


def predict(
  model: str,
  source: str | Sequence[str],
  output: str,
  form: str = 'jsonl',
  *,
  do_lower_case: bool | None = None,
  keep_entities: bool = False,
  pipeline: str = '',
  step: str = '',
  head: str = '',
  labels: Sequence[str] = (),
  scores: str = 'best',
) -> dict[str, Any]:
  """Predicts entities, relations or answers for a file.

  Args:
    model: path of a model in any form; '' where `pipeline` is given.
    source: files, folders or patterns of texts of any form that
      `text.readers.any_format` knows, with entities where relations are wanted;
      or questions, for `question_files.read`; '-' is standard input.
    output: the file (with brat, the folder) to write.
    form: a key of the task's `writers`.
    do_lower_case: casing, which overrides what the model's files state.
    keep_entities: whether entities of the input stay beside those found.
    pipeline: instead of `model`, taggers and, last, a model of relations, with
      commas between; each keeps the entities of those before.
    scores: 'all' adds, to JSONL, the probability of every label of each word,
      or of each pair, also of those without a relation.
    step: of a work folder, as `checkpoints.run_steps.candidates` takes it.
    head: 'token' or 'sequence'; overrides what the model's files state.
    labels: names of the classes by id; they override what the files state.

  Returns:
    `output` and the figures of the task's entry in `JOBS`.

  Raises:
    InputError: no model there, or unreadable text.
  """
  if bool(model) == bool(pipeline):
    raise InputError('predict needs one of --model and --pipeline')
  counts: Counter[str] = Counter()
  named = [source] if isinstance(source, str) else source
  files = input_files.find_files(named, counts)
  if pipeline and (head or labels):
    raise InputError(
      f'--pipeline={pipeline}: --head and --labels are of one model; leave '
      'them out, and give them to biobert-jax import of that model'
    )
  names = pipeline.split(',') if pipeline else [model]
  if step.isdecimal() and pipeline:
    what = f'--step={step}: the models of --pipeline have steps of their own'
    raise InputError(f'{what}; give --step=best or --step=latest')
  *taggers, last = [
    pretrained.load_pretrained(
      name.strip(), do_lower_case, head, labels, step=step
    )
    for name in names
  ]
  task, tasks = task_of(last), [task_of(tagger) for tagger in taggers]
  if pipeline and not (
    tasks and 'relation' not in tasks and task == 'relation'
  ):
    raise InputError(
      f'--pipeline={pipeline}: name one or several taggers, then one model of '
      'relations, with commas between'
    )
  job = JOBS[task]
  if form not in job.writers:
    what = f'--format is {form!r}; {job.noun}choose from {sorted(job.writers)}'
    raise InputError(what)
  keep, every = keep_entities, scores == 'all'
  if scores not in ('best', 'all') or every and form != 'jsonl':
    what = f'--scores={scores} with --format={form}'
    raise InputError(f'{what}: give best, or all with --format=jsonl')
  if taggers:
    taggers = [load_for('ner', tagger) for tagger in taggers]
    check_types(taggers, load_for('relation', last), keep)
  if job.predictor in (Tagger, RelationExtractor):
    input_files.log_forms(files)

  found_counts: Counter[str] = Counter()

  def open_predictor() -> Any:
    options: dict[str, Any] = {'counts': found_counts}
    if taggers:
      options['tagger'] = _chain(
        Tagger(tagger, keep_entities=number > 0 or keep, **options)
        for number, tagger in enumerate(taggers)
      )
    if job.predictor in (Tagger, RelationExtractor):
      options |= {'keep_entities': keep, 'scores': every}
    return job.predictor(last, **options)

  key = finished_parts.results_key([*taggers, last], keep=keep, scores=every)
  parts = finished_parts.FinishedParts(output, key)

  def predicted(predictor: Any, records: Iterable[Any]) -> Iterator[Any]:
    yield from parts.predict(predictor, records, job.part_size, found_counts)
    counts.update(found_counts)

  figures = _run(job, open_predictor, predicted, files, output, form, counts)
  parts.delete()
  return {'output': output, **figures}


def check_types(
  taggers: list[Pretrained], relations: Pretrained, keep: bool
) -> None:
  """Refuses taggers of whose entities the last model makes no pairs.

  With `keep` the input may have the entities that no tagger finds.
  """
  words = relations.settings.get('placeholders', ())
  wanted = Placeholders.from_config(words, ()).types if words else ()
  found = []
  for tagger in taggers:
    tags = entity_tags(tagger.labels, tagger.source.given).tags
    found.append(entity_types(tags, tagger.settings['entity_type']))
  about = f'{relations.source.given} is about {" and ".join(wanted)}'
  for tagger, types in zip(taggers, found, strict=True):
    if wanted and not any(is_of_type(t, w) for t in types for w in wanted):
      what = (
        f'--pipeline: {tagger.source.given} finds {", ".join(sorted(types))}'
      )
      raise InputError(f'{what}, and {about}: name taggers of these types')
  every = {kind for types in found for kind in types}
  for type in wanted:
    if not (keep or any(is_of_type(kind, type) for kind in every)):
      what = f'--pipeline: no tagger finds {type}, and {about}: name one that'
      remedy = '--keep_entities where the input has them'
      raise InputError(f'{what} does, or give {remedy}')


def _chain(taggers: Iterable[Tagger]) -> Tag:
  """Several taggers as one, each of which reads the entities of the last."""
  opened = [*taggers]
  return lambda documents: functools.reduce(
    lambda found, tagger: tagger(found), opened, documents
  )


def _with_progress(
  every: Iterable[Any], noun: str, total: int | None
) -> Iterator[Any]:
  """Shows how many are done: a bar on a terminal, else one line per minute."""
  bar = tqdm.tqdm(every, total=total, unit=f' {noun}', disable=None)
  said = time.monotonic()
  for done, one in enumerate(bar, 1):
    yield one
    if bar.disable and time.monotonic() - said >= SECONDS_BETWEEN_LINES:
      said = time.monotonic()
      _log.info('%d%s %s done', done, f' of {total}' if total else '', noun)


def _run(
  job: Prediction,
  open_predictor: Callable[[], Any],
  predicted: Callable[[Any, Iterable[Any]], Iterator[Any]],
  files: Sequence[str],
  output: str,
  form: str,
  counts: Counter[str],
) -> dict[str, Any]:
  """Reads, predicts and writes; returns the figures of the report."""
  totals: Counter[str] = Counter()
  kinds: Counter[str] = Counter()

  def found() -> Iterator[Any]:
    # Only now: the writer has refused a wrong output by then.
    predictor = open_predictor()
    every = predicted(predictor, job.read(files, counts, predictor))
    total = None
    # A bad line is found before any compute. What comes by a pipe is read once.
    if all(map(os.path.isfile, files)):
      total = sum(1 for _ in job.read(files, None, predictor))
    for one in _with_progress(every, job.figures[0], total):
      numbers, names = job.measure(one)
      totals.update(numbers)
      kinds.update(names)
      if isinstance(one, Document | RelatedDocument):
        if isinstance(one, Document):
          whole = one
        else:
          whole = one.as_document() if form in _WITH_RELATIONS else one.document
        documents.count_losses(whole, form, counts)
      yield one
    if getattr(predictor, 'tagger', every) is None and not totals['entities']:
      raise InputError(
        f'--input {files[0]}: no document has entities; give what predict of a '
        'tagger wrote, JSONL or PubTator, or sentences that show their pair: '
        f'{predictor.example}'
      )

  job.writers[form](found(), output)
  log_counts(counts)
  figures: dict[str, Any] = {n: totals.get(n, counts[n]) for n in job.figures}
  if job.kinds:
    figures[job.kinds] = dict(sorted(kinds.items()))
  return figures
