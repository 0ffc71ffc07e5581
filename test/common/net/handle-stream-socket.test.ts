import { randomBytes } from 'node:crypto';
import t, { type Test } from 'tap';
import { MeshError } from '../../../common/errors.ts';
import type { ByteStream } from '../../../common/net/byte-stream.ts';
import { createPodSocketFactory } from '../../../common/net/pod-socket-factory-socket.ts';
import { randomFrom } from '../../support/random-from.ts';
import { record, writeAll } from '../../support/recording-sink.ts';

const sockets = createPodSocketFactory({ namespace: 'own' });

async function streamPair(t: Test): Promise<readonly [ByteStream, ByteStream]> {
  const accepted = Promise.withResolvers<ByteStream>();
  const listener = await sockets.listenStreams({ port: 0, host: 'loopback' }, ({ stream }) => accepted.resolve(stream));
  const client = await sockets.connectStream({ to: listener.address });
  const server = await accepted.promise;
  t.teardown(async () => {
    client.reset();
    server.reset();
    await listener.close();
  });
  return [client, server];
}

t.test('bytes pass both ways, and both close without error after both have ended', async (t) => {
  const [a, b] = await streamPair(t);
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
  const [a, b] = await streamPair(t);
  a.write(Buffer.from('early'));
  a.end();
  await new Promise((resolve) => setImmediate(resolve));
  const sink = record(b);
  await sink.ended();
  t.equal(sink.text, 'early');
});

t.test('a paused stream slows its writer, and loses nothing', async (t) => {
  const [a, b] = await streamPair(t);
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

t.test('a stream that reads already is resumed without harm', async (t) => {
  const [a, b] = await streamPair(t);
  const right = record(b);
  b.resume();
  a.write(Buffer.from('still read'));
  a.end();
  await right.ended();
  t.equal(right.text, 'still read');
  b.resume();
  b.end();
  await right.closed();
  t.equal(right.closeError, undefined);
});

t.test('a reset is seen as a reset even when the peer reads nothing and bytes are queued', async (t) => {
  const [stream, peer] = await streamPair(t);
  const left = record(stream);
  while (stream.write(Buffer.alloc(1 << 20))) {}
  const reason = new MeshError('POLICY_CHANGED', 'a policy now denies it');
  stream.reset(reason);
  stream.reset();
  await left.closed();
  t.equal(left.closeError, reason);
  const sink = record(peer);
  await sink.closed();
  t.match(sink.closeError, { code: 'CONNECTION_RESET' });
  t.equal(sink.events.filter((event) => event === 'close').length, 1);
});

t.test('a reset right after the half-close still closes the stream', async (t) => {
  const [a, b] = await streamPair(t);
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
  const [a, b] = await streamPair(t);
  a.reset();
  await new Promise((resolve) => setTimeout(resolve, 20));
  const sink = record(b);
  await sink.closed();
  t.match(sink.closeError, { code: 'CONNECTION_RESET' });
});

t.test('a stream that this side has reset before open closes after open', async (t) => {
  const [a] = await streamPair(t);
  const reason = new MeshError('DRAINED', 'it ends');
  a.reset(reason);
  await new Promise((resolve) => setTimeout(resolve, 20));
  const sink = record(a);
  await sink.closed();
  t.equal(sink.closeError, reason);
});

t.test('writing after end or reset is ignored', async (t) => {
  const [a, b] = await streamPair(t);
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

t.test('bytes of any amount pass in order, whatever the chunks are', async (t) => {
  const [a, b] = await streamPair(t);
  const left = record(a);
  const right = record(b);
  const random = randomFrom(7);
  const pieces = Array.from({ length: 200 }, () => randomBytes(1 + Math.floor(random() ** 4 * 300_000)));
  for (const piece of pieces) await writeAll(a, left, piece);
  a.end();
  await right.ended();
  t.ok(Buffer.concat(right.chunks).equals(Buffer.concat(pieces)));
});

t.test('nobody listens: refused with the address', async (t) => {
  const listener = await sockets.listenStreams({ port: 0, host: 'loopback' }, () => {});
  const to = listener.address;
  await listener.close();
  await t.rejects(sockets.connectStream({ to }), {
    code: 'UPSTREAM_REFUSED',
    message: new RegExp(`:${to.port} failed`),
  });
});
