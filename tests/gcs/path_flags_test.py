"""Every path flag of every command, with gs:// in the place of a folder.

Each command runs twice, on local files and on the same files in a bucket; what
it prints and what it writes must be the same bytes.
"""

import contextlib
import io
import json
import os
import pathlib
import re
import shutil
from collections.abc import Iterator

import pytest

from biobert_jax.checkpoints import import_weights
from biobert_jax.commands import main
from biobert_jax.io import storage
from biobert_jax.io.json_files import write_json
from biobert_jax.io.storage import BucketPath
from biobert_jax.protocol import results_table
from tests.fixtures import (
  model_folders,
  scored_files,
  small_bioasq,
  small_corpus,
  small_predictors,
  small_relations,
)
from tests.gcs.door import Door

ROOT = pathlib.Path(__file__).parents[2]
FILES = 'a~b#é?+%2F'  # A name that has to be escaped; ~ stands for a blank.
# Command lines, with IN for the inputs and OUT for an empty folder.
CASES = {
  'score ner': 'FILES/ner.gold FILES/ner.said --errors=OUT/errors.tsv',
  'score relation': 'FILES/relation.gold FILES/relation.said --task=gad',
  'score relation of folds': 'IN/folds/gold IN/folds/said',
  'score squad': 'FILES/squad.gold FILES/squad.said'
  ' --null_odds=FILES/squad.odds',
  'score bioasq': 'FILES/bioasq.gold FILES/bioasq.said',
  'score pubmedqa': 'FILES/pubmedqa.gold FILES/pubmedqa.said',
  'prepare-relation': '--input=IN/chemprot --output=OUT',
  'prepare-bioasq': '--input IN/raw.json --output=OUT --split=train'
  ' --passages=abstracts --corpus IN/articles/*.jsonl',
  'prepare-submission': '--questions IN/raw.json --predictions'
  ' IN/nbest_predictions.json --output=OUT/submission.json',
  'build-vocabulary': '--input IN/articles --output=OUT/new --size=60'
  ' --do_lower_case=true --compare=IN/vocab.txt',
  'corpus-report': 'IN/shards --output=OUT --vocab=IN/vocab.txt'
  ' --input IN/articles/*.jsonl',
  'table': '--workdirs=IN/protocol,IN/protocol --output=OUT',
  'import': '--model=IN/google/bert_model.ckpt --output=OUT/imported'
  ' --do_lower_case=false',
  'extend': '--model=IN/tagger --pieces=IN/new.txt --output=OUT/extended',
  'export': '--model=IN/tagger --output=OUT/exported --format=huggingface',
  'export of an archive': '--model=IN/tagger.tar.gz --output=OUT/exported'
  ' --format=tensorflow',
  'predict': '--model=IN/tagger --input IN/texts/*.txt IN/texts/more/'
  ' --output=OUT/entities.jsonl --keep_entities',
  'predict by a pipeline': '--pipeline=IN/genes,IN/relations --input'
  ' IN/texts --output=OUT/brat --format=brat --keep_entities',
  'embed': '--model=IN/tagger --input IN/texts/1.txt --output=OUT/v.parquet',
}
# Files that hold the time.
DATED = ('_CHECKPOINT_METADATA', 'commit_success.txt', 'SHA256SUMS')
# The other path flags -> the file here that tests what they name.
ELSEWHERE = {
  ('preflight', 'hlo'): 'models_and_corpora_test.py',
  ('train', 'workdir'): 'train_test.py',
  ('train', 'continue_as'): 'run_folders_test.py',
  ('evaluate', 'workdir'): 'train_test.py',
  ('evaluate', 'config.data.dir'): 'models_and_corpora_test.py',
  ('protocol', 'workdir'): 'run_folders_test.py',
  **{
    (command, flag): 'corpora_test.py'
    for command in ('prepare-corpus', 'prepare-corpus-beam')
    for flag in ('input', 'output', 'vocab', 'exclude')
  },
}


