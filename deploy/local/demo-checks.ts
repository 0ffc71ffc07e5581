// What `npm start -- --once` holds true after a few seconds of traffic: routes, labels and TCP numbers that the podinfo
// example promises. Samples of all endpoints in, one line per broken promise out; pure.
import type { Sample } from './prometheus-text.ts';

const routes = ['GET /healthz', 'POST /echo', 'unknown'];

export function checkDemo(samples: readonly Sample[], mode: 'captured' | 'explicit'): readonly string[] {
  const failures: string[] = [];
  const requests = samples.filter((sample) => sample.name === 'istio_requests_total');
  for (const route of routes) {
    const found = requests.filter(({ labels }) => labels['route_name'] === route && labels['reporter'] === 'waypoint');
    const good = found.filter(({ labels, value }) => value > 0 && labels['destination_app'] === 'podinfo');
    if (good.length === 0) {
      failures.push(`no istio_requests_total{reporter="waypoint",destination_app="podinfo",route_name="${route}"}`);
    }
  }
  for (const metric of ['connections_opened', 'connections_closed', 'sent_bytes', 'received_bytes']) {
    const name = `istio_tcp_${metric}_total`;
    const good = samples.filter(
      ({ name: found, labels, value }) =>
        found === name && value > 0 && labels['connection_security_policy'] === 'mutual_tls',
    );
    if (good.length === 0) failures.push(`no ${name}{connection_security_policy="mutual_tls"} (${mode} mode)`);
  }
  return failures;
}
