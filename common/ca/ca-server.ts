// The embedded CA on the network: Istio's CreateCertificate call over TLS. In: requests with a bearer token. Out: leaf
// and root, or a gRPC status with the reason. What is answered is decided in `answer-request.ts`.
import {
  experimental,
  logVerbosity,
  Server,
  type ServerCredentials,
  type ServerUnaryCall,
  type sendUnaryData,
  setLogVerbosity,
  status,
} from '@grpc/grpc-js';
import { MeshError } from '../errors.ts';
import type { ServerCertificate } from '../identity/certificate-authority.ts';
import type { Runnable } from '../lifecycle.ts';
import type { Logger } from '../log.ts';
import { formatSocketAddress, type SocketAddress } from '../net/address.ts';
import { answerRequest, bearerToken, type CaAnswer, type CaRules } from './answer-request.ts';
import {
  type CertificateRequest,
  type CertificateResponse,
  createCertificatePath,
  decodeCertificateRequest,
  encodeCertificateResponse,
} from './citadel-codec.ts';

export interface CaServerOptions extends CaRules {
  /** From `issueServerCertificate`, for the names by which clients dial this server. */
  readonly tls: ServerCertificate;
  /** Port 0 takes a free one. */
  readonly listen: SocketAddress;
  readonly log: Logger;
  /** Told of each answer, for counting. */
  readonly onAnswer?: (answer: CaAnswer) => void;
}

export interface CaServer extends Runnable {
  /** Where it listens, once started. */
  readonly address: SocketAddress;
  /** Connections from now on see this certificate; those there are stay. */
  useCertificate(tls: ServerCertificate): void;
}

type Call = ServerUnaryCall<CertificateRequest, CertificateResponse>;

/** No signing request comes near this. */
const maxMessageBytes = 65_536;

export function createCaServer(options: CaServerOptions): CaServer {
  const { listen, log, tls } = options;
  // What fails is told by callbacks; the library would print it on stderr a second time.
  setLogVerbosity(logVerbosity.NONE);
  const server = new Server({ 'grpc.max_receive_message_length': maxMessageBytes });
  const handle = (call: Call, done: sendUnaryData<CertificateResponse>) => void answer(options, call, done);
  server.register(createCertificatePath, handle, encodeCertificateResponse, decodeCertificateRequest, 'unary');
  const certificate = createServedCertificate(tls);
  let address = listen;

  return {
    get address() {
      return address;
    },
    useCertificate: certificate.change,
    async start() {
      const port = await bind(server, listen, certificate.credentials);
      address = { ip: listen.ip, port };
      log.info({ address: formatSocketAddress(address) }, 'CA listening');
    },
    async drain(deadlineMs) {
      const timer = setTimeout(() => server.forceShutdown(), deadlineMs);
      await new Promise<void>((resolve) => server.tryShutdown(() => resolve()));
      clearTimeout(timer);
    },
    async close() {
      server.forceShutdown();
    },
  };
}

interface ServedCertificate {
  readonly credentials: ServerCredentials;
  change(tls: ServerCertificate): void;
}

/** The library takes a new certificate from a provider only; clients need none of their own. */
function createServedCertificate(first: ServerCertificate): ServedCertificate {
  const listeners = new Set<experimental.IdentityCertificateUpdateListener>();
  const asUpdate = ({ chainPem, keyPem }: ServerCertificate): experimental.IdentityCertificateUpdate => ({
    certificate: Buffer.from(chainPem),
    privateKey: Buffer.from(keyPem),
  });
  let current = asUpdate(first);
  const provider: experimental.CertificateProvider = {
    addCaCertificateListener() {},
    removeCaCertificateListener() {},
    addIdentityCertificateListener(listener) {
      listeners.add(listener);
      // Its own credentials are not complete before they have returned from here.
      queueMicrotask(() => listeners.has(listener) && listener(current));
    },
    removeIdentityCertificateListener: (listener) => void listeners.delete(listener),
  };
  return {
    credentials: experimental.createCertificateProviderServerCredentials(provider, null, false),
    change(tls) {
      current = asUpdate(tls);
      for (const listener of listeners) listener(current);
    },
  };
}

async function answer(options: CaServerOptions, call: Call, done: sendUnaryData<CertificateResponse>): Promise<void> {
  const [authorization] = call.metadata.get('authorization');
  const answered = await answerRequest(options, call.request, bearerToken(authorization?.toString()));
  options.onAnswer?.(answered);
  if (answered.kind === 'issued') {
    options.log.info({ identity: answered.identity.uri, peer: call.getPeer() }, 'certificate issued');
    done(null, { chain: answered.chain });
    return;
  }
  const { reason } = answered;
  options.log.warn({ peer: call.getPeer(), status: answered.status, reason }, 'certificate refused');
  done({ code: status[answered.status], details: reason });
}

function bind(server: Server, listen: SocketAddress, credentials: ServerCredentials): Promise<number> {
  const address = formatSocketAddress(listen);
  return new Promise((resolve, reject) => {
    server.bindAsync(address, credentials, (cause, port) => {
      if (cause === null) return resolve(port);
      const code = cause.message.includes('EADDRINUSE') ? 'ADDRESS_IN_USE' : 'IO_FAILED';
      const message = `the CA cannot listen on ${address}: ${cause.message}; choose another address or port`;
      reject(new MeshError(code, message, { cause }));
    });
  });
}
