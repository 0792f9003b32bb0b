"""Citations and footnote marks in every typesetting that publishers use.

In a case `{1}` is a citation, `{fn:a}` another cross-reference, `^...^` raised.
"""

import re
import time
from collections import Counter

import pytest

from biobert_jax.text.readers import citations


def read(case):
  """The text that a reader hands over for a case, and what is left of it."""

  def reference(match):
    kind, _, label = match[1].rpartition(':')
    mark = citations.opening(kind or 'bibr')
    return f'{mark}{label}{citations.XREF_END}'

  raised = re.sub(
    r'\^([^^]*)\^', rf'{citations.SUP}\1{citations.SUP_END}', case
  )
  counts = Counter()
  text = re.sub(r'\{([^{}]*)\}', reference, raised)
  return citations.without_citations(text, counts), counts


GONE = [
  *('fed^{1},{2}–{5}^.', 'fed{^1^}^,^{^2^}.', 'fed{^1^}^-^{^4^}^,^{^6^}.'),
  *('fed^(^{^1^}^)^.', 'fed^(^{^1^}^,^{^2^}^)^.', 'fed{^1^}, {^2^}.'),
  *('fed^{1}−{3}^.', 'fed^{1}^^,^^{2}^.', 'fed^{1}^, ^{2}^.', 'fed ({^1^}).'),
  *('fed ^[{1},{2}]^.', 'fed{^[1]^}.', 'fed{^1−2^}.', 'fed^{1}, {2}^.'),
  *('fed^{1},2,{3}^.', 'fed^{1}·{3}^.', 'fed^{1}–4^.', 'fed^{1}^^–4^.'),
  *('fed^{1} {2}^.', 'fed^{a}^.', 'fed^{1}^/^{2}^.', 'fed^({1}–{2})^.'),
  *('fed^{1}^^,2,^^{3}^.', 'fed^.{1}^', 'fed^{1}.^', 'fed [{1} & {3}].'),
  *('fed [{1}].', 'fed [{1},{2}-{4}].', 'fed [{1} – {3}].', 'fed [{1}~{3}].'),
  *('fed [{1}，{3}].', 'fed [{1},2-{4}].', 'fed [1,{2}].', 'fed [{1}; {2}].'),
  *('fed {[1,2]}.', 'fed {(1-3)}.', 'fed {[1}–{3]}.', 'fed [{1}] [{2}].'),
  *('fed [{1}][{2}].', 'fed [{1}], [{2}].', 'fed ([{1}, {2}]).', 'fed [{}].'),
  *('fed [{12a}, {S3}].', 'fed [{1} to {3}].'),
  *('fed {1}.', 'fed {1}–{3}, {7} and {9}.', 'fed {1}−{2}.', 'fed {1}-4.'),
  *('fed {[1]} and {[2]}.', 'fed {[1]}, {[3]} .', 'fed {}.', 'fed ({1}).'),
  *('fed (for review, see {1}).', 'fed (reviewed in {1}).', 'fed [see {1}].'),
  *('fed (cf. {1}; {2}).', 'fed (refs. {1} and {2}).', 'fed (ref. {1}).'),
  *('fed ({1}, p. 12).', 'fed ({Li 2001}, pp. 12–14).', 'fed (ref. [{1}]).'),
  *('fed (see, e.g., {1}, {2}).', 'fed ({1} and references therein).'),
  *('fed ({Li 2001}; {Wu 2002}).', 'fed (e.g. {Li 2001}; see also {Wu 2}).'),
  *('fed (see [{1}, {2}]).', 'fed ({fig:Figure 1A}).', 'fed ({fn:a}).'),
  *('fed ({fig:Fig. 1A}–{fig:C}).', 'fed ({fig:Fig. 1}; [{3}]).'),
  *('fed{fn:1}.', 'fed^{fn:*}^.', 'fed^{table-fn:a}^^,^^{aff:b}^.'),
  *('fed{corresp:*}.', 'fed{:†}.', 'fed{other:^‡^}.', 'fed^{other:1}^.'),
  *('fed{author-notes:§}.', 'fed^{fn:*}{1}^.', 'fed {table-fn:a,b}.'),
]  # fmt: skip


