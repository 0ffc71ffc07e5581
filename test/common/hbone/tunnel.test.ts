import { createHash, randomBytes } from 'node:crypto';
import t from 'tap';
import type { ConnectRequest } from '../../../common/hbone/hbone.ts';
import type { ByteStream } from '../../../common/net/byte-stream.ts';
import { record, writeAll } from '../../support/recording-sink.ts';
import { echo, sleep, startPool, startServer, targetAt, web } from '../../support/tunnel-ends.ts';

t.test('a CONNECT carries bytes both ways, with headers, identities and addresses', async (t) => {
  const requests: ConnectRequest[] = [];
  const { address } = await startServer(t, (request) => {
    requests.push(request);
    const stream = request.accept([['baggage', 'k8s.namespace.name=shop']]);
    const sink = record(stream);
    sink.ended().then(() => {
      stream.write(Buffer.from(`you said ${sink.text}`));
      stream.end();
    });
  });
  const headers = [
    ['baggage', 'k8s.namespace.name=default'],
    ['forwarded', 'for="10.0.0.1:80"'],
  ] as const;
  const connected = await startPool(t).connect(targetAt(address), '10.0.0.9:8080', headers);
  const sink = record(connected.stream);
  connected.stream.write(Buffer.from('hello'));
  connected.stream.end();
  await sink.closed();
  t.equal(sink.text, 'you said hello');
  t.equal(sink.closeError, undefined);
  t.same(sink.events, ['data', 'end', 'close']);
  t.same(connected.responseHeaders, [['baggage', 'k8s.namespace.name=shop']]);
  t.equal(connected.peer.uri, web.uri);
  t.equal(connected.nextHop, address);
  t.match(requests, [{ method: 'CONNECT', authority: '10.0.0.9:8080', peerIdentity: sleep, localIdentity: web }]);
  t.same(requests[0]?.headers, headers);
  t.same(requests[0]?.localAddress, address);
});

t.test('100 streams at once on one tunnel keep their bytes apart', async (t) => {
  const { address, accepted } = await startServer(t, echo);
  const pool = startPool(t);
  const hashes = await Promise.all(
    Array.from({ length: 100 }, async (_, index) => {
      const payload = randomBytes(index % 10 === 0 ? 600_000 : 1 + index * 100);
      const { stream } = await pool.connect(targetAt(address), `10.0.0.9:${index + 1}`, []);
      const sink = record(stream);
      await writeAll(stream, sink, payload);
      stream.end();
      await sink.closed();
      return [sink.hash.digest('hex'), createHash('sha256').update(payload).digest('hex')];
    }),
  );
  for (const [received, sent] of hashes) t.equal(received, sent);
  t.equal(accepted.length, 1, 'all shared one dial');
});

t.test('10 MB and 1 byte pass in both directions', async (t) => {
  const { address } = await startServer(t, echo);
  const pool = startPool(t);
  for (const size of [1, 10_000_000]) {
    const payload = randomBytes(size);
    const { stream } = await pool.connect(targetAt(address), '10.0.0.9:80', []);
    const sink = record(stream);
    await writeAll(stream, sink, payload);
    stream.end();
    await sink.closed();
    t.ok(Buffer.concat(sink.chunks).equals(payload), `${size} bytes`);
  }
});

async function joined(t: import('tap').Test): Promise<{ client: ByteStream; server: ByteStream }> {
  let give: (stream: ByteStream) => void = () => {};
  const accepted = new Promise<ByteStream>((resolve) => {
    give = resolve;
  });
  const { address } = await startServer(t, (request) => give(request.accept([])));
  const { stream } = await startPool(t).connect(targetAt(address), '10.0.0.9:80', []);
  return { client: stream, server: await accepted };
}

for (const [from, to] of [
  ['client', 'server'],
  ['server', 'client'],
] as const) {
  t.test(`a half-close by the ${from} leaves the other direction open`, async (t) => {
    const ends = await joined(t);
    const sinks = { client: record(ends.client), server: record(ends.server) };
    ends[from].end();
    await sinks[to].ended();
    ends[to].write(Buffer.from('still here'));
    ends[to].end();
    await Promise.all([sinks.client.closed(), sinks.server.closed()]);
    t.equal(sinks[from].text, 'still here');
    t.equal(sinks.client.closeError, undefined);
    t.equal(sinks.server.closeError, undefined);
  });

  t.test(`a reset by the ${from} is a reset at the ${to}`, async (t) => {
    const ends = await joined(t);
    const sinks = { client: record(ends.client), server: record(ends.server) };
    ends[from].write(Buffer.alloc(100_000));
    ends[from].reset();
    await Promise.all([sinks.client.closed(), sinks.server.closed()]);
    t.match(sinks[to].closeError, { code: 'CONNECTION_RESET', message: /CONNECT_ERROR/ });
    t.notOk(sinks[to].events.includes('end'));
    t.match(sinks[from].closeError, { code: 'CONNECTION_RESET' });
  });
}
