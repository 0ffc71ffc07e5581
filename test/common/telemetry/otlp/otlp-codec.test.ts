// OTLP's messages, byte by byte, and as the published schema reads them.
import t from 'tap';
import {
  decodeExportResponse,
  encodeExportRequest,
  encodeLogRecord,
  type OtlpLogRecord,
} from '../../../../common/telemetry/otlp/otlp-codec.ts';
import { readExportRequest } from '../../../support/otlp-messages.ts';
import { randomFrom } from '../../../support/random-from.ts';

const record: OtlpLogRecord = { timeMs: 1.5, observedMs: 2, body: 'x', attributes: [['k', 'v']], trace: undefined };

t.test('a record, byte by byte', async (t) => {
  t.equal(
    Buffer.from(encodeLogRecord(record)).toString('hex'),
    [
      '0960e3160000000000', // time_unix_nano, fixed64: 1 500 000
      '2a03', // body
      '0a0178', // string_value
      '3208', // attributes
      '0a016b', // key
      '12030a0176', // value, string_value
      '5980841e0000000000', // observed_time_unix_nano: 2 000 000
    ].join(''),
  );
});

t.test('a request, byte by byte', async (t) => {
  t.equal(
    encodeExportRequest([['a', 'b']], 's', [Buffer.from([0x2a, 0])]).toString('hex'),
    [
      '0a17', // resource_logs
      '0a0a', // resource
      '0a08', // attributes
      '0a0161', // key
      '12030a0162', // value, string_value
      '1209', // scope_logs
      '0a03', // scope
      '0a0173', // name
      '12022a00', // log_records
    ].join(''),
  );
});

t.test('an answer says how many records were refused', async (t) => {
  t.same(decodeExportResponse(Buffer.alloc(0)), { rejected: 0, message: '' });
  t.same(decodeExportResponse(Buffer.from('0a080803' + '12046e6f2121', 'hex')), { rejected: 3, message: 'no!!' });
});

t.test('an answer that is none is an error, whatever it holds', async (t) => {
  const random = randomFrom(3);
  for (let round = 0; round < 2_000; round += 1) {
    const bytes = Buffer.from(Array.from({ length: Math.floor(random() * 24) }, () => Math.floor(random() * 256)));
    try {
      t.type(decodeExportResponse(bytes).rejected, 'number');
    } catch (error) {
      t.match(error, { code: 'RESOURCE_INVALID' }, bytes.toString('hex'));
    }
  }
});

t.test('whatever a record holds, the schema reads it back', async (t) => {
  const random = randomFrom(5);
  const text = (): string =>
    String.fromCodePoint(...Array.from({ length: Math.floor(random() * 300) }, () => Math.floor(random() * 0xd7ff)));
  const records = Array.from({ length: 50 }, (_, index): OtlpLogRecord => {
    const trace = { traceId: Buffer.alloc(16, index + 1), spanId: Buffer.alloc(8, index + 1), flags: 1 };
    return {
      timeMs: 1_780_000_000_000 + random() * 1e6,
      observedMs: 1_790_000_000_000,
      body: text(),
      attributes: Array.from({ length: index % 4 }, () => [text(), text()] as const),
      trace: index % 2 === 0 ? trace : undefined,
    };
  });
  const request = encodeExportRequest([['service.name', 'gate']], 'als', records.map(encodeLogRecord));
  const read = readExportRequest(request);
  t.same(read.resource, { 'service.name': 'gate' });
  t.equal(read.scope, 'als');
  t.equal(read.records.length, records.length);
  for (const [index, { timeMs, body, attributes, trace }] of records.entries()) {
    const found = read.records[index];
    t.equal(found?.timeUnixNano, BigInt(Math.round(timeMs * 1_000)) * 1_000n);
    t.equal(found?.body, body);
    t.same(found?.attributes, attributes);
    t.equal(found?.traceId, trace === undefined ? '' : Buffer.from(trace.traceId).toString('hex'));
  }
});
