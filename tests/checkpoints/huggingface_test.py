import json
import pathlib

import numpy as np
import pytest

from biobert_jax.checkpoints import huggingface, name_map
from biobert_jax.errors import InputError
from biobert_jax.io import checksums
from biobert_jax.models.config import BertConfig
from tests.fixtures import bert_parameters

TINY = bert_parameters.TINY


def config_file(directory: pathlib.Path, value: object) -> pathlib.Path:
  (directory / 'config.json').write_text(json.dumps(value), 'utf-8')
  return directory


def test_labels_are_in_the_order_of_their_numbers(
  tmp_path: pathlib.Path,
) -> None:
  by_id = {
    '10': 'k',
    '2': 'c',
    **{str(i): f'l{i}' for i in (0, 1, *range(3, 10))},
  }
  labels = huggingface.config_labels(config_file(tmp_path, {'id2label': by_id}))
  assert labels[:3] == ('l0', 'l1', 'c')
  assert labels[-1] == 'k'


@pytest.mark.parametrize(
  'value', [{}, {'id2label': None}, {'id2label': {'a': 'b'}}]
)
def test_folders_may_number_no_labels(
  value: dict[str, object], tmp_path: pathlib.Path
) -> None:
  assert huggingface.config_labels(config_file(tmp_path, value)) == ()
  assert huggingface.config_labels(tmp_path / 'nowhere') == ()


@pytest.mark.parametrize(
  ('config', 'labels'),
  [
    ({'label2id': {'B': 1, 'O': 0}}, ('O', 'B')),
    ({'label2id': {'B': '1', 'O': '0'}}, ('O', 'B')),
    (
      {
        'id2label': {'0': 'LABEL_0', '1': 'LABEL_1'},
        'label2id': {'B': 1, 'O': 0},
      },
      ('O', 'B'),
    ),
    ({'id2label': {'0': 0, '1': True}}, ('0', 'true')),
    ({'id2label': {'1': 'A', '2': 'B'}}, ()),
    ({'label2id': {'A': 0, 'B': 0}}, ()),
    ({'id2label': {'0': ''}}, ()),
  ],
)
def test_labels_are_found_or_not_used(
  config: dict[str, object], labels: tuple[str, ...], tmp_path: pathlib.Path
) -> None:
  assert huggingface.config_labels(config_file(tmp_path, config)) == labels


@pytest.mark.parametrize('text', ['{', '[]'])
def test_a_damaged_config_is_an_error(
  text: str, tmp_path: pathlib.Path
) -> None:
  (tmp_path / 'config.json').write_text(text)
  with pytest.raises(InputError, match=r'config\.json: not'):
    huggingface.config_labels(tmp_path)


@pytest.mark.parametrize(
  ('classes', 'kind'),
  [
    (['BertForTokenClassification'], 'token'),
    (['BertForSequenceClassification'], 'sequence'),
    (['BertForQuestionAnswering'], ''),
    (None, ''),
  ],
)
def test_the_class_tells_what_a_classifier_labels(
  classes: list[str] | None, kind: str, tmp_path: pathlib.Path
) -> None:
  config_file(tmp_path, {'architectures': classes})
  assert huggingface.config_head(tmp_path, 'token', 'sequence') == kind


@pytest.mark.parametrize('hidden_act', ['gelu', 'gelu_tanh', 'relu'])
def test_what_config_json_says_is_read_back(
  hidden_act: str, tmp_path: pathlib.Path
) -> None:
  config = BertConfig.tiny(
    hidden_act=hidden_act, hidden_dropout_prob=0.3, layer_norm_eps=1e-5
  )
  labels = ('O', 'B-Gene', 'I-Gene')
  config_file(tmp_path, huggingface.config_json(config, 'token', labels))
  assert BertConfig.from_json(tmp_path / 'config.json') == config
  assert huggingface.config_labels(tmp_path) == labels
  assert huggingface.config_head(tmp_path, 'token', 'sequence') == 'token'


def test_digests_are_of_the_tensors_as_stored(tmp_path: pathlib.Path) -> None:
  params = bert_parameters.parameters()
  digests = huggingface.write(tmp_path, params, TINY, 'token', ())
  kernel = params['bert/pooler/dense/kernel']
  name = 'bert.pooler.dense.weight'
  assert digests[name] == checksums.array_sha256(np.ascontiguousarray(kernel.T))
  assert digests[name] != checksums.array_sha256(kernel)
  assert len(digests) == len(name_map.table(2))


def test_the_bare_encoder_has_no_prefix(tmp_path: pathlib.Path) -> None:
  params = {
    path: array
    for path, array in bert_parameters.parameters().items()
    if path.startswith('bert/')
  }
  digests = huggingface.write(tmp_path, params, TINY, 'encoder', ())
  assert {name.split('.')[0] for name in digests} == {
    'embeddings',
    'encoder',
    'pooler',
  }
