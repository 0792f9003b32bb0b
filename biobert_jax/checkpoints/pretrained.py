"""Whatever lies at a path, as our parameters."""

import dataclasses
import logging
import pathlib
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from biobert_jax.checkpoints import (
  detect,
  huggingface,
  model_folder,
  name_map,
  run_steps,
)
from biobert_jax.checkpoints.detect import Source
from biobert_jax.checkpoints.formats import orbax_params, safetensors_file
from biobert_jax.checkpoints.name_map import Imported
from biobert_jax.errors import InputError
from biobert_jax.io import storage
from biobert_jax.io.json_files import read_json
from biobert_jax.models.config import BertConfig
from biobert_jax.models.heads import CLASSIFIERS, HEADS
from biobert_jax.models.param_tree import to_flat
from biobert_jax.text import tag_schemes
from biobert_jax.text.wordpiece import WordPieceTokenizer, check_vocab_size

_log = logging.getLogger(__name__)
# Groups of the name table besides encoder and pooler -> the head they make.
_HEADS = {
  (): 'encoder',
  ('masked_lm', 'next_sentence'): 'pretraining',
  ('masked_lm',): 'masked_lm',
  ('qa_outputs',): 'span',
  ('yes_no',): 'yes_no',
  ('entity_classifier',): 'entity_pair',
}
# Task -> the head that its work folder's classifier makes.
_TASK_HEADS = {'ner': 'token', 'relation': 'sequence', 'yes_no': 'sequence'}
# Settings that cut text into sequences, kept with the weights.
SETTINGS = (
  *('max_seq_length', 'window_overlap', 'entity_type'),
  *('placeholders', 'joint_placeholders', 'negative', 'max_sequences'),
  'sentence_window',
  *('entities', 'markers', 'max_question_length', 'doc_stride'),
  *('max_answer_length', 'n_best', 'squad_version', 'null_threshold'),
  'reasoning',
)
_NAME_THEM = 'give --labels=A,B,C in the order of their ids'
# The folders of an option's value.
_ABSOLUTE = re.compile(r'=(?:gs:/|[/~])\S*/')
SLOTS_FILE = 'optimizer.safetensors'
PARAMS_FOLDER = 'params'


@dataclasses.dataclass(frozen=True)
class Pretrained:
  """A whole model, as read."""

  source: Source
  bert: BertConfig
  tokenizer: WordPieceTokenizer
  contents: Imported  # No parameters in the forms 'stablehlo' and 'onnx'.
  head: str  # Of `HEADS`, or 'classifier' where nothing says of what.
  labels: tuple[str, ...]  # Of a classifier's classes; empty where unknown.
  settings: Mapping[str, Any]  # `SETTINGS` of its task, where known.
  # What it was trained on and its scores, where known; under 'extended' how
  # `extend.py` changed it since.
  about: Mapping[str, Any]

  @property
  def params(self) -> dict[str, np.ndarray]:
    """path -> float32 array, layers unrolled."""
    return self.contents.params


def load_pretrained(
  model: str | pathlib.Path | Source,
  do_lower_case: bool | None = None,
  head: str = '',
  labels: Sequence[str] = (),
  skip: str = '',
  step: str = '',
) -> Pretrained:
  """Reads a model, whatever its form, from a path or what `detect` returned.

  `do_lower_case`, `head` ('token' or 'sequence', of a classifier) and `labels`
  say what no file does, or override it with a note; `skip` is a regular
  expression of stored tensors to leave out; `step` is one of a work folder, as
  for `run_steps.candidates`. What is unreadable, incomplete or contradictory is
  an `InputError`.
  """
  try:
    re.compile(skip)
  except re.error as error:
    why = f'--skip={skip}: no regular expression ({error})'
    raise InputError(why) from error
  found = model if isinstance(model, Source) else detect.detect(model, step)
  given, folder = found.given, found.model_folder
  tokenizer = WordPieceTokenizer.from_directory(folder, do_lower_case)
  bert = BertConfig.from_json(found.config_file)
  check_vocab_size(tokenizer, bert.vocab_size, folder)
  found, contents = read_params(found, bert, skip)
  known = _head_and_origin(found, contents)
  stated = known['labels']
  known['head'] = _chosen_head(
    found, known['head'], head, tuple(labels) or stated
  )
  if labels:
    known['labels'] = _chosen_labels(found, known['head'], stated, labels)
  loaded = Pretrained(found, bert, tokenizer, contents, **known)
  fault = _fault_of_labels(loaded, len(stated))
  if fault and (labels or found.record):
    raise InputError(f'{given}: {fault}; {_NAME_THEM}')
  if fault:  # They say nothing; what needs them asks for them.
    _log.warning('%s: %s; they are not used', found.config_file, fault)
    return dataclasses.replace(loaded, labels=())
  return loaded


