// The daemon as a process: usage, bad configuration, an address that is taken, and explicit mode from manifests to its end.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import t from 'tap';

const mainFile = join(import.meta.dirname, '../../ztunnel/main.ts');
const anyPorts = { AMBIENTD_ADMIN_PORT: '0', AMBIENTD_STATS_PORT: '0', AMBIENTD_READINESS_PORT: '0' };
const explicit = { PROXY_MODE: 'explicit', NODE_NAME: 'here', LOG_FORMAT: 'json', ...anyPorts };

function start(argv: readonly string[], env: Record<string, string>): ChildProcess {
  const child = spawn(process.execPath, [mainFile, ...argv], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  t.teardown(() => child.kill('SIGKILL'));
  return child;
}

async function run(argv: readonly string[], env: Record<string, string>) {
  const child = start(argv, env);
  const [out, err, [code]] = await Promise.all([
    child.stdout === null ? '' : text(child.stdout),
    child.stderr === null ? '' : text(child.stderr),
    once(child, 'exit'),
  ]);
  return { out, err, code };
}

/** Waits for a log line, and returns it. */
async function lineWith(child: ChildProcess, wanted: string): Promise<Record<string, unknown>> {
  let seen = '';
  for await (const chunk of child.stdout ?? []) {
    seen += chunk;
    const line = seen.split('\n').find((each) => each.includes(wanted) && each.endsWith('}'));
    if (line !== undefined) return JSON.parse(line);
  }
  throw new Error(`"${wanted}" was never logged`);
}

t.test('says its version and its usage', async (t) => {
  t.match(await run(['version'], {}), { code: 0, out: /^\d+\.\d+\.\d+\n$/ });
  t.match(await run(['--help'], {}), { code: 0, out: /^Usage: / });
  t.match(await run(['whatever'], {}), { code: 64, err: /unknown argument "whatever"/ });
});

t.test('names every bad variable, one in a line, and exits with 64', async (t) => {
  const { code, err, out } = await run([], { PROXY_MODE: 'both', LOG_FORMAT: 'xml' });
  t.equal(code, 64);
  t.equal(out, '');
  const lines = err.trimEnd().split('\n');
  t.equal(lines.length, 2);
  for (const line of lines) t.match(line, /^ztunnel: invalid env var (PROXY_MODE|LOG_FORMAT)=/);
});

t.test('says which port is taken, and exits with 1', async (t) => {
  const holder = createServer().listen(0, '127.0.0.1');
  await once(holder, 'listening');
  t.teardown(() => holder.close());
  const address = holder.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const manifests = join(t.testdir({ 'a.yaml': '' }), 'a.yaml');
  const { code, out } = await run([], { ...explicit, AMBIENTD_MANIFESTS: manifests, AMBIENTD_ADMIN_PORT: `${port}` });
  t.equal(code, 1);
  t.match(out, new RegExp(`"code":"ADDRESS_IN_USE".*admin server cannot listen on 127.0.0.1 port ${port}`));
});

t.test('serves the enrolled pods of its node, and ends in order', async (t) => {
  const manifests = t.testdir({
    'pods.yaml': `
apiVersion: v1
kind: Pod
metadata: { name: one, namespace: demo, annotations: { ambient.istio.io/redirection: enabled } }
spec: { nodeName: here, serviceAccountName: one, containers: [{ name: app }] }
status: { phase: Running, podIPs: [{ ip: 127.74.1.1 }], conditions: [{ type: Ready, status: "True" }] }
---
apiVersion: v1
kind: Pod
metadata: { name: two, namespace: demo, annotations: { ambient.istio.io/redirection: enabled } }
spec: { nodeName: there, serviceAccountName: two, containers: [{ name: app }] }
status: { phase: Running, podIPs: [{ ip: 127.74.1.2 }], conditions: [{ type: Ready, status: "True" }] }
`,
  });
  const child = start(['proxy', 'ztunnel'], { ...explicit, AMBIENTD_MANIFESTS: manifests });
  t.match(await lineWith(child, 'pod is served'), { workload: 'one', namespace: 'demo' });
  child.kill('SIGTERM');
  const [code] = await once(child, 'exit');
  t.equal(code, 0);
});
