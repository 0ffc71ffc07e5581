import t from 'tap';
import {
  decodeCertificateRequest,
  decodeCertificateResponse,
  encodeCertificateRequest,
  encodeCertificateResponse,
} from '../../../common/ca/citadel-codec.ts';

const hex = (text: string): string => Buffer.from(text).toString('hex');
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
  const own = { ...request, impersonated: undefined };
  t.equal(encodeCertificateRequest(own).toString('hex'), '0a034353521880a305');
  t.same(decodeCertificateRequest(Buffer.from('0a034353521880a305', 'hex')), own);
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
