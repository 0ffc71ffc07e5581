import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import type { PodSpec } from '../../../../deploy/local/materialize/pod-spec.ts';
import { openLogFile } from '../../../../deploy/local/supervisor/log-file-process.ts';
import { PodProcess } from '../../../../deploy/local/supervisor/pod-process.ts';
import { sharedSandbox } from '../../../../deploy/local/supervisor/pod-sandbox-process.ts';

const spec: PodSpec = {
  key: 'shop/web',
  uid: 'web',
  namespace: 'shop',
  name: 'web',
  workload: 'web',
  ip: '127.9.9.9',
  serviceAccount: 'default',
  enrollment: { kind: 'not-enrolled', reason: 'a test' },
  network: 'own',
  role: { kind: 'application' },
  restartPolicy: 'Always',
  containers: [{ name: 'web', image: 'web', ports: [1], env: [], runAsUser: undefined }],
};

t.test('a container that ends again and again never makes its pod ready, and is told once', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'amb-pod-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const log = openLogFile(join(folder, 'pod.log'));
  const states = new Set<string>();
  const told: string[] = [];
  const pod = new PodProcess(spec, {
    openSandbox: async () => sharedSandbox,
    enrol: async () => {},
    leave: async () => {},
    forget: async () => {},
    commandFor: () => ({ kind: 'program', argv: ['sh', '-c', 'sleep 0.4; echo no database; exit 1'], folder, env: {} }),
    logFor: () => log,
    report: (_, text) => told.push(text),
    changed: () => states.add(pod.state),
  });
  // The pauses grow: by the fifth start it has been tried for longer than a pod waits for its ports.
  while ((pod.containers[0]?.restarts ?? 0) < 5) await new Promise((settle) => setTimeout(settle, 50));
  await pod.stop(100);
  t.match(told, [/^pod shop\/web, container web ended \(exit code 1\), again in \d+ ms, .* it said: no database/]);
  t.equal(told.length, 1);
  t.notOk(states.has('ready'), `it was ${[...states].join(', ') || pod.state}`);
});
