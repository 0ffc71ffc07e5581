import t from 'tap';
import {
  decodeAcknowledgement,
  decodeHello,
  decodeRequest,
  encodeAcknowledgement,
  encodeHello,
  encodeRequest,
  maxZdsPacketBytes,
  type ZdsRequest,
} from '../../../common/zds/zds-codec.ts';
import { randomFrom } from '../../support/random-from.ts';

const info = { name: 'n', namespace: 'ns', serviceAccount: 'sa' };
const hex = (bytes: Buffer): string => bytes.toString('hex');

t.test('byte by byte', async (t) => {
  t.equal(hex(encodeHello()), '0801');
  t.equal(hex(encodeAcknowledgement({ error: undefined })), '0a00');
  t.equal(hex(encodeAcknowledgement({ error: 'no' })), '0a04' + '0a026e6f');
  t.equal(hex(encodeRequest({ kind: 'snapshot-sent' })), '1a00');
  t.equal(hex(encodeRequest({ kind: 'delete', uid: 'u1' })), '1204' + '12027531', 'its uid is field 2');
  t.equal(hex(encodeRequest({ kind: 'keep', uid: 'u1' })), '2a04' + '0a027531');
  const workloadInfo = '0a016e' + '12026e73' + '1a027361';
  t.equal(hex(encodeRequest({ kind: 'add', uid: 'u1', info })), `0a11${'0a027531'}${'120b'}${workloadInfo}`);
  t.equal(hex(encodeRequest({ kind: 'add', uid: 'u1', info: undefined })), `0a04${'0a027531'}`);
});

t.test('requests come back as they went', async (t) => {
  const random = randomFrom(11);
  const word = (): string =>
    String.fromCodePoint(...Array.from({ length: random() * 40 }, () => Math.floor(32 + random() * 900)));
  for (let i = 0; i < 300; i++) {
    const uid = word();
    const requests: ZdsRequest[] = [
      { kind: 'add', uid, info: { name: word(), namespace: word(), serviceAccount: word() } },
      { kind: 'keep', uid },
      { kind: 'delete', uid },
      { kind: 'snapshot-sent' },
    ];
    for (const request of requests) t.same(decodeRequest(encodeRequest(request)), request);
    const error = word() || undefined;
    t.same(decodeAcknowledgement(encodeAcknowledgement({ error })), { error });
  }
});

t.test('a cut or foreign message is refused, and never ends the process', async (t) => {
  const whole = encodeRequest({ kind: 'add', uid: 'some-uid', info });
  for (let size = 0; size < whole.length; size++) {
    t.throws(() => decodeRequest(whole.subarray(0, size)), { code: 'RESOURCE_INVALID' });
  }
  t.throws(() => decodeRequest(Buffer.from('3200', 'hex')), { message: /no message that this version knows/ });
  t.throws(() => decodeAcknowledgement(Buffer.alloc(0)), { message: /no acknowledgement/ });
  const random = randomFrom(5);
  for (let i = 0; i < 2000; i++) {
    const bytes = Buffer.from(Array.from({ length: random() * 60 }, () => random() * 256));
    for (const decode of [decodeRequest, decodeAcknowledgement, decodeHello]) {
      try {
        decode(bytes);
      } catch (error) {
        if (!(error instanceof Error) || error.name !== 'MeshError') t.fail(`${bytes.toString('hex')}: ${error}`);
      }
    }
  }
});

t.test('fields of a later version are passed over', async (t) => {
  const later = Buffer.from(`${'0a0a'}${'0a027531'}${'1204' + '2a026161'}${'3801'}`, 'hex');
  t.same(decodeRequest(later), { kind: 'add', uid: 'u1', info: { name: '', namespace: '', serviceAccount: '' } });
  t.equal(decodeHello(Buffer.from('1205616263646508021a00', 'hex')), 2);
});

t.test('nothing is longer than the other side reads', async (t) => {
  const long = encodeAcknowledgement({ error: 'ü'.repeat(2000) });
  t.ok(long.length <= maxZdsPacketBytes);
  t.match(decodeAcknowledgement(long).error, /^ü+$/, 'a text is cut between two characters');
  t.throws(() => encodeRequest({ kind: 'add', uid: 'x'.repeat(600), info: { ...info, name: 'y'.repeat(600) } }), {
    code: 'RESOURCE_INVALID',
    message: /has 12\d\d bytes, ztunnel reads 1024/,
  });
});
