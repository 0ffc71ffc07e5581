// A gRPC call on node:http2, against bare HTTP/2 servers: messages as they come, and every way in which it may end.
import { once } from 'node:events';
import { createSecureServer, type Http2SecureServer, type ServerHttp2Stream } from 'node:http2';
import { type AddressInfo, createServer } from 'node:net';
import t, { type Test } from 'tap';
import { frameMessage } from '../../../common/grpc/grpc-frames.ts';
import { type GrpcCall, type GrpcStream, openGrpcStream } from '../../../common/grpc/grpc-stream-client.ts';
import { createCertificateAuthority } from '../../../common/identity/certificate-authority.ts';

async function serve(t: Test, answer: (stream: ServerHttp2Stream, server: Http2SecureServer) => void) {
  const authority = await createCertificateAuthority({ trustDomain: 'cluster.local' });
  const { chainPem, keyPem } = await authority.issueServerCertificate(['127.0.0.1']);
  const server = createSecureServer({ cert: chainPem, key: keyPem });
  server.on('stream', (stream) => {
    stream.on('error', () => {});
    answer(stream, server);
  });
  server.on('sessionError', () => {});
  const sessions = new Set<{ destroy(): void }>();
  server.on('session', (session) => sessions.add(session));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const cut = () => {
    for (const session of sessions) session.destroy();
  };
  t.teardown(() => {
    cut();
    server.close();
  });
  return { address: `https://127.0.0.1:${(server.address() as AddressInfo).port}`, rootPem: authority.rootsPem, cut };
}

function call(given: Pick<GrpcCall, 'address' | 'rootPem'> & Partial<GrpcCall>): Promise<GrpcStream> {
  const { signal } = new AbortController();
  return openGrpcStream({
    ...{
      path: '/test/Call',
      headers: { 'x-told': 'yes' },
      maxMessageBytes: 10_000_000,
      connectTimeoutMs: 10_000,
      signal,
    },
    ...given,
  });
}

async function readAll(stream: GrpcStream): Promise<readonly string[]> {
  const messages: string[] = [];
  for await (const pieces of stream.messages()) messages.push(Buffer.concat(pieces).toString());
  return messages;
}

const ok = { ':status': 200, 'content-type': 'application/grpc' };

function endWith(stream: ServerHttp2Stream, trailers: Record<string, string>): void {
  stream.on('wantTrailers', () => stream.sendTrailers(trailers));
  stream.end();
}

t.test('what is sent arrives, and what comes is told in its order until the end', async (t) => {
  const heard: unknown[] = [];
  const large = 'x'.repeat(3_000_000);
  const server = await serve(t, (stream) => {
    stream.once('data', (chunk: Buffer) => {
      heard.push(chunk.subarray(5).toString());
      stream.respond(ok, { waitForTrailers: true });
      for (const text of ['one', large, 'three']) stream.write(frameMessage(Buffer.from(text)));
      endWith(stream, { 'grpc-status': '0' });
    });
  });
  const stream = await call(server);
  stream.send(Buffer.from('hello'));
  t.same(await readAll(stream), ['one', large, 'three']);
  t.same(heard, ['hello']);
  stream.close();
});

t.test('a status is told with its details, whether it comes first or last', async (t) => {
  const server = await serve(t, (stream) => {
    if (stream.sentHeaders === undefined) {
      stream.respond({ ...ok, 'grpc-status': '16', 'grpc-message': 'no%20token' }, { endStream: true });
    }
  });
  await t.rejects(readAll(await call(server)), { name: 'GrpcFailure', code: 16, details: 'no token' });
  const later = await serve(t, (stream) => {
    stream.respond(ok, { waitForTrailers: true });
    stream.write(frameMessage(Buffer.from('one')));
    endWith(stream, { 'grpc-status': '8', 'grpc-message': '100% full' });
  });
  await t.rejects(readAll(await call(later)), { code: 8, details: '100% full' });
});

t.test('who answers, and is no gRPC server, is told from one', async (t) => {
  const server = await serve(t, (stream) => stream.respond({ ':status': 503 }, { endStream: true }));
  await t.rejects(readAll(await call(server)), { code: 2, details: 'it answered with HTTP status 503' });
});

t.test('a connection that goes away under the call is told as such, with what had come before', async (t) => {
  const server = await serve(t, (stream) => {
    stream.respond(ok);
    stream.write(frameMessage(Buffer.from('one')));
  });
  const messages = (await call(server)).messages();
  t.match(await messages.next(), { done: false });
  server.cut();
  await t.rejects(messages.next(), { code: 14, details: /connection dropped/ });
});

t.test('who does not answer is given up', async (t) => {
  const silent = createServer(() => {}).listen(0, '127.0.0.1');
  t.teardown(() => silent.close());
  await once(silent, 'listening');
  const address = `https://127.0.0.1:${(silent.address() as AddressInfo).port}`;
  const refused = call({ address, rootPem: '', connectTimeoutMs: 50 });
  await t.rejects(refused, { code: 'UPSTREAM_CONNECT_TIMEOUT', message: 'no connection within 50 ms' });
  const ending = new AbortController();
  const ended = call({ address, rootPem: '', signal: ending.signal });
  ending.abort();
  await t.rejects(ended, { name: 'AbortError' });
});

t.test('the caller ends it, while it waits and between two messages', async (t) => {
  const server = await serve(t, (stream) => stream.respond(ok));
  const ending = new AbortController();
  const stream = await call({ ...server, signal: ending.signal });
  const reading = readAll(stream);
  ending.abort(new Error('enough'));
  await t.rejects(reading, { message: 'enough' });
  const closed = await call(server);
  const waiting = t.rejects(readAll(closed));
  closed.close();
  await waiting;
});
