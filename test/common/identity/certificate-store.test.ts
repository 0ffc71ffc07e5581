import t from 'tap';
import type { CertificateIssuer } from '../../../common/identity/certificate.ts';
import { createCertificateStore } from '../../../common/identity/certificate-store.ts';
import { type Identity, identityOf } from '../../../common/identity/identity.ts';
import { collectLog } from '../../support/collected-log.ts';
import { createManualClock, type ManualClock } from '../../support/manual-clock.ts';

const hourMs = 3_600_000;
const client = identityOf({ trustDomain: 'cluster.local', namespace: 'shop', serviceAccount: 'client' });
const other = identityOf({ trustDomain: 'cluster.local', namespace: 'shop', serviceAccount: 'other' });

t.test('a hundred callers at once cause one fetch', async (t) => {
  const { store, asked } = setUp();
  const certificates = await Promise.all(Array.from({ length: 100 }, () => store.get(client)));
  t.equal(asked.length, 1);
  t.equal(new Set(certificates).size, 1, 'and share its certificate');
  await store.get(client);
  t.equal(asked.length, 1, 'which later callers get from the cache');
});

t.test('a certificate is refreshed in the background at half of its validity', async (t) => {
  const { store, clock, asked } = setUp();
  const first = await store.get(client);
  await clock.advance(12 * hourMs - 1);
  await store.get(client);
  t.equal(asked.length, 1);
  await clock.advance(2);
  t.equal(asked.length, 2);
  t.not(await store.get(client), first);
  t.equal(clock.pending(), 1, 'with one timer');
});

t.test('one timer serves all identities', async (t) => {
  const { store, clock, asked } = setUp();
  await store.get(client);
  await clock.advance(hourMs);
  await store.get(other);
  t.equal(clock.pending(), 1);
  await clock.advance(11 * hourMs);
  t.same(asked.slice(2), [client.uri]);
  await clock.advance(hourMs);
  t.same(asked.slice(2), [client.uri, other.uri]);
  store.close();
  t.equal(clock.pending(), 0, 'and none is left after close');
});

t.test('a failed refresh keeps the certificate while it is valid, and retries with growing delays', async (t) => {
  const { store, clock, asked, ca, lines } = setUp({ maxIdleMs: 100 * hourMs });
  const first = await store.get(client);
  ca.failure = new Error('connection refused');
  await clock.advance(12 * hourMs + 1);
  t.equal(await store.get(client), first);
  t.equal(asked.length, 2);
  await clock.advance(800);
  t.equal(asked.length, 3);
  await clock.advance(1_598);
  t.equal(asked.length, 3);
  await clock.advance(1);
  t.equal(asked.length, 4);
  t.match(lines.at(-1), { level: 'warn', identity: client.uri, msg: /current certificate is kept/, retryInMs: 3_200 });

  t.test('until it expires; then callers are refused at once with the cause', async (t) => {
    await clock.advance(12 * hourMs);
    await t.rejects(store.get(client), {
      code: 'IDENTITY_UNAVAILABLE',
      message: `no certificate for ${client.uri}: connection refused`,
      cause: ca.failure,
    });
    t.same(store.list(), []);
  });
  t.test('and a retry that succeeds ends the outage', async (t) => {
    ca.failure = undefined;
    await clock.advance(150_000);
    t.equal((await store.get(client)).identity, client);
  });
});

t.test('callers are refused without a further fetch while an identity is unavailable', async (t) => {
  const { store, clock, asked, ca } = setUp();
  ca.failure = new Error('no such account');
  await t.rejects(Promise.all([store.get(client), store.get(client)]), { code: 'IDENTITY_UNAVAILABLE' });
  await t.rejects(store.get(client), { code: 'IDENTITY_UNAVAILABLE' });
  t.equal(asked.length, 1);
  t.match(store.entries(), [{ identity: client, state: { kind: 'unavailable' } }]);
  ca.failure = undefined;
  await clock.advance(1_000);
  t.match(store.entries(), [{ identity: client, state: { kind: 'available' } }]);
});

t.test('a caller after a long sleep of the machine waits for a fresh certificate', async (t) => {
  const { store, clock, asked } = setUp({ schedule: () => () => {} });
  const first = await store.get(client);
  await clock.advance(25 * hourMs);
  const second = await store.get(client);
  t.not(second, first);
  t.equal(asked.length, 2);
});

t.test('an identity that nobody asks for is not refreshed, and dropped when it has expired', async (t) => {
  const { store, clock, asked } = setUp({ maxIdleMs: 6 * hourMs });
  await store.get(client);
  await clock.advance(23 * hourMs);
  t.equal(asked.length, 1);
  t.equal(store.list().length, 1);
  await clock.advance(2 * hourMs);
  t.same(store.entries(), []);
  t.equal(clock.pending(), 0);
});

