// What the first message of TLS says, read from bytes as OpenSSL writes them; everything else is no hello, and nothing is too long.
import t from 'tap';
import { maxClientHelloBytes, readClientHello } from '../../../common/tls/client-hello-codec.ts';
import { helloOf } from '../../support/client-hello.ts';
import { randomFrom } from '../../support/random-from.ts';

/** The same message in records of at most `size` bytes each. */
function inRecords(hello: Buffer, size: number): Buffer {
  const message = hello.subarray(5);
  const records: Buffer[] = [];
  for (let at = 0; at < message.length; at += size) {
    const part = message.subarray(at, at + size);
    records.push(Buffer.from([22, 3, 1, part.length >> 8, part.length & 0xff]), part);
  }
  return Buffer.concat(records);
}

const sni = 'outbound_.9080_._.ratings.default.svc.cluster.local';
const sidecar = await helloOf({ servername: sni, ALPNProtocols: ['istio-peer-exchange', 'istio'] });
const read = { kind: 'hello', serverName: sni, protocols: ['istio-peer-exchange', 'istio'] };

t.test('a hello says for which server it is and which protocols are offered, in their order', async (t) => {
  t.strictSame(readClientHello(sidecar), read);
  const h2 = await helloOf({ ALPNProtocols: ['h2', 'http/1.1'] });
  t.strictSame(readClientHello(h2), { kind: 'hello', serverName: undefined, protocols: ['h2', 'http/1.1'] });
  t.strictSame(readClientHello(await helloOf({})), { kind: 'hello', serverName: undefined, protocols: [] });
});

t.test('until its last byte it may still be one, and what follows does not matter', async (t) => {
  for (let length = 1; length < sidecar.length; length += 1) {
    const { kind } = readClientHello(sidecar.subarray(0, length));
    if (kind !== 'incomplete') t.fail(`${kind} after ${length} bytes`);
  }
  t.strictSame(readClientHello(Buffer.concat([sidecar, Buffer.from('early data')])), read);
});

t.test('it may be spread over records, each of which may come in pieces', async (t) => {
  for (const size of [150, 300, 1000]) {
    const spread = inRecords(sidecar, size);
    t.strictSame(readClientHello(spread), read, `records of ${size}`);
    t.equal(readClientHello(spread.subarray(0, -1)).kind, 'incomplete');
  }
});

t.test('other protocols are told from the first byte that differs', async (t) => {
  for (const text of [
    'GET / HTTP/1.1\r\n',
    'PRI * HTTP/2.0',
    'SSH-2.0-x',
    '\x16\x02',
    '\x15\x03\x01\x00\x02',
    '\x00',
  ]) {
    t.equal(readClientHello(Buffer.from(text, 'latin1')).kind, 'no-hello', JSON.stringify(text));
  }
  t.equal(readClientHello(Buffer.from('160301000000', 'hex')).kind, 'no-hello', 'an empty record');
  t.equal(readClientHello(Buffer.from('16030100020200', 'hex')).kind, 'no-hello', 'a server hello');
  t.equal(readClientHello(Buffer.concat([inRecords(sidecar, 50).subarray(0, 55), Buffer.from('no')])).kind, 'no-hello');
});

t.test('one in more records than anybody needs is none, so that looking at it stays cheap', async (t) => {
  const first = inRecords(sidecar, 1).subarray(0, 16 * 6);
  t.equal(readClientHello(first).kind, 'incomplete');
  t.equal(readClientHello(Buffer.concat([first, Buffer.from([22])])).kind, 'no-hello');
});

t.test('one that announces more than any client sends is none', async (t) => {
  const announce = (bytes: number): Buffer => {
    const message = Buffer.from([1, 0, 0, 0]);
    message.writeUIntBE(bytes - 4, 1, 3);
    return Buffer.concat([Buffer.from([22, 3, 1, 0x40, 0]), message]);
  };
  t.equal(readClientHello(announce(maxClientHelloBytes)).kind, 'incomplete');
  t.equal(readClientHello(announce(maxClientHelloBytes + 1)).kind, 'no-hello');
  const endless = inRecords(Buffer.concat([announce(maxClientHelloBytes), Buffer.alloc(maxClientHelloBytes)]), 100);
  t.not(readClientHello(endless).kind, 'incomplete', 'enough has come to tell');
});

t.test('whatever the bytes, there is an answer', async (t) => {
  const random = randomFrom(7);
  for (let round = 0; round < 5_000; round += 1) {
    const bytes = Buffer.from(sidecar);
    for (let change = 0; change < 1 + random() * 4; change += 1) {
      bytes[Math.floor(random() * bytes.length)] = Math.floor(random() * 256);
    }
    const { kind } = readClientHello(bytes.subarray(0, 1 + Math.floor(random() * bytes.length)));
    if (!['hello', 'no-hello', 'incomplete'].includes(kind)) t.fail(kind);
  }
  t.pass('5000 mutilated hellos');
});
