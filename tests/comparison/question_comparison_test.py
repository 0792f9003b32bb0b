"""Question answering compared: it runs, and the baseline reads our models."""

import json
import pathlib
import sys
from collections import Counter

import numpy as np
import pytest
from etils import epath

from biobert_jax.checkpoints import export, huggingface, pretrained
from biobert_jax.data.qa import squad
from biobert_jax.inference import predict
from biobert_jax.models.config import BertConfig
from biobert_jax.text.vocabulary import build_vocabulary
from biobert_jax.text.wordpiece import WordPieceTokenizer
from biobert_jax.training import train
from biobert_jax.training.monitoring import metric_writer
from configs import qa_squad_v1_1
from tests.comparison import baseline
from tests.comparison.marks import by_hand
from tests.fixtures import random_models, small_questions

pytestmark = pytest.mark.skipif(not baseline.PYTHON, reason=baseline.REASON)


def write_checkpoint(
  folder: pathlib.Path, head: str, shrink: float, **changes: float
) -> None:
  """A tiny random model as a Hugging Face folder."""
  folder.mkdir(parents=True)
  rows = small_questions.paragraphs(0, 1, '1.1')
  texts = [row['context'] for row in rows]
  texts += [one['question'] for row in rows for one in row['qas']]
  tokenizer = WordPieceTokenizer(build_vocabulary(texts, 200, False), False)
  tokenizer.save(folder, fast=True)
  config = BertConfig.tiny(
    vocab_size=tokenizer.vocab_size, max_position_embeddings=512, **changes
  )
  params = random_models.flat_params(head, config)
  params = {path: array / shrink for path, array in params.items()}
  for path in params:
    if path.endswith('scale'):
      params[path] = np.ones_like(params[path])
  huggingface.write(folder, params, config, head, ())


@by_hand
@pytest.mark.parametrize('paired', [False, True])
def test_both_sides_train_and_are_scored(
  tmp_path: pathlib.Path, paired: bool
) -> None:
  write_checkpoint(tmp_path / 'model', 'encoder', 15)
  corpus = small_questions.write(tmp_path / 'corpus')
  printed = baseline.run(
    baseline.script('question_comparison.py'),
    f'--data={corpus / "train.json"}',
    f'--model={tmp_path / "model"}',
    *('--limit=4', '--epochs=1', '--rows=1', '--seeds=2'),
    *(['--paired'] if paired else []),
    python=sys.executable,
  )
  *table, last = printed.splitlines()
  assert [line.split()[0] for line in table] == ['EM', 'ours', 'baseline', 'EM']
  report = json.loads(last)
  assert report.keys() == {'ours', 'baseline', 'ratio'}
  for name in ('ours', 'baseline'):
    row = report[name]
    rate = row['questions_per_second'] * row['seconds']
    assert rate == pytest.approx(12)
    scores = [one['f1'] for one in row['runs']]
    assert row['f1'] == pytest.approx(np.mean(scores))
    assert len(scores) == 2
    assert 0 <= row['exact_match'] <= row['f1'] <= 100
  if paired:
    assert report['ours']['f1'] == pytest.approx(report['baseline']['f1'])


def write_equally_long(folder: pathlib.Path, years: range) -> None:
  """Windows of one length: the baseline's softmax sees padding, ours not."""
  rows = []
  for year in years:
    context = f'In rats BRCA1 causes fever, as seen in {year}.'
    asked = (('When was it seen?', str(year)), ('What was it seen?', 'BRCA1'))
    questions = [
      {
        'id': f'{year}-{question}',
        'question': question,
        'answers': [{'text': text, 'answer_start': context.index(text)}],
      }
      for question, text in asked
    ]
    rows.append({'context': context, 'qas': questions})
  folder.mkdir()
  for name in ('train', 'test'):
    content = small_questions.content_of(rows, '1.1')
    (folder / f'{name}.json').write_text(content)


