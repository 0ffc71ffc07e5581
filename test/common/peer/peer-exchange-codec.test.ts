// The frame of istio-peer-exchange, byte by byte, in pieces, and as garbage. Golden frames: waypoint-telemetry.md §5.1.
import t from 'tap';
import {
  encodeExchange,
  maxPayloadBytes,
  readExchange,
  type ToldPeer,
} from '../../../common/peer/peer-exchange-codec.ts';
import { noMetadata, type PeerMetadata } from '../../../common/peer/peer-metadata.ts';
import { structOfMetadata } from '../../../common/peer/peer-metadata-struct.ts';
import { encodeStruct } from '../../../common/peer/struct-codec.ts';
import { ratingsFrame, ratingsPeer, smallFrame } from '../../support/peer-frames.ts';
import { randomFrom } from '../../support/random-from.ts';

const small: ToldPeer = { metadata: { ...noMetadata, namespace: 'ns' }, nodeId: 'a' };

t.test('the golden frames are written byte for byte, and read', async (t) => {
  for (const [peer, frame] of [
    [small, smallFrame],
    [ratingsPeer, ratingsFrame],
  ] as const) {
    t.equal(encodeExchange(peer).toString('hex'), frame.toString('hex'));
    t.same(readExchange(frame), { kind: 'frame', frameBytes: frame.length, peer });
  }
});

t.test('whatever follows a frame is not part of it', async (t) => {
  const read = readExchange(Buffer.concat([smallFrame, Buffer.from('application')]));
  t.match(read, { kind: 'frame', frameBytes: smallFrame.length });
});

t.test('a frame that is not whole yet is incomplete, at any cut', async (t) => {
  for (let size = 0; size < ratingsFrame.length; size += 1) {
    const part = size < 8 ? 'header' : 'payload';
    t.same(readExchange(ratingsFrame.subarray(0, size)), { kind: 'incomplete', part });
  }
});

t.test('the first byte that is not of the magic tells that it is no frame', async (t) => {
  for (const text of ['G', 'GET / HTTP/1.1', '=', '=#', '=#\u0005']) {
    const read = readExchange(Buffer.from(text, 'latin1'));
    t.equal(read.kind, text === '=' || text === '=#' ? 'incomplete' : 'no-frame', JSON.stringify(text));
  }
});

t.test('a length beyond the limit is refused without waiting for it', async (t) => {
  const header = Buffer.from('3d23046700010001', 'hex');
  t.same(readExchange(header), { kind: 'too-large', payloadBytes: maxPayloadBytes + 1 });
  t.equal(readExchange(Buffer.from('3d23046700010000', 'hex')).kind, 'incomplete');
});

t.test('a payload of another type, or without metadata, is malformed and says why', async (t) => {
  const other = Buffer.from(smallFrame);
  other.write('Strucx', 8 + 2 + 36);
  t.match(readExchange(other), { kind: 'malformed', frameBytes: 149, reason: /its type is "type.*Strucx"/ });
  t.match(readExchange(Buffer.from('3d23046700000000', 'hex')), { kind: 'malformed', frameBytes: 8 });
});

t.test('keys are read in any order, unknown fields and old ones are ignored', async (t) => {
  const told = new Map([...structOfMetadata(ratingsPeer.metadata)].reverse());
  told.set('PLATFORM_METADATA', new Map([['gcp_project', 'p']]));
  told.set('APP_CONTAINERS', 'a,b');
  told.set('INSTANCE_IPS', ['10.0.0.7', null, true, 3.5]);
  const wrapped = encodeStruct(new Map([['x-envoy-peer-metadata', told]]));
  const any = Buffer.concat([
    smallFrame.subarray(8, 8 + 2 + 42),
    Buffer.from([0x12, 0x80 | (wrapped.length & 127), wrapped.length >> 7]),
    wrapped,
  ]);
  const header = Buffer.from('3d23046700000000', 'hex');
  header.writeUInt32BE(any.length, 4);
  t.match(readExchange(Buffer.concat([header, any])), { kind: 'frame', peer: { ...ratingsPeer, nodeId: '' } });
});

t.test('any metadata comes back as it went', async (t) => {
  const random = randomFrom(3);
  const word = (): string =>
    String.fromCodePoint(...Array.from({ length: random() * 30 }, () => Math.floor(33 + random() * 900)));
  for (let round = 0; round < 300; round += 1) {
    const types = ['deployment', 'cronjob', 'pod', 'job'] as const;
    const workloadName = `w${word()}`;
    const metadata: PeerMetadata = {
      clusterId: word(),
      namespace: word(),
      workloadName,
      workloadType: types[Math.floor(random() * 4)],
      canonicalName: word(),
      canonicalRevision: word(),
      region: word(),
      zone: word(),
      instanceName: word(),
      identity: word(),
      app: word(),
      version: word(),
    };
    const peer = { metadata, nodeId: word() };
    const frame = encodeExchange(peer);
    t.same(readExchange(frame), { kind: 'frame', frameBytes: frame.length, peer });
  }
});

t.test('garbage in a frame is malformed or metadata, and never ends the process', async (t) => {
  const random = randomFrom(8);
  for (let round = 0; round < 3_000; round += 1) {
    const frame = Buffer.from(ratingsFrame);
    for (let change = 0; change < 4; change += 1) frame[8 + Math.floor(random() * 507)] = random() * 256;
    t.ok(['frame', 'malformed'].includes(readExchange(frame).kind));
  }
});

t.test('metadata that is nested without end is malformed', async (t) => {
  let nested: ReadonlyMap<string, unknown> = new Map();
  for (let depth = 0; depth < 40; depth += 1) nested = new Map([['a', nested]]);
  const wrapped = encodeStruct(nested as Parameters<typeof encodeStruct>[0]);
  const size = Buffer.from([0x12, 0x80 | (wrapped.length & 127), wrapped.length >> 7]);
  const any = Buffer.concat([smallFrame.subarray(8, 8 + 2 + 42), size, wrapped]);
  const header = Buffer.from('3d23046700000000', 'hex');
  header.writeUInt32BE(any.length, 4);
  t.match(readExchange(Buffer.concat([header, any])), { kind: 'malformed', reason: /nested deeper than 16/ });
});
