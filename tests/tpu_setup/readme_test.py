"""Every call of a script that the documents show is one that it takes."""

import pathlib
import re
import shlex
import textwrap

import pytest

from biobert_jax.commands import parser
from biobert_jax.commands.main import COMMANDS
from tests.tpu_setup.conftest import ROOT, Cloud

README = (ROOT / 'tpu_setup' / 'README.md').read_text()


def blocks() -> list[str]:
  found = re.findall(r'^( *)```bash\n(.*?)^ *```', README, re.M | re.S)
  return [textwrap.dedent(text) for _, text in found]


def calls() -> list[tuple[dict[str, str], list[str]]]:
  """The environment and the words of each call, from top to bottom."""
  environment: dict[str, str] = {}
  found = []
  for block in blocks():
    for line in block.replace('\\\n', ' ').splitlines():
      words = shlex.split(line)
      if words[:1] == ['export']:
        named = dict(word.split('=', 1) for word in words[1:])
        environment = environment | named
      elif words[:1] == ['bash']:
        # Two of them, on this machine, know no slice.
        local = any('--local-processes' in word for word in words)
        found.append(({} if local else environment, words[1:]))
  return found


def test_both_slices_are_walked_from_create_to_delete() -> None:
  for name in ('biobert', 'biobert-v4'):
    shown = [w[0] for e, w in calls() if e.get('SLICE_NAME') == name]
    scripts = [pathlib.Path(script).name for script in shown]
    assert scripts[:2] == ['create.sh', 'setup_hosts.sh']
    assert 'launch.sh' in scripts
    assert scripts[-1] == 'delete.sh'


@pytest.mark.parametrize('call', calls(), ids=lambda call: call[1][0])
def test_each_call_runs_dry(cloud: Cloud, call) -> None:
  environment, (script, *flags) = call
  name = pathlib.Path(script).name
  done = cloud.run(name, *flags, DRY_RUN='1', **environment)
  assert done.returncode == 0, done.stderr
  assert 'gcloud ' in done.stdout or 'job.sh' in done.stdout
  assert cloud.calls() == []


def test_each_command_of_ours_is_one_that_the_parser_takes() -> None:
  text = '\n'.join(blocks()).replace('\\\n', ' ').replace('PRICE', '1.2')
  lines = re.findall('^python -m biobert_jax (.*)', text, re.M)
  lines += [' '.join(w[w.index('--') + 1 :]) for _, w in calls() if '--' in w]
  assert len(lines) >= 6
  for line in lines:
    name, *words = shlex.split(line)
    assert parser.parse(COMMANDS[name], words) is not None


def test_each_script_is_shown_and_takes_no_argument_by_itself() -> None:
  shown = {pathlib.Path(words[0]).name for _, words in calls()}
  scripts = {path.name for path in (ROOT / 'tpu_setup').glob('*.sh')}
  assert shown == scripts - {'common.sh'}


def test_the_recipe_for_skypilot_runs_what_the_document_shows() -> None:
  recipe = (ROOT / 'tpu_setup' / 'skypilot.yaml').read_text()
  assert 'recover_on_exit_codes: [42]' in recipe
  run = recipe.split('\nrun: |\n')[1].replace('\\\n', ' ')
  run = run.replace('$BUCKET', 'my-bucket')
  words = shlex.split(run.splitlines()[-1])
  assert words[1:5] == ['-m', 'biobert_jax', 'train', '--multihost']
  launched = [words for _, words in calls() if '--delete-when-done' in words]
  assert set(words[5:]) <= {word for call in launched for word in call}
