// Messages of gRPC calls: counted in any pieces, reported while the call lives and at its end, with the labels that Telemetry asks for.
import t, { type Test } from 'tap';
import { parseManifest } from '../../../common/sources/manifests/manifest-parser.ts';
import { createMetricsRegistry } from '../../../common/telemetry/metrics-registry.ts';
import { readWaypointResources } from '../../../waypoint/resources/waypoint-resources.ts';
import { planChain } from '../../../waypoint/telemetry/chain-telemetry.ts';
import { GrpcMessageCount } from '../../../waypoint/telemetry/grpc-message-count.ts';
import { createMessageMetrics } from '../../../waypoint/telemetry/message-metrics.ts';
import { commonLabelNames } from '../../../waypoint/telemetry/waypoint-labels.ts';
import { randomFrom } from '../../support/random-from.ts';
import { someConnection } from '../../support/waypoint-facts.ts';

const traffic = {
  gateway: 'gate',
  namespace: 'podinfo',
  rootNamespace: 'istio-system',
  service: { name: 'podinfo-svc', namespace: 'podinfo' },
};

function message(length: number): Buffer {
  const bytes = Buffer.alloc(5 + length, 1);
  bytes.writeUInt32BE(length, 1);
  return bytes;
}

t.test('messages are counted whichever pieces they come in', async (t) => {
  const random = randomFrom(11);
  for (let round = 0; round < 300; round += 1) {
    const lengths = Array.from({ length: Math.floor(random() * 6) }, () => Math.floor(random() * 700));
    const bytes = Buffer.concat(lengths.map(message));
    const count = new GrpcMessageCount();
    let counted = 0;
    for (let at = 0; at < bytes.length; ) {
      const end = at + 1 + Math.floor(random() * (round % 3 === 0 ? 3 : 400));
      counted += count.feed(bytes.subarray(at, end));
      at = end;
    }
    t.equal(counted, lengths.length, `${lengths.join()} bytes`);
  }
});

t.test('a message counts when it begins, and one that is cut off counts once', async (t) => {
  const count = new GrpcMessageCount();
  t.equal(count.feed(Buffer.from([0, 0, 0, 0])), 0);
  t.equal(count.feed(Buffer.from([9])), 1);
  t.equal(count.feed(Buffer.alloc(8)), 0);
  const longest = new GrpcMessageCount();
  t.equal(longest.feed(Buffer.from([0, 0xff, 0xff, 0xff, 0xff])), 1);
  t.equal(longest.feed(Buffer.alloc(100_000)), 0);
});

function setUp(t: Test, metrics = '[]') {
  const manifest = `
apiVersion: telemetry.istio.io/v1
kind: Telemetry
metadata: { name: t, namespace: podinfo }
spec: { metrics: ${metrics} }
`;
  const resources = readWaypointResources(parseManifest(manifest, 't.yaml').objects);
  t.same(resources.problems, []);
  const registry = createMetricsRegistry();
  let time = 0;
  const messages = createMessageMetrics(registry.recorder, 15_000, () => time);
  t.teardown(() => messages.close());
  const linesOf = async (name: string): Promise<string[]> => {
    const { body } = await registry.exposition(undefined);
    return body.split('\n').filter((line) => line.startsWith(`istio_${name}_messages_total{`));
  };
  return {
    open: () => messages.open(someConnection, planChain(resources, traffic, 80)),
    linesOf,
    value: async (name: string) => Number((await linesOf(name))[0]?.split(' ').at(-1)),
    pass: (milliseconds: number) => {
      time += milliseconds;
    },
  };
}

t.test('they have the common labels only', async (t) => {
  const { open, linesOf } = setUp(t);
  const call = open();
  call.request(2);
  call.close();
  for (const name of ['request', 'response']) {
    const [line = ''] = await linesOf(name);
    t.same(
      [...line.matchAll(/(\w+)="/g)].map((match) => match[1]),
      [...commonLabelNames],
    );
  }
});

t.test('a living call reports every interval, and the rest at its end, never twice', async (t) => {
  const { open, value, pass } = setUp(t);
  const call = open();
  call.request(3);
  call.response(1);
  t.equal(await value('request'), 0, 'nothing before the interval');
  pass(15_000);
  while ((await value('request')) === 0) await new Promise((resolve) => setTimeout(resolve, 20));
  t.equal(await value('request'), 3);
  t.equal(await value('response'), 1);
  call.request(1);
  call.close();
  call.close();
  t.equal(await value('request'), 4);
  t.equal(await value('response'), 1);
});

t.test('Telemetry changes their tags, drops them, and says how often', async (t) => {
  const tags = setUp(
    t,
    `[{ reportingInterval: 0s, overrides: [
      { match: { metric: GRPC_REQUEST_MESSAGES, mode: SERVER }, tagOverrides: {
        source_app: { operation: REMOVE }, port: { value: "string(destination.port)" }, path: { value: "request.path" } } },
      { match: { metric: GRPC_RESPONSE_MESSAGES, mode: CLIENT }, disabled: true }] }]`,
  );
  tags.open().close();
  const [line] = await tags.linesOf('request');
  t.notMatch(line, 'source_app');
  t.match(line, 'path="unknown",port="80"} 0', 'there are no headers to read');
  t.equal((await tags.linesOf('response')).length, 1, 'CLIENT is not a waypoint’s mode');
  const dropped = setUp(t, '[{ overrides: [{ match: { metric: GRPC_RESPONSE_MESSAGES }, disabled: true }] }]');
  dropped.open().close();
  t.equal((await dropped.linesOf('request')).length, 1);
  t.same(await dropped.linesOf('response'), []);
});