def _chosen_head(
  found: Source, own: str, head: str, labels: Sequence[str]
) -> str:
  """The option --head, else what the files or the labels state."""
  if not head and own == 'classifier' and tag_schemes.are_tags(labels):
    what = f'states no head; its labels ({", ".join(labels)}) are tags'
    _log.warning('%s: %s, so it is token', found.given, what)
    return 'token'
  if head in ('', own):
    return own
  either = ('classifier', *_TASK_HEADS.values())
  if own not in either or head not in either or found.form in detect.COMPILED:
    what = f'its head is {own}; leave out --head={head}'
    raise InputError(f'{found.given}: {what}')
  if own != 'classifier':
    what = f'states the head {own}; --head={head} is used'
    _log.warning('%s: %s', found.given, what)
  return head


def _chosen_labels(
  found: Source, head: str, stated: Sequence[str], labels: Sequence[str]
) -> tuple[str, ...]:
  """The option --labels, which a classifier takes."""
  if head not in (*CLASSIFIERS, 'classifier'):
    why = f'its head is {head}, which has no classes; leave --labels out'
    raise InputError(f'{found.given}: {why}')
  if stated and tuple(labels) != tuple(stated):
    what = f'states the labels {",".join(stated)}'
    _log.warning(
      '%s: %s; --labels=%s is used', found.given, what, ','.join(labels)
    )
  return tuple(labels)


def read_params(
  found: Source, bert: BertConfig, skip: str = ''
) -> tuple[Source, Imported]:
  """A source as it was read, with every tensor mapped or reported.

  A run may have deleted the step that was found; then it has another.
  """
  if found.form == detect.WORKDIR:
    config = found.record['config']
    chosen, tree = run_steps.read(found.run, config, found.step)
    found = found.with_step(run_steps.weights_of(chosen), chosen.name)
    params = to_flat(tree)
    name_map.check(params, bert, chosen)
    return found, Imported(params, {}, Counter())
  return found, _read_file(found, bert, skip)


def _read_file(found: Source, bert: BertConfig, skip: str) -> Imported:
  if found.form in detect.COMPILED:
    return Imported({}, {}, Counter())
  if found.form == detect.IMPORTED:
    params = to_flat(orbax_params.read_params(found.weights))
    name_map.check(params, bert, found.weights)
    kept = found.folder / SLOTS_FILE
    slots = safetensors_file.read(kept) if kept.is_file() else {}
    return Imported(params, slots, Counter())
  tensors = detect.read_tensors(found)
  column = detect.column(found, tensors)
  return name_map.read(tensors, column, bert, found.weights, skip)


def source_labels(found: Source) -> tuple[str, ...]:
  """Names of the classes of a source's classifier; empty where unknown."""
  if found.record:
    return tuple(found.record['labels'])
  return huggingface.config_labels(found.folder)


def _head_and_origin(found: Source, contents: Imported) -> dict[str, Any]:
  """Head, labels, settings and origin, as far as the files say them."""
  record = found.record
  if found.form == detect.WORKDIR:
    data, task = record['config']['data'], record['config']['task']
    head = _head(contents.groups, found, _TASK_HEADS.get(task, ''))
    settings = {name: data[name] for name in SETTINGS if name in data}
    about = _about_run(found)
  elif record:
    head, settings, about = record['head'], record['settings'], record['about']
    if found.form not in detect.COMPILED:
      claimed = head if head in _TASK_HEADS.values() else ''
      head = _head(contents.groups, found, claimed)
    if head != record['head'] or head not in HEADS:
      path, own = found.folder / model_folder.RECORD, record['head']
      why = f'its head is {own!r}, that of the tensors {head}; export again'
      raise InputError(f'{path}: {why}')
  else:
    claimed = huggingface.config_head(found.folder, 'token', 'sequence')
    head = _head(contents.groups, found, claimed)
    settings, about = {}, _license(found.folder)
  named = (record and found.form != detect.WORKDIR) or head in (
    *CLASSIFIERS,
    'classifier',
  )
  labels = source_labels(found) if named else ()
  return {'head': head, 'labels': labels, 'settings': settings, 'about': about}


def _about_run(found: Source) -> dict[str, Any]:
  """The training that a work folder records: config, corpus, scores."""
  record = found.record  # Its paths are cut, because exports are published.
  results = read_json(found.folder / 'results.json')
  step: dict[str, Any] = {}
  if str(results.get('step')) != found.step:  # The scores are of another step.
    results, step = {}, {'step': int(found.step)}
  return {
    'task': record['config']['task'],
    'config': _without_folders(record['config']),
    'command': _ABSOLUTE.sub('=', record.get('command', '')),
    'counts': record['counts'],
    'data_sha256': record['data_sha256'],
    'results': results.get('results', {}),
    **step,
    **_license(record['config']['init_from'] or found.folder),
  }