t.test('an idle identity that is used again is refreshed at once', async (t) => {
  const { store, clock, asked } = setUp({ maxIdleMs: 6 * hourMs });
  const first = await store.get(client);
  await clock.advance(23 * hourMs);
  t.equal(await store.get(client), first, 'its caller does not wait');
  t.equal(asked.length, 2);
});

t.test('who waits for a forgotten identity is refused', async (t) => {
  const { store } = setUp();
  const waiting = store.get(client);
  store.forget(client);
  await t.rejects(waiting, { code: 'IDENTITY_UNAVAILABLE', message: /no longer needed/ });
  t.same(store.entries(), []);
});

t.test('a kept identity is fetched before anybody asks, and renewed though nobody does', async (t) => {
  const { store, clock, asked } = setUp({ maxIdleMs: hourMs });
  store.keep(client);
  store.keep(client);
  await clock.advance(0);
  t.same(asked, [client.uri]);
  t.match(store.entries(), [{ identity: client, state: { kind: 'available' } }]);
  await clock.advance(13 * hourMs);
  t.same(asked, [client.uri, client.uri]);
  store.forget(client);
  await clock.advance(48 * hourMs);
  t.equal(asked.length, 2, 'until it is forgotten');
});

t.test('a kept identity whose fetch fails is tried again with growing delays', async (t) => {
  const { store, clock, asked, ca } = setUp();
  ca.failure = new Error('not yet');
  store.keep(client);
  await clock.advance(0);
  await clock.advance(800);
  t.equal(asked.length, 2);
  ca.failure = undefined;
  await clock.advance(1_600);
  t.equal((await store.get(client)).identity, client);
  t.equal(asked.length, 3);
});

t.test('what is fetched ahead is bounded; what is beyond is fetched when it is asked for', async (t) => {
  const { store, clock, asked } = setUp();
  const identities = Array.from({ length: 300 }, (_, index) =>
    identityOf({ trustDomain: 'cluster.local', namespace: 'shop', serviceAccount: `account-${index}` }),
  );
  for (const identity of identities) store.keep(identity);
  const last = identities.at(-1) ?? client;
  t.equal((await store.get(last)).identity, last);
  await clock.advance(0);
  t.equal(asked.length, 256 + 8 + 1);
  t.ok(asked.indexOf(last.uri) < 20, 'and before those that nobody waits for');
});

t.test('a forgotten identity that still stands in the queue is asked of nobody', async (t) => {
  const { store, clock, asked } = setUp();
  for (let index = 0; index < 8; index++) {
    store.keep(identityOf({ trustDomain: 'cluster.local', namespace: 'shop', serviceAccount: `account-${index}` }));
  }
  store.keep(client);
  store.forget(client);
  await clock.advance(0);
  t.notOk(asked.includes(client.uri));
});

t.test('a closed store refuses', async (t) => {
  const { store } = setUp();
  const waiting = store.get(client);
  store.close();
  await t.rejects(waiting, { code: 'IDENTITY_UNAVAILABLE' });
  await t.rejects(store.get(client), { code: 'IDENTITY_UNAVAILABLE', message: /closed/ });
});

t.test('no more than eight fetches run at once', async (t) => {
  const { store, ca } = setUp();
  const identities = Array.from({ length: 30 }, (_, index) =>
    identityOf({ trustDomain: 'cluster.local', namespace: 'shop', serviceAccount: `account-${index}` }),
  );
  await Promise.all(identities.map((identity) => store.get(identity)));
  t.equal(ca.mostAtOnce, 8);
  t.equal(store.list().length, 30);
});

interface Ca {
  failure: Error | undefined;
  mostAtOnce: number;
}

function setUp(changes: { maxIdleMs?: number; schedule?: ManualClock['schedule'] } = {}) {
  const clock = createManualClock();
  const ca: Ca = { failure: undefined, mostAtOnce: 0 };
  const asked: string[] = [];
  let running = 0;
  const issuer: CertificateIssuer = {
    async issue(identity: Identity) {
      asked.push(identity.uri);
      ca.mostAtOnce = Math.max(ca.mostAtOnce, ++running);
      await Promise.resolve();
      running -= 1;
      if (ca.failure) throw ca.failure;
      const texts = { chainPem: 'leaf', privateKeyPem: 'key', rootsPem: 'root' };
      return { identity, ...texts, notBeforeMs: clock.now(), notAfterMs: clock.now() + 24 * hourMs };
    },
  };
  const { log, lines } = collectLog();
  const { now, schedule } = clock;
  const store = createCertificateStore({
    issuer,
    log,
    now,
    schedule,
    jitter: () => 0,
    ...changes,
  });
  return { store, clock, asked, ca, lines };
}
