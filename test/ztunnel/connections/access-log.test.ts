// Access log lines and metric labels by value: which fields, in which order, from what is known of a connection.
import t from 'tap';
import { MeshError } from '../../../common/errors.ts';
import { identityOf } from '../../../common/identity/identity.ts';
import type { LogLine } from '../../../common/line-log.ts';
import {
  type ConnectionOutcome,
  writeCompleted,
  writeDenied,
  writeOpened,
} from '../../../ztunnel/connections/access-log.ts';
import { type ConnectionFacts, tcpFactsOf } from '../../../ztunnel/connections/connection-facts.ts';
import { labelsOfBaggage } from '../../../ztunnel/connections/workload-baggage.ts';
import { collectLines } from '../../support/collected-lines.ts';
import { aService, aWorkload, endAt } from '../../support/mesh-objects.ts';

const shell = aWorkload({ name: 'shell-7', serviceAccount: 'shell', canonicalName: 'shell' });
const echo = aWorkload({ name: 'echo-1', namespace: 'shop', serviceAccount: 'echo', canonicalName: 'echo' });
const facts: ConnectionFacts = {
  direction: 'outbound',
  source: { address: endAt('10.0.0.1:46238'), workload: shell, claimed: undefined, identity: identityOf(shell) },
  destination: { address: endAt('10.0.0.2:15008'), workload: echo, claimed: undefined, identity: identityOf(echo) },
  hboneAuthority: '10.0.0.2:8080',
  service: aService({ name: 'echo', namespace: 'shop' }),
};
const plain: ConnectionFacts = {
  ...facts,
  source: { ...facts.source, identity: undefined },
  destination: { ...facts.destination, identity: undefined },
  hboneAuthority: undefined,
  service: undefined,
};

function fieldsOf(write: (line: LogLine) => void): Record<string, unknown> {
  const { log, lines } = collectLines();
  write(log.begin('info', ''));
  const { level: _, scope: __, message: ___, ...fields } = lines[0] ?? {};
  return fields;
}
const completedFields = (of: ConnectionFacts, outcome: ConnectionOutcome) =>
  fieldsOf((line) => writeCompleted(line, of, outcome));
const openedFields = (of: ConnectionFacts) => fieldsOf((line) => writeOpened(line, of));

t.test('a line has its fields in the order of ztunnel', async (t) => {
  const outcome = { receivedBytes: 67, sentBytes: 490, durationMs: 13.9, error: undefined };
  t.same(Object.entries(completedFields(facts, outcome)), [
    ['src.addr', '10.0.0.1:46238'],
    ['src.workload', 'shell-7'],
    ['src.namespace', 'default'],
    ['src.identity', 'spiffe://cluster.local/ns/default/sa/shell'],
    ['src.cluster', 'Kubernetes'],
    ['dst.addr', '10.0.0.2:15008'],
    ['dst.hbone_addr', '10.0.0.2:8080'],
    ['dst.service', 'echo.shop.svc.cluster.local'],
    ['dst.workload', 'echo-1'],
    ['dst.namespace', 'shop'],
    ['dst.identity', 'spiffe://cluster.local/ns/shop/sa/echo'],
    ['dst.cluster', 'Kubernetes'],
    ['direction', 'outbound'],
    ['bytes_sent', 67],
    ['bytes_recv', 490],
    ['duration', '13ms'],
  ]);
});

t.test("a destination's line counts from its own side", async (t) => {
  const outcome = { receivedBytes: 67, sentBytes: 490, durationMs: 1, error: undefined };
  t.match(completedFields({ ...facts, direction: 'inbound' }, outcome), { bytes_sent: 490, bytes_recv: 67 });
});

t.test('a failure ends with its text and its code', async (t) => {
  const outcome = { receivedBytes: 0, sentBytes: 0, durationMs: 1, error: new MeshError('UPSTREAM_REFUSED', 'no') };
  t.same(Object.entries(completedFields(facts, outcome)).slice(-2), [
    ['error', 'io error: no'],
    ['code', 'UPSTREAM_REFUSED'],
  ]);
});

t.test('what is not known is left out', async (t) => {
  const unknown = { workload: undefined, claimed: undefined, identity: undefined };
  const fields = openedFields({
    ...plain,
    source: { ...plain.source, ...unknown },
    destination: { ...plain.destination, ...unknown },
  });
  t.same(fields, { 'src.addr': '10.0.0.1:46238', 'dst.addr': '10.0.0.2:15008', direction: 'outbound' });
});

t.test('a connection that was refused early has addresses, direction and reason', async (t) => {
  const error = new MeshError('SELF_CALL', 'attempted recursive call to ourselves');
  const denial = {
    source: endAt('10.0.0.1:1'),
    destination: endAt('[fd00::1]:2'),
    direction: 'inbound',
    error,
  } as const;
  t.same(Object.entries(fieldsOf((line) => writeDenied(line, denial))), [
    ['src.addr', '10.0.0.1:1'],
    ['dst.addr', '[fd00::1]:2'],
    ['direction', 'inbound'],
    ['error', 'attempted recursive call to ourselves'],
    ['code', 'SELF_CALL'],
  ]);
});

t.test(
  'a principal of the destination is known even where the bytes go in plain, one of the source is not',
  async (t) => {
    const labels = tcpFactsOf(plain);
    t.equal(labels.destinationIdentity?.uri, 'spiffe://cluster.local/ns/shop/sa/echo');
    t.equal(labels.sourceIdentity, undefined);
    t.equal(labels.security, 'unknown');
    t.equal(tcpFactsOf(facts).security, 'mutual_tls');
  },
);

t.test('baggage speaks only for a workload that the mesh does not know', async (t) => {
  const claimed = labelsOfBaggage({
    clusterId: 'far',
    namespace: 'elsewhere',
    workloadType: 'job',
    workloadName: 'worker',
    canonicalName: 'work',
    canonicalRevision: 'v2',
    region: 'r',
    zone: 'z',
  });
  const unknown = { ...facts, source: { ...facts.source, workload: undefined, claimed } };
  t.match(tcpFactsOf(unknown).source, { workload: 'worker', app: 'worker', canonicalName: 'work', cluster: 'far' });
  t.match(openedFields(unknown), { 'src.workload': 'work', 'src.namespace': 'elsewhere', 'src.cluster': 'far' });
  t.match(tcpFactsOf({ ...facts, source: { ...facts.source, claimed } }).source, { workload: 'shell-7', app: 'shell' });
});
