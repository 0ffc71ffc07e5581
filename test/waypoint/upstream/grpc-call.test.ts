// gRPC calls of the waypoint itself, against a real gRPC server and against servers that are none.
import { once } from 'node:events';
import { createServer, type ServerHttp2Stream } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { status } from '@grpc/grpc-js';
import t, { type Test } from 'tap';
import { createPlainSocketFactory } from '../../../common/net/plain-socket-factory-socket.ts';
import { encodeExportRequest, encodeLogRecord, exportLogsPath } from '../../../common/telemetry/otlp/otlp-codec.ts';
import { ByteStreamDuplex } from '../../../waypoint/http/byte-stream-duplex.ts';
import { createHttp2Client } from '../../../waypoint/http/http2-client.ts';
import { callGrpc, type GrpcAnswer } from '../../../waypoint/upstream/grpc-call.ts';
import { endAt } from '../../support/mesh-objects.ts';
import { startOtlpCollector } from '../../support/otlp-collector.ts';

const sockets = createPlainSocketFactory();
const record = encodeLogRecord({ timeMs: 1, observedMs: 1, body: 'line', attributes: [], trace: undefined });
const message = encodeExportRequest([], 'als', [record]);

function callTo(t: Test, port: number, timeoutMs = 10_000): () => Promise<GrpcAnswer> {
  const to = endAt(`127.0.0.1:${port}`);
  const client = createHttp2Client(
    `127.0.0.1:${port}`,
    async () => new ByteStreamDuplex(await sockets.connectStream({ to })),
  );
  t.teardown(() => client.close());
  return () => callGrpc(client, { authority: 'collector:4317', path: exportLogsPath, message, timeoutMs });
}

t.test('a call reaches a real server, again and again, and its failures have their status', async (t) => {
  const collector = await startOtlpCollector(t, '127.0.0.1');
  const call = callTo(t, collector.port);
  t.same(await call(), { kind: 'ok', message: Buffer.alloc(0) });
  collector.answer(status.UNAVAILABLE);
  t.match(await call(), { kind: 'failed', status: 14, reason: 'gRPC status 14: as the test wants it' });
  collector.answer(undefined);
  t.match(await call(), { kind: 'ok' });
  t.same(
    (await collector.records(2)).map(({ body }) => body),
    ['line', 'line'],
  );
});

t.test('a server that is away is unavailable, and found again when it is back', async (t) => {
  const first = await startOtlpCollector(t, '127.0.0.1');
  const call = callTo(t, first.port);
  t.match(await call(), { kind: 'ok' });
  first.stop();
  t.match(await call(), { kind: 'failed', status: 14 });
  const second = await startOtlpCollector(t, '127.0.0.1', first.port);
  while ((await call()).kind !== 'ok') await new Promise((resolve) => setTimeout(resolve, 20));
  t.ok((await second.records(1)).length > 0);
});

t.test('what is no gRPC answer is a failure that says why', async (t) => {
  const cases: readonly [string, (stream: ServerHttp2Stream) => void, object][] = [
    ['another HTTP server', (stream) => stream.end('hello'), { status: 2, reason: /HTTP 200 without/ }],
    [
      'a proxy that refuses',
      (stream) => {
        stream.respond({ ':status': 503 });
        stream.end();
      },
      { status: 14, reason: /HTTP 503/ },
    ],
    [
      'a cut message',
      (stream) => {
        stream.respond({ ':status': 200, 'grpc-status': '0' });
        stream.end(Buffer.from([0, 0, 0, 0, 9, 1]));
      },
      { status: 13, reason: /not one message/ },
    ],
    [
      'an answer without end',
      (stream) => {
        stream.respond({ ':status': 200 });
        stream.end(Buffer.alloc(70_000));
      },
      { status: 13, reason: /more than 65536 bytes/ },
    ],
    ['silence', () => {}, { status: 4, reason: /no answer within/ }],
  ];
  for (const [name, answer, expected] of cases) {
    const server = createServer();
    server.on('stream', (stream) => {
      stream.on('error', () => {});
      answer(stream);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    t.teardown(() => server.close());
    const call = callTo(t, (server.address() as AddressInfo).port, name === 'silence' ? 100 : 10_000);
    t.match(await call(), { kind: 'failed', ...expected }, name);
  }
});
