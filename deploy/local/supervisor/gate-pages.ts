// What the gate answers from the mesh's status alone: the overview page and the targets for Prometheus' http_sd_configs;
// and which daemon a path under /metrics or /admin belongs to. Status in, text or address out; pure.
import { describeMesh, type MeshStatus } from '../mesh-status.ts';

export interface ScrapeTarget {
  readonly targets: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
}

/** Prometheus asks the gate, which asks the daemon inside the mesh: so the path tells them apart. */
export function scrapeTargets(status: MeshStatus): readonly ScrapeTarget[] {
  const gate = new URL(status.gateUrl).host;
  const waypoints = status.waypoints.map((each) => ({
    targets: [gate],
    labels: {
      __metrics_path__: new URL(each.metricsUrl).pathname,
      instance: `${each.address}:15020`,
      job: 'waypoint',
      namespace: each.namespace,
      pod: each.pod,
    },
  }));
  const ztunnel = {
    targets: [gate],
    labels: {
      __metrics_path__: new URL(status.ztunnel.metricsUrl).pathname,
      instance: 'ztunnel:15020',
      job: 'ztunnel',
      namespace: 'istio-system',
      pod: 'ztunnel',
    },
  };
  return [ztunnel, ...waypoints];
}

export function overviewPage(status: MeshStatus): string {
  const links = ['/status.json', '/sd', ...metricsPaths(status), '/admin/ztunnel/config_dump'];
  const list = links.map((link) => `<li><a href="${escapeHtml(link)}">${escapeHtml(link)}</a></li>`).join('\n');
  return `<!doctype html><meta charset="utf-8"><title>ambientd: ${escapeHtml(status.mesh)}</title>
<pre>${escapeHtml(describeMesh(status).join('\n'))}</pre>
<ul>
${list}
</ul>
`;
}

export function metricsPaths(status: MeshStatus): readonly string[] {
  return [status.ztunnel.metricsUrl, ...status.waypoints.map((each) => each.metricsUrl)].map(
    (url) => new URL(url).pathname,
  );
}

export type GateRoute =
  | { readonly kind: 'overview' | 'status' | 'targets' | 'unknown' }
  | { readonly kind: 'ztunnel-metrics' }
  | { readonly kind: 'ztunnel-admin'; readonly path: string }
  | { readonly kind: 'waypoint'; readonly namespace: string; readonly pod: string; readonly port: 15020 | 15090 };

/** @param path with its query */
export function routeGatePath(path: string): GateRoute {
  const plain = path.split('?')[0] ?? '';
  if (plain === '/') return { kind: 'overview' };
  if (plain === '/status.json') return { kind: 'status' };
  if (plain === '/sd') return { kind: 'targets' };
  if (plain === '/metrics/ztunnel') return { kind: 'ztunnel-metrics' };
  if (path.startsWith('/admin/ztunnel/')) return { kind: 'ztunnel-admin', path: path.slice('/admin/ztunnel'.length) };
  const [, namespace, pod, second] = /^\/metrics\/([^/]+)\/([^/]+)(\/stats\/prometheus)?$/.exec(plain) ?? [];
  if (namespace === undefined || pod === undefined) return { kind: 'unknown' };
  return { kind: 'waypoint', namespace, pod, port: second === undefined ? 15020 : 15090 };
}

function escapeHtml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;');
}
