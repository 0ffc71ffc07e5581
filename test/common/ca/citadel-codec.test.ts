import t, { type Test } from 'tap';
import {
  decodeCertificateRequest,
  decodeCertificateResponse,
  encodeCertificateRequest,
  encodeCertificateResponse,
} from '../../../common/ca/citadel-codec.ts';
import { MeshError } from '../../../common/errors.ts';
import { randomFrom } from '../../support/random-from.ts';

const hex = (text: string): string => Buffer.from(text).toString('hex');
const own = { impersonated: undefined };
const request = { csrPem: 'CSR', validitySeconds: 86_400, impersonated: 'spiffe://a' };
const requestBytes = Buffer.from(
  [
    `0a03${hex('CSR')}`, // 1: csr
    '1880a305', // 3: validity_duration
    '2226', // 4: metadata, a Struct …
    '0a24', // … with one field
    `0a14${hex('ImpersonatedIdentity')}`, // named so
    `120c1a0a${hex('spiffe://a')}`, // 3: string_value
  ].join(''),
  'hex',
);

t.test("a request has the bytes of Istio's schema", async (t) => {
  t.equal(encodeCertificateRequest(request).toString('hex'), requestBytes.toString('hex'));
  t.same(decodeCertificateRequest(requestBytes), request);
});

t.test('a request of a workload for itself has no metadata', async (t) => {
  const alone = { ...request, ...own };
  t.equal(encodeCertificateRequest(alone).toString('hex'), '0a034353521880a305');
  t.same(decodeCertificateRequest(Buffer.from('0a034353521880a305', 'hex')), alone);
});

t.test('what a request leaves out has its default', async (t) => {
  t.same(decodeCertificateRequest(Buffer.alloc(0)), { csrPem: '', validitySeconds: 0, impersonated: undefined });
});

t.test('metadata of other names and kinds is skipped', async (t) => {
  const numberValue = `0a0e0a0141120911${'00'.repeat(6)}f03f`;
  const struct = Buffer.from(numberValue, 'hex');
  const bytes = Buffer.concat([Buffer.from([0x22, struct.length]), struct]);
  t.equal(decodeCertificateRequest(bytes).impersonated, undefined);
  const notText = Buffer.from(`221a0a180a14${hex('ImpersonatedIdentity')}1200`, 'hex');
  t.equal(decodeCertificateRequest(notText).impersonated, undefined);
});

t.test("a response has the bytes of Istio's schema", async (t) => {
  const response = { chain: ['leaf', 'root'] };
  const bytes = `0a04${hex('leaf')}0a04${hex('root')}`;
  t.equal(encodeCertificateResponse(response).toString('hex'), bytes);
  t.same(decodeCertificateResponse(Buffer.from(bytes, 'hex')), response);
  t.same(decodeCertificateResponse(Buffer.alloc(0)), { chain: [] });
});

t.test('the bytes are those of the encoder by schema that was here before', async (t) => {
  const key = `0a14${hex('ImpersonatedIdentity')}`;
  const long = `spiffe://cluster.local/ns/shop/sa/${'a'.repeat(120)}`;
  const requests = [
    [{ csrPem: '', validitySeconds: 0, ...own }, ''],
    [{ csrPem: 'C', validitySeconds: -1, ...own }, '0a014318ffffffffffffffffff01'],
    [{ csrPem: 'C'.repeat(200), validitySeconds: 600, ...own }, `0ac801${'43'.repeat(200)}18d804`],
    [{ csrPem: '', validitySeconds: 0, impersonated: '' }, `221c0a1a${key}12021a00`],
    [
      { csrPem: 'é', validitySeconds: 2 ** 40, impersonated: long },
      `0a02c3a91880808080802022b9010ab601${key}129d011a9a01${hex(long)}`,
    ],
  ] as const;
  for (const [value, bytes] of requests) {
    t.equal(encodeCertificateRequest(value).toString('hex'), bytes);
    const read = { ...value, impersonated: value.impersonated === '' ? undefined : value.impersonated };
    t.same(decodeCertificateRequest(Buffer.from(bytes, 'hex')), read);
  }
  const chain = ['leaf', '', 'é', 'root'];
  t.equal(encodeCertificateResponse({ chain }).toString('hex'), '0a046c6561660a000a02c3a90a04726f6f74');
  t.same(decodeCertificateResponse(encodeCertificateResponse({ chain })), { chain });
  t.equal(encodeCertificateResponse({ chain: [] }).length, 0);
});

