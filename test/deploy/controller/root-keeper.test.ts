import t from 'tap';
import { trustBundle } from '../../../common/identity/root-set.ts';
import { createRootKeeper } from '../../../deploy/controller/root-keeper.ts';
import { rotateAnnotation } from '../../../deploy/controller/root-secret.ts';
import { collectLog } from '../../support/collected-log.ts';
import { createSecretStore } from '../../support/secret-store.ts';

const dayMs = 86_400_000;
const terms = { rootLifetimeMs: 100 * dayMs, workloadLifetimeMs: dayMs, overlap: 0.2, marginMs: 3_600_000 };

t.test('the first root is made and kept', async (t) => {
  const { keeper, store, lines, startMs } = setUp();
  const { set, dueAtMs } = await keeper().sync();
  t.equal(set.kind, 'steady');
  t.ok(dueAtMs > startMs + 79 * dayMs);
  t.match(store.secret?.data, { 'tls.crt': set.signing.certificatePem, phase: 'steady' });
  t.match(lines, [{ msg: 'CA root changed', step: 'create', secret: 'istio-system/ambientd-ca' }]);
  t.notMatch(JSON.stringify(lines), /PRIVATE KEY/);
});

t.test('who comes second takes what the first has made', async (t) => {
  const { keeper, store, lines } = setUp();
  const [one, two] = [keeper(), keeper()];
  store.before(async () => void (await two.sync()));
  t.same((await one.sync()).set, (await two.sync()).set);
  t.same(store.writes, ['create']);
  t.equal(lines.length, 1);
});

t.test('a root that ends is followed by another, step by step, beside another replica', async (t) => {
  const { keeper, store, pass } = setUp();
  const [one, two] = [keeper(), keeper()];
  const first = (await one.sync()).set;
  pass(81 * dayMs);
  store.before(async () => void (await two.sync()));
  const spreading = (await one.sync()).set;
  t.equal(spreading.kind, 'spreading');
  t.same(spreading.signing, first.signing);
  t.ok(trustBundle(spreading).startsWith(trustBundle(first)), 'both are trusted');
  pass(dayMs + 3_600_000);
  const retiring = (await two.sync()).set;
  t.equal(retiring.kind, 'retiring');
  t.not(retiring.signing.certificatePem, first.signing.certificatePem);
  t.ok(trustBundle(retiring).endsWith(trustBundle(first)), 'both are still');
  t.notOk(JSON.stringify(store.secret).includes(JSON.stringify(first.signing.keyPem).slice(1, -1)), 'its key is gone');
  pass(dayMs + 3_600_000);
  t.same((await one.sync()).set, { kind: 'steady', signing: retiring.signing });
  t.same(store.writes, ['create', 'replace', 'replace', 'replace']);
});

t.test('a new root comes on demand', async (t) => {
  const { keeper, store } = setUp();
  const kept = keeper();
  await kept.sync();
  const { data = {} } = store.secret ?? {};
  const annotations = { [rotateAnnotation]: 'now', other: 'stays' };
  store.change({ data, annotations, resourceVersion: '' });
  t.equal((await kept.sync()).set.kind, 'spreading');
  t.same(store.secret?.annotations, { other: 'stays' }, 'and the demand is met once');
});

t.test('a deleted Secret is written again by who knows it', async (t) => {
  const { keeper, store } = setUp();
  const kept = keeper();
  const { set } = await kept.sync();
  store.change(undefined);
  t.same((await kept.sync()).set, set);
});

t.test('a Secret that cannot be read is left as it is', async (t) => {
  const { keeper, store } = setUp();
  store.change({ data: { 'tls.crt': 'mine' }, annotations: {}, resourceVersion: '' });
  await t.rejects(keeper().sync(), { code: 'RESOURCE_INVALID', message: /tls\.key/ });
  t.same(store.writes, []);
});

t.test('endless conflicts end', async (t) => {
  const { keeper, store } = setUp();
  store.createSecret = async () => 'conflict';
  await t.rejects(keeper().sync(), { code: 'IO_FAILED', message: /changed 8 times/ });
});

function setUp() {
  const startMs = Date.parse('2026-05-01T12:00:00Z');
  let nowMs = startMs;
  const store = createSecretStore();
  const { log, lines } = collectLog();
  const secret = { namespace: 'istio-system', name: 'ambientd-ca' };
  const keeper = () => createRootKeeper({ store, secret, terms, trustDomain: 'cluster.local', now: () => nowMs, log });
  return { keeper, store, lines, startMs, pass: (ms: number) => void (nowMs += ms) };
}
