// Asks the gate of a running mesh, over the machine's loopback: its status, and the metrics of all its daemons.
import { once } from 'node:events';
import { get, type IncomingMessage } from 'node:http';
import { MeshError } from '../../common/errors.ts';
import type { MeshStatus } from './mesh-status.ts';
import { parsePrometheusText, type Sample } from './prometheus-text.ts';

const timeoutMs = 5_000;

/** @throws MeshError IO_FAILED */
export async function fetchStatus(gateUrl: string): Promise<MeshStatus> {
  const status: MeshStatus = JSON.parse(await fetchText(new URL('/status.json', gateUrl)));
  return status;
}

/** A daemon that does not answer yet has no samples. */
export async function fetchSamples(status: MeshStatus): Promise<readonly Sample[]> {
  const urls = [status.ztunnel.metricsUrl, ...status.waypoints.map((waypoint) => waypoint.metricsUrl)];
  const texts = await Promise.all(urls.map((url) => fetchText(new URL(url)).catch(() => '')));
  return texts.flatMap(parsePrometheusText);
}

async function fetchText(url: URL): Promise<string> {
  const request = get(url, { timeout: timeoutMs, agent: false });
  request.on('timeout', () => request.destroy(new Error(`no answer within ${timeoutMs} ms`)));
  try {
    const [response]: IncomingMessage[] = await once(request, 'response');
    const chunks: Buffer[] = [];
    if (response === undefined) throw new Error('no answer');
    for await (const chunk of response) chunks.push(chunk);
    const text = Buffer.concat(chunks).toString();
    if (response.statusCode !== 200) throw new Error(`${response.statusCode}: ${text.trim()}`);
    return text;
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new MeshError('IO_FAILED', `${url} cannot be read (${reason}); is the mesh still running?`, { cause });
  }
}
