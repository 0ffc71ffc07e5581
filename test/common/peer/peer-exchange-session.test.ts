// One side of the exchange, event by event: nothing waits, nothing is lost, and only bytes of the application reach the application.
import t from 'tap';
import { encodeExchange, readExchange } from '../../../common/peer/peer-exchange-codec.ts';
import { type ExchangeAction, PeerExchangeSession } from '../../../common/peer/peer-exchange-session.ts';
import { noMetadata } from '../../../common/peer/peer-metadata.ts';
import { ratingsFrame, ratingsPeer, smallFrame } from '../../support/peer-frames.ts';
import { randomFrom } from '../../support/random-from.ts';

const own = { metadata: { ...noMetadata, namespace: 'ns' }, nodeId: 'a' };
const alpn = 'istio-peer-exchange';
const text = (value: string): Buffer => Buffer.from(value);

/** What has become of everything so far. */
function begin(negotiated: string | undefined = alpn) {
  const session = new PeerExchangeSession({ alpn: negotiated, own });
  const seen = { sent: '', delivered: '', peers: [] as string[], failed: '' };
  const take = (actions: readonly ExchangeAction[]): typeof seen => {
    for (const action of actions) {
      if (action.kind === 'send') seen.sent += action.bytes.toString('hex');
      if (action.kind === 'deliver') seen.delivered += action.bytes.toString('latin1');
      if (action.kind === 'fail') seen.failed = action.error.message;
      if (action.kind === 'peer') {
        const { outcome } = action;
        seen.peers.push(outcome.kind === 'told' ? outcome.peer.metadata.workloadName : outcome.reason);
      }
    }
    return seen;
  };
  take(session.start());
  return { session, take, seen };
}

t.test('its own frame goes first, and waits for nothing', async (t) => {
  const { seen } = begin();
  t.equal(seen.sent, smallFrame.toString('hex'));
  t.same(seen.peers, []);
});

t.test('the frame of the peer is taken out, and what follows is delivered', async (t) => {
  const { session, take, seen } = begin();
  take(session.received(Buffer.concat([ratingsFrame, text('hello')])));
  t.same(seen, { ...seen, delivered: 'hello', peers: ['ratings-v2'], failed: '' });
  take(session.received(text(' again')));
  t.equal(seen.delivered, 'hello again');
  t.equal(session.isPassing, true);
});

t.test('however the bytes are cut, the outcome is the same', async (t) => {
  const random = randomFrom(21);
  const whole = Buffer.concat([ratingsFrame, text('SELECT 1'), Buffer.alloc(300, 'x')]);
  for (let round = 0; round < 500; round += 1) {
    const { session, take, seen } = begin();
    for (let at = 0; at < whole.length; ) {
      const size = 1 + Math.floor(random() * (round % 2 === 0 ? 3 : 400));
      take(session.received(whole.subarray(at, at + size)));
      at += size;
    }
    t.same(seen.peers, ['ratings-v2']);
    t.equal(seen.delivered, whole.subarray(ratingsFrame.length).toString('latin1'));
  }
});

t.test('two sides that write at once understand each other, in any interleaving', async (t) => {
  const random = randomFrom(2);
  for (let round = 0; round < 200; round += 1) {
    const sides = [
      new PeerExchangeSession({ alpn, own: ratingsPeer }),
      new PeerExchangeSession({ alpn, own: { ...ratingsPeer, nodeId: 'other' } }),
    ] as const;
    const wires = sides.map((side, index) =>
      Buffer.concat([
        ...side.start().flatMap((action) => (action.kind === 'send' ? [action.bytes] : [])),
        text(`from ${index}`),
      ]),
    );
    const got = ['', ''];
    const told = ['', ''];
    const sentTo = [0, 0];
    while (sentTo.some((at, to) => at < (wires[1 - to]?.length ?? 0))) {
      const to = random() < 0.5 ? 0 : 1;
      const at = sentTo[to] ?? 0;
      const size = 1 + Math.floor(random() * 200);
      const piece = (wires[1 - to] ?? Buffer.alloc(0)).subarray(at, at + size);
      sentTo[to] = at + piece.length;
      if (piece.length === 0) continue;
      for (const action of sides[to].received(piece)) {
        if (action.kind === 'deliver') got[to] += action.bytes.toString();
        if (action.kind === 'peer' && action.outcome.kind === 'told') told[to] = action.outcome.peer.nodeId;
      }
    }
    t.same(got, ['from 1', 'from 0']);
    t.same(told, ['other', ratingsPeer.nodeId]);
  }
});

