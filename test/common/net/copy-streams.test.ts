import { randomBytes } from 'node:crypto';
import t from 'tap';
import { MeshError } from '../../../common/errors.ts';
import { copyStreams } from '../../../common/net/copy-streams.ts';
import { createStreamPair } from '../../support/memory-stream.ts';
import { record, writeAll } from '../../support/recording-sink.ts';

function carried(highWaterMarkBytes = 65_536) {
  const [client, downstream] = createStreamPair({ highWaterMarkBytes });
  const [upstream, server] = createStreamPair({ highWaterMarkBytes });
  const bytes = { received: 0, sent: 0 };
  let finish: (error: Error | undefined) => void = () => {};
  const done = new Promise<Error | undefined>((resolve) => {
    finish = resolve;
  });
  const copy = copyStreams(
    downstream,
    upstream,
    {
      received: (count) => {
        bytes.received += count;
      },
      sent: (count) => {
        bytes.sent += count;
      },
    },
    finish,
  );
  return { client, server, clientSink: record(client), serverSink: record(server), bytes, done, copy };
}

t.test('carries both directions, counts them, and is done when each has finished', async (t) => {
  const { client, server, clientSink, serverSink, bytes, done } = carried();
  const up = randomBytes(1_000_000);
  const down = randomBytes(3_000_000);
  await Promise.all([
    writeAll(client, clientSink, up).then(() => client.end()),
    writeAll(server, serverSink, down).then(() => server.end()),
  ]);
  t.equal(await done, undefined);
  await Promise.all([clientSink.closed(), serverSink.closed()]);
  t.ok(Buffer.concat(serverSink.chunks).equals(up));
  t.ok(Buffer.concat(clientSink.chunks).equals(down));
  t.same(bytes, { received: up.length, sent: down.length });
});

t.test('an end one way half-closes the other side while the answer still flows', async (t) => {
  const { client, server, clientSink, serverSink, done } = carried();
  client.write(Buffer.from('request'));
  client.end();
  await serverSink.ended();
  t.equal(serverSink.text, 'request');
  server.write(Buffer.from('late answer'));
  server.end();
  t.equal(await done, undefined);
  t.equal(clientSink.text, 'late answer');
});

t.test('a slow reader stops the writer at the other end', async (t) => {
  const { client, server, clientSink, serverSink, bytes, done } = carried(1000);
  server.pause();
  const payload = randomBytes(100_000);
  const writing = writeAll(client, clientSink, payload, 500);
  for (let turn = 0; turn < 100; turn++) await new Promise((resolve) => setImmediate(resolve));
  t.ok(bytes.received <= 3000, `${bytes.received} bytes were taken while the reader was stopped`);
  server.resume();
  await writing;
  client.end();
  server.end();
  t.equal(await done, undefined);
  t.ok(Buffer.concat(serverSink.chunks).equals(payload));
});

for (const side of ['client', 'server'] as const) {
  t.test(`a reset by the ${side} reaches the other end as a reset and counts as an ordinary end`, async (t) => {
    const pair = carried();
    pair[side].reset();
    t.equal(await pair.done, undefined);
    await Promise.all([pair.clientSink.closed(), pair.serverSink.closed()]);
    t.match(pair.clientSink.closeError, { code: 'CONNECTION_RESET' });
    t.match(pair.serverSink.closeError, { code: 'CONNECTION_RESET' });
  });
}

t.test('abort resets both ends and reports its reason', async (t) => {
  const { clientSink, serverSink, done, copy } = carried();
  const reason = new MeshError('POLICY_CHANGED', 'denied now');
  copy.abort(reason);
  t.equal(await done, reason);
  await Promise.all([clientSink.closed(), serverSink.closed()]);
  t.match(clientSink.closeError, { code: 'CONNECTION_RESET' });
  t.match(serverSink.closeError, { code: 'CONNECTION_RESET' });
});