def test_both_lose_the_same_at_every_step(tmp_path: pathlib.Path) -> None:
  """Without dropout, all windows in each batch: packed here, in rows there."""
  none = {'hidden_dropout_prob': 0.0, 'attention_probs_dropout_prob': 0.0}
  write_checkpoint(tmp_path / 'model', 'span', 5, **none)
  write_equally_long(tmp_path / 'corpus', range(1950, 1966))
  theirs = baseline.run(
    baseline.script('hf_question.py'),
    f'--model={tmp_path / "model"}',
    *(f'--{n}={tmp_path / "corpus" / n}.json' for n in ('train', 'test')),
    *(f'--output={tmp_path / "baseline.json"}', '--epochs=10', '--threads=1'),
    *('--batch_size=32', '--learning_rate=0.001'),
  )
  config = qa_squad_v1_1.get_config('tiny')
  config.init_from = str(tmp_path / 'model')
  config.data.dir = str(tmp_path / 'corpus')
  config.data.train_files = 'train.json'
  config.data.test_split = ''
  config.data.max_seq_length = 128
  config.data.doc_stride = 32
  config.data.max_sequences = 4
  config.batch_size = 8
  config.optim.learning_rate = 0.001
  config.optim.eps = 1e-8  # PyTorch's.
  config.train.epochs = 10.0
  config.train.log_every_steps = 1
  train.train(config, str(tmp_path / 'ours'))
  metrics = metric_writer.read_metrics(epath.Path(tmp_path / 'ours'))
  ours = [row['train/loss'] for row in metrics if 'train/loss' in row]
  expected = json.loads(theirs.splitlines()[-1])['losses']
  assert len(ours) == len(expected) == 10
  assert ours[-1] < ours[0] / 3
  np.testing.assert_allclose(ours, expected, rtol=1e-4)


def test_the_baseline_learns(tmp_path: pathlib.Path) -> None:
  write_checkpoint(tmp_path / 'model', 'encoder', 15)
  corpus = small_questions.write(tmp_path / 'corpus')
  baseline.run(
    baseline.script('hf_question.py'),
    *(f'--model={tmp_path / "model"}', '--threads=1'),
    *(f'--{name}={corpus / "train.json"}' for name in ('train', 'test')),
    f'--output={tmp_path / "out.json"}',
    *('--epochs=30', '--batch_size=9', '--learning_rate=0.001'),
  )
  said = json.loads((tmp_path / 'out.json').read_text())
  form = squad.SquadRules('1.1', True, 0.0)
  questions = squad.read_files([str(corpus / 'train.json')], Counter(), form)
  assert said.keys() == {q.id for q in questions}
  right = np.mean([said[q.id] == q.answers[0].text for q in questions])
  print(f'{right:.2f} of the answers are right')
  assert right > 0.4  # 0.1 or less where it does not learn.


def test_an_export_of_ours_answers_the_same_in_transformers(
  tmp_path: pathlib.Path,
) -> None:
  """AutoModelForQuestionAnswering, its tokenizer, its example's decoding."""
  write_checkpoint(tmp_path / 'model', 'span', 5)
  model = pretrained.load_pretrained(tmp_path / 'model')
  exported = str(tmp_path / 'exported')
  export.export(model, 'huggingface', exported)
  corpus = small_questions.write(tmp_path / 'corpus')
  gold = str(corpus / 'train.json')
  ours = tmp_path / 'ours.json'
  predict.predict(exported, gold, str(ours), 'squad')
  baseline.run(
    baseline.script('hf_question.py'),
    *(f'--model={exported}', f'--train={gold}', f'--test={gold}'),
    *(f'--output={tmp_path / "baseline.json"}', '--epochs=0', '--threads=1'),
  )
  theirs = json.loads((tmp_path / 'baseline.json').read_text())
  said = json.loads(ours.read_text('utf-8'))
  assert len(set(said.values())) > 5
  assert said == theirs
