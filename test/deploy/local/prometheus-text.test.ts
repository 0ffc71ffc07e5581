// The text format of metrics, as far as it is read here.
import t from 'tap';
import { parsePrometheusText } from '../../../deploy/local/prometheus-text.ts';

t.test('names, labels with escapes, values; no comments', async (t) => {
  const text = `# HELP a b\n# TYPE a counter\na_total{x="1",y="a\\"b\\\\c\\nd"} 5\nb 1.5e3 1700000000\nrubbish\n`;
  t.same(parsePrometheusText(text), [
    { name: 'a_total', labels: { x: '1', y: 'a"b\\c\nd' }, value: 5 },
    { name: 'b', labels: {}, value: 1500 },
  ]);
});
