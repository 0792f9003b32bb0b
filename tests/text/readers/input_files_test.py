import gzip
from collections import Counter

import pytest

from biobert_jax.errors import InputError
from biobert_jax.text.readers import input_files
from tests.fixtures.corpus_files import pubmed, record


def found_names(folder, *patterns):
  counts = Counter()
  paths = input_files.find_files(patterns, counts)
  names = [path.removeprefix(f'{folder}/') for path in paths]
  return names, counts['files_skipped']


def test_files_patterns_folders_and_standard_input(tmp_path):
  for name in ('b.xml', 'a.xml', 'c.txt'):
    (tmp_path / name).touch()
  (tmp_path / 'in').mkdir()
  (tmp_path / 'in' / 'd.xml').touch()
  patterns = (f'{tmp_path}/**/*.xml', f'{tmp_path}/a.xml', f'{tmp_path}/c*')
  names = ['a.xml', 'b.xml', 'in/d.xml', 'c.txt']
  assert found_names(tmp_path, *patterns) == (names, 0)
  assert found_names(tmp_path, str(tmp_path)) == (sorted(names), 0)
  assert found_names(tmp_path, '-', f'{tmp_path}/in') == (['-', 'in/d.xml'], 0)
  with pytest.raises(InputError, match=r"'.*/x\*': no file matches"):
    input_files.find_files([f'{tmp_path}/a.xml', f'{tmp_path}/x*'])
  strange = tmp_path / 'a[1].xml'  # A name that is a pattern, too.
  strange.touch()
  assert input_files.find_files([str(strange)]) == [str(strange)]


def test_files_beside_an_archive_are_skipped_counted_and_named(
  tmp_path, caplog
):
  beside = ('a.xml.gz.md5', 'LICENSE', 'README.txt', 'oa.filelist.txt')
  beside += ('oa.filelist.csv', 'annotation.conf', 'notes.dat', 'figure.jpg')
  for name in beside:
    (tmp_path / name).write_bytes(b'Some text.\xff')
  (tmp_path / 'a.xml.gz').write_bytes(gzip.compress(pubmed(record())))
  (tmp_path / 'b.dat').write_bytes(pubmed(record()))  # Its content says so.
  (tmp_path / 'manifestations.txt').write_bytes(b'Text.')
  kept = ['a.xml.gz', 'b.dat', 'manifestations.txt']
  assert found_names(tmp_path, f'{tmp_path}/*') == (kept, len(beside))
  assert f'skipped {len(beside)} files that are no text' in caplog.text
  assert 'LICENSE' in caplog.text
  # Named by itself, a file is not passed over.
  license = str(tmp_path / 'LICENSE')
  assert found_names(tmp_path, license) == (['LICENSE'], 0)
  for name in kept:
    (tmp_path / name).unlink()
  with pytest.raises(InputError, match='no file there is text: .*LICENSE'):
    input_files.find_files([str(tmp_path)])


def test_of_a_pair_of_brat_the_text_stands_for_both(tmp_path):
  for name in ('a.txt', 'a.ann', 'b.txt', 'c.ann'):
    (tmp_path / name).touch()
  kept = ['a.txt', 'b.txt', 'c.ann']
  assert found_names(tmp_path, f'{tmp_path}/*') == (kept, 0)


def test_what_is_left_out_is_named_but_not_without_counts(tmp_path, caplog):
  (tmp_path / 'a.jsonl').write_text('{"text": "A."}\n{"title": ""}\n')
  (tmp_path / 'b.jsonl').write_text('{"id": "x", "abstract": " "}\n' * 6)
  (tmp_path / 'c.txt').touch()
  files = input_files.find_files([str(tmp_path)])
  assert [one.id for one in input_files.read_documents(files, None)] == [
    'a.jsonl:1'
  ]
  assert not caplog.text
  counts = Counter()
  list(input_files.read_documents(files, counts))
  a, b, c = files
  assert f'input: 7 left out (no text): {a}:2, {b}:x' in caplog.text
  assert ', ...\n' in caplog.text
  assert f'input: 1 left out (no record): {c}\n' in caplog.text
  assert counts['dropped_no_text'] == 7


def test_short_names_are_no_longer_than_they_have_to_be():
  paths = ['/x/a/p.txt', '/x/b/p.txt', '/y/b/p.txt', '/x/q.txt']
  assert list(input_files.short_names(paths).values()) == [
    *('a/p.txt', 'x/b/p.txt', 'y/b/p.txt', 'q.txt'),
  ]
