// What users see of podinfo in their Prometheus, whatever the control plane: their own scrape jobs find our waypoint, annotations lead to our
// nodes, and their query of requests by route answers.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Test } from 'tap';
import { ask } from './http-in-pods.ts';
import { type PodinfoCluster, usersManifests } from './podinfo-cluster.ts';
import { findPrometheus, type Prometheus, startPrometheus } from './prometheus-process.ts';
import { untilFound } from './until-found.ts';

const query = 'sum(rate(istio_requests_total{destination_app="podinfo", route_name!="unknown"}[1m])) by (route_name)';

/** The job for pods by annotation of the Prometheus that Istio ships. */
const byAnnotation = `
  - job_name: kubernetes-pods
    honor_labels: true
    kubernetes_sd_configs:
      - role: pod
    relabel_configs:
      - source_labels: [__meta_kubernetes_pod_annotation_prometheus_io_scrape]
        action: keep
        regex: true
      - source_labels: [__meta_kubernetes_pod_annotation_prometheus_io_path]
        action: replace
        target_label: __metrics_path__
        regex: (.+)
      - source_labels: [__meta_kubernetes_pod_annotation_prometheus_io_port, __meta_kubernetes_pod_ip]
        action: replace
        regex: (\\d+);((([0-9]+?)(\\.|$)){4})
        replacement: $2:$1
        target_label: __address__
      - action: labelmap
        regex: __meta_kubernetes_pod_label_(.+)
      - source_labels: [__meta_kubernetes_pod_name]
        target_label: pod
`;

interface Targets {
  readonly data: {
    readonly activeTargets: readonly {
      readonly scrapePool: string;
      readonly scrapeUrl: string;
      readonly health: string;
    }[];
  };
}

interface Vector {
  readonly data: {
    readonly result: readonly { readonly metric: Record<string, string>; readonly value: [number, string] }[];
  };
}

export async function showsPodinfo(t: Test, podinfo: PodinfoCluster): Promise<void> {
  const { client, target, waypoint, ztunnels } = podinfo;
  await t.test('requests pass the waypoint', async (t) => {
    const first = await untilFound(
      () => ask(client, target, 'GET', '/healthz'),
      ({ status }) => status === 200,
    ).catch((error: unknown) => {
      throw new Error(`${error}\n${[waypoint, ...ztunnels].map(({ log }) => log().slice(-3_000)).join('\n')}`);
    });
    t.match(first, { headers: { server: 'istio-envoy' }, body: /"OK"/ });
    const page = await waypoint.page(15_090, '/stats/prometheus');
    t.match(page, /^istio_requests_total\{.*destination_app="podinfo".*route_name="GET \/healthz".*\} [1-9]/m);
  });

  const found = findPrometheus(t);
  if ('lack' in found) await t.test('Prometheus', { skip: found.lack }, async () => {});
  else await t.test('Prometheus', (t) => isScraped(t, found.program, podinfo));
}

async function isScraped(t: Test, program: string, podinfo: PodinfoCluster): Promise<void> {
  const { client, target, waypoint, ztunnels } = podinfo;
  const usersJobs = readFileSync(join(usersManifests, 'prometheus-scrape.yaml'), 'utf8').trimEnd();
  const prometheus = await startPrometheus(t, program, podinfo, `${usersJobs}${byAnnotation}`);

  await t.test(
    'the jobs that users have find the waypoint by the name of its port, and nodes by annotation',
    async (t) => {
      const urls = async () => {
        const { data } = await prometheus.ask<Targets>('targets');
        return data.activeTargets
          .filter(({ health }) => health === 'up')
          .map(({ scrapePool, scrapeUrl }) => `${scrapePool} ${scrapeUrl}`);
      };
      const wanted = [
        `envoy-stats http://${waypoint.pod.pod.address}:15090/stats/prometheus`,
        `kubernetes-pods http://${waypoint.pod.pod.address}:15020/stats/prometheus`,
        ...ztunnels.map(({ pod }) => `kubernetes-pods http://${pod.pod.address}:15020/metrics`),
      ];
      const found = await untilFound(urls, (up) => wanted.every((url) => up.includes(url)));
      t.same(
        wanted.filter((url) => !found.includes(url)),
        [],
      );
    },
  );

  await t.test('the query that users have answers with each route', async (t) => {
    const rates = async () => {
      await ask(client, target, 'GET', '/healthz');
      await ask(client, target, 'POST', '/echo', 'test');
      await ask(client, target, 'GET', '/version');
      return await answers(prometheus, query);
    };
    const found = await untilFound(rates, (all) => all.length >= 2 && all.every(({ value }) => value > 0));
    t.same(found.map(({ metric }) => metric['route_name']).sort(), ['GET /healthz', 'POST /echo']);
  });

  await t.test("both ends' connections are counted", async (t) => {
    const opened = 'sum(istio_tcp_connections_opened_total{app="ztunnel"}) by (reporter, connection_security_policy)';
    const found = await untilFound(
      () => answers(prometheus, opened),
      (all) => all.length >= 2,
    );
    const kinds = found.map(({ metric }) => `${metric['reporter']} ${metric['connection_security_policy']}`).sort();
    t.same(kinds, ['destination mutual_tls', 'source mutual_tls']);
  });
}

async function answers(prometheus: Prometheus, query: string) {
  const { data } = await prometheus.ask<Vector>(`query?query=${encodeURIComponent(query)}`);
  return data.result.map(({ metric, value }) => ({ metric, value: Number(value[1]) }));
}
