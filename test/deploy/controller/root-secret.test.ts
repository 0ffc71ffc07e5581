import t from 'tap';
import { createRoot } from '../../../common/identity/root-certificate.ts';
import type { RootSet } from '../../../common/identity/root-set.ts';
import { readRootSet, writeRootSet } from '../../../deploy/controller/root-secret.ts';

const nowMs = Date.parse('2026-05-01T12:00:00Z');
const pemOf = async () => {
  const { keyPem, certificatePem } = await createRoot('cluster.local', nowMs);
  return { keyPem, certificatePem };
};
const [signing, next] = [await pemOf(), await pemOf()];
const steady: RootSet = { kind: 'steady', signing };

t.test('every state is read as it was written', async (t) => {
  const states: readonly RootSet[] = [
    steady,
    { kind: 'spreading', signing, next, sinceMs: nowMs },
    { kind: 'retiring', signing, previousPem: next.certificatePem, sinceMs: nowMs },
  ];
  for (const state of states) t.same(readRootSet(writeRootSet(state)), state);
});

t.test('the key of a previous root is not kept', async (t) => {
  const data = writeRootSet({ kind: 'retiring', signing, previousPem: next.certificatePem, sinceMs: nowMs });
  t.same(Object.keys(data).sort(), ['phase', 'previous.crt', 'since', 'tls.crt', 'tls.key']);
  t.notOk(Object.values(data).includes(next.keyPem));
});

t.test("a user's own key and certificate are a root", async (t) => {
  t.same(readRootSet({ 'tls.crt': signing.certificatePem, 'tls.key': signing.keyPem }), steady);
});

t.test('what is wrong is named, without what is under it', async (t) => {
  const good = writeRootSet({ kind: 'spreading', signing, next, sinceMs: nowMs });
  const faults = [
    [{ ...good, 'tls.crt': 'junk' }, /tls\.crt is no PEM certificate; repair it/],
    [{ ...good, 'tls.key': 'hush' }, /tls\.key is no PKCS#8/],
    [{ ...good, 'next.key': '' }, /next\.key is no PKCS#8/],
    [{ ...good, since: 'soon' }, /since is no time/],
    [{ ...good, phase: 'new' }, /phase is none of/],
    [{ ...good, phase: 'retiring' }, /previous\.crt is no PEM/],
    [{}, /tls\.key/],
  ] as const;
  for (const [data, message] of faults) {
    t.throws(() => readRootSet(data), { code: 'RESOURCE_INVALID', message });
    t.throws(() => readRootSet(data), { message: /^(?![\s\S]*(hush|junk))/ });
  }
});
