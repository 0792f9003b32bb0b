"""Golden cases of BioASQ's evaluator: written here, lines printed by Java.

BioASQ/Evaluation-Measures at 8c8e689, BioASQEvaluation.jar under OpenJDK 17:
`java -Dfile.encoding=UTF-8 -cp 'BioASQEvaluation.jar:lib/*'
evaluation.EvaluatorTask1b -phaseB -e 5 gold.json submission.json`.
"""

from typing import NamedTuple

from biobert_jax.metrics import bioasq


class Case(NamedTuple):
  """Answers by question, and what the evaluator prints for them."""

  name: str
  gold: dict[str, bioasq.Question]
  submission: dict[str, bioasq.Answer]
  line: str


def _case(
  name: str,
  questions: list[tuple[str, bioasq.Answer, bioasq.Answer]],
  line: str,
) -> Case:
  """Questions of (type, gold answer, submitted answer)."""
  gold, submission = {}, {}
  for number, (type_, target, answer) in enumerate(questions, start=1):
    gold[str(number)] = bioasq.Question(type_, target)
    submission[str(number)] = answer
  return Case(name, gold, submission, line)


CASES = [
  _case(
    'all_right',
    [
      ('factoid', [['BRCA1']], [['BRCA1']]),
      ('list', [['a'], ['b']], [['b'], ['a']]),
      ('yesno', 'yes', 'yes'),
      ('yesno', 'no', 'no'),
      ('summary', None, None),
    ],
    '1.0 1.0 1.0 1.0 1.0 1.0 1.0 1.0 1.0 1.0',
  ),
  _case(
    'nothing_answered',
    [
      ('factoid', [['a']], None),
      ('factoid', [['a']], []),
      ('list', [['a']], None),
      ('list', [['a']], []),
      ('yesno', 'yes', None),
      ('yesno', 'no', ''),
    ],
    '0.0 0.0 0.0 0.0 0.0 0.0 0.0 0.0 0.0 0.0',
  ),
  _case(
    'no_question_of_a_type',
    [('yesno', 'yes', 'yes')],
    '1.0 0.0 0.0 0.0 0.0 0.0 0.0 0.5 1.0 0.0',
  ),
  _case(
    'case_and_synonyms',
    [
      ('factoid', [['Tumor protein P53', 'TP53']], [['p53'], ['tp53']]),
      ('factoid', [['a'], ['b']], [['B']]),
      ('factoid', [['α-Synuclein']], [['Α-SYNUCLEIN']]),
      ('factoid', [['a']], [['a ']]),
      ('list', [['A', 'first'], ['b']], [['FIRST'], ['c']]),
    ],
    '0.0 0.5 0.75 0.625 0.5 0.5 0.5 0.0 0.0 0.0',
  ),
  _case(
    'only_the_first_submitted_synonym_counts',
    [
      ('factoid', [['a']], [['x', 'a'], ['y'], ['a', 'z']]),
      ('list', [['a'], ['b']], [['x', 'a'], ['b', 'a']]),
    ],
    '0.0 0.0 1.0 0.3333333333333333 0.5 0.5 0.5 0.0 0.0 0.0',
  ),
  _case(
    'more_than_five_answers',
    [
      ('factoid', [['a']], [[x] for x in 'tuvwxya']),
      ('factoid', [['a']], [[x] for x in 'tua']),
    ],
    '0.0 0.0 1.0 0.23809523809523808 0.0 0.0 0.0 0.0 0.0 0.0',
  ),
  _case(
    'duplicates',
    [
      ('factoid', [['a']], [['b'], ['b'], ['a'], ['a']]),
      ('list', [['a'], ['b']], [['a'], ['a'], ['A'], ['b']]),
      ('list', [['a'], ['a']], [['a']]),
    ],
    '0.0 0.0 1.0 0.3333333333333333 0.75 1.0 0.8333333333333333 0.0 0.0 0.0',
  ),
  _case(
    'shared_synonyms_match_in_order',
    [
      ('list', [['a'], ['a', 'b']], [['a']]),
      ('list', [['a', 'b'], ['a']], [['a'], ['b']]),
      ('list', [['a', 'b'], ['b', 'c'], ['c']], [['b'], ['x'], ['c']]),
    ],
    '0.0 0.0 0.0 0.0 0.7222222222222222 1.0 0.8222222222222223 0.0 0.0 0.0',
  ),
  _case(
    'empty_answers',
    [
      ('factoid', [['a']], [[], ['a']]),
      ('factoid', [[''], ['a']], [['']]),
      ('factoid', [], [['a']]),
      ('list', [['a'], []], [[], ['a']]),
      ('list', [], [['a']]),
      ('list', [['a']], [[''], ['a']]),
      ('list', [['a']], [[]]),
    ],
    '0.0 0.6666666666666666 0.6666666666666666 0.6666666666666666 '
    '0.375 0.5 0.41666666666666663 0.0 0.0 0.0',
  ),
  _case(
    'words_around_yes_and_no',
    [
      ('yesno', 'Yes.', 'YES, it does'),
      ('yesno', 'no', 'unknown'),
      ('yesno', 'no', 'not yes'),
      ('yesno', 'yes', 'maybe'),
      ('yesno', 'no', 'maybe'),
      ('yesno', 'no', 'No'),
    ],
    '0.5 0.0 0.0 0.0 0.0 0.0 0.0 0.4857142857142857 0.4 0.5714285714285714',
  ),
  _case(
    'only_yes_and_all_wrong',
    [('yesno', 'yes', 'no'), ('yesno', 'yes', 'none')],
    '0.0 0.0 0.0 0.0 0.0 0.0 0.0 0.0 0.0 0.0',
  ),
  _case(
    'thirds_and_sevenths',
    [
      ('factoid', [['a']], [['b'], ['c'], ['a']]),
      ('factoid', [['a']], [[x] for x in 'tuvwxya']),
      ('factoid', [['a']], [['b']]),
      ('list', [[x] for x in 'abc'], [[x] for x in 'axyzuvw']),
      ('list', [[x] for x in 'abcdefg'], [[x] for x in 'abz']),
      ('list', [['a']], [['b']]),
    ],
    '0.0 0.0 0.6666666666666666 0.15873015873015872 '
    '0.2698412698412698 0.20634920634920637 0.20000000000000004 0.0 0.0 0.0',
  ),
  _case(
    'small_numbers',
    [('factoid', [['a']], [['b'], ['a']])]
    + 1205 * [('factoid', [['a']], [['b']])],
    '0.0 0.0 8.291873963515755E-4 4.1459369817578774E-4 '
    '0.0 0.0 0.0 0.0 0.0 0.0',
  ),
]
