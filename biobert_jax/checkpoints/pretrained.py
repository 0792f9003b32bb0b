"""The weights of anything: whatever lies at a path, as our parameters.

`load_pretrained` reads TF1 checkpoints, Hugging Face folders, work folders,
imports and exports; `import_weights` keeps what was read in our own form.
"""

import dataclasses
import pathlib
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from biobert_jax.checkpoints import detect, huggingface, model_folder, name_map
from biobert_jax.checkpoints.detect import Source
from biobert_jax.checkpoints.formats import orbax_params, safetensors_file
from biobert_jax.checkpoints.name_map import Imported
from biobert_jax.errors import InputError
from biobert_jax.io.json_files import read_json
from biobert_jax.models.config import BertConfig
from biobert_jax.models.heads import CLASSIFIERS, HEADS
from biobert_jax.models.param_tree import to_flat
from biobert_jax.text.wordpiece import WordPieceTokenizer, check_vocab_size

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
  *('entities', 'markers'),
  *('max_question_length', 'doc_stride', 'max_answer_length', 'n_best'),
  *('squad_version', 'null_threshold'),
  'reasoning',
)
# The folders of an option's value.
_ABSOLUTE = re.compile(r'=[/~]\S*/')
SLOTS_FILE = 'optimizer.safetensors'
PARAMS_FOLDER = 'params'


@dataclasses.dataclass(frozen=True)
class Pretrained:
  """A whole model, as read.

  Attributes:
    source: where from.
    bert: the architecture.
    tokenizer: vocabulary and casing.
    contents: parameters by path, layers unrolled, and what was left out;
      no parameters in the forms 'stablehlo' and 'onnx'.
    head: 'encoder', 'pretraining', 'masked_lm', 'token', 'sequence', 'span',
      'yes_no', 'entity_pair', or 'classifier' where nothing says of what.
    labels: names of a classifier's classes; empty where unknown.
    settings: `SETTINGS` of the task it was trained for, where known.
    about: what it was trained on and its scores, where known; under
      'extended' how `extend.py` changed it since.
  """

  source: Source
  bert: BertConfig
  tokenizer: WordPieceTokenizer
  contents: Imported
  head: str
  labels: tuple[str, ...]
  settings: Mapping[str, Any]
  about: Mapping[str, Any]

  @property
  def params(self) -> dict[str, np.ndarray]:
    """path -> float32 array, layers unrolled."""
    return self.contents.params


def parse_casing(flag: str) -> bool | None:
  """The value of a flag --do_lower_case; None where it is left out.

  Raises:
    InputError: neither 'true' nor 'false'.
  """
  if flag not in ('', 'true', 'false'):
    raise InputError(f'--do_lower_case is {flag!r}; give true or false')
  return flag == 'true' if flag else None


def load_tokenizer(
  found: Source, do_lower_case: bool | None = None
) -> WordPieceTokenizer:
  """The vocabulary of a source; casing is required, never guessed."""
  return WordPieceTokenizer.from_directory(found.model_folder, do_lower_case)


def load_pretrained(
  model: str | pathlib.Path | Source,
  do_lower_case: bool | None = None,
  head: str = '',
  labels: Sequence[str] = (),
  skip: str = '',
) -> Pretrained:
  """Reads a model, whatever its form.

  Args:
    model: a path that `detect.detect` takes, or what it returned: a command
      detects the form of a model, and compares its checksums, once.
    do_lower_case: casing, where no file states it.
    head: 'token' or 'sequence', where no file says what a classifier is.
    labels: names of its classes, where no file has them.
    skip: regular expression of stored tensors to leave out.

  Returns:
    The model; its report says what became of every tensor.

  Raises:
    InputError: unreadable, incomplete, contradictory; names the tensors.
  """
  try:
    re.compile(skip)
  except re.error as error:
    raise InputError(
      f'--skip={skip}: no regular expression ({error})'
    ) from error
  found = model if isinstance(model, Source) else detect.detect(model)
  given = found.given
  tokenizer = load_tokenizer(found, do_lower_case)
  bert = BertConfig.from_json(found.config_file)
  check_vocab_size(tokenizer, bert.vocab_size, found.model_folder)
  contents = read_params(found, bert, skip)
  known = _head_and_origin(found, contents)
  if head and known['head'] not in ('classifier', head):
    raise InputError(
      f'{given}: its head is {known["head"]}; leave out --head={head}'
    )
  if labels and (head or known['head']) not in (*CLASSIFIERS, 'classifier'):
    raise InputError(
      f'{given}: its head is {known["head"]}, which has no classes; leave '
      '--labels out'
    )
  if labels and known['labels'] and tuple(labels) != known['labels']:
    raise InputError(
      f'{given}: its labels are {", ".join(known["labels"])}; leave the option '
      'out'
    )
  loaded = Pretrained(
    found,
    bert,
    tokenizer,
    contents,
    head or known['head'],
    known['labels'] or tuple(labels),
    known['settings'],
    known['about'],
  )
  _check_labels(loaded)
  return loaded