t.test('without the ALPN nothing is sent, and all bytes pass', async (t) => {
  for (const negotiated of ['istio', 'h2', undefined]) {
    const { session, take, seen } = begin(negotiated ?? '');
    take(session.received(ratingsFrame));
    t.same(
      { ...seen, delivered: seen.delivered.length },
      { sent: '', delivered: 515, peers: ['alpn-not-found'], failed: '' },
    );
  }
});

t.test('a peer that speaks at once of something else is passed through, unaltered', async (t) => {
  for (const greeting of ['GET / HTTP/1.1\r\n\r\n', 'x', '=#', '=#\u0004hx']) {
    const { session, take, seen } = begin();
    for (const byte of Buffer.from(greeting, 'latin1')) take(session.received(Buffer.from([byte])));
    take(session.received(text(' and more')));
    t.equal(seen.delivered, `${greeting} and more`);
    t.same(seen.peers, ['no-frame']);
  }
});

t.test(
  'an end within the first eight bytes gives them to the application, within a payload it gives nothing',
  async (t) => {
    const early = begin();
    early.take(early.session.received(ratingsFrame.subarray(0, 7)));
    early.take(early.session.ended());
    t.equal(early.seen.delivered, ratingsFrame.subarray(0, 7).toString('latin1'));
    const late = begin();
    late.take(late.session.received(ratingsFrame.subarray(0, 100)));
    late.take(late.session.ended());
    t.equal(late.seen.delivered, '');
    for (const { seen } of [early, late]) t.same(seen.peers, ['ended']);
  },
);

t.test('a peer that is silent until the deadline is unknown, and its frame is taken out even so', async (t) => {
  const { session, take, seen } = begin();
  take(session.deadline());
  take(session.deadline());
  t.same(seen.peers, ['late']);
  take(session.received(Buffer.concat([ratingsFrame, text('late but whole')])));
  t.same(seen.peers, ['late']);
  t.equal(seen.delivered, 'late but whole');
});

t.test('half a header at the deadline is taken for bytes of the application', async (t) => {
  const { session, take, seen } = begin();
  take(session.received(text('=')));
  take(session.deadline());
  take(session.received(text('1;')));
  t.same({ ...seen, sent: '' }, { sent: '', delivered: '=1;', peers: ['late'], failed: '' });
});

t.test('half a payload at the deadline ends the connection', async (t) => {
  const { session, take, seen } = begin();
  take(session.received(ratingsFrame.subarray(0, 100)));
  take(session.deadline());
  t.match(seen, { delivered: '', peers: ['late'], failed: /stopped after 100 bytes of its metadata/ });
  t.same(session.received(text('more')), []);
});

t.test('a payload larger than any metadata ends the connection at once', async (t) => {
  const { session, take, seen } = begin();
  take(session.received(Buffer.from('3d230467ffffffff', 'hex')));
  t.match(seen, { delivered: '', peers: ['malformed'], failed: /announces 4294967295 bytes of metadata/ });
});

t.test('a payload that cannot be read is taken out', async (t) => {
  const { session, take, seen } = begin();
  const frame = Buffer.from(smallFrame);
  frame.fill(0xff, 8);
  take(session.received(Buffer.concat([frame, text('ok')])));
  t.same({ ...seen, sent: '' }, { sent: '', delivered: 'ok', peers: ['malformed'], failed: '' });
});

t.test('garbage ends in an outcome, a failure, or a wait that the deadline ends', async (t) => {
  const random = randomFrom(77);
  for (let round = 0; round < 2_000; round += 1) {
    const { session, take, seen } = begin();
    const bytes = Buffer.from(Array.from({ length: random() * 40 }, () => random() * 256));
    if (round % 3 === 0) smallFrame.copy(bytes, 0, 0, 4);
    take(session.received(bytes));
    take(session.deadline());
    t.equal(seen.peers.length, 1);
    if (readExchange(bytes).kind === 'no-frame') t.equal(seen.delivered, bytes.toString('latin1'));
  }
  t.ok(encodeExchange(own).equals(smallFrame));
});
