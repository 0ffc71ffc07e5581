import t from 'tap';
import {
  isValid,
  planAfterFailure,
  planRotation,
  refreshTime,
  retryDelay,
} from '../../../common/identity/rotation-plan.ts';

const held = { notBeforeMs: 1_000, notAfterMs: 101_000 };

t.test('a certificate is refreshed at half of its validity', async (t) => {
  t.equal(refreshTime(held, 1_000, 0), 51_000);
  t.equal(refreshTime(held, 1_000, 1), 46_000, 'at most a twentieth of it earlier');
  t.equal(refreshTime(held, 71_000, 0), 86_000, 'of what was left of it when it came');
  t.equal(refreshTime(held, 0, 0), 51_000, 'a clock that is behind changes nothing');
  t.equal(refreshTime(held, 200_000, 0), 101_000, 'one that came too late is due at once');
});

t.test('a certificate is valid until its end, exclusive', async (t) => {
  t.equal(isValid(held, 100_999), true);
  t.equal(isValid(held, 101_000), false);
});

t.test('retries come after 1 s, doubled up to 150 s, spread by a fifth', async (t) => {
  t.same(
    [1, 2, 3, 8, 9, 1_000].map((failures) => retryDelay(failures, 0.5)),
    [1e3, 2e3, 4e3, 128e3, 150e3, 150e3],
  );
  t.equal(retryDelay(1, 0), 800);
  t.equal(Math.round(retryDelay(1, 1)), 1_200);
  t.equal(retryDelay(20, 1), 150_000, 'never beyond the maximum');
});

t.test('after a failed refresh', async (t) => {
  t.same(planAfterFailure(held, 1, 51_000, 0.5), { kind: 'keep', retryAtMs: 52_000 }, 'a valid certificate is kept');
  t.same(planAfterFailure(held, 9, 51_000, 0.5), { kind: 'keep', retryAtMs: 101_000 }, 'and retried by its expiry');
  t.same(planAfterFailure(held, 1, 101_000, 0.5), { kind: 'unavailable', retryAtMs: 102_000 }, 'an expired one is not');
  t.same(planAfterFailure(undefined, 2, 0, 0.5), { kind: 'unavailable', retryAtMs: 2_000 });
});

t.test('what is done with an identity', async (t) => {
  const facts = { held, lastUsedMs: 50_000, dueAtMs: 51_000 };
  t.same(planRotation(facts, 50_999, 60_000), { kind: 'wait', untilMs: 51_000 }, 'nothing before it is due');
  t.same(planRotation(facts, 51_000, 60_000), { kind: 'fetch' }, 'a fetch when due and in use');
  t.same(planRotation(facts, 51_000, 1_000), { kind: 'wait', untilMs: 101_000 }, 'idle: what is held may end its life');
  t.same(planRotation(facts, 101_000, 1_000), { kind: 'drop' }, 'idle and expired: it is dropped');
  t.same(
    planRotation({ ...facts, held: undefined }, 51_000, 1_000),
    { kind: 'drop' },
    'idle with nothing held: dropped',
  );
});
