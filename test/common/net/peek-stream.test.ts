import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { peekStream } from '../../../common/net/peek-stream.ts';
import { streamOfSocket } from '../../../common/net/tcp-stream-socket.ts';
import { createStreamPair } from '../../support/memory-stream.ts';
import { record } from '../../support/recording-sink.ts';

const text = 'abcdefghij'.repeat(20);
const ten = (start: Buffer): string | 'more' => (start.length >= 10 ? start.toString('latin1', 0, 10) : 'more');
const atEnd = (why: string): string => why;

/** @returns its port on loopback */
async function aServer(t: Test, serve: (socket: Socket) => void): Promise<number> {
  const server = createServer(serve).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
}

t.test('a stream is looked at, and read from its first byte, however it is split', async (t) => {
  for (let size = 1; size < 25; size += 1) {
    const [near, far] = createStreamPair();
    const peeking = peekStream(near, ten, atEnd, 10_000);
    for (let at = 0; at < text.length; at += size) {
      far.write(Buffer.from(text.slice(at, at + size)));
      if (at < 30) await sleep(0);
    }
    far.end();
    const peeked = await peeking;
    t.equal(peeked?.decision, 'abcdefghij');
    if (size % 2 === 0) await sleep(2);
    const sink = record(peeked?.stream ?? near);
    await sink.ended();
    t.equal(sink.text, text, `in pieces of ${size}`);
    near.end();
    await sink.closed();
    t.equal(sink.closeError, undefined);
  }
});

t.test('a reader that pauses gets everything in order', async (t) => {
  const [near, far] = createStreamPair();
  const peeking = peekStream(near, ten, atEnd, 10_000);
  far.write(Buffer.from(text));
  const stream = (await peeking)?.stream ?? near;
  let seen = '';
  let ended: () => void = () => undefined;
  const end = new Promise<void>((resolve) => {
    ended = resolve;
  });
  stream.open({
    onData(chunk) {
      seen += String(chunk);
      stream.pause();
      setTimeout(() => stream.resume(), 1);
    },
    onEnd: () => ended(),
    onWritable: () => undefined,
    onClose: () => undefined,
  });
  for (let i = 0; i < 20; i += 1) {
    far.write(Buffer.from(`-${i}`));
    await sleep(0);
  }
  far.end();
  await end;
  t.equal(seen, text + Array.from({ length: 20 }, (_, i) => `-${i}`).join(''));
});

t.test('the end and silence are decided about', async (t) => {
  const [near, far] = createStreamPair();
  far.write(Buffer.from('short'));
  far.end();
  const peeked = await peekStream(near, ten, atEnd, 10_000);
  t.equal(peeked?.decision, 'ended');
  const sink = record(peeked?.stream ?? near);
  await sink.ended();
  t.equal(sink.text, 'short');
  const [quiet] = createStreamPair();
  t.equal((await peekStream(quiet, ten, atEnd, 5))?.decision, 'silent');
});

t.test('silence may be judged again, as often as it takes', async (t) => {
  const [near] = createStreamPair();
  let asked = 0;
  const judge = (): string => {
    asked += 1;
    return asked < 3 ? 'later' : 'enough';
  };
  t.equal((await peekStream(near, ten, judge, 5))?.decision, 'enough');
});

t.test('what had come in time is no silence, however busy this thread was', async (t) => {
  const socket = connect(await aServer(t, (peer) => void peer.write(text)), '127.0.0.1');
  await once(socket, 'connect');
  const peeking = peekStream(streamOfSocket(socket), ten, atEnd, 50);
  await sleep(0);
  const endMs = performance.now() + 200;
  while (performance.now() < endMs);
  t.equal((await peeking)?.decision, 'abcdefghij');
  socket.destroy();
});

t.test('silence may go on, until something comes', async (t) => {
  const [near, far] = createStreamPair();
  const peeking = peekStream(near, ten, (why) => (why === 'silent' ? 'wait' : why), 5);
  await sleep(20);
  far.write(Buffer.from(text));
  t.equal((await peeking)?.decision, 'abcdefghij');
});

t.test('a stream that is lost gives no decision, and one lost later tells its reader', async (t) => {
  const [near, far] = createStreamPair();
  const peeking = peekStream(near, ten, atEnd, 10_000);
  far.reset();
  t.equal(await peeking, undefined);
  const [left, right] = createStreamPair();
  right.write(Buffer.from(text));
  const peeked = await peekStream(left, ten, atEnd, 10_000);
  right.reset();
  await sleep(5);
  const sink = record(peeked?.stream ?? left);
  await sink.closed();
  t.ok(sink.closeError);
});
