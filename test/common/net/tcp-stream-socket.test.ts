import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import t, { type Test } from 'tap';
import { MeshError } from '../../../common/errors.ts';
import { streamOfSocket } from '../../../common/net/tcp-stream-socket.ts';
import { record, writeAll } from '../../support/recording-sink.ts';

async function socketPair(t: Test): Promise<[Socket, Socket]> {
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const accepted = once(server, 'connection');
  const client = connect({ port: (server.address() as AddressInfo).port, host: '127.0.0.1', allowHalfOpen: true });
  client.pause();
  await once(client, 'connect');
  const [socket] = (await accepted) as [Socket];
  t.teardown(() => {
    client.destroy();
    socket.destroy();
    server.close();
  });
  return [client, socket];
}

t.test('bytes pass both ways, and both close without error after both have ended', async (t) => {
  const [a, b] = (await socketPair(t)).map(streamOfSocket);
  if (!a || !b) return;
  const left = record(a);
  const right = record(b);
  a.write(Buffer.from('question'));
  a.end();
  await right.ended();
  t.equal(right.text, 'question');
  t.notOk(right.events.includes('close'), 'writing goes on after the peer has half-closed');
  b.write(Buffer.from('answer'));
  b.end();
  await Promise.all([left.closed(), right.closed()]);
  t.equal(left.text, 'answer');
  t.equal(left.closeError, undefined);
  t.equal(right.closeError, undefined);
  t.same(left.events, ['data', 'end', 'close']);
});

t.test('bytes that came before open are delivered afterwards', async (t) => {
  const [a, b] = await socketPair(t);
  const right = streamOfSocket(b);
  a.write('early');
  a.end();
  await new Promise((resolve) => setImmediate(resolve));
  const sink = record(right);
  await sink.ended();
  t.equal(sink.text, 'early');
});

t.test('a paused stream slows its writer, and loses nothing', async (t) => {
  const [a, b] = (await socketPair(t)).map(streamOfSocket);
  if (!a || !b) return;
  const left = record(a);
  const right = record(b);
  b.pause();
  const payload = randomBytes(16 * 1024 * 1024);
  let all: 'written' | 'waiting' = 'waiting';
  const writing = writeAll(a, left, payload).then(() => {
    all = 'written';
    a.end();
  });
  for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setImmediate(resolve));
  t.equal(all, 'waiting');
  b.resume();
  await writing;
  await right.ended();
  t.ok(Buffer.concat(right.chunks).equals(payload));
});

t.test('a reset is seen as a reset even when the peer reads nothing and bytes are queued', async (t) => {
  const [a, b] = await socketPair(t);
  const stream = streamOfSocket(a);
  const left = record(stream);
  while (stream.write(Buffer.alloc(1 << 20))) {}
  const reason = new MeshError('POLICY_CHANGED', 'a policy now denies it');
  stream.reset(reason);
  stream.reset();
  await left.closed();
  t.equal(left.closeError, reason);
  const sink = record(streamOfSocket(b));
  await sink.closed();
  t.match(sink.closeError, { code: 'CONNECTION_RESET' });
  t.equal(sink.events.filter((event) => event === 'close').length, 1);
});

t.test('a reset right after the half-close still closes the stream', async (t) => {
  const [a, b] = (await socketPair(t)).map(streamOfSocket);
  if (!a || !b) return;
  const left = record(a);
  const right = record(b);
  a.end();
  a.reset();
  await left.closed();
  await right.ended();
  // After the end nothing is read any more, so the reset shows at the next write.
  b.write(Buffer.from('to nobody'));
  await right.closed();
  t.match(left.closeError, { code: 'CONNECTION_RESET' });
  t.match(right.closeError, { code: 'CONNECTION_RESET' });
});

t.test('a loss before open is reported after open', async (t) => {
  const [a, b] = await socketPair(t);
  const stream = streamOfSocket(b);
  a.resetAndDestroy();
  b.resume();
  await new Promise((resolve) => b.on('close', resolve));
  const sink = record(stream);
  await sink.closed();
  t.match(sink.closeError, { code: 'CONNECTION_RESET' });
});

t.test('writing after end or reset is ignored', async (t) => {
  const [a, b] = (await socketPair(t)).map(streamOfSocket);
  if (!a || !b) return;
  const left = record(a);
  const right = record(b);
  a.end();
  t.equal(a.write(Buffer.from('late')), false);
  await right.ended();
  t.equal(right.bytes, 0);
  b.reset();
  b.write(Buffer.from('later'));
  b.end();
  await Promise.all([left.closed(), right.closed()]);
  t.equal(left.bytes, 0);
});
