// The benchmarks: `npm run bench` measures the laptop mesh beside direct connections, `npm run bench -- NAME …` one of those below.
// Each says in its head which options it takes.
const benches: Readonly<Record<string, () => Promise<unknown>>> = {
  /** Beside Istio's ztunnel. */
  tunnel: () => import('./tunnel.ts'),
  /** The mesh in memory that threads share. */
  'mesh-index': () => import('./mesh-index.ts'),
  /** What a workload costs a daemon in memory, beside Istio's ztunnel. */
  'workload-memory': () => import('./workload-memory.ts'),
  /** What metrics and access log cost, and a scrape. */
  telemetry: () => import('./telemetry.ts'),
  /** A large cluster read from a real API server. */
  'kubernetes-sync': () => import('./kubernetes-sync.ts'),
  /** A large mesh pushed by delta xDS. */
  'xds-push': () => import('./xds-push.ts'),
};
const bench = benches[process.argv[2] ?? ''] ?? (() => import('./mesh.ts'));
await bench();