t.test('of what comes twice the last counts, and unknown fields of every kind are skipped', async (t) => {
  // Fields 15 and 16: a varint, eight bytes, bytes, four bytes, a group.
  const unknown = ['7801', `79${'00'.repeat(8)}`, '7a0141', `7d${'00'.repeat(4)}`, '7b78017c', '82010141'].join('');
  const text = `0a034353520a0144${unknown}1802${unknown}1880a305`;
  t.same(decodeCertificateRequest(Buffer.from(text, 'hex')), { csrPem: 'D', validitySeconds: 86_400, ...own });
  t.same(decodeCertificateResponse(Buffer.from(`${unknown}0a0141${unknown}`, 'hex')), { chain: ['A'] });
});

t.test('what is no message is refused with its size', async (t) => {
  const refused: Record<string, string> = {
    'a field beyond the end': '0a05414243',
    'field number 0': '0001',
    'the end of no group': '7c',
    'a group without an end': '7b7801',
    'groups without end': '7b'.repeat(60_000),
    'an unknown wire type': '7f',
    'a struct whose entry reaches beyond it': '22040a044142',
    'a value that reaches beyond its entry': `221c0a1a0a14${hex('ImpersonatedIdentity')}12051a0041`,
  };
  for (const [what, bytes] of Object.entries(refused)) {
    const message = `CreateCertificate request of ${bytes.length / 2} bytes`;
    const read = () => decodeCertificateRequest(Buffer.from(bytes, 'hex'));
    t.throws(read, { code: 'RESOURCE_INVALID', message: new RegExp(message) }, what);
  }
  t.throws(() => decodeCertificateResponse(Buffer.from('0a05', 'hex')), { message: /response of 2 bytes/ });
});

t.test('what is written is read; what is cut or bent is read otherwise or refused', async (t) => {
  const random = randomFrom(7);
  const below = (bound: number): number => Math.floor(random() * bound);
  const text = (): string => String.fromCodePoint(...Array.from({ length: below(40) }, () => 32 + below(0xd000)));
  for (let round = 0; round < 300; round++) {
    const impersonated = below(2) === 0 ? undefined : `spiffe://${text()}`;
    const value = { csrPem: text(), validitySeconds: below(2 ** 31), impersonated };
    const bytes = encodeCertificateRequest(value);
    t.same(decodeCertificateRequest(bytes), value);
    const chain = Array.from({ length: below(5) }, text);
    const answer = encodeCertificateResponse({ chain });
    t.same(decodeCertificateResponse(answer), { chain });
    for (const [whole, decode] of [
      [bytes, decodeCertificateRequest],
      [answer, decodeCertificateResponse],
    ] as const) {
      if (whole.length === 0) continue;
      const bent = Buffer.from(whole);
      bent[below(bent.length)] = below(256);
      for (const each of [bent, whole.subarray(0, below(whole.length))]) refusalOf(t, () => decode(each));
    }
  }
});

t.test('a message cut anywhere is read as a shorter one or refused, and never anything else', async (t) => {
  for (let length = 0; length < requestBytes.length; length++) {
    try {
      const cut = decodeCertificateRequest(requestBytes.subarray(0, length));
      t.ok(request.csrPem.startsWith(cut.csrPem), `cut to ${length} bytes`);
    } catch (error) {
      t.match(
        error,
        { code: 'RESOURCE_INVALID', message: /CreateCertificate request of \d+ bytes/ },
        `cut to ${length}`,
      );
    }
  }
});

/** Whatever the bytes are: a value, or this error. */
function refusalOf(t: Test, decode: () => unknown): void {
  try {
    decode();
  } catch (error) {
    if (error instanceof MeshError && error.code === 'RESOURCE_INVALID') return;
    t.fail(`refused with ${String(error)}`);
  }
}
