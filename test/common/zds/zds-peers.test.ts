// ZDS with Istio's own programs: our client with ztunnel's example agent, our agent with the real ztunnel.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import t, { type Test } from 'tap';
import {
  createAnonymousNamespace,
  identifyNamespace,
  type NetworkNamespace,
  openNamespace,
} from '../../../common/net/network-namespace-socket.ts';
import { createPodSocketFactory } from '../../../common/net/pod-socket-factory-socket.ts';
import { runInNamespace } from '../../../common/net/run-in-namespace-process.ts';
import { createZdsClient } from '../../../common/zds/zds-client.ts';
import type { PodWorkload } from '../../../common/zds/zds-codec.ts';
import { createZdsServer } from '../../../common/zds/zds-server.ts';
import { collectLog } from '../../support/collected-log.ts';
import { inUserNamespace } from '../../support/in-user-namespace.ts';
import { unpackPeers, whyNoPeers } from '../../support/peers.ts';

/** Runs until the test ends. */
function run(t: Test, program: string, args: readonly string[], env: Record<string, string>): ChildProcess {
  const child = spawn(program, args, { env: { PATH: process.env['PATH'] ?? '', ...env }, stdio: 'ignore' });
  t.teardown(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGKILL');
    await once(child, 'exit');
  });
  return child;
}

/** What `ip netns` and ztunnel's example agent need, without touching the machine's /run. */
async function makePrivateRun(t: Test, home: NetworkNamespace): Promise<void> {
  await runInNamespace(home, ['mount', '-t', 'tmpfs', 'tmpfs', '/run']);
  t.teardown(() => runInNamespace(home, ['umount', '-l', '/run']));
  mkdirSync('/run/netns');
}

/** Ports below 32768 on which somebody listens there, from the kernel's own table. */
function listeningPorts(namespace: NetworkNamespace): readonly number[] {
  const table = namespace.run(() => readFileSync('/proc/thread-self/net/tcp6', 'utf8'));
  const rows = table.split('\n').map((row) => row.trim().split(/\s+/));
  return rows.filter((row) => row[3] === '0A').map((row) => Number.parseInt(row[1]?.split(':')[1] ?? '', 16));
}

if (await inUserNamespace(t, import.meta.filename, ['ip'])) {
  const skip = whyNoPeers() ?? false;
  const folder = skip === false ? unpackPeers(t, 'ztunnel', 'inpodserver') : '';
  const home = await openNamespace('/proc/self/ns/net');
  t.teardown(() => home.close());
  await runInNamespace(home, ['ip', 'link', 'set', 'lo', 'up']);

  t.test("our client gets its pod from ztunnel's example agent", { skip }, async (t) => {
    await makePrivateRun(t, home);
    await runInNamespace(home, ['ip', 'netns', 'add', 'pod']);
    t.teardown(() => runInNamespace(home, ['ip', 'netns', 'delete', 'pod']));
    const expected = await openNamespace('/run/netns/pod');
    t.teardown(() => expected.close());
    const path = join(folder, 'agent.sock');
    run(t, join(folder, 'inpodserver'), ['pod'], { INPOD_UDS: path, PROXY_WORKLOAD_INFO: 'shop/web-1/web' });
    while (!existsSync(path)) await setTimeout(20);
    const added = Promise.withResolvers<PodWorkload>();
    const ready = Promise.withResolvers<string>();
    const client = createZdsClient({
      path,
      log: collectLog().log,
      onAdd: async (workload, descriptor) => {
        t.equal(identifyNamespace(descriptor), expected.identity);
        added.resolve(workload);
      },
      onDelete: async () => {},
      onReadiness: ready.resolve,
    });
    t.teardown(() => client.close());
    await client.start();
    t.same(await added.promise, { uid: 'uid-0', name: 'web-1', namespace: 'shop', serviceAccount: 'web' });
    t.equal(await ready.promise, 'ready');
  });

  t.test("our agent hands pods to Istio's ztunnel", { skip }, async (t) => {
    const path = join(folder, 'ztunnel.sock');
    const agent = createZdsServer({ path, log: collectLog().log });
    await agent.start();
    t.teardown(() => agent.close());
    const early = await createAnonymousNamespace();
    const late = await createAnonymousNamespace();
    t.teardown(() => void [early.close(), late.close()]);
    for (const namespace of [early, late]) await runInNamespace(namespace, ['ip', 'link', 'set', 'lo', 'up']);
    const pod = (uid: string): PodWorkload => ({ uid, name: uid, namespace: 'default', serviceAccount: 'default' });
    const inSnapshot = agent.add(pod('early'), early.descriptor);
    run(t, join(folder, 'ztunnel'), ['proxy', 'ztunnel'], {
      PROXY_MODE: 'shared',
      INPOD_UDS: path,
      FAKE_CA: 'true',
      XDS_ADDRESS: '',
      LOCAL_XDS: '{}',
    });
    await inSnapshot;
    const ports = [15001, 15006, 15008];
    t.same(
      ports.filter((port) => !listeningPorts(early).includes(port)),
      [],
      'from its snapshot',
    );

    const occupant = createPodSocketFactory({ namespace: late, reusePort: false });
    const listener = await occupant.listenSockets({ port: 15008, host: 'any' }, () => {});
    await t.rejects(agent.add(pod('late'), late.descriptor), {
      message: /ztunnel does not serve the pod default\/late .*failure to start proxy.*in use/,
    });
    await listener.close();
    await agent.add(pod('late'), late.descriptor);
    t.same(
      ports.filter((port) => !listeningPorts(late).includes(port)),
      [],
      'one by one',
    );

    await agent.delete('late');
    while (listeningPorts(late).length > 0) await setTimeout(20);
    t.same(
      ports.filter((port) => !listeningPorts(early).includes(port)),
      [],
      'and takes back only the one',
    );
  });
}
