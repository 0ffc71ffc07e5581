// The gate: one HTTP server on the machine's own loopback, whose socket the launcher opened outside and handed in. Shows
// the mesh's status and passes requests for metrics and admin on to the daemons inside. Reads only.
import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from 'node:http';
import type { MeshStatus } from '../mesh-status.ts';
import { type GateRoute, overviewPage, routeGatePath, scrapeTargets } from './gate-pages.ts';

export interface GateOptions {
  /** A listening socket's descriptor, or where to listen. */
  readonly listen: { readonly fd: number } | { readonly host: string; readonly port: number };
  readonly status: () => MeshStatus;
  readonly ztunnel: {
    readonly host: string;
    readonly metricsPort: number;
    readonly adminHost: string;
    readonly adminPort: number;
  };
}

const upstreamTimeoutMs = 5_000;

export function startGate(options: GateOptions): Server {
  const server = createServer((incoming, response) => {
    if (incoming.method !== 'GET' && incoming.method !== 'HEAD') refuse(response, 405, 'the gate is for reading');
    else if (!isLocalName(incoming)) refuse(response, 403, 'ask for the gate by its address or as localhost');
    else answer(options, incoming, response);
  });
  server.listen(options.listen);
  return server;
}

/** A page of another origin must not read the mesh through a name that it points at 127.0.0.1. */
function isLocalName(incoming: IncomingMessage): boolean {
  const host = (incoming.headers.host ?? '').replace(/:\d+$/, '');
  return host === '127.0.0.1' || host === 'localhost' || host === '';
}

function answer(options: GateOptions, incoming: IncomingMessage, response: ServerResponse): void {
  const status = options.status();
  const route = routeGatePath(incoming.url ?? '/');
  switch (route.kind) {
    case 'overview':
      send(response, 'text/html; charset=utf-8', overviewPage(status));
      break;
    case 'status':
      send(response, 'application/json', `${JSON.stringify(status, null, 2)}\n`);
      break;
    case 'targets':
      send(response, 'application/json', `${JSON.stringify(scrapeTargets(status))}\n`);
      break;
    default: {
      const upstream = upstreamOf(route, options, status);
      if (upstream === undefined) refuse(response, 404, 'nothing here: see / for what there is');
      else passOn(upstream, incoming, response);
    }
  }
}

function upstreamOf(route: GateRoute, { ztunnel }: GateOptions, status: MeshStatus): Upstream | undefined {
  if (route.kind === 'ztunnel-metrics') return { host: ztunnel.host, port: ztunnel.metricsPort, path: '/metrics' };
  if (route.kind === 'ztunnel-admin') return { host: ztunnel.adminHost, port: ztunnel.adminPort, path: route.path };
  if (route.kind !== 'waypoint') return undefined;
  const pod = status.waypoints.find((each) => each.namespace === route.namespace && each.pod === route.pod);
  return pod && { host: pod.address, port: route.port, path: '/stats/prometheus' };
}

interface Upstream {
  readonly host: string;
  readonly port: number;
  readonly path: string;
}

function passOn(to: Upstream, incoming: IncomingMessage, response: ServerResponse): void {
  const headers = incoming.headers.accept === undefined ? {} : { accept: incoming.headers.accept };
  const upstream = request(
    { ...to, method: incoming.method ?? 'GET', headers, timeout: upstreamTimeoutMs, agent: false },
    (reply) => {
      const type = reply.headers['content-type'];
      response.writeHead(reply.statusCode ?? 502, type === undefined ? {} : { 'content-type': type });
      reply.on('error', () => response.destroy());
      reply.pipe(response);
    },
  );
  upstream.on('timeout', () => upstream.destroy(new Error(`no answer within ${upstreamTimeoutMs} ms`)));
  upstream.on('error', (error) => {
    if (response.headersSent) response.destroy();
    else refuse(response, 502, `${to.host}:${to.port} does not answer: ${error.message}`);
  });
  response.on('close', () => upstream.destroy());
  upstream.end();
}

function send(response: ServerResponse, type: string, text: string): void {
  response.writeHead(200, { 'content-type': type });
  response.end(text);
}

function refuse(response: ServerResponse, code: number, reason: string): void {
  response.writeHead(code, { 'content-type': 'text/plain; charset=utf-8' });
  response.end(`${reason}\n`);
}
