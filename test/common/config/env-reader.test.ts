// The environment as typed values: defaults, and every problem at once.
import t from 'tap';
import { createEnvReader } from '../../../common/config/env-reader.ts';

t.test('an absent or empty variable gives the default', async (t) => {
  const reader = createEnvReader({ EMPTY: '' });
  t.equal(reader.text('EMPTY'), undefined);
  t.equal(reader.text('NAME', 'fallback'), 'fallback');
  t.equal(reader.flag('EMPTY', true), true);
  t.equal(reader.optionalFlag('FLAG'), undefined);
  t.equal(reader.port('PORT', 15_000), 15_000);
  t.equal(reader.durationMs('WAIT', 7), 7);
  t.equal(reader.choice('MODE', ['a', 'b'], 'b'), 'b');
  t.same(reader.problems, []);
});

t.test('a well-formed variable gives its value', async (t) => {
  const reader = createEnvReader({ A: 'text', B: 'false', C: '65535', D: '1h30m', E: 'b', F: '0' });
  t.equal(reader.text('A', ''), 'text');
  t.equal(reader.flag('B', true), false);
  t.equal(reader.port('C', 1), 65_535);
  t.equal(reader.durationMs('D', 0), 5_400_000);
  t.equal(reader.choice('E', ['a', 'b'], 'a'), 'b');
  t.equal(reader.optionalInteger('F', { min: 0, max: 5 }), 0);
  t.same(reader.problems, []);
});

t.test('all problems are collected, each naming the variable, its value and what was expected', async (t) => {
  const reader = createEnvReader({ A: 'yes', B: '65536', C: 'soon', D: 'z', E: '007', F: 'x'.repeat(500) });
  t.equal(reader.flag('A', false), false);
  t.equal(reader.port('B', 80), 80);
  t.equal(reader.durationMs('C', 5), 5);
  t.equal(reader.choice('D', ['a', 'b'], 'a'), 'a');
  t.equal(reader.integer('E', 1, { min: 0, max: 10 }), 1);
  t.equal(reader.flag('F', true), true);
  reader.problem('A needs B');
  t.same(reader.problems.slice(0, 5), [
    'invalid env var A=yes: expected true or false',
    'invalid env var B=65536: expected a whole number from 1 to 65535',
    'invalid env var C=soon: expected a duration such as 10s, 5m or 1h30m',
    'invalid env var D=z: expected one of a, b',
    'invalid env var E=007: expected a whole number from 0 to 10',
  ]);
  t.ok((reader.problems[5] ?? '').length < 140, 'a long value is shortened');
  t.equal(reader.problems[6], 'A needs B');
});

t.test('variables of one prefix are listed by the rest of their name', async (t) => {
  const reader = createEnvReader({ CA_HEADER_FOO: '1', CA_HEADER_: '2', CA_HEADER_BAR: undefined, OTHER: '3' });
  t.same([...reader.withPrefix('CA_HEADER_')], [['FOO', '1']]);
});
