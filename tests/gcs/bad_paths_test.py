"""What cannot be a place in a bucket, or is not there: one line, nothing else.

Also of objects whose names a shell, a URL or a disk takes for something else.
"""


import pytest

from biobert_jax.commands.main import main
from biobert_jax.io import storage

SCORE = ('score', 'ner')
PREDICT = ('predict', '--model={here}/m', '--output={bucket}/out.jsonl')
LISTED = 'supported are local paths and gs://BUCKET/NAME (Cloud Storage)'


def put(bucket: str, *names: str, content: str = 'B-D\tB-D\n') -> None:
  for name in names:
    storage.write(f'{bucket}/{name}', content)


def names_in(bucket: str) -> list[str]:
  return [str(file.place) for file in storage.files(bucket)]


@pytest.mark.parametrize(
  ('command', 'path', 'code', 'line'),
  [
    (SCORE, 'gs:/x', 3, 'gs:/x: not a path; did you mean gs://x?'),
    (SCORE, 'gs://', 3, 'gs://: names no bucket; write gs://BUCKET/NAME'),
    (SCORE, 'gs://B_/x', 3, "no bucket can be named 'B_'"),
    (SCORE, 'gs://10.0.0.1/x', 3, "no bucket can be named '10.0.0.1'"),
    (SCORE, 's3://bucket/x', 3, LISTED),
    (SCORE, 'https://host/x', 3, LISTED),
    (SCORE, 'az://bucket/x', 3, LISTED),
    (SCORE, '{bucket}/a/../b', 3, 'has an empty part, "." or ".." in it'),
    (SCORE, '{bucket}/absent', 3, 'no such object or folder; check the path'),
    (SCORE, '{bucket}-2/x', 3, 'there is no bucket'),
    (SCORE, '{bucket}/folder', 3, '{bucket}/folder: is a folder; name a file'),
    (PREDICT, '--input={bucket}/absent', 3, 'no such file; check the path'),
    (PREDICT, '--input={bucket}/*.xml', 3, 'no file matches; check the path'),
    (PREDICT, '--input={bucket}-2/x', 3, 'there is no bucket'),
    (PREDICT, '--input=gs:/x', 3, 'did you mean gs://x?'),
  ],
)
def test_it_is_refused_in_one_line(
  command, path, code, line, bucket, tmp_path, monkeypatch, capsys
):
  monkeypatch.chdir(tmp_path)
  put(bucket, 'folder/x')
  before = names_in(bucket)
  words = [w.format(bucket=bucket, here=tmp_path) for w in (*command, path)]
  assert main(words) == code
  said = capsys.readouterr()
  assert line.format(bucket=bucket) in said.err, said.err
  assert (said.out, said.err.count('\n')) == ('', 1)
  assert names_in(bucket) == before
  assert not (tmp_path / 'gs:').exists()
