// Requests to the Kubernetes API: where it is and who we are comes from a kubeconfig file or from the pod we run in, through
// Kubernetes' own client, which reads the account's token again as it is renewed. A path in; pages or lines of a watch out.
import type { IncomingMessage, RequestOptions } from 'node:http';
import { request } from 'node:https';
import type { KubeConfig } from '@kubernetes/client-node';
import { MeshError } from '../../errors.ts';
import { reasonOfRefusal } from './api-objects.ts';
import type { KubernetesAccess } from './kubernetes-access.ts';
import { LineSplitter } from './line-splitter.ts';

/** The API server answered, and refused. */
export class ApiRefusal extends Error {
  readonly status: number;

  constructor(status: number, reason: string) {
    super(`${status} ${reason}`);
    this.name = 'ApiRefusal';
    this.status = status;
  }
}

export interface ApiRequest {
  readonly path: string;
  readonly query: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
}

export interface ApiAnswer {
  /** Parsed JSON. */
  readonly value: unknown;
  readonly sizeBytes: number;
}

export interface WatchSink {
  readonly longestMs: number;
  /** The server has accepted the watch. */
  readonly onOpen: () => void;
  readonly onLines: (lines: readonly string[]) => void;
}

export interface ApiClient {
  /** Finds out where the API is. @throws MeshError CONFIG_INVALID where that cannot be told */
  open(): Promise<void>;
  /** @throws ApiRefusal, or the failure of the connection */
  get(request: ApiRequest): Promise<ApiAnswer>;
  /** Resolves when the server ends the watch. @throws ApiRefusal, or the failure of the connection */
  watch(request: ApiRequest, events: WatchSink): Promise<void>;
}

const maxBodyBytes = 128 * 1024 * 1024;
const maxLineBytes = 8 * 1024 * 1024;
const silenceMs = 60_000;
const keepAliveMs = 15_000;

export function createApiClient(access: KubernetesAccess): ApiClient {
  let config: Promise<KubeConfig> | undefined;
  const configured = (): Promise<KubeConfig> => {
    config ??= loadConfig(access);
    return config;
  };

  async function send({ path, query, signal }: ApiRequest, longestSilenceMs: number): Promise<IncomingMessage> {
    try {
      const answer = await connect(await configured(), path, query, signal, longestSilenceMs);
      const status = answer.statusCode ?? 0;
      if (status === 200) return answer;
      // Whatever was cached of us may be what is refused: token, certificate.
      if (status === 401) config = undefined;
      throw new ApiRefusal(status, reasonOfRefusal(await readBody(answer)));
    } catch (error) {
      if (!(error instanceof ApiRefusal)) config = undefined;
      throw error;
    }
  }

  return {
    async open() {
      await configured();
    },
    async get(wanted) {
      const body = await readBody(await send(wanted, silenceMs));
      return { value: JSON.parse(body), sizeBytes: body.length };
    },
    async watch(wanted, { longestMs, onOpen, onLines }) {
      const lines = new LineSplitter(maxLineBytes);
      const answer = await send(wanted, longestMs);
      onOpen();
      for await (const chunk of answer) onLines(lines.push(chunk));
    },
  };
}

async function loadConfig(access: KubernetesAccess): Promise<KubeConfig> {
  // Loaded here because it is large, and of use only where there is a cluster.
  const { KubeConfig } = await import('@kubernetes/client-node');
  const config = new KubeConfig();
  try {
    if (access.kind === 'in-cluster') config.loadFromCluster();
    else config.loadFromFile(access.path);
    const server = config.getCurrentCluster()?.server;
    if (server === undefined || URL.parse(server)?.protocol !== 'https:') throw new Error(`its server is "${server}"`);
    return config;
  } catch (error) {
    const where = access.kind === 'in-cluster' ? "the pod's service account" : `kubeconfig ${access.path}`;
    throw new MeshError('CONFIG_INVALID', `${where} leads to no Kubernetes API over https: ${textOf(error)}`, {
      cause: error,
    });
  }
}

async function connect(
  config: KubeConfig,
  path: string,
  query: Readonly<Record<string, string>>,
  signal: AbortSignal,
  longestSilenceMs: number,
): Promise<IncomingMessage> {
  const url = new URL(`${config.getCurrentCluster()?.server}${path}`);
  for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
  const options: RequestOptions = { headers: { accept: 'application/json', 'user-agent': 'ambientd' }, signal };
  await config.applyToHTTPSOptions(options);
  return new Promise((settle, fail) => {
    const asked = request(url, options, settle);
    asked.on('error', fail);
    asked.on('socket', (socket) => socket.setKeepAlive(true, keepAliveMs));
    asked.setTimeout(longestSilenceMs, () =>
      asked.destroy(new Error(`no answer from ${url.host} for ${longestSilenceMs} ms`)),
    );
    asked.end();
  });
}

async function readBody(answer: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  let sizeBytes = 0;
  for await (const part of answer) {
    sizeBytes += part.length;
    if (sizeBytes > maxBodyBytes) throw new Error(`the answer is larger than ${maxBodyBytes} bytes`);
    parts.push(part);
  }
  return Buffer.concat(parts).toString('utf8');
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
