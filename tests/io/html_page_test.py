"""The one look of pages: plots are drawn to scale, and guards can fail."""

import re

import pytest

from biobert_jax.io import html_page
from tests.fixtures import browser

needs_browser = pytest.mark.skipif(not browser.CHROMIUM, reason=browser.REASON)


def test_dots_lie_where_their_values_are():
  plot = html_page.dot_plot(
    'F1.', [('A', [80.0, 90.0], 85.0), ('B', [100.0], None)], 'the paper'
  )
  dots = [float(x) for x in re.findall('cx="([0-9.]+)"', plot)]
  (stroke,) = re.findall('stroke-width="3" x1="([0-9.]+)"', plot)
  assert dots[1] - dots[0] == pytest.approx(dots[2] - dots[1], abs=0.11)
  assert float(stroke) == pytest.approx((dots[0] + dots[1]) / 2, abs=0.11)
  assert plot.count('class="dot"') == 3


def test_equal_values_make_a_plot():
  plot = html_page.dot_plot('F1.', [('A', [90.0], 90.0)], 'the paper')
  assert 'nan' not in plot


@needs_browser
@pytest.mark.parametrize(
  ('fault', 'match'),
  [
    ('<p style="white-space: pre">' + 'word ' * 99 + '</p>', 'width'),
    ('<p style="color: #999">too pale</p>', 'too pale'),
  ],
)
def test_a_page_with_a_fault_is_found(tmp_path, fault, match):
  page = f'{html_page.head("x")}<main>{fault}</main>{html_page.END}'
  with pytest.raises(AssertionError, match=match):
    browser.check(page, tmp_path)
