// A fake control plane: delta xDS over TLS on loopback, with the requests it got and the headers they came with. A test says
// what it answers; each stream is told apart.
import { once } from 'node:events';
import { Server, ServerCredentials, type ServerDuplexStream, type StatusObject } from '@grpc/grpc-js';
import type { Test } from 'tap';
import { createCertificateAuthority } from '../../common/identity/certificate-authority.ts';
import { deltaPath } from '../../common/xds/discovery-codec.ts';
import { encodeResponse, type ReadRequest, readRequest, type SentResponse } from './wds-messages.ts';

export interface ServedStream {
  readonly requests: readonly ReadRequest[];
  readonly headers: Readonly<Record<string, unknown>>;
  send(response: SentResponse): void;
  sendRaw(bytes: Buffer): void;
  /** Resolves with the request that answers this nonce. */
  answerTo(nonce: string): Promise<ReadRequest>;
  /** Resolves when the client has sent so many requests. */
  hasRequests(count: number): Promise<void>;
  end(): void;
  fail(status: Pick<StatusObject, 'code' | 'details'>): void;
}

export interface DeltaServer {
  readonly address: string;
  readonly rootPem: string;
  /** Resolves with the next stream that nobody has taken yet. */
  nextStream(): Promise<ServedStream>;
  close(): void;
}

type Call = ServerDuplexStream<Buffer, Buffer>;
const asIs = (bytes: Buffer): Buffer => bytes;

export async function startDeltaServer(
  t: Pick<Test, 'teardown'>,
  options: { port?: number; names?: readonly string[] } = {},
): Promise<DeltaServer> {
  const authority = await createCertificateAuthority({ trustDomain: 'cluster.local' });
  const { chainPem, keyPem } = await authority.issueServerCertificate(options.names ?? ['127.0.0.1']);
  const credentials = ServerCredentials.createSsl(null, [
    { cert_chain: Buffer.from(chainPem), private_key: Buffer.from(keyPem) },
  ]);
  const server = new Server();
  const waiting: ServedStream[] = [];
  const takers: ((stream: ServedStream) => void)[] = [];
  server.register(
    deltaPath,
    (call: Call) => {
      const stream = serve(call);
      const taker = takers.shift();
      if (taker === undefined) waiting.push(stream);
      else taker(stream);
    },
    asIs,
    asIs,
    'bidi',
  );
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync(`127.0.0.1:${options.port ?? 0}`, credentials, (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    ),
  );
  t.teardown(() => server.forceShutdown());
  const delta: DeltaServer = {
    address: `https://127.0.0.1:${port}`,
    rootPem: authority.rootsPem,
    nextStream: async () => waiting.shift() ?? new Promise((resolve) => takers.push(resolve)),
    close: () => server.forceShutdown(),
  };
  return delta;
}

function serve(call: Call): ServedStream {
  const requests: ReadRequest[] = [];
  call.on('data', (bytes: Buffer) => {
    requests.push(readRequest(bytes));
    call.emit('request');
  });
  call.on('error', () => {});
  const until = async <T>(find: () => T | undefined): Promise<T> => {
    for (;;) {
      const found = find();
      if (found !== undefined) return found;
      await once(call, 'request');
    }
  };
  return {
    requests,
    headers: call.metadata.getMap(),
    send: (response) => call.write(encodeResponse(response)),
    sendRaw: (bytes) => call.write(bytes),
    answerTo: (nonce) => until(() => requests.find((request) => request.responseNonce === nonce)),
    hasRequests: (count) => until(() => (requests.length >= count ? true : undefined)).then(() => {}),
    end: () => call.end(),
    fail: (status) => call.emit('error', status),
  };
}