@pytest.mark.parametrize('case', GONE)
def test_a_run_of_marks_goes_with_all_that_typesets_it(case):
  text, counts = read(f'Rats {case} They')
  assert text == 'Rats fed. They'
  assert sum(counts.values()) >= 1


@pytest.mark.parametrize(
  ('case', 'text'),
  [
    ('{[1]} Rats ate.', 'Rats ate.'),
    ('fed.^{1}^ They', 'fed. They'),
    ('fed,^{1}^ they', 'fed, they'),
    ('fed^{1}.^. They', 'fed. They'),
    ('zinc-^{1}^treated, fed {1}but', 'zinc-treated, fed but'),
    ('fed{1}but', 'fed but'),
    ('rose (p = 0.05, {12}).', 'rose (p = 0.05).'),
    ('rose (p = 0.05 [{12}]; n = 3).', 'rose (p = 0.05; n = 3).'),
    ('rose ({fig:Fig. 1}, n = 3; {3}).', 'rose (Fig. 1, n = 3).'),
    ('({1}; zinc), ({1}, zinc, {2})', '(zinc), (zinc)'),
    ('(zinc [{1}], copper [{2}])', '(zinc, copper)'),
    ('see {fig:Figure 1}^{1}^ now', 'see Figure 1 now'),
  ],
)
def test_what_stands_around_marks_stays_as_it_is(case, text):
  assert read(case)[0] == text


@pytest.mark.parametrize(
  'case',
  [
    *('{Smith et al. (2004)} showed', 'Smith et al. ({2004}) showed'),
    *('(Smith, {2004}; Li, {2001a,b}).', '{Smith} ({2004}, {2005}) showed'),
    *('{Li, 2001}; {Wu, 2002} said', 'fed (zinc; {Li 2001}).'),
    *('fed (but not copper, {Li 2001}).', 'in 2004 (3) [4]', '10^3^'),
    *('as in ref. {12} we', 'as in refs. {12} and {13} we', 'note {fn:3} on'),
    *('as in reference [{12}] we', 'as {fig:Figure 1} shows', '(Fig. {fig:1})'),
    *('by Eq. ({disp-formula:1}) we', 'see {fn:the note}', 'Li ({in press})'),
  ],
)  # fmt: skip
def test_what_a_sentence_needs_stays_whole(case):
  whole = re.sub(r'\{(?:[\w-]*:)?([^{}]*)\}|\^', r'\1', case)
  assert read(case) == (whole, Counter())


@pytest.mark.parametrize(
  ('case', 'text'),
  [
    ('m^2^^{4}^ and Cl^−^^{5}^.', 'm2 and Cl−.'),
    ('10^3,{4}^ cells, cm^−2^^{4}^.', '103 cells, cm−2.'),
    ('Ca^2+^^{1},{2}^ and Ca^2+,{1}^ rose', 'Ca2+ and Ca2+ rose'),
    ('twice (10, {1}), thrice (5 [{2}])', 'twice (10), thrice (5)'),
    ('at 0.05{1}, since 1999 {4}.', 'at 0.05, since 1999.'),
  ],
)
def test_exponents_charges_and_figures_are_no_citations(case, text):
  assert read(case)[0] == text


@pytest.mark.parametrize('case', ['{', '(' * 9 + '{1}'])
def test_any_text_takes_time_in_proportion_to_its_length(case):
  text = case.replace('{', '\x01').replace('}', '\x03').replace('^', '\x04')
  begun = time.process_time()
  citations.without_citations(text * 40_000 + 'x', Counter())
  assert time.process_time() - begun < 1.5
