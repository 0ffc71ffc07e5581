import t from 'tap';
import { leastRootLifetimeMs, planRoots, type RootFacts, spreadMs } from '../../../common/identity/plan-roots.ts';
import { createRoot } from '../../../common/identity/root-certificate.ts';
import { type RootSet, rootsEqual, trustBundle } from '../../../common/identity/root-set.ts';

const dayMs = 86_400_000;
const startMs = Date.parse('2026-01-01T00:00:00Z');
const terms = { rootLifetimeMs: 100 * dayMs, workloadLifetimeMs: dayMs, overlap: 0.2, marginMs: 3_600_000 };
const first = await createRoot('cluster.local', startMs, terms.rootLifetimeMs);
const second = await createRoot('cluster.local', startMs + 80 * dayMs, terms.rootLifetimeMs);
const steady: RootSet = { kind: 'steady', signing: first };
const spreading: RootSet = { kind: 'spreading', signing: first, next: second, sinceMs: startMs + 81 * dayMs };
const retiring: RootSet = {
  kind: 'retiring',
  signing: second,
  previousPem: first.certificatePem,
  sinceMs: startMs + 83 * dayMs,
};

const plan = (set: RootSet, afterDays: number, changes: Partial<RootFacts> = {}) =>
  planRoots(
    {
      kept: { kind: 'found', set },
      held: undefined,
      rotation: 'not-asked',
      nowMs: startMs + afterDays * dayMs,
      ...changes,
    },
    terms,
  );

t.test('the first root is made where none is kept', async (t) => {
  t.same(plan(steady, 0, { kept: { kind: 'absent' } }), { kind: 'create' });
});

t.test('what is held is kept again when the kept one is lost', async (t) => {
  t.same(plan(steady, 0, { kept: { kind: 'absent' }, held: spreading }), { kind: 'restore', set: spreading });
});

t.test('a root alone', async (t) => {
  t.match(plan(steady, 79), { kind: 'keep' }, 'signs until its last fifth');
  t.same(plan(steady, 80), { kind: 'add-next', why: 'ends-soon' }, 'gets a successor then');
  t.same(plan(steady, 1, { rotation: 'asked' }), { kind: 'add-next', why: 'asked' }, 'or when somebody asks');
  t.same(plan(steady, 100), { kind: 'replace' }, 'is replaced at once when it has ended unnoticed');
});

t.test('a next root', async (t) => {
  t.equal(spreadMs(terms), dayMs + 3_600_000);
  t.same(
    plan(spreading, 82),
    { kind: 'keep', untilMs: startMs + 82 * dayMs + 3_600_000 },
    'does not sign before every certificate without it in its bundle has ended',
  );
  const nowMs = startMs + 82.5 * dayMs;
  t.match(
    plan(spreading, 82.5),
    { kind: 'advance', set: { kind: 'retiring', signing: second, previousPem: first.certificatePem, sinceMs: nowMs } },
    'signs then, and the key of the one before goes',
  );
  t.match(plan({ ...spreading, sinceMs: startMs + 99.9 * dayMs }, 100), {
    kind: 'advance',
    set: { kind: 'steady', signing: second },
  });
  t.match(plan(spreading, 81.5, { rotation: 'asked' }), { kind: 'keep' }, 'is not followed before it signs');
});

t.test('a previous root', async (t) => {
  t.match(plan(retiring, 84), { kind: 'keep' }, 'is trusted while what it signed may live');
  t.match(plan(retiring, 84.1), { kind: 'advance', set: { kind: 'steady', signing: second } }, 'and no longer');
  t.match(
    plan({ ...retiring, sinceMs: startMs + 99.9 * dayMs }, 100),
    { kind: 'advance', set: { kind: 'steady' } },
    'nor when it has ended itself',
  );
});

t.test('the bundle holds every trusted root, the signing one first', async (t) => {
  t.equal(trustBundle(steady), first.certificatePem);
  t.equal(trustBundle(spreading), first.certificatePem + second.certificatePem);
  t.equal(trustBundle(retiring), second.certificatePem + first.certificatePem);
  t.ok(rootsEqual(spreading, { ...spreading }));
  t.notOk(rootsEqual(spreading, retiring));
});

t.test('a root lives long enough for both steps of its succession', async (t) => {
  const least = { ...terms, rootLifetimeMs: leastRootLifetimeMs(terms) };
  t.ok(least.rootLifetimeMs * least.overlap >= least.workloadLifetimeMs + 2 * least.marginMs);
});