def write_inputs(folder: pathlib.Path) -> None:
  files = folder / FILES.replace('~', ' ')
  files.mkdir(parents=True)
  scored_files.write_files(files)
  for fold in '12':
    for side, name in (('gold', 'test.tsv'), ('said', 'test_results.tsv')):
      inside = folder / 'folds' / side / fold
      inside.mkdir(parents=True)
      (inside / name).write_text(scored_files.FILES[f'relation.{side}'])
  splits = ('training', 'development', 'test')
  small_relations.write_chemprot(folder / 'chemprot', splits)
  raw = small_bioasq.raw_bioasq()
  write_json(folder / 'raw.json', raw)
  said = {
    question['id']: [{'text': 'x', 'probability': 0.5}]
    for question in raw['questions']
    if question['type'] in ('factoid', 'list')
  }
  write_json(folder / 'nbest_predictions.json', said)
  small_corpus.make(folder / 'corpus', num_shards=1)
  (folder / 'corpus' / 'out').rename(folder / 'shards')
  (folder / 'corpus' / 'in').rename(folder / 'articles')
  rows = [
    {'pmid': str(i), 'title': 'Of mice.', 'abstract': 'Seen.'}
    for i in range(99)
  ]
  with open(folder / 'articles' / 'c.jsonl', 'w') as file:
    file.writelines(json.dumps(row) + '\n' for row in rows)
  (folder / 'vocab.txt').write_text('\n'.join(small_corpus.PIECES) + '\n')
  scores = {'precision': 70.0, 'recall': 90.0, 'f1': 80.0, 'gold': 12}
  line = {'run': 'test--0', 'seed': 0, 'fold': '', 'point': {}, 'devel': None}
  line |= {'test_also_in_train': 3, 'test_figures': scores}
  write_json(
    folder / 'protocol' / 'table.json',
    results_table.summary('my corpus', [line], []),
  )
  model_folders.write_tensorflow(folder / 'google')
  model_folders.write_huggingface(folder / 'tagger')
  for name, head, settings in (
    ('relations', 'sequence', small_predictors.RELATION),
    ('genes', 'token', {'entity_type': 'Gene'}),
  ):
    model = small_predictors.write(folder / 'unnamed' / head, head, **settings)
    import_weights.import_weights(model, str(folder / name))
  # What nobody needs, and what cannot be read.
  (folder / 'tagger' / 'pytorch_model.bin').write_bytes(b'no weights')
  (folder / 'new.txt').write_text('hepatitis\n##oma\n')
  shutil.make_archive(str(folder / 'tagger'), 'gztar', folder / 'tagger')
  texts = folder / 'texts'
  (texts / 'more').mkdir(parents=True)
  (texts / '1.txt').write_text('Wilson disease is rare.')
  (texts / '1.ann').write_text('T1\tDisease 0 14\tWilson disease\n')
  (texts / 'README.md').write_text('Not a text.')
  (texts / 'more' / '2.txt').write_text('Gout hurts.\nSo it does.\n')


@pytest.fixture(scope='module')
def places(
  tmp_path_factory: pytest.TempPathFactory, session_door: Door
) -> Iterator[tuple[pathlib.Path, BucketPath]]:
  """A local folder and a bucket with the same inputs in `in`."""
  folder, bucket = tmp_path_factory.mktemp('flags'), BucketPath('path-flags')
  write_inputs(folder / 'in')
  session_door.make_bucket(bucket.bucket)
  session_door.reset()
  with pytest.MonkeyPatch.context() as patch:
    for key, value in session_door.by_every_road().items():
      patch.setenv(key, value)
    patch.setenv('BIOBERT_CACHE', str(folder / 'cache'))
    for file in storage.files(folder):
      name = file.place.relative_to(folder)
      storage.write(bucket / name, storage.read_bytes(file.place))
    yield folder, bucket


def _command(case: str) -> str:
  return re.split(' (?:of|by) ', case)[0]


def run(case: str, place: storage.Place) -> tuple[int, str, str]:
  """Exit code, standard output and error of a case; AT is the place in them."""
  words = CASES[case].replace('FILES', f'IN/{FILES}').split()
  names = {'IN': f'{place}/in', 'OUT': f'{place}/{case}', '~': ' '}
  for name, path in names.items():
    words = [word.replace(name, path) for word in words]
  out, err = io.StringIO(), io.StringIO()
  with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
    code = main.main([*_command(case).split(), *words])
  return code, *(s.getvalue().replace(str(place), 'AT') for s in (out, err))


def written(folder: storage.Place) -> dict[str, bytes]:
  return {
    str(file.place).removeprefix(str(folder)): storage.read_bytes(file.place)
    for file in storage.files(folder)
    if file.place.name not in DATED
  }


@pytest.mark.parametrize('case', CASES)
def test_a_command_does_the_same(case, places, tmp_path, monkeypatch):
  monkeypatch.chdir(tmp_path)
  folder, bucket = places
  here, there = run(case, folder), run(case, bucket)
  assert (here[0], there[:2]) == (0, here[:2]), (here[2], there[2])
  assert os.environ['BIOBERT_CACHE'] not in there[2]
  assert written(bucket / case) == written(folder / case)
  if 'OUT' in CASES[case]:
    assert written(folder / case)
  assert list(tmp_path.iterdir()) == []


def test_every_path_flag_is_tried() -> None:
  tried = set(ELSEWHERE)
  for case, words in CASES.items():
    command = main.COMMANDS[_command(case)]
    named = set(re.findall(r'--(\w+)', words))
    for flag in command.flags:
      if flag.positional or flag.name in named:
        tried.add((command.name, flag.name))
  every = {
    (command.name, flag.name)
    for command in main.COMMANDS.values()
    for flag in command.flags
    if flag.path
  }
  assert every - tried == set(), 'give it a case'
  assert set(ELSEWHERE) <= every
  for file in ELSEWHERE.values():
    assert pathlib.Path(__file__).with_name(file).exists()
