"""What cannot be a place in a bucket, or is not there: one line, nothing else.

Also of objects whose names a shell, a URL or a disk takes for something else.
"""

import pytest

from biobert_jax.commands.main import main
from biobert_jax.io import storage
from tests.gcs.door import ALWAYS, Fault

SCORE = ('score', 'ner')
TAG = ('predict', '--model={bucket}/m', '--output={bucket}/out.jsonl')
IMPORT = ('import', '--output={bucket}/new')
LISTED = 'supported are local paths and gs://BUCKET/NAME (Cloud Storage)'


def put(bucket: str, *names: str, content: str = 'flu\tB-D\tB-D\n') -> None:
  for name in names:
    storage.write(f'{bucket}/{name}', content)


CASES = (
  (SCORE, 'gs:/x', 'gs:/x: not a path; did you mean gs://x?'),
  (SCORE, 'gs://', 'gs://: names no bucket; write gs://BUCKET/NAME'),
  (SCORE, 'gs://B_/x', "no bucket can be named 'B_'"),
  (SCORE, 'gs://10.0.0.1/x', "no bucket can be named '10.0.0.1'"),
  (SCORE, 's3://bucket/x', LISTED),
  (SCORE, 'https://host/x', LISTED),
  (SCORE, 'az://bucket/x', LISTED),
  (SCORE, '{bucket}/a/../b', 'has an empty part, "." or ".." in it'),
  (SCORE, '{bucket}/absent', 'no such object or folder; check the path'),
  (SCORE, '{bucket}/gold.tvs', 'did you mean {bucket}/gold.tsv?'),
  (SCORE, '{bucket}-2/x', 'there is no bucket'),
  (SCORE, '{bucket}/folder', '{bucket}/folder: is a folder; name a file'),
  (SCORE, '{bucket}/gold.tsv --errors=gs:/x', 'did you mean gs://x?'),
  (SCORE, '{bucket}/gold.tsv --errors={bucket}-2/x', 'there is no bucket'),
  (SCORE, '{bucket}/gold.tsv --errors={bucket}/folder', 'is a folder; name a'),
  (SCORE, '{bucket}/gold.tsv --errors={bucket}/gold.tsv', 'is read too, by'),
  (TAG, '--input={bucket}/absent', 'no such file'),
  (TAG, '--input={bucket}/*.xml', 'no file matches; check the path'),
  (TAG, '--input={bucket}-2/x', 'there is no bucket'),
  (TAG, '--input={bucket}/gold.tsv --input=gs:/x', 'did you mean gs://x?'),
  (IMPORT, '--model={bucket}/absent', 'absent: no such file or folder; give a'),
  (IMPORT, '--model={bucket}/foldr', 'did you mean {bucket}/folder?'),
  (IMPORT, '--model={bucket}/folder', 'no checkpoint (it holds x)'),
  (IMPORT, '--model={bucket}/gold.tsv', 'gold.tsv: not a checkpoint'),
  (IMPORT, '--model={bucket}-2/x', 'there is no bucket'),
  (IMPORT, '--model={bucket}/m --output={bucket}/folder', 'is not empty'),
  (IMPORT, '--model={bucket}/m --output={bucket}/gold.tsv', 'is a file; name'),
  (('train', '--workdir=w'), '--config={bucket}/x.py', 'no such object'),
  (('train', '--workdir=w'), '--config=s3://bucket/x.py', LISTED),
)


@pytest.mark.parametrize(('command', 'words', 'line'), CASES)
def test_it_is_refused_in_one_line(
  command, words, line, bucket, tmp_path, monkeypatch, capsys
):
  monkeypatch.chdir(tmp_path)
  put(bucket, 'folder/x', 'gold.tsv')
  before = storage.files(bucket)
  given = ' '.join([*command, words]).format(bucket=bucket)
  assert main(given.split()) == 3
  said = capsys.readouterr()
  assert line.format(bucket=bucket) in said.err, said.err
  assert (said.out, said.err.count('\n')) == ('', 1)
  assert storage.files(bucket) == before
  assert {path.name for path in tmp_path.iterdir()} <= {'cache'}


@pytest.mark.parametrize(
  ('match', 'words'),
  [
    ('GET .*gold', 'score ner {bucket}/gold.tsv'),
    ('permissions=', 'score ner {bucket}/gold.tsv --errors={bucket}/x'),
    ('POST /upload', 'score ner {bucket}/gold.tsv --errors={bucket}/x'),
    ('GET ', 'import --model={bucket}/m --output=x'),
    ('GET ', 'predict --model=m --input {bucket}/*.txt --output=x.jsonl'),
  ],
)
def test_who_may_not_is_told_so(
  match, words, bucket, door, tmp_path, monkeypatch, capsys
):
  monkeypatch.chdir(tmp_path)
  put(bucket, 'gold.tsv')
  what = {'times': ALWAYS, 'code': 403, 'message': 'no access for me@x'}
  door.faults.append(Fault('status', match, **what))
  assert main(words.format(bucket=bucket).split()) == 1
  said = capsys.readouterr()
  assert said.err.startswith(f'failed: {bucket}'), said.err
  assert 'no access for me@x); give the account roles/storage.o' in said.err
  assert (said.out, said.err.count('\n')) == ('', 1)
  door.faults.clear()
  assert [file.place.name for file in storage.files(bucket)] == ['gold.tsv']
  assert {path.name for path in tmp_path.iterdir()} <= {'cache'}


def test_an_object_beside_a_folder_of_its_name(bucket, capsys):
  put(bucket, 'x', 'x/y')
  for path in (f'{bucket}/x', f'{bucket}/x/y'):
    assert main(['score', 'ner', path, '--bootstrap=0']) == 0
  assert capsys.readouterr().out.count('"accuracy": 100.0') == 2
