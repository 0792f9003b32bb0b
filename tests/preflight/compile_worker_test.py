"""What is compiled without data is what a run with data compiles."""

import json
import os
import types

import jax
import pytest
from jax.experimental import topologies

from biobert_jax.errors import EXIT_BAD_INPUT, EXIT_FAILED, InputError
from biobert_jax.parallel import sharding
from biobert_jax.preflight import compile_worker
from biobert_jax.tasks import evaluator
from biobert_jax.training import experiment, optimizer, run_log, train_step
from biobert_jax.training import plan as training_plan
from configs import quickstart_pretrain, re_gad
from tests.fixtures import small_corpus, small_relations, small_run


@pytest.fixture
def captured(monkeypatch):
  """The steps that are lowered, on this machine's devices; none compiled."""
  steps = []

  def lower(*lowering):
    steps.append(lowering)
    return types.SimpleNamespace(compile=lambda compiler_options: None)

  slice_ = types.SimpleNamespace(devices=jax.devices())
  monkeypatch.setattr(topologies, 'get_topology_desc', lambda **_: slice_)
  monkeypatch.setattr(train_step, 'lower_train_step', lower)
  return steps


def request(config, folder, vocab_size, labels=()):
  return {
    'config': json.loads(config.to_json_best_effort()),
    'step': compile_worker.TRAIN,
    'topology': {'topology_name': 'v5e:2x4'},
    'vocab_size': vocab_size,
    'labels': labels,
    'folder': str(folder),
    'parent': os.getppid(),
  }


def configs(folder):
  corpus = small_corpus.make(folder / 'corpus')
  fold = small_relations.write(folder / 'fold')
  relation = re_gad.get_config('tiny').unlock()
  relation.data.dir, relation.vocab.do_lower_case = str(fold), False
  return {
    'ner': small_run.config(),
    'pretraining': small_run.pretraining(str(corpus)),
    'relation': relation,
  }


@pytest.mark.parametrize('task', ['ner', 'pretraining', 'relation'])
def test_shapes_and_layout_are_those_of_a_run(task, tmp_path, captured):
  config = configs(tmp_path)[task]
  opened = experiment.from_config(config)
  rows = opened.dataset.rows(config.data.train_split)
  mesh = sharding.make_mesh('dp', 1)
  plan = training_plan.Plan.of(config, rows.num_rows)
  _, update = optimizer.of_config(config, plan)
  shapes = rows.feature_shapes(config.batch_size)
  expected = train_step.step_of(config, opened.task, update, mesh, shapes)
  if task == 'pretraining':
    config.data.dir = ''
  compile_worker.compile_step(
    request(config, tmp_path, opened.tokenizer.vocab_size, opened.labels)
  )
  ((_, mesh_there, shardings, arguments),) = captured
  assert mesh_there == mesh
  assert shardings == expected.shardings
  assert arguments == expected.lowering[-1]
  said = json.loads((tmp_path / compile_worker.MODEL).read_text())
  assert said['vocab_size'] == opened.tokenizer.vocab_size
  meter = run_log.Meter.of(opened, rows)
  assert said['flops_of_row'] * config.batch_size == meter.flops


@pytest.mark.parametrize('task', ['ner', 'pretraining', 'relation'])
def test_evaluation_is_that_of_a_run(task, tmp_path, captured, monkeypatch):
  del captured
  described = []

  def lower(self):
    described.append(self)
    return types.SimpleNamespace(compile=lambda **_: None)

  monkeypatch.setattr(evaluator.Evaluator, 'lower', lower)
  config = configs(tmp_path)[task]
  opened = experiment.from_config(config)
  shapes = opened.dataset.rows(config.data.train_split).feature_shapes
  mesh = sharding.make_mesh('dp', 1)
  size = config.train.eval_batch_size = 13
  expected = evaluator.Evaluator(opened.task, mesh, 'dp', size, shapes)
  assert expected.batch_size == 16
  if task == 'pretraining':
    config.data.dir = ''
  asked = request(config, tmp_path, opened.tokenizer.vocab_size, opened.labels)
  compile_worker.compile_step(asked | {'step': compile_worker.EVALUATE})
  there, here = map(vars, (*described, expected))
  assert there.keys() == here.keys() >= {'param_shardings', 'abstract_params'}
  for name in here.keys() - {'_task'}:
    assert there[name] == here[name], name


def test_attention_that_a_device_has_not_is_refused():
  config = quickstart_pretrain.get_config('tiny')
  config.compute.attention = 'splash_attention'
  for platform in ('tpu', 'cpu'):
    train_step.step_options(config, platform)
  with pytest.raises(InputError, match='are gpu; use .*attention=einsum'):
    train_step.step_options(config, 'gpu')


def test_failures_are_written_down(tmp_path, captured, monkeypatch, capsys):
  def asked(config):
    text = json.dumps(request(config, tmp_path, 100, ('O', 'B')))
    stdin = types.SimpleNamespace(read=lambda: text)
    monkeypatch.setattr('sys.stdin', stdin)
    code = compile_worker.main()
    path = tmp_path / compile_worker.FAILURE
    return code, json.loads(path.read_text())

  code, failure = asked(small_run.config(batch_size=12))
  assert code == EXIT_BAD_INPUT
  assert 'nearest 8 or 16' in failure['input']

  def refuse(*_):
    raise jax.errors.JaxRuntimeError('RESOURCE_EXHAUSTED: too large')

  monkeypatch.setattr(train_step, 'lower_train_step', refuse)
  code, failure = asked(small_run.config())
  assert (code, failure) == (
    EXIT_FAILED,
    {'compiler': 'RESOURCE_EXHAUSTED: too large'},
  )


def test_it_goes_when_nobody_waits_for_it_any_more(monkeypatch):
  parents = iter([7, 7, 1])
  monkeypatch.setattr(compile_worker, '_LOOK_SECONDS', 0.0)
  monkeypatch.setattr(os, 'getppid', lambda: next(parents))
  ended = []
  monkeypatch.setattr(os, '_exit', ended.append)
  compile_worker.leave_with(7)
  assert ended == [EXIT_FAILED]
  assert next(parents, None) is None


def test_a_host_s_devices_bound_the_model_axis():
  def device(i):
    return types.SimpleNamespace(id=i, process_index=i // 4, platform='cpu')

  hosts = [device(i) for i in range(16)]
  with pytest.raises(InputError, match='the 4 devices of one host'):
    sharding.make_mesh('tp', 8, hosts)


def test_without_data_the_vocabulary_has_the_size_asked_for():
  config = small_run.config()
  found = experiment.without_data(config, 28_996, ('O', 'B', 'I'))
  assert found.bert.vocab_size == found.tokenizer.vocab_size == 28_996
  with pytest.raises(ValueError, match='without a corpus'):
    _ = found.dataset
