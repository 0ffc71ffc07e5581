// The mesh's own network namespace, in which this process stands: loopback with the node's address, forwarding between
// pods, and the stand-in for kube-proxy. Also the redirect rules inside a pod.
import { existsSync, writeFileSync } from 'node:fs';
import {
  defaultRedirect,
  redirectRemoval,
  redirectRoutes,
  redirectRoutesRemoval,
  redirectRuleset,
} from '../../../ztunnel/capture/redirect-rules.ts';
import { runCommand } from '../command-process.ts';
import type { ServiceTarget } from '../materialize/service-endpoints.ts';
import { rootLinks } from './link-commands.ts';
import type { PodSandbox } from './pod-sandbox-process.ts';
import { serviceRules } from './service-rules.ts';

export async function prepareMeshNetwork(nodeIp: string): Promise<void> {
  await runCommand(['ip', '-batch', '-'], rootLinks(nodeIp));
  writeFileSync('/proc/sys/net/ipv4/ip_forward', '1\n');
}

export async function applyServiceRules(services: readonly ServiceTarget[]): Promise<void> {
  await runCommand(['nft', '-f', '-'], serviceRules(services));
}

export async function redirectPod(sandbox: PodSandbox): Promise<void> {
  await runInside(
    sandbox,
    redirectRuleset({ ...defaultRedirect, dns: 'capture' }),
    redirectRoutes({ ipv6: ipv6State() }),
  );
}

export async function releasePod(sandbox: PodSandbox): Promise<void> {
  await runInside(sandbox, redirectRemoval(), redirectRoutesRemoval({ ipv6: ipv6State() }));
}

/** All of it by one shell: a process that this one starts itself costs a hundred times one that a small shell starts. */
async function runInside(
  { pid }: PodSandbox,
  ruleset: string,
  commands: readonly (readonly string[])[],
): Promise<void> {
  const script = [`nft -f - <<'RULES'`, ruleset, 'RULES', ...commands.map((words) => words.join(' ')), ''].join('\n');
  await runCommand(['nsenter', '-t', `${pid}`, '-n', '--', 'sh', '-e', '-s'], script);
}

function ipv6State(): 'on' | 'off' {
  return existsSync('/proc/net/if_inet6') ? defaultRedirect.ipv6 : 'off';
}
