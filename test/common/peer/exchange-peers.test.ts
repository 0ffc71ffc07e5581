// The exchange on a living stream: both frames cross, nobody waits for anybody, and the application gets its bytes and no others.
import t from 'tap';
import type { ByteStream } from '../../../common/net/byte-stream.ts';
import { exchangePeers } from '../../../common/peer/exchange-peers.ts';
import { noMetadata } from '../../../common/peer/peer-metadata.ts';
import { createStreamPair } from '../../support/memory-stream.ts';
import { ratingsFrame, ratingsPeer, smallFrame } from '../../support/peer-frames.ts';
import { randomFrom } from '../../support/random-from.ts';
import { record } from '../../support/recording-sink.ts';

const own = { metadata: { ...noMetadata, namespace: 'ns' }, nodeId: 'a' };
const start = { alpn: 'istio-peer-exchange', own };

function begin(deadlineMs = 10_000): { far: ByteStream; exchange: ReturnType<typeof exchangePeers> } {
  const [near, far] = createStreamPair();
  return { far, exchange: exchangePeers(near, start, deadlineMs) };
}

t.test('our frame goes out before anybody opens the stream, and before the application’s first byte', async (t) => {
  const { far, exchange } = begin();
  const peer = record(far);
  await peer.until(() => peer.bytes > 0);
  t.same(Buffer.concat(peer.chunks), smallFrame);
  exchange.stream.write(Buffer.from('application'));
  await peer.until(() => peer.bytes > smallFrame.length);
  t.equal(peer.text.slice(-11), 'application');
});

t.test('their frame is taken out wherever it is cut, and what follows is the application’s', async (t) => {
  const random = randomFrom(3);
  const sent = Buffer.concat([ratingsFrame, Buffer.from('greeting')]);
  for (let round = 0; round < 60; round += 1) {
    const { far, exchange } = begin();
    // The application comes before the frame, after it, or in between.
    const early = round % 3 === 0 ? record(exchange.stream) : undefined;
    for (let at = 0; at < sent.length; ) {
      const to = at + 1 + Math.floor(random() * 200);
      far.write(Buffer.from(sent.subarray(at, to)));
      at = to;
      if (random() < 0.5) await new Promise(setImmediate);
    }
    far.end();
    if (round % 3 === 1) await exchange.outcome;
    const sink = early ?? record(exchange.stream);
    await sink.ended();
    t.equal(sink.text, 'greeting');
    t.same(await exchange.outcome, { kind: 'told', peer: ratingsPeer });
    exchange.stream.end();
    await sink.closed();
    t.equal(sink.closeError, undefined);
  }
});

t.test('where it was not agreed on, the stream is left as it is', async (t) => {
  const [near] = createStreamPair();
  const { stream, outcome } = exchangePeers(near, { alpn: 'istio', own });
  t.equal(stream, near);
  t.same(await outcome, { kind: 'not-told', reason: 'alpn-not-found' });
});

t.test('what begins otherwise is the application’s, from its first byte', async (t) => {
  const { far, exchange } = begin();
  far.write(Buffer.from('220 welcome'));
  t.same(await exchange.outcome, { kind: 'not-told', reason: 'no-frame' });
  const sink = record(exchange.stream);
  far.end();
  await sink.ended();
  t.equal(sink.text, '220 welcome');
});

t.test('a peer that says nothing is waited for until the deadline, and may speak later', async (t) => {
  const { far, exchange } = begin(20);
  t.same(await exchange.outcome, { kind: 'not-told', reason: 'late' });
  const sink = record(exchange.stream);
  far.write(Buffer.concat([ratingsFrame, Buffer.from('at last')]));
  far.end();
  await sink.ended();
  t.equal(sink.text, 'at last', 'its frame is still none of the application’s');
});

t.test('one that stops within its frame is reset at the deadline', async (t) => {
  const { far, exchange } = begin(20);
  far.write(Buffer.from(ratingsFrame.subarray(0, 100)));
  t.same(await exchange.outcome, { kind: 'not-told', reason: 'late' });
  const sink = record(exchange.stream);
  await sink.closed();
  t.match(sink.closeError, { code: 'TUNNEL_PROTOCOL', message: /stopped after 100 bytes of its metadata/ });
});

t.test('one that announces too much is reset at once', async (t) => {
  const { far, exchange } = begin();
  far.write(Buffer.from('3d230467ffffffff', 'hex'));
  t.same(await exchange.outcome, { kind: 'not-told', reason: 'malformed' });
  const sink = record(exchange.stream);
  await sink.closed();
  t.match(sink.closeError, { message: /announces 4294967295 bytes/ });
});

t.test('one that goes has told nothing', async (t) => {
  const { far, exchange } = begin();
  far.reset();
  t.same(await exchange.outcome, { kind: 'not-told', reason: 'ended' });
  const sink = record(exchange.stream);
  await sink.closed();
  t.match(sink.closeError, { code: 'CONNECTION_RESET' });
});

t.test('until somebody opens the stream, no more is read than came with the frame', async (t) => {
  const [near, far] = createStreamPair({ highWaterMarkBytes: 1_000 });
  const { stream, outcome } = exchangePeers(near, start);
  far.write(ratingsFrame);
  await outcome;
  let refused = 0;
  for (let round = 0; round < 20; round += 1) {
    if (!far.write(Buffer.alloc(500, 'x'))) refused += 1;
    await new Promise(setImmediate);
  }
  t.ok(refused > 10, 'the peer is slowed');
  const sink = record(stream);
  far.end();
  await sink.ended();
  t.equal(sink.bytes, 10_000);
});