def _license(given: str | pathlib.Path) -> dict[str, str]:
  """The licence of the weights at a place, where it is known."""
  place = storage.path(given)
  try:
    place = place if storage.is_dir(place) else place.parent
    folder = storage.local(place, model_folder.STATES_LICENSE)
  except OSError:  # The run may have started from what has gone since.
    return {}
  about = read_json(folder / model_folder.RECORD).get('about')
  kept = about.get('license') if isinstance(about, dict) else ''
  stated = kept or model_folder.license_of(folder)
  return {'license': stated} if stated else {}


def _without_folders(value: Any) -> Any:
  """A config whose absolute paths are cut to their last parts."""
  if isinstance(value, dict):
    return {name: _without_folders(item) for name, item in value.items()}
  absolute = isinstance(value, str) and value.startswith(('/', '~', 'gs://'))
  return last_part(value) if absolute else value


def last_part(path: str) -> str:
  """The name at the end of a path; of a fold (`gad/1`) the corpus's too."""
  parts = pathlib.PurePath(path).parts
  is_fold = parts[-1:] != () and parts[-1].isdecimal()
  return '/'.join(parts[-2:] if is_fold else parts[-1:])


def _head(groups: Sequence[str], found: Source, classifier: str) -> str:
  """The head that some groups of tensors make."""
  own = tuple(g for g in groups if g not in (name_map.ENCODER, name_map.POOLER))
  if own == ('classifier',):
    return classifier or 'classifier'
  if own not in _HEADS:
    raise InputError(
      f'{found.weights}: {", ".join(own)} together make no head that is known '
      'here; leave tensors out by --skip=REGEX'
    )
  return _HEADS[own]


def _fault_of_labels(model: Pretrained, compiled: int) -> str:
  """The way in which the labels do not fit; '' where they do.

  A compiled program has as many classes as its files name: `compiled`.
  """
  labels, named = model.labels, ', '.join(model.labels)
  kernels = [f'{name}/kernel' for name in name_map.CLASSIFIERS]
  kernel = next((model.params[n] for n in kernels if n in model.params), None)
  if not labels or (kernel is None and model.params):
    return ''
  classes = compiled if kernel is None else kernel.shape[1]
  if classes != len(labels):
    return (
      f'its classifier has {classes} classes, but {len(labels)} labels are '
      f'named: {named}'
    )
  twice = len(set(labels)) != len(labels)
  return f'a label is named twice: {named}' if twice else ''


def check_parameters(model: Pretrained, action: str) -> None:
  """Refuses a compiled program, which has nothing to 'convert' or 'extend'."""
  source = model.source
  if source.form in detect.COMPILED:
    raise InputError(
      f'{source.given}: compiled for {source.form}, it holds no parameters to '
      f'{action}; give what it was exported from'
    )


def check_known(model: Pretrained) -> None:
  """Refuses a classifier whose meaning is unknown."""
  given = model.source.given
  if model.head == 'classifier':
    what = f'{given}: nothing says what its classifier (output_weights) labels'
    raise InputError(f'{what}; give --head=token or --head=sequence')
  if model.head in CLASSIFIERS and not model.labels:
    what = f'{given}: nothing names the classes of its classifier'
    raise InputError(f'{what}; {_NAME_THEM}')


def export_record(model: Pretrained, form: str, where: str) -> dict[str, Any]:
  """Our record of a model that is written in some form."""
  return {
    'form': form,
    'weights': where,
    'head': model.head,
    'labels': list(model.labels),
    'settings': dict(model.settings),
    'about': dict(model.about),
    # Its name, not its path: exports are published.
    'from': model.source.name,
    'from_form': model.source.form,
  }


def check_equal(model: Pretrained, again: Pretrained) -> None:
  """Raises `RuntimeError` where an export, read again, is not the original."""
  different = []
  for path, array in model.params.items():
    other = again.params.get(path)
    # As integers, with next to no memory: the bits are the same.
    if (
      other is None
      or array.dtype != other.dtype
      or not np.array_equal(array.view(np.int32), other.view(np.int32))
    ):
      different.append(path)
  for what in ('bert', 'tokenizer', 'head', 'labels'):
    if getattr(model, what) != getattr(again, what):
      different.append(what)
  if different or model.params.keys() != again.params.keys():
    raise RuntimeError(f'{again.source.given} differs in {different[:8]}')