def read_params(found: Source, bert: BertConfig, skip: str = '') -> Imported:
  """The parameters of a source, every tensor mapped or reported.

  Raises:
    InputError: lists the tensors that are not as they must be.
  """
  if found.form in detect.COMPILED:
    return Imported({}, {}, Counter())
  if found.form in (detect.WORKDIR, detect.IMPORTED):
    params = to_flat(orbax_params.read_params(found.weights))
    name_map.check(params, bert, found.weights)
    return Imported(params, _kept_slots(found), Counter())
  column = (
    name_map.TENSORFLOW
    if found.form == detect.TENSORFLOW
    else name_map.HUGGINGFACE
  )
  tensors = detect.read_tensors(found)
  return name_map.read(tensors, column, bert, found.weights, skip)


def _kept_slots(found: Source) -> dict[str, Any]:
  path = found.folder / SLOTS_FILE
  return safetensors_file.read(path) if path.is_file() else {}


def source_labels(found: Source) -> tuple[str, ...]:
  """Names of the classes of a source's classifier; empty where unknown."""
  if found.record:
    return tuple(found.record['labels'])
  return huggingface.config_labels(found.folder)


def _head_and_origin(found: Source, contents: Imported) -> dict[str, Any]:
  """Head, labels, settings and origin, as far as the files say them."""
  record = found.record
  if record and found.form != detect.WORKDIR:
    head = record['head']
    if found.form not in detect.COMPILED:
      claimed = head if head in _TASK_HEADS.values() else ''
      head = _head(contents.groups, found, claimed)
    if head != record['head'] or head not in HEADS:
      raise InputError(
        f'{found.folder / model_folder.RECORD}: its head is '
        f'{record["head"]!r}, that of the tensors {head}; export again'
      )
    return {name: record[name] for name in ('head', 'settings', 'about')} | {
      'labels': source_labels(found)
    }
  if found.form == detect.WORKDIR:
    data, task = record['config']['data'], record['config']['task']
    head = _head(contents.groups, found, _TASK_HEADS.get(task, ''))
    settings = {name: data[name] for name in SETTINGS if name in data}
    about = _about_run(found)
  else:
    classifier = huggingface.config_classifier(found.folder)
    head = _head(contents.groups, found, classifier)
    settings, about = {}, {}
  labels = source_labels(found) if head in CLASSIFIERS else ()
  return {'head': head, 'labels': labels, 'settings': settings, 'about': about}


def _about_run(found: Source) -> dict[str, Any]:
  """The training that a work folder records: config, corpus, scores.

  Paths are cut to their last parts, because exports are published.
  """
  record = found.record
  results = read_json(found.folder / 'results.json')
  return {
    'task': record['config']['task'],
    'config': _without_folders(record['config']),
    'command': _ABSOLUTE.sub('=', record.get('command', '')),
    'counts': record['counts'],
    'data_sha256': record['data_sha256'],
    'results': results.get('results', {}),
  }


def _without_folders(value: Any) -> Any:
  """A config whose absolute paths are cut to their last parts."""
  if isinstance(value, dict):
    return {name: _without_folders(item) for name, item in value.items()}
  if isinstance(value, str) and value.startswith(('/', '~')):
    return last_part(value)
  return value


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


def _check_labels(model: Pretrained) -> None:
  kernels = [f'{name}/kernel' for name in name_map.CLASSIFIERS]
  kernel = next((model.params[n] for n in kernels if n in model.params), None)
  if kernel is None or not model.labels:
    return
  if kernel.shape[1] != len(model.labels):
    raise InputError(
      f'{model.source.given}: its classifier has {kernel.shape[1]} classes, '
      f'but {len(model.labels)} labels are named: {", ".join(model.labels)}'
    )
  if len(set(model.labels)) != len(model.labels):
    raise InputError(
      f'{model.source.given}: a label is named twice: {", ".join(model.labels)}'
    )


def check_known(model: Pretrained) -> None:
  """Refuses a classifier whose meaning is unknown.

  Raises:
    InputError: names the option that says it.
  """
  if model.head == 'classifier':
    raise InputError(
      f'{model.source.given}: nothing says what its classifier '
      '(output_weights) labels; give --head=token or --head=sequence'
    )
  if model.head in CLASSIFIERS and not model.labels:
    raise InputError(
      f'{model.source.given}: nothing names the classes of its classifier; '
      'give --labels=A,B,C in the order of their ids'
    )


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


def _same_bits(array: np.ndarray, other: np.ndarray | None) -> bool:
  """Whether float32 arrays are equal, with next to no memory: NaN too."""
  if other is None or array.dtype != other.dtype:
    return False
  return np.array_equal(array.view(np.int32), other.view(np.int32))


def check_equal(model: Pretrained, again: Pretrained) -> None:
  """Compares an exported model, read again, with the original.

  Raises:
    RuntimeError: names what differs; a fault of ours or of the disk.
  """
  different = [
    path
    for path, array in model.params.items()
    if not _same_bits(array, again.params.get(path))
  ]
  for what in ('bert', 'tokenizer', 'head', 'labels'):
    if getattr(model, what) != getattr(again, what):
      different.append(what)
  if different or model.params.keys() != again.params.keys():
    raise RuntimeError(f'{again.source.given} differs in {different[:8]}')
