"""Random predictions score as the original scorers say, digit for digit.

`OFFICIAL_SCORERS` names a folder that holds any of these, and a test skips
without its own:

- `re_eval.py` (dmis-lab/biobert, biocodes/) and `evaluation.py`
  (pubmedqa/pubmedqa), with `python`, an interpreter that has pandas and
  scikit-learn;
- `evaluate-v1.1.py` and `evaluate-v2.0.py` of SQuAD;
- `BioASQEvaluation.jar` and `lib/` (BioASQ/Evaluation-Measures,
  flat/BioASQEvaluation/dist/).
"""

import json
import os
import pathlib
import random
import shutil
import subprocess
import sys

import pytest

from biobert_jax.metrics import score_files

FOLDER = pathlib.Path(os.environ.get('OFFICIAL_SCORERS', 'none'))
TEXTS = (
  *(
    'the',
    'The',
    'a',
    'gene',
    'BRCA1',
    'brca1',
    'p53',
    'IL-2',
    'IL2',
    '.',
    '-',
  ),
  *('β', 'Β', 'α-synuclein', '“x”', '%', 'ca.', '\u00a0', 'İ', 'é', 'É', ''),
)


def original(name):
  """A file of the folder; without it the test skips."""
  if not (FOLDER / name).exists():
    pytest.skip(f'needs OFFICIAL_SCORERS=folder with {name}')
  return str((FOLDER / name).absolute())


def printed(*command, **options):
  return subprocess.run(
    command, capture_output=True, check=True, text=True, **options
  ).stdout


def write(path, content):
  text = content if isinstance(content, str) else json.dumps(content)
  path.parent.mkdir(exist_ok=True)
  path.write_text(text, 'utf-8')
  return str(path)


def phrase(draw):
  return ' '.join(draw.choices(TEXTS, k=draw.randint(0, 4)))


@pytest.mark.parametrize('seed', range(20))
@pytest.mark.parametrize('task', ['binary', 'chemprot'])
def test_relation(task, seed, tmp_path):
  draw = random.Random(f'{task} {seed}')
  labels = score_files.relation.LABELS['gad' if task == 'binary' else task]
  # Every label occurs: elsewhere the script is wrong, or stops.
  gold = [*labels, *draw.choices(labels, k=draw.choice([0, 9, 99]))]
  draw.shuffle(gold)
  rows = [f'{i}\t{phrase(draw)} \t{label}' for i, label in enumerate(gold)]
  said = ['\t'.join(str(draw.randint(0, 9) / 9) for _ in labels) for _ in gold]
  files = (
    write(tmp_path / 'gold', '\n'.join(['index\tsentence\tlabel', *rows])),
    write(tmp_path / 'said', '\n'.join(said)),
  )
  script, python = original('re_eval.py'), original('python')
  text = printed(
    *(python, '-W', 'ignore', script, f'--task={task}'),
    *(f'--answer_path={files[0]}', f'--output_path={files[1]}'),
  )
  figures = score_files.score_relation(*files).figures
  names = {'f1 score': 'f1'}
  for line in text.splitlines():
    name, value = (part.strip() for part in line.split(':'))
    assert f'{figures[names.get(name, name)]:.2f}%' == value


@pytest.mark.parametrize('seed', range(20))
@pytest.mark.parametrize('version', ['1.1', '2.0'])
def test_squad(version, seed, tmp_path):
  script = original(f'evaluate-v{version}.py')
  draw = random.Random(f'{version} {seed}')
  gold, said, odds = [], {}, {}
  for number in range(draw.choice([1, 9, 99])):
    id_ = str(number)
    fewest = 1 if version == '1.1' else 0
    answers = [phrase(draw) for _ in range(draw.randint(fewest, 3))]
    rows = [{'text': answer} for answer in answers]
    gold.append({'id': id_, 'answers': rows})
    if version == '2.0' or draw.random() < 0.9:
      said[id_] = draw.choice([*answers, phrase(draw), ''])
    odds[id_] = draw.choice([draw.gauss(0, 3), draw.randint(-2, 2)])
  content = {'version': version, 'data': [{'paragraphs': [{'qas': gold}]}]}
  files = (
    write(tmp_path / 'gold', content),
    write(tmp_path / 'said', said),
    write(tmp_path / 'odds', dict(draw.sample([*odds.items()], len(odds)))),
  )
  command = [sys.executable, script, *files[:2]]
  if version == '2.0':
    command += ['-n', files[2], '-t', '0.5']
  theirs = json.loads(printed(*command, env={**os.environ, 'PYTHONUTF8': '1'}))
  ours = score_files.score_squad(
    *files[: 2 + (version == '2.0')], version=version, threshold=0.5
  ).figures
  assert {name: ours[name] for name in theirs} == theirs


def answers_of(draw, most):
  return [
    draw.choices(TEXTS, k=draw.randint(0, 2))
    for _ in range(draw.randint(0, most))
  ]


@pytest.mark.parametrize('seed', range(20))
def test_bioasq(seed, tmp_path):
  jar = original('BioASQEvaluation.jar')
  if not shutil.which('java'):
    pytest.skip('needs java')
  draw = random.Random(seed)
  gold, said = [], []
  for number in range(draw.choice([1, 9, 99])):
    row = {'id': str(number), 'type': draw.choice(['factoid', 'list', 'yesno'])}
    answer = {'id': str(number)}
    if row['type'] == 'yesno':
      row['exact_answer'] = draw.choice(['yes', 'no', 'Yes.'])
      words = ['yes', 'No', 'YES, it is', 'unknown', 'perhaps', '']
      answer['exact_answer'] = draw.choice(words)
    else:
      row['exact_answer'] = answers_of(draw, 4)
      answer['exact_answer'] = answers_of(draw, 8)
    if draw.random() < 0.1:
      del answer['exact_answer']
    gold.append(row)
    said.append(answer)
  draw.shuffle(said)
  files = (
    write(tmp_path / 'gold', {'questions': gold}),
    write(tmp_path / 'said', {'questions': said}),
  )
  text = printed(
    *('java', '-Dfile.encoding=UTF-8', '-cp'),
    os.pathsep.join((jar, str(pathlib.Path(jar).with_name('lib') / '*'))),
    *('evaluation.EvaluatorTask1b', '-phaseB', '-e', '5', *files),
  )
  assert score_files.score_bioasq(*files).line == text


@pytest.mark.parametrize('seed', range(20))
def test_pubmedqa(seed, tmp_path):
  draw = random.Random(seed)
  words = ['yes', 'no', 'maybe'][: draw.randint(1, 3)]
  count = draw.choice([1, 9, 99])
  gold = {str(i): draw.choice(words) for i in range(count)}
  said = {i: draw.choice([label, 'yes']) for i, label in gold.items()}
  # The script has the name of the gold file in it.
  files = (
    write(tmp_path / 'data' / 'test_ground_truth.json', gold),
    write(tmp_path / 'said', said),
  )
  script, python = original('evaluation.py'), original('python')
  text = printed(python, '-W', 'ignore', script, files[1], cwd=tmp_path)
  figures = score_files.score_pubmedqa(*files).figures
  assert text == (
    f'Accuracy {figures["accuracy"]:f}\nMacro-F1 {figures["macro_f1"]:f}\n'
  )
